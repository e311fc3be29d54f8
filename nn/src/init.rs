//! Initial values of parameters, as PyG chooses them.

use burn::{
    module::Param,
    nn::Initializer,
    tensor::{Device, Tensor},
};

/// An attention vector `[1, heads, channels]`, Glorot over its last two axes.
pub(crate) fn glorot_heads(heads: usize, channels: usize, device: &Device) -> Param<Tensor<3>> {
    Initializer::XavierUniform { gain: 1.0 }.init_with(
        [1, heads, channels],
        Some(heads),
        Some(channels),
        device,
    )
}

/// A bias of zeros.
pub(crate) fn zeros(width: usize, device: &Device) -> Param<Tensor<1>> {
    Initializer::Zeros.init([width], device)
}
