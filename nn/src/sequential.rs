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
    models::Mlp,
    norm::{BatchNorm, batch_norm},
};

/// A module that maps node features `[N, F]` to `[N, F']`, each row by itself.
///
/// Implemented for Burn's `Linear`, `Relu`, `Tanh`, `BatchNorm`, for [`Mlp`], and for tuples and
/// vectors of such modules, which apply them one after the other. Parameters in a tuple or vector
/// have numbers in their names, `0.weight`, `2.weight`, as in PyTorch's `Sequential`.
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
    fn d_input(&self) -> Option<usize> {
        None
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

    fn d_input(&self) -> Option<usize> {
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

    fn d_input(&self) -> Option<usize> {
        Some(self.gamma.dims()[0])
    }
}

impl NodeTransform for BatchNorm {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward(x)
    }

    fn d_input(&self) -> Option<usize> {
        self.module.d_input()
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

    fn d_input(&self) -> Option<usize> {
        self.lins.first().and_then(NodeTransform::d_input)
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

    fn d_input(&self) -> Option<usize> {
        self.iter().find_map(NodeTransform::d_input)
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

            fn d_input(&self) -> Option<usize> {
                None$(.or_else(|| self.$field.d_input()))+
            }
        }
    };
}

tuple_transform!(A 0, B 1);
tuple_transform!(A 0, B 1, C 2);
tuple_transform!(A 0, B 1, C 2, D 3);
tuple_transform!(A 0, B 1, C 2, D 3, E 4);
tuple_transform!(A 0, B 1, C 2, D 3, E 4, F 5);

/// Implements `Module` for an enum of modules, each of which keeps its own parameter names: unlike
/// with `derive(Module)`, the variant does not show in them.
macro_rules! transparent_module {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        impl Module for $name {
            fn collect_devices(&self, devices: Devices) -> Devices {
                match self { $(Self::$variant(module) => module.collect_devices(devices),)+ }
            }

            fn fork(self, device: &Device) -> Self {
                match self { $(Self::$variant(module) => Self::$variant(module.fork(device)),)+ }
            }

            fn to_device(self, device: &Device) -> Self {
                match self { $(Self::$variant(module) => Self::$variant(module.to_device(device)),)+ }
            }

            fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
                match self { $(Self::$variant(module) => module.visit(visitor),)+ }
            }

            fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
                match self { $(Self::$variant(module) => Self::$variant(module.map(mapper)),)+ }
            }

            fn valid(&self) -> Self {
                match self { $(Self::$variant(module) => Self::$variant(module.valid()),)+ }
            }

            fn train(self) -> Self {
                match self { $(Self::$variant(module) => Self::$variant(module.train()),)+ }
            }

            fn materialize(self) -> Self {
                match self { $(Self::$variant(module) => Self::$variant(module.materialize()),)+ }
            }
        }

        impl ModuleDisplayDefault for $name {
            fn content(&self, content: Content) -> Option<Content> {
                match self { $(Self::$variant(module) => module.content(content),)+ }
            }
        }

        impl ModuleDisplay for $name {}

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self { $(Self::$variant(module) => core::fmt::Display::fmt(module, f),)+ }
            }
        }
    };
}

pub(crate) use transparent_module;

/// One layer of a [`Sequential`].
#[derive(Clone, Debug)]
pub enum SequentialLayer {
    /// A linear layer.
    Linear(nn::Linear),
    /// An activation function.
    Activation(ActivationLayer),
    /// Batch normalisation, with the parameter names of PyTorch's `BatchNorm1d`.
    BatchNorm(nn::BatchNorm),
}

transparent_module!(SequentialLayer {
    Linear,
    Activation,
    BatchNorm
});

impl NodeTransform for SequentialLayer {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Linear(layer) => layer.transform(x),
            Self::Activation(layer) => layer.transform(x),
            Self::BatchNorm(layer) => layer.transform(x),
        }
    }

    fn transform_relu(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Linear(layer) => layer.transform_relu(x),
            Self::Activation(layer) => layer.transform_relu(x),
            Self::BatchNorm(layer) => layer.transform_relu(x),
        }
    }

    fn is_relu(&self) -> bool {
        matches!(self, Self::Activation(layer) if layer.is_relu())
    }

    fn d_input(&self) -> Option<usize> {
        match self {
            Self::Linear(layer) => layer.d_input(),
            Self::Activation(layer) => layer.d_input(),
            Self::BatchNorm(layer) => layer.d_input(),
        }
    }
}

/// Layers applied one after the other, chosen at run time (PyTorch's `Sequential`).
pub type Sequential = Vec<SequentialLayer>;
