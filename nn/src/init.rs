//! Initial values of parameters, as PyG chooses them.

use burn::{
    module::Param,
    nn::Initializer,
    tensor::{Device, Tensor},
};

use crate::config::count;

/// An attention vector `[1, heads, channels]`, Glorot over its last two axes.
pub(crate) fn glorot_heads(heads: usize, channels: usize, device: &Device) -> Param<Tensor<3>> {
    Initializer::XavierUniform { gain: 1.0 }.init_with(
        [1, heads, channels],
        Some(heads),
        Some(channels),
        device,
    )
}

/// A weight `[.., in, out]`, Glorot over its last two axes.
pub(crate) fn glorot<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let (fan_in, fan_out) = (shape[D - 2], shape[D - 1]);
    let init = Initializer::XavierUniform { gain: 1.0 };
    init.init_with(shape, Some(fan_in), Some(fan_out), device)
}

/// Uniform in `±1 / √width`.
pub(crate) fn uniform<const D: usize>(
    shape: [usize; D],
    width: usize,
    device: &Device,
) -> Param<Tensor<D>> {
    let bound = count(width.max(1)).sqrt().recip();
    let (min, max) = (-bound, bound);
    Initializer::Uniform { min, max }.init(shape, device)
}

/// A bias of zeros.
pub(crate) fn zeros(width: usize, device: &Device) -> Param<Tensor<1>> {
    Initializer::Zeros.init([width], device)
}
