//! Gather, weigh and reduce in one: products of a sparse adjacency matrix and dense features.
//!
//! The messages `w[e] · x[src[e]]` are never stored; memory stays at `(N + n) · F + E`.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::tensor::{Int, Tensor};

use crate::{Reduce, dispatch};

/// Gathers, weighs and reduces along edges given as a list.
///
/// ```text
/// out[i, f] = ⊕ { w[e] · x[src[e], f] : dst[e] = i }          (w = 1 without weights)
/// ```
///
/// With [`Reduce::Mean`] the sum is divided by the number of edges, not by the sum of weights. Same
/// result as [`gather`](crate::gather), a product and [`scatter`](crate::scatter), without the
/// `E × F` messages.
///
/// Gradients: `dx` is the product with the transposed matrix, `dw[e] = dout[dst[e]] · x[src[e]]`.
/// With max, min and product they are those of [`scatter`](crate::scatter).
///
/// # Shapes
/// x: `[N, F]` float · src: `[E]` int in `0..N` · dst: `[E]` int in `0..size` · weight: `[E]` of
/// the type of `x` · output: `[size, F]`
///
/// # Panics
/// If lengths disagree; on the CPU, if an index is out of range.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_ops::Reduce;
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0], [10.0]], &device);
/// let src = Tensor::<1, Int>::from_ints([0, 1, 1], &device);
/// let dst = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let out = kiln_ops::spmm(x, src, dst, None, 2, Reduce::Sum).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [11.0, 10.0]);
/// ```
pub fn spmm(
    x: Tensor<2>,
    src: Tensor<1, Int>,
    dst: Tensor<1, Int>,
    weight: Option<Tensor<1>>,
    size: usize,
    reduce: Reduce,
) -> Tensor<2> {
    Tensor::from_dispatch(dispatch::spmm(
        x.into_dispatch(),
        src.into_dispatch(),
        dst.into_dispatch(),
        weight.map(Tensor::into_dispatch),
        size,
        reduce,
    ))
}

/// Gathers, weighs and reduces along edges given as compressed rows (CSR by destination).
///
/// ```text
/// out[i, f] = ⊕ { value[k] · x[col[k], f] : rowptr[i] ≤ k < rowptr[i + 1] }
/// ```
///
/// As [`spmm`], and faster for a graph that is used more than once, because edges need no sorting.
///
/// # Shapes
/// x: `[N, F]` float · rowptr: `[n + 1]` int, not decreasing, from 0 to `E` · col: `[E]` int in
/// `0..N` · value: `[E]` of the type of `x` · output: `[n, F]`
///
/// # Panics
/// If lengths disagree; on the CPU, if `rowptr` or an index is out of range.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_ops::Reduce;
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0], [10.0]], &device);
/// let rowptr = Tensor::<1, Int>::from_ints([0, 2, 3], &device);
/// let col = Tensor::<1, Int>::from_ints([0, 1, 1], &device);
/// let value = Tensor::<1>::from_floats([1.0, 0.5, 2.0], &device);
/// let out = kiln_ops::spmm_csr(x, rowptr, col, Some(value), Reduce::Sum).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [6.0, 20.0]);
/// ```
pub fn spmm_csr(
    x: Tensor<2>,
    rowptr: Tensor<1, Int>,
    col: Tensor<1, Int>,
    value: Option<Tensor<1>>,
    reduce: Reduce,
) -> Tensor<2> {
    Tensor::from_dispatch(dispatch::spmm_csr(
        x.into_dispatch(),
        rowptr.into_dispatch(),
        col.into_dispatch(),
        value.map(Tensor::into_dispatch),
        reduce,
    ))
}
