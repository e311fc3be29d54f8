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
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `min(max(x, -1), 1)`
    Hardtanh,
    /// `min(max(x + 3, 0), 6) / 6`
    Hardsigmoid,
    /// `x min(max(x + 3, 0), 6) / 6`
    Hardswish,
    /// `log(1 + exp(x))`
    Softplus,
    /// `x tanh(log(1 + exp(x)))`
    Mish,
    /// `log σ(x)`
    LogSigmoid,
    /// `x / (1 + |x|)`
    Softsign,
    /// `x - tanh(x)`
    Tanhshrink,
    /// `x` outside of `[-1/2, 1/2]`, 0 inside.
    Hardshrink,
    /// `x` nearer to 0 by 1/2, and 0 in `[-1/2, 1/2]`.
    Softshrink,
    /// `x` for positive `x`, `exp(x) - 1` otherwise: ELU, whose parameter is 1 here too.
    Celu,
    /// ELU with a slope and a scale that keep mean and variance.
    Selu,
    /// Softmax of each row.
    Softmax,
    /// Softmax of the negative of each row.
    Softmin,
    /// Logarithm of the softmax of each row.
    LogSoftmax,
}

impl Activation {
    /// Applies the function to each element.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => kiln_ops::relu(x),
            Self::LeakyRelu => kiln_ops::leaky_relu(x, 0.01),
            Self::Elu | Self::Celu => elu(x, 1.0),
            Self::Gelu => activation::gelu(x),
            Self::Silu => kiln_ops::sigmoid(x.clone()) * x,
            Self::Sigmoid => kiln_ops::sigmoid(x),
            Self::Tanh => activation::tanh(x),
            Self::Relu6 => limited(x, 0.0, 6.0),
            Self::Hardtanh => limited(x, -1.0, 1.0),
            Self::Hardsigmoid => limited(x + 3.0, 0.0, 6.0) / 6.0,
            Self::Hardswish => x.clone() * limited(x + 3.0, 0.0, 6.0) / 6.0,
            Self::Softplus => softplus(x),
            Self::Mish => x.clone() * activation::tanh(softplus(x)),
            Self::LogSigmoid => -softplus(-x),
            Self::Softsign => x.clone() / (x.abs() + 1.0),
            Self::Tanhshrink => x.clone() - activation::tanh(x),
            Self::Hardshrink => {
                let is_small = x.clone().abs().lower_equal_elem(0.5);
                x.mask_fill(is_small, 0.0)
            }
            Self::Softshrink => x.clone() - kiln_ops::clamp(x, Some(-0.5), Some(0.5)),
            Self::Selu => elu(x, SELU_SLOPE) * SELU_SCALE,
            Self::Softmax => activation::softmax(x, last_of_rows::<D>()),
            Self::Softmin => activation::softmax(-x, last_of_rows::<D>()),
            Self::LogSoftmax => activation::log_softmax(x, last_of_rows::<D>()),
        }
    }
}

const SELU_SLOPE: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// The axis that PyTorch takes a softmax along if it is not told.
const fn last_of_rows<const D: usize>() -> usize {
    match D {
        1 | 3 => 0,
        _ => 1,
    }
}

/// `x` for positive `x`, `slope (exp(x) - 1)` otherwise.
fn elu<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    // The exponential is taken of negative numbers only: of a large positive one or of NaN its
    // gradient, which is masked out, would be NaN.
    let is_negative = x.clone().lower_equal_elem(0.0);
    let negative = x.clone().mask_fill(is_negative.clone().bool_not(), 0.0);
    let negative = negative.exp().sub_scalar(1.0);
    #[expect(clippy::float_cmp, reason = "a factor that changes nothing")]
    let negative = if slope == 1.0 {
        negative
    } else {
        negative * slope
    };
    x.mask_where(is_negative, negative)
}

/// Elements limited to a range; no gradient flows where they are at its ends or beyond.
fn limited<const D: usize>(x: Tensor<D>, min: f64, max: f64) -> Tensor<D> {
    let (below, above) = (
        x.clone().lower_equal_elem(min),
        x.clone().greater_equal_elem(max),
    );
    x.mask_fill(below, min).mask_fill(above, max)
}

/// `log(1 + exp(x))`, which is `x` for large `x`.
fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let is_large = x.clone().greater_elem(20.0);
    let others = x.clone().mask_fill(is_large.clone(), 0.0);
    others.exp().log1p().mask_where(is_large, x)
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
        Relu6: "relu6",
        Hardtanh: "hardtanh",
        Hardsigmoid: "hardsigmoid",
        Hardswish: "hardswish",
        Softplus: "softplus",
        Mish: "mish",
        LogSigmoid: "log_sigmoid",
        Softsign: "softsign",
        Tanhshrink: "tanhshrink",
        Hardshrink: "hardshrink",
        Softshrink: "softshrink",
        Celu: "celu",
        Selu: "selu",
        Softmax: "softmax",
        Softmin: "softmin",
        LogSoftmax: "log_softmax",
    }
);

/// A name that is no activation function.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown activation `{name}`, expected one of {}", Activation::NAMES.join(", "))]
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
