//! Scale and shift of features, and checks of what norms are made from.

use burn::{
    module::Param,
    nn::Initializer,
    tensor::{Device, Tensor},
};

use crate::config::ConfigError;

/// A parameter of ones.
pub(super) fn ones<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Initializer::Ones.init(shape, device)
}

/// A parameter of zeros.
pub(super) fn zeros<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Initializer::Zeros.init(shape, device)
}

/// Rows times a scale, plus a shift, where there are any.
pub(super) fn scaled(
    x: Tensor<2>,
    weight: Option<&Param<Tensor<1>>>,
    bias: Option<&Param<Tensor<1>>>,
) -> Tensor<2> {
    let x = match weight {
        Some(weight) => x * weight.val().unsqueeze(),
        None => x,
    };
    match bias {
        Some(bias) => x + bias.val().unsqueeze(),
        None => x,
    }
}

/// Checks a number of features.
pub(super) fn check_width(in_channels: usize) -> Result<(), ConfigError> {
    ConfigError::unless(in_channels > 0, "in_channels", "at least one", "0")
}

/// Checks what is added to a variance.
pub(super) fn check_eps(eps: f64) -> Result<(), ConfigError> {
    let ok = eps.is_finite() && eps > 0.0;
    ConfigError::unless(ok, "eps", "a positive number", eps.to_string())
}

/// Checks the weight of the newest batch in running statistics.
pub(super) fn check_momentum(momentum: f64) -> Result<(), ConfigError> {
    let ok = (0.0..=1.0).contains(&momentum);
    ConfigError::unless(ok, "momentum", "a number in [0, 1]", momentum.to_string())
}
