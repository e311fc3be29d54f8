//! Jumping knowledge: using the outputs of all layers, not only of the last.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::by_name::by_name;

/// How the outputs of the layers are combined before a model's final linear layer.
///
/// Source: Xu et al., Representation Learning on Graphs with Jumping Knowledge Networks, 2018,
/// arXiv:1806.03536. Matches `torch_geometric.nn.JumpingKnowledge` for `cat` and `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum JumpingKnowledge {
    /// Only the last layer's output.
    Last,
    /// All outputs side by side.
    Cat,
    /// The largest value of each feature.
    Max,
}

impl JumpingKnowledge {
    /// Width of the combination of `num_layers` outputs of the given width.
    pub fn width(self, channels: usize, num_layers: usize) -> usize {
        match self {
            Self::Last | Self::Max => channels,
            Self::Cat => channels * num_layers,
        }
    }

    /// Combines the outputs of all layers, `[N, F]` each, in order.
    ///
    /// # Panics
    /// If there are none.
    pub fn combine(self, mut layers: Vec<Tensor<2>>) -> Tensor<2> {
        let combined = match self {
            Self::Last => layers.pop(),
            Self::Cat => (!layers.is_empty()).then(|| Tensor::cat(layers, 1)),
            Self::Max => layers.into_iter().reduce(larger),
        };
        match combined {
            Some(combined) => combined,
            None => panic!("expected the output of at least one layer"),
        }
    }
}

by_name!(
    JumpingKnowledge,
    UnknownJumpingKnowledge {
        Last: "last",
        Cat: "cat",
        Max: "max",
    }
);

/// The larger element of each two, as PyTorch's maximum along an axis has it, gradients included:
/// NaN is larger than any number, and of equal ones the first is taken.
fn larger(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    let is_number = x.clone().equal(x.clone());
    let is_larger = y.clone().lower_equal(x.clone()).bool_not();
    x.mask_where(is_larger.bool_and(is_number), y)
}

/// A name that is no way to combine layers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown jumping knowledge mode `{name}`, expected one of last, cat, max")]
pub struct UnknownJumpingKnowledge {
    /// The name.
    pub name: String,
}
