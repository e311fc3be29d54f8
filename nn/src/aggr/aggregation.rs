//! Any aggregation.

use core::ops::Deref;

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::{Device, Tensor},
};
use kiln_core::Groups;
use kiln_ops::{Endpoints, Reduce};

use super::{
    elements::{Elements, Needs},
    layer::Combine,
    list::for_each_aggregation,
};
use crate::{message::Message, transparent::transparent_module};

/// A [`Reduce`] as a module.
#[derive(Module, Debug)]
pub struct ReduceAggregation {
    /// The reduction.
    #[module(skip)]
    pub reduce: Reduce,
}

impl Combine for ReduceAggregation {
    fn needs(&self) -> Needs {
        self.reduce.needs()
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        self.reduce.combine(elements)
    }
}

macro_rules! aggregation {
    ($($variant:ident($module:ident, $config:ident, $name:literal)),+ $(,)?) => {
        /// How messages are combined.
        ///
        /// ```
        /// use burn::tensor::Device;
        /// use kiln_nn::aggr::AggrConfig;
        ///
        /// let both: AggrConfig = serde_json::from_str(r#"["mean", "max"]"#).unwrap();
        /// assert_eq!(both.init(&Device::flex()).width(8), 16);
        /// ```
        #[derive(Clone, Debug)]
        pub enum Aggregation {
            /// A reduction without parameters, which sparse products know.
            Reduce(ReduceAggregation),
            $(
                #[doc = concat!("A [`", stringify!($module), "`](super::", stringify!($module), ").")]
                $variant(Box<super::$module>),
            )+
        }

        transparent_module!(Aggregation { Self::Reduce; $(Self::$variant);+ });

        impl Combine for Aggregation {
            fn input(&self) -> Option<usize> {
                match self {
                    Self::Reduce(one) => one.input(),
                    $(Self::$variant(one) => one.input(),)+
                }
            }

            fn width(&self, element: usize) -> usize {
                match self {
                    Self::Reduce(one) => one.width(element),
                    $(Self::$variant(one) => Combine::width(&**one, element),)+
                }
            }

            fn needs(&self) -> Needs {
                match self {
                    Self::Reduce(one) => one.needs(),
                    $(Self::$variant(one) => one.needs(),)+
                }
            }

            fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
                match self {
                    Self::Reduce(one) => one.combine(elements),
                    $(Self::$variant(one) => one.combine(elements),)+
                }
            }
        }
    };
}

for_each_aggregation!(aggregation);

impl Aggregation {
    /// The reduction, if there is but one and it has no parameters.
    pub fn reduce(&self) -> Option<Reduce> {
        match self {
            Self::Reduce(one) => Some(one.reduce),
            _ => None,
        }
    }

    /// Whether the aggregate of linear maps is the linear map of the aggregate.
    pub fn is_linear(&self) -> bool {
        matches!(self.reduce(), Some(Reduce::Sum | Reduce::Mean))
    }

    /// Width of the messages, if parameters fix it.
    pub fn in_channels(&self) -> Option<usize> {
        self.input()
    }

    /// Width of the result for messages of the given width.
    pub fn width(&self, message: usize) -> usize {
        Combine::width(self, message)
    }

    /// Aggregates messages.
    ///
    /// # Shapes
    /// Messages of width `F` become `[n, width(F)]` for `n` targets.
    ///
    /// # Panics
    /// If messages whose sum is taken, as [`Message`] says, meet another aggregation.
    pub fn apply(&self, message: Message, ends: &Endpoints) -> Tensor<2> {
        self.combine(&Elements::of_messages(message, ends))
    }

    /// Aggregates the rows of each group.
    ///
    /// # Shapes
    /// x: `[N, F]` · output: `[groups, width(F)]`
    ///
    /// # Panics
    /// If there is not one row for each row of the groups.
    pub fn aggregate(&self, x: Tensor<2>, groups: &Groups) -> Tensor<2> {
        self.combine(&Elements::of_groups(x, groups))
    }
}

impl From<Reduce> for Aggregation {
    fn from(reduce: Reduce) -> Self {
        Self::Reduce(ReduceAggregation { reduce })
    }
}

/// An aggregation inside another.
#[derive(Clone, Debug)]
pub struct BoxedAggregation(Box<Aggregation>);

transparent_module!(BoxedAggregation { Self });

impl From<Aggregation> for BoxedAggregation {
    fn from(aggregation: Aggregation) -> Self {
        Self(Box::new(aggregation))
    }
}

impl Deref for BoxedAggregation {
    type Target = Aggregation;

    fn deref(&self) -> &Aggregation {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggr::AggrConfig;

    const NETWORKS: [&str; 9] = [
        r#"{"aggr": "lstm", "in_channels": 2, "out_channels": 2, "bidirectional": true}"#,
        r#"{"aggr": "gru", "in_channels": 2, "out_channels": 2, "num_layers": 2}"#,
        r#"{"aggr": "mlp", "in_channels": 2, "out_channels": 2, "max_num_elements": 3, "num_layers": 1}"#,
        r#"{"aggr": "lcm", "in_channels": 2, "out_channels": 2}"#,
        r#"{"aggr": "set_transformer", "channels": 2, "layer_norm": true}"#,
        r#"{"aggr": "graph_multiset_transformer", "channels": 2, "k": 2}"#,
        r#"{"aggr": "patch_transformer", "in_channels": 2, "out_channels": 2, "patch_size": 1, "hidden_channels": 2}"#,
        r#"{"aggr": "equilibrium", "in_channels": 2, "out_channels": 2, "num_layers": [2]}"#,
        r#"{"aggr": ["max", "mean"], "mode": "attn", "mode_kwargs": {"in_channels": 2, "out_channels": 2}}"#,
    ];

    #[test]
    fn there_may_be_no_elements_and_no_sets() {
        for json in NETWORKS {
            let config: AggrConfig = serde_json::from_str(json).unwrap();
            for device in [Device::flex(), Device::flex().autodiff()] {
                let aggregation = config.init(&device);
                for sets in [3, 0] {
                    let groups = Groups::from_array(&[], sets, &device).unwrap();
                    let x = Tensor::<2>::zeros([0, 2], &device);
                    let out = aggregation.aggregate(x, &groups);
                    assert_eq!(out.dims(), [sets, aggregation.width(2)], "{json}");
                    let finite = out.into_data().iter::<f32>().all(f32::is_finite);
                    assert!(finite, "{json}");
                }
            }
        }
    }
}
