//! Softmax among the edges of a destination: attention weights.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::tensor::{Int, Tensor};

use crate::dispatch;

/// Normalises scores among the rows that share a destination.
///
/// ```text
/// m[i]   = max { x[k] : index[k] = i }
/// out[e] = exp(x[e] - m[index[e]]) / (Σ { exp(x[k] - m[index[k]]) : index[k] = index[e] } + 1e-16)
/// ```
///
/// Each position of the further axes (each attention head) is a softmax of its own. Matches
/// `torch_geometric.utils.softmax`, its small constant included.
///
/// # Shapes
/// x: `[E, ..]` float · index: `[E]` int, values in `0..size` · output: `[E, ..]`
///
/// # Panics
/// If `x` and `index` have different lengths; on the CPU, if an index is outside `0..size`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<1>::from_floats([0.5, 0.5, 7.0], &device);
/// let index = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let out = kiln_ops::segment_softmax(x, index, 2).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [0.5, 0.5, 1.0]);
/// ```
pub fn segment_softmax<const D: usize>(
    x: Tensor<D>,
    index: Tensor<1, Int>,
    size: usize,
) -> Tensor<D> {
    let out = dispatch::segment_softmax(x.into_dispatch(), index.into_dispatch(), size);
    Tensor::from_dispatch(out)
}
