//! The sigmoid, which keeps NaN on every device.

#[cfg(feature = "cube")]
use burn::backend::{DispatchTensorKind, Shape, TensorMetadata as _, ops::FloatTensorOps as _};
use burn::{
    backend::{Dispatch, DispatchTensor, ops::ActivationOps as _},
    tensor::Tensor,
};

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
    #[cfg(feature = "cube")]
    if is_on_gpu(&x.kind) {
        let shape = x.shape();
        let flat = Shape::new([shape.num_elements()]);
        let x = Tensor::<1>::from_dispatch(Dispatch::float_reshape(x, flat));
        // NaN or 0, and so is its square, whose gradient at NaN is NaN.
        let nan = x.clone().mask_fill(x.clone().is_nan().bool_not(), 0.0);
        let out = burn::tensor::activation::sigmoid(x) + nan.clone() * nan;
        return Dispatch::float_reshape(out.into_dispatch(), shape);
    }
    Dispatch::sigmoid(x)
}

#[cfg(feature = "cube")]
fn is_on_gpu(kind: &DispatchTensorKind) -> bool {
    match kind {
        DispatchTensorKind::Cube(_) => true,
        DispatchTensorKind::Autodiff(inner) => is_on_gpu(inner),
        _ => false,
    }
}
