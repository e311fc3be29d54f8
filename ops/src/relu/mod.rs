//! ReLU whose gradient is taken from its result.

pub(crate) mod backward;

use burn::{backend::Dispatch, tensor::Tensor};

use crate::GraphOps;

/// The positive part of each element.
///
/// ```text
/// out[i] = max( x[i], 0 )
/// ```
///
/// Burn's `relu`, and recorded as that. Burn keeps `x` for the gradient; this keeps the result, which the
/// next layer keeps as well, so that between two layers one matrix stays in memory and not two.
///
/// # Shapes
/// x: `[..]` float · output: the same
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<1>::from_floats([1.0, -2.0], &Device::default());
/// let out = kiln_ops::relu(x).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [1.0, 0.0]);
/// ```
pub fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as GraphOps>::rectify(x.into_dispatch()))
}
