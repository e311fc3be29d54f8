//! Limits with PyTorch's gradient at NaN.

use burn::tensor::Tensor;

use crate::scope;

/// Each element limited to a range; a bound that is absent is none.
///
/// ```text
/// out[i] = min( max( x[i], min ), max )
/// ```
///
/// Burn's `clamp`, and recorded as that, but with PyTorch's gradient at NaN: 0, where Burn has 1.
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
    if !x.device().is_autodiff() || scope::is_recorded(&x) {
        return out;
    }
    let is_nan = x.clone().not_equal(x);
    out.mask_fill(is_nan, f64::NAN)
}
