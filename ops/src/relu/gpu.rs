//! ReLU on GPUs.

use burn::backend::{
    Backend, Scalar, TensorMetadata as _, get_or_init_device_settings, tensor::FloatTensor,
};

/// The positive part, with NaN where there was NaN: the maximum of NaN and 0 is 0 on GPUs.
pub(crate) fn rectify<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let mask = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    let is_negative = B::float_lower_elem(x.clone(), Scalar::Float(0.0), mask);
    B::float_mask_fill(x, is_negative, Scalar::Float(0.0))
}
