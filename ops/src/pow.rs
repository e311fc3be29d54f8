//! Powers, which keep NaN on every device.

use burn::{
    backend::{
        Dispatch, DispatchTensor, Scalar, TensorMetadata as _, get_or_init_device_settings,
        ops::FloatTensorOps as _,
    },
    tensor::Tensor,
};

use crate::nan::{is_on_gpu, with_nan_of};

/// Each element to the power of another.
///
/// ```text
/// out[i] = x[i] ^ exponent[i]
/// ```
///
/// Burn's `powf`, and recorded as that. A power of NaN is NaN, also on GPUs, where Burn has other
/// numbers; with exponent 0 it is 1, as in PyTorch.
///
/// # Shapes
/// x, exponent: `[..]` float, of shapes that go together · output: `[..]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<1>::from_floats([2.0, f32::NAN], &device);
/// let out = kiln_ops::powf(x, Tensor::from_floats([3.0, 2.0], &device)).into_data();
/// let out = out.as_slice::<f32>().unwrap();
/// assert!(out[0] == 8.0 && out[1].is_nan());
/// ```
pub fn powf<const D: usize>(x: Tensor<D>, exponent: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(dispatched(x.into_dispatch(), exponent.into_dispatch()))
}

/// Each element to the power of a number: see [`powf`].
pub fn powf_scalar<const D: usize>(x: Tensor<D>, exponent: f64) -> Tensor<D> {
    Tensor::from_dispatch(scalar(x.into_dispatch(), Scalar::Float(exponent)))
}

/// See [`powf`].
pub(crate) fn dispatched(x: DispatchTensor, exponent: DispatchTensor) -> DispatchTensor {
    let out = Dispatch::float_powf(x.clone(), exponent.clone());
    if !is_on_gpu(&x.kind) {
        return out;
    }
    let shape = out.shape();
    let wide = |x: DispatchTensor| {
        if x.shape() == shape {
            x
        } else {
            Dispatch::float_expand(x, shape.clone())
        }
    };
    let mask = get_or_init_device_settings::<Dispatch>(&x.device()).bool_dtype;
    let is_zero = Dispatch::float_equal_elem(wide(exponent), Scalar::Float(0.0), mask);
    let base = Dispatch::float_mask_fill(wide(x), is_zero, Scalar::Float(1.0));
    with_nan_of(out, base)
}

/// See [`powf_scalar`].
pub(crate) fn scalar(x: DispatchTensor, exponent: Scalar) -> DispatchTensor {
    let out = Dispatch::float_powf_scalar(x.clone(), exponent);
    match exponent {
        Scalar::Float(0.0) | Scalar::Int(0) => out,
        _ => with_nan_of(out, x),
    }
}
