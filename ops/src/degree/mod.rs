//! Number of edges of each node.

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::tensor::{Int, Tensor};

use crate::dispatch;

/// Counts the entries of each index.
///
/// ```text
/// out[i] = |{ e : index[e] = i }|
/// ```
///
/// Matches `torch_geometric.utils.degree`. Not differentiable: a count does not depend on features.
///
/// # Shapes
/// index: `[E]` int, values in `0..size` · output: `[size]` of the device's default float type
///
/// # Panics
/// On the CPU, if an index is outside `0..size`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let index = Tensor::<1, Int>::from_ints([0, 2, 2], &Device::default());
/// let out = kiln_ops::degree(index, 3).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [1.0, 0.0, 2.0]);
/// ```
pub fn degree(index: Tensor<1, Int>, size: usize) -> Tensor<1> {
    let dtype = index.device().settings().float_dtype;
    Tensor::from_dispatch(dispatch::degree(index.into_dispatch(), size, dtype))
}
