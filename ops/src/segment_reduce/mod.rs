//! Reduction of consecutive rows: `scatter` for rows that are already sorted by destination.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::tensor::{Int, Tensor};

use crate::{Reduce, dispatch};

/// Reduces consecutive rows of `x`.
///
/// ```text
/// out[i, ..] = ⊕ { x[e, ..] : ptr[i] ≤ e < ptr[i + 1] }
/// ```
///
/// Matches `torch_geometric.utils.segment`: an empty segment is 0 (1 for [`Reduce::Mul`]).
///
/// # Shapes
/// x: `[E, ..]` float · ptr: `[n + 1]` int, not decreasing, `ptr[0] = 0`, `ptr[n] = E` · output:
/// `[n, ..]`
///
/// # Numerics
/// As [`scatter`](crate::scatter).
///
/// # Panics
/// If `ptr` is empty; on the CPU, if it decreases or its ends are not 0 and `E`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_ops::Reduce;
///
/// let device = Device::default();
/// let x = Tensor::<1>::from_floats([1.0, 3.0, 5.0], &device);
/// let ptr = Tensor::<1, Int>::from_ints([0, 2, 2, 3], &device);
/// let out = kiln_ops::segment_reduce(x, ptr, Reduce::Mean).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [2.0, 0.0, 5.0]);
/// ```
pub fn segment_reduce<const D: usize>(
    x: Tensor<D>,
    ptr: Tensor<1, Int>,
    reduce: Reduce,
) -> Tensor<D> {
    let out = dispatch::segment_reduce(x.into_dispatch(), ptr.into_dispatch(), reduce);
    Tensor::from_dispatch(out)
}
