//! Networks that act on each node by itself: what a [`GinConv`](crate::conv::GinConv) wraps.

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
        Param,
    },
    nn,
    tensor::{Device, Tensor},
};

use crate::{
    activation::{Activation, ActivationLayer},
    dropout::Dropout,
    linear::{Linear, LinearConfig},
    models::Mlp,
    norm::{BatchNorm, batch_norm},
    transparent::transparent_module,
};

/// A module that maps node features `[N, F]` to `[N, F']`, each row by itself.
///
/// Implemented for [`Linear`] and Burn's `Linear`, `Relu`, `Tanh`, `BatchNorm`, for [`Mlp`], and
/// for tuples and vectors of such modules, which apply them one after the other. Parameters in a
/// tuple or vector have numbers in their names, `0.weight`, `2.weight`, as in PyTorch's
/// `Sequential`.
pub trait NodeTransform: Module {
    /// Applies the module.
    fn transform(&self, x: Tensor<2>) -> Tensor<2>;

    /// Applies the module and ReLU, at once if the module can.
    fn transform_relu(&self, x: Tensor<2>) -> Tensor<2> {
        kiln_ops::relu(self.transform(x))
    }

    /// Whether the module is ReLU, so that in a sequence the one before it may apply it.
    fn is_relu(&self) -> bool {
        false
    }

    /// Width of the features that the module takes, if it fixes it.
    fn in_channels(&self) -> Option<usize> {
        None
    }
}

impl NodeTransform for Linear {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward(x)
    }

    fn transform_relu(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward_relu(x)
    }

    fn in_channels(&self) -> Option<usize> {
        Some(self.in_channels())
    }
}

/// By [`kiln_ops::linear`], whose gradients suit many nodes; results are those of Burn's `forward`.
impl NodeTransform for nn::Linear {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.as_ref().map(Param::val);
        kiln_ops::linear(x, self.weight.val(), bias)
    }

    fn transform_relu(&self, x: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.as_ref().map(Param::val);
        kiln_ops::linear_relu(x, self.weight.val(), bias)
    }

    fn in_channels(&self) -> Option<usize> {
        Some(self.weight.dims()[0])
    }
}

/// By [`kiln_ops::relu`].
impl NodeTransform for nn::Relu {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        kiln_ops::relu(x)
    }

    fn is_relu(&self) -> bool {
        true
    }
}

impl NodeTransform for nn::Tanh {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward(x)
    }
}

/// By [`kiln_ops::batch_norm`] while it is trained; results are those of Burn's `forward`.
impl NodeTransform for nn::BatchNorm {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        batch_norm(self, x)
    }

    fn in_channels(&self) -> Option<usize> {
        Some(self.gamma.dims()[0])
    }
}

impl NodeTransform for nn::LayerNorm {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward(x)
    }

    fn in_channels(&self) -> Option<usize> {
        Some(self.gamma.dims()[0])
    }
}

impl NodeTransform for Dropout {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward(x)
    }
}

/// Normalises each row by its mean and variance.
///
/// ```text
/// x' = (x - E[x]) / √(Var[x] + 1e-5)
/// ```
#[derive(Module, Debug)]
pub struct RowNorm;

impl NodeTransform for RowNorm {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        let x = x.clone() - x.mean_dim(1);
        let variance = (x.clone() * x.clone()).mean_dim(1);
        x / variance.add_scalar(1e-5).sqrt()
    }
}

impl NodeTransform for BatchNorm {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward(x)
    }

    fn in_channels(&self) -> Option<usize> {
        Some(self.module.in_channels())
    }
}

impl NodeTransform for ActivationLayer {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        self.function.apply(x)
    }

    fn is_relu(&self) -> bool {
        self.function == Activation::Relu
    }
}

impl NodeTransform for Mlp {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward(x)
    }

    fn in_channels(&self) -> Option<usize> {
        self.lins.first().and_then(NodeTransform::in_channels)
    }
}

impl<T: NodeTransform> NodeTransform for Vec<T> {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        let mut layers = self.iter().peekable();
        let mut x = x;
        while let Some(layer) = layers.next() {
            x = if layers.next_if(|next| next.is_relu()).is_some() {
                layer.transform_relu(x)
            } else {
                layer.transform(x)
            };
        }
        x
    }

    fn in_channels(&self) -> Option<usize> {
        self.iter().find_map(NodeTransform::in_channels)
    }
}

macro_rules! tuple_transform {
    ($($ty:ident $field:tt),+) => {
        impl<$($ty: NodeTransform),+> NodeTransform for ($($ty,)+) {
            fn transform(&self, x: Tensor<2>) -> Tensor<2> {
                let is_relu = [$(self.$field.is_relu(),)+ false];
                let mut applied = false;
                $(
                    let next = !applied && is_relu[$field + 1];
                    let x = match (applied, next) {
                        (true, _) => x,
                        (false, true) => self.$field.transform_relu(x),
                        (false, false) => self.$field.transform(x),
                    };
                    applied = next;
                )+
                debug_assert!(!applied, "nothing is behind the last module");
                x
            }

            fn in_channels(&self) -> Option<usize> {
                None$(.or_else(|| self.$field.in_channels()))+
            }
        }
    };
}

tuple_transform!(A 0, B 1);
tuple_transform!(A 0, B 1, C 2);
tuple_transform!(A 0, B 1, C 2, D 3);
tuple_transform!(A 0, B 1, C 2, D 3, E 4);
tuple_transform!(A 0, B 1, C 2, D 3, E 4, F 5);

/// One layer of a [`Sequential`].
#[derive(Clone, Debug)]
pub enum SequentialLayer {
    /// A linear layer.
    Linear(Linear),
    /// An activation function.
    Activation(ActivationLayer),
    /// Batch normalisation, with the parameter names of PyTorch's `BatchNorm1d`.
    BatchNorm(nn::BatchNorm),
    /// Normalisation of each row, with the parameter names of PyTorch's `LayerNorm`.
    LayerNorm(nn::LayerNorm),
    /// Normalisation of each row without parameters: PyTorch's `InstanceNorm1d` for a matrix.
    RowNorm(RowNorm),
    /// Dropout.
    Dropout(Dropout),
}

transparent_module!(SequentialLayer {
    Self::Linear;
    Self::Activation;
    Self::BatchNorm;
    Self::LayerNorm;
    Self::RowNorm;
    Self::Dropout
});

impl NodeTransform for SequentialLayer {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Linear(layer) => layer.transform(x),
            Self::Activation(layer) => layer.transform(x),
            Self::BatchNorm(layer) => layer.transform(x),
            Self::LayerNorm(layer) => layer.transform(x),
            Self::RowNorm(layer) => layer.transform(x),
            Self::Dropout(layer) => layer.transform(x),
        }
    }

    fn transform_relu(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Linear(layer) => layer.transform_relu(x),
            Self::Activation(layer) => layer.transform_relu(x),
            Self::BatchNorm(layer) => layer.transform_relu(x),
            Self::LayerNorm(layer) => layer.transform_relu(x),
            Self::RowNorm(layer) => layer.transform_relu(x),
            Self::Dropout(layer) => layer.transform_relu(x),
        }
    }

    fn is_relu(&self) -> bool {
        matches!(self, Self::Activation(layer) if layer.is_relu())
    }

    fn in_channels(&self) -> Option<usize> {
        match self {
            Self::Linear(layer) => Some(layer.in_channels()),
            Self::Activation(layer) => layer.in_channels(),
            Self::BatchNorm(layer) => layer.in_channels(),
            Self::LayerNorm(layer) => layer.in_channels(),
            Self::RowNorm(layer) => layer.in_channels(),
            Self::Dropout(layer) => layer.in_channels(),
        }
    }
}

/// Layers applied one after the other, chosen at run time (PyTorch's `Sequential`).
pub type Sequential = Vec<SequentialLayer>;

/// Linear layers of the given widths with ReLU between them.
pub(crate) fn relu_network(widths: &[usize], device: &Device) -> Sequential {
    let mut layers = Vec::new();
    for pair in widths.windows(2) {
        if !layers.is_empty() {
            layers.push(SequentialLayer::Activation(Activation::Relu.into()));
        }
        let linear = LinearConfig::new(pair[0], pair[1]).init(device);
        layers.push(SequentialLayer::Linear(linear));
    }
    layers
}
