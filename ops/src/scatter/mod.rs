//! Rows to destinations: how messages meet at a node.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::tensor::{Int, Tensor};

use crate::{Reduce, dispatch};

/// Reduces the rows of `x` that share a destination.
///
/// ```text
/// out[i, ..] = ⊕ { x[e, ..] : index[e] = i }
/// ```
///
/// Matches `torch_geometric.utils.scatter`: a destination without rows is 0 (1 for
/// [`Reduce::Mul`]).
///
/// # Shapes
/// x: `[E, ..]` float · index: `[E]` int, values in `0..size`, in any order · output: `[size, ..]`
///
/// # Numerics
/// Rows are reduced in the order of `e`, so results are the same in every run. The gradient of max
/// and min is split evenly among equal extrema; that of the product is exact where rows are zero.
///
/// # Panics
/// If `x` and `index` have different lengths; on the CPU, if an index is outside `0..size`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_ops::Reduce;
///
/// let device = Device::default();
/// let x = Tensor::<1>::from_floats([1.0, 2.0, 4.0], &device);
/// let index = Tensor::<1, Int>::from_ints([1, 0, 1], &device);
/// let out = kiln_ops::scatter(x, index, 3, Reduce::Sum).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [2.0, 5.0, 0.0]);
/// ```
pub fn scatter<const D: usize>(
    x: Tensor<D>,
    index: Tensor<1, Int>,
    size: usize,
    reduce: Reduce,
) -> Tensor<D> {
    let out = dispatch::scatter(x.into_dispatch(), index.into_dispatch(), size, reduce);
    Tensor::from_dispatch(out)
}
