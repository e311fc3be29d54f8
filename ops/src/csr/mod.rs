//! Edge lists (COO) to compressed rows (CSR) and back.

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::tensor::{Int, Tensor};

use crate::dispatch;

/// Sorts entries by row and points at each row's range.
///
/// ```text
/// rowptr[i] = number of entries with index < i
/// perm      = the entries' numbers, by row; entries of one row keep their order (stable)
/// ```
///
/// so that row `i` holds the entries `perm[rowptr[i]] .. perm[rowptr[i + 1] - 1]`.
///
/// # Shapes
/// index: `[E]` int, values in `0..size` · output: rowptr `[size + 1]` and perm `[E]` of the type
/// of `index`
///
/// # Panics
/// On the CPU, if an index is outside `0..size`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let index = Tensor::<1, Int>::from_ints([2, 0, 2], &Device::default());
/// let (rowptr, perm) = kiln_ops::coo_to_csr(index, 3);
/// assert_eq!(rowptr.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 1, 1, 3]);
/// assert_eq!(perm.into_data().iter::<i64>().collect::<Vec<_>>(), [1, 0, 2]);
/// ```
pub fn coo_to_csr(index: Tensor<1, Int>, size: usize) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let (rowptr, perm) = dispatch::coo_to_csr(index.into_dispatch(), size);
    (Tensor::from_dispatch(rowptr), Tensor::from_dispatch(perm))
}

/// The row of each entry of compressed rows: the inverse of [`coo_to_csr`]'s first output.
///
/// ```text
/// out[k] = i   where   ptr[i] ≤ k < ptr[i + 1]
/// ```
///
/// # Shapes
/// ptr: `[n + 1]` int, not decreasing, from 0 to `entries` · output: `[entries]` of the type of
/// `ptr`
///
/// # Panics
/// If `ptr` is empty; on the CPU, if it decreases or its ends are not 0 and `entries`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let ptr = Tensor::<1, Int>::from_ints([0, 1, 1, 3], &Device::default());
/// let rows = kiln_ops::ptr_to_index(ptr, 3).into_data();
/// assert_eq!(rows.iter::<i64>().collect::<Vec<_>>(), [0, 2, 2]);
/// ```
pub fn ptr_to_index(ptr: Tensor<1, Int>, entries: usize) -> Tensor<1, Int> {
    Tensor::from_dispatch(dispatch::ptr_to_index(ptr.into_dispatch(), entries))
}
