//! The sigmoid, which keeps NaN on every device.

use burn::{
    backend::{Dispatch, DispatchTensor, ops::ActivationOps as _},
    tensor::Tensor,
};

use crate::nan::with_nan_of;

/// The logistic function of each element.
///
/// ```text
/// out[i] = 1 / (1 + exp(-x[i]))
/// ```
///
/// Burn's `sigmoid`, and recorded as that. Burn's own gives 0 for NaN on GPUs.
///
/// # Shapes
/// x: `[..]` float · output: the same
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<1>::from_floats([0.0, f32::NEG_INFINITY], &Device::default());
/// let out = kiln_ops::sigmoid(x).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [0.5, 0.0]);
/// ```
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(dispatched(x.into_dispatch()))
}

/// See [`sigmoid`].
pub(crate) fn dispatched(x: DispatchTensor) -> DispatchTensor {
    with_nan_of(Dispatch::sigmoid(x.clone()), x)
}
