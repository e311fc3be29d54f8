//! Limits with PyTorch's gradient at NaN.

use burn::{
    backend::{Dispatch, DispatchTensor, Scalar, ops::FloatTensorOps as _},
    tensor::Tensor,
};

use crate::{
    nan::{filled_with_nan_of, is_on_gpu},
    scope,
};

/// Each element limited to a range; a bound that is absent is none.
///
/// ```text
/// out[i] = min( max( x[i], min ), max )
/// ```
///
/// Burn's `clamp`, and recorded as that, but with PyTorch's gradient at NaN: 0, where Burn has 1.
/// NaN stays NaN, also on GPUs, where Burn gives a bound.
///
/// # Shapes
/// x: `[..]` float · output: the same
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = [-1.0, 2.0, 2.5, f32::NAN];
/// let x = Tensor::<1>::from_floats(x, &Device::default().autodiff()).require_grad();
/// let out = kiln_ops::clamp(x.clone(), Some(0.0), Some(2.0));
/// assert_eq!(out.to_data().as_slice::<f32>().unwrap()[..3], [0.0, 2.0, 2.0]);
/// let slopes = x.grad(&out.sum().backward()).unwrap().into_data();
/// assert_eq!(slopes.as_slice::<f32>().unwrap(), [0.0, 1.0, 0.0, 0.0]);
/// ```
pub fn clamp<const D: usize>(x: Tensor<D>, min: Option<f64>, max: Option<f64>) -> Tensor<D> {
    let out = match (min, max) {
        (Some(min), Some(max)) => x.clone().clamp(min, max),
        (Some(min), None) => x.clone().clamp_min(min),
        (None, Some(max)) => x.clone().clamp_max(max),
        (None, None) => return x,
    };
    if scope::is_recorded(&x)
        || !(x.device().is_autodiff() || is_on_gpu(&x.clone().into_dispatch().kind))
    {
        return out;
    }
    out.mask_fill(x.is_nan(), f64::NAN)
}

/// See [`clamp`]; bounds are floats.
pub(crate) fn dispatched(
    x: DispatchTensor,
    min: Option<Scalar>,
    max: Option<Scalar>,
) -> DispatchTensor {
    let limited = match (min, max) {
        (Some(min), Some(max)) => Dispatch::float_clamp(x.clone(), min, max),
        (Some(min), None) => Dispatch::float_clamp_min(x.clone(), min),
        (None, Some(max)) => Dispatch::float_clamp_max(x.clone(), max),
        (None, None) => return x,
    };
    filled_with_nan_of(limited, x)
}
