//! NaN on GPUs, where kernels of Burn lose it.

use burn::backend::{
    Dispatch, DispatchTensor, DispatchTensorKind, Scalar, TensorMetadata as _,
    get_or_init_device_settings, ops::FloatTensorOps as _,
};
#[cfg(feature = "cube")]
use burn::{backend::Shape, tensor::Tensor};

/// Whether kernels of a GPU compute with a tensor, for which NaN is no number like others.
pub(crate) fn is_on_gpu(kind: &DispatchTensorKind) -> bool {
    match kind {
        #[cfg(feature = "cube")]
        DispatchTensorKind::Cube(_) => true,
        DispatchTensorKind::Autodiff(inner) => is_on_gpu(inner),
        _ => false,
    }
}

/// A result on a GPU with NaN where `x`, of the same shape, is NaN. The gradient of `x` is NaN
/// there too.
pub(crate) fn with_nan_of(out: DispatchTensor, x: DispatchTensor) -> DispatchTensor {
    #[cfg(feature = "cube")]
    if is_on_gpu(&x.kind) {
        let shape = x.shape();
        let flat = |x| {
            let flat = Shape::new([shape.num_elements()]);
            Tensor::<1>::from_dispatch(Dispatch::float_reshape(x, flat))
        };
        let x = flat(x);
        // NaN or 0, and so is its square, whose gradient at NaN is NaN.
        let nan = x.clone().mask_fill(x.is_nan().bool_not(), 0.0);
        let out = flat(out) + nan.clone() * nan;
        return Dispatch::float_reshape(out.into_dispatch(), shape);
    }
    drop(x);
    out
}

/// A result on a GPU with NaN where `x`, of the same shape, is NaN, and no gradient there.
pub(crate) fn filled_with_nan_of(out: DispatchTensor, x: DispatchTensor) -> DispatchTensor {
    if !is_on_gpu(&x.kind) {
        return out;
    }
    let mask = get_or_init_device_settings::<Dispatch>(&x.device()).bool_dtype;
    let is_nan = Dispatch::float_is_nan(x, mask);
    Dispatch::float_mask_fill(out, is_nan, Scalar::Float(f64::NAN))
}
