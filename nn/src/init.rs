//! Initial values of parameters, as PyG chooses them.

use burn::{
    module::Param,
    nn::{Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor},
};

/// A linear layer with Glorot initialisation and no bias, the form in which most convolutions
/// transform features.
pub(crate) fn glorot_linear(d_input: usize, d_output: usize, device: &Device) -> Linear {
    LinearConfig::new(d_input, d_output)
        .with_bias(false)
        .with_initializer(Initializer::XavierUniform { gain: 1.0 })
        .init(device)
}

/// A linear layer with PyTorch's default initialisation: uniform in `±1 / √d_input`.
pub(crate) fn linear(d_input: usize, d_output: usize, bias: bool, device: &Device) -> Linear {
    LinearConfig::new(d_input, d_output)
        .with_bias(bias)
        .init(device)
}

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
