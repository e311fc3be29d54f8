//! ReLU whose gradient is taken from its result, and leaky ReLU with PyTorch's gradient at 0.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod gpu;

use burn::{
    backend::Dispatch,
    tensor::{Tensor, activation},
};

use crate::{GraphOps, scope};

/// The positive part of each element.
///
/// ```text
/// out[i] = max( x[i], 0 )
/// ```
///
/// Burn's `relu`, and recorded as that; NaN stays NaN, also on GPUs, where Burn gives 0. Burn keeps
/// `x` for the gradient; this keeps the result, which the next layer keeps as well, so that between
/// two layers one matrix stays in memory and not two.
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

/// Positive elements as they are, and others times `negative_slope`.
///
/// ```text
/// out[i] = x[i]                     x[i] > 0
/// out[i] = negative_slope · x[i]    otherwise
/// ```
///
/// Burn's `leaky_relu`, and recorded as that, but with PyTorch's gradient at 0: `negative_slope`,
/// where Burn has 1. Scores are exactly 0 where features are.
///
/// # Shapes
/// x: `[..]` float · output: the same
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<1>::from_floats([2.0, 0.0, -2.0], &Device::default().autodiff()).require_grad();
/// let grads = kiln_ops::leaky_relu(x.clone(), 0.25).backward();
/// let slopes = x.grad(&grads).unwrap().into_data();
/// assert_eq!(slopes.as_slice::<f32>().unwrap(), [1.0, 0.25, 0.25]);
/// ```
pub fn leaky_relu<const D: usize>(x: Tensor<D>, negative_slope: f64) -> Tensor<D> {
    if scope::is_recorded(&x) {
        return activation::leaky_relu(x, negative_slope);
    }
    let is_scaled = x.clone().lower_equal_elem(0.0);
    let scaled = x.clone().mul_scalar(negative_slope);
    x.mask_where(is_scaled, scaled)
}
