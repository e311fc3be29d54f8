//! Sum, mean, maximum, minimum and product.

use core::marker::PhantomData;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_ops::Reduce;
use serde::{Deserialize, Serialize};

use super::{
    elements::{Elements, Needs},
    layer::{Combine, aggregation_layers},
};
use crate::config::LayerConfig;

/// Configuration of an aggregation without arguments.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct NoArguments<L> {
    #[serde(skip)]
    layer: PhantomData<L>,
}

impl<L> PartialEq for NoArguments<L> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<L> NoArguments<L> {
    /// The configuration.
    pub fn new() -> Self {
        Self { layer: PhantomData }
    }
}

impl Combine for Reduce {
    fn needs(&self) -> Needs {
        Needs {
            sum: *self == Self::Sum,
            mean: *self == Self::Mean,
            ..Needs::default()
        }
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        elements.reduce(*self)
    }
}

macro_rules! reductions {
    ($($(#[doc = $doc:literal])* $layer:ident: $reduce:ident),+ $(,)?) => {$(
        $(#[doc = $doc])*
        #[derive(Module, Debug)]
        pub struct $layer;

        impl LayerConfig for NoArguments<$layer> {
            type Layer = $layer;

            const REQUIRED: &'static [&'static str] = &[];

            fn blank() -> Self {
                Self::new()
            }

            fn make(&self, _device: &Device) -> $layer {
                $layer
            }
        }

        impl Combine for $layer {
            fn needs(&self) -> Needs {
                Reduce::$reduce.needs()
            }

            fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
                Reduce::$reduce.combine(elements)
            }
        }

        aggregation_layers!($layer(NoArguments<$layer>));
    )+};
}

reductions! {
    /// Adds up elements. Matches `torch_geometric.nn.SumAggregation` (2.8).
    SumAggregation: Sum,
    /// Averages elements. Matches `torch_geometric.nn.MeanAggregation` (2.8).
    MeanAggregation: Mean,
    /// Takes each feature's largest value. Matches `torch_geometric.nn.MaxAggregation` (2.8).
    MaxAggregation: Max,
    /// Takes each feature's smallest value. Matches `torch_geometric.nn.MinAggregation` (2.8).
    MinAggregation: Min,
    /// Multiplies elements; a set without elements gets ones. Matches
    /// `torch_geometric.nn.MulAggregation` (2.8).
    MulAggregation: Mul,
}
