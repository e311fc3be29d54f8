//! Jumping knowledge: using the outputs of all layers, not only of the last.

use core::str::FromStr;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How the outputs of the layers are combined before a model's final linear layer.
///
/// Source: Xu et al., Representation Learning on Graphs with Jumping Knowledge Networks, 2018,
/// arXiv:1806.03536. Matches `torch_geometric.nn.JumpingKnowledge` for `cat` and `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
        match self {
            Self::Last => match layers.pop() {
                Some(last) => last,
                None => panic!("expected the output of at least one layer"),
            },
            Self::Cat => Tensor::cat(layers, 1),
            Self::Max => Tensor::stack::<3>(layers, 2).max_dim(2).squeeze_dim(2),
        }
    }
}

/// A name that is no way to combine layers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown jumping knowledge mode `{name}`, expected one of last, cat, max")]
pub struct UnknownJumpingKnowledge {
    /// The name.
    pub name: String,
}

impl FromStr for JumpingKnowledge {
    type Err = UnknownJumpingKnowledge;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "last" => Ok(Self::Last),
            "cat" => Ok(Self::Cat),
            "max" => Ok(Self::Max),
            _ => Err(UnknownJumpingKnowledge {
                name: name.to_owned(),
            }),
        }
    }
}
