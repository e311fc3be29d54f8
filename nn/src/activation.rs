//! Activation functions by name.

use core::str::FromStr;

use burn::{
    module::Module,
    tensor::{Tensor, activation},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An activation function without parameters, with PyTorch's default settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Activation {
    /// `max(x, 0)`
    #[default]
    Relu,
    /// `x` for positive `x`, `0.01 x` otherwise.
    LeakyRelu,
    /// `x` for positive `x`, `exp(x) - 1` otherwise.
    Elu,
    /// `x Φ(x)` with the normal distribution function `Φ`.
    Gelu,
    /// `x σ(x)`, also called swish.
    Silu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Applies the function to each element.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => kiln_ops::relu(x),
            Self::LeakyRelu => activation::leaky_relu(x, 0.01),
            Self::Elu => {
                // The exponential is taken of negative numbers only: a large positive one would
                // overflow, and its gradient, which is masked out, would be NaN.
                let negative = x.clone().clamp_max(0.0).exp().sub_scalar(1.0);
                let mask = x.clone().lower_equal_elem(0.0);
                x.mask_where(mask, negative)
            }
            Self::Gelu => activation::gelu(x),
            Self::Silu => activation::sigmoid(x.clone()) * x,
            Self::Sigmoid => activation::sigmoid(x),
            Self::Tanh => activation::tanh(x),
        }
    }
}

/// A name that is no activation function.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "unknown activation `{name}`, expected one of relu, leaky_relu, elu, gelu, silu, sigmoid, tanh"
)]
pub struct UnknownActivation {
    /// The name.
    pub name: String,
}

impl FromStr for Activation {
    type Err = UnknownActivation;

    /// Reads PyG's name: upper or lower case, with or without underscores.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_lowercase().replace('_', "").as_str() {
            "relu" => Ok(Self::Relu),
            "leakyrelu" => Ok(Self::LeakyRelu),
            "elu" => Ok(Self::Elu),
            "gelu" => Ok(Self::Gelu),
            "silu" | "swish" => Ok(Self::Silu),
            "sigmoid" => Ok(Self::Sigmoid),
            "tanh" => Ok(Self::Tanh),
            _ => Err(UnknownActivation {
                name: name.to_owned(),
            }),
        }
    }
}

/// An [`Activation`] as a module, for use between layers.
#[derive(Module, Debug)]
pub struct ActivationLayer {
    /// The function.
    #[module(skip)]
    pub function: Activation,
}

impl From<Activation> for ActivationLayer {
    fn from(function: Activation) -> Self {
        Self { function }
    }
}
