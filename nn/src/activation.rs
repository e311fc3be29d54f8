//! Activation functions by name.

use burn::{
    module::Module,
    tensor::{Tensor, activation},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::by_name::by_name;

/// An activation function without parameters, with PyTorch's default settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
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
            Self::LeakyRelu => kiln_ops::leaky_relu(x, 0.01),
            Self::Elu => {
                // The exponential is taken of negative numbers only: of a large positive one or of
                // NaN its gradient, which is masked out, would be NaN.
                let is_negative = x.clone().lower_equal_elem(0.0);
                let negative = x.clone().mask_fill(is_negative.clone().bool_not(), 0.0);
                x.mask_where(is_negative, negative.exp().sub_scalar(1.0))
            }
            Self::Gelu => activation::gelu(x),
            Self::Silu => kiln_ops::sigmoid(x.clone()) * x,
            Self::Sigmoid => kiln_ops::sigmoid(x),
            Self::Tanh => activation::tanh(x),
        }
    }
}

by_name!(
    Activation,
    UnknownActivation {
        Relu: "relu",
        LeakyRelu: "leaky_relu",
        Elu: "elu",
        Gelu: "gelu",
        Silu: "silu" | "swish",
        Sigmoid: "sigmoid",
        Tanh: "tanh",
    }
);

/// A name that is no activation function.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "unknown activation `{name}`, expected one of relu, leaky_relu, elu, gelu, silu, sigmoid, tanh"
)]
pub struct UnknownActivation {
    /// The name.
    pub name: String,
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// The gradient is that of the branch that an element takes: of the identity for large numbers
    /// and NaN.
    #[test]
    fn elu_has_the_gradient_of_one_branch() {
        let device = Device::flex().autodiff();
        let x = [f32::NAN, f32::INFINITY, 1e30, -1.0, f32::NEG_INFINITY];
        let x = Tensor::<1>::from_floats(x, &device).require_grad();
        let gradients = Activation::Elu.apply(x.clone()).sum().backward();
        let gradient = x.grad(&gradients).unwrap().into_data();
        assert_eq!(
            gradient.as_slice::<f32>().unwrap(),
            [1.0, 1.0, 1.0, (-1.0_f32).exp(), 0.0]
        );
    }
}
