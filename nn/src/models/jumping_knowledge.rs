//! Jumping knowledge: using the outputs of all layers, not only of the last.

use burn::{
    module::Module,
    tensor::{Device, Tensor, activation::softmax},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    by_name::by_name,
    linear::{Linear, LinearConfig},
    rnn::{BiLstm, LstmConfig},
};

/// How the outputs of the layers are combined before a model's final linear layer.
///
/// Source: Xu et al., Representation Learning on Graphs with Jumping Knowledge Networks, 2018,
/// arXiv:1806.03536. Matches `torch_geometric.nn.JumpingKnowledge` (2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum JumpingKnowledge {
    /// Only the last layer's output.
    Last,
    /// All outputs side by side.
    Cat,
    /// The largest value of each feature.
    Max,
    /// A weighted sum of all outputs, by an [`LstmAttention`].
    Lstm,
}

impl JumpingKnowledge {
    /// Width of the combination of `num_layers` outputs of the given width.
    pub fn width(self, channels: usize, num_layers: usize) -> usize {
        match self {
            Self::Last | Self::Max | Self::Lstm => channels,
            Self::Cat => channels * num_layers,
        }
    }

    /// What weighs `num_layers` outputs of the given width, where parameters do.
    pub fn attention(
        self,
        channels: usize,
        num_layers: usize,
        device: &Device,
    ) -> Option<LstmAttention> {
        (self == Self::Lstm).then(|| LstmAttention::new(channels, num_layers, device))
    }

    /// Combines the outputs of all layers, `[N, F]` each, in order.
    ///
    /// # Panics
    /// If there are none, or if parameters weigh them: [`LstmAttention`] combines them then.
    pub fn combine(self, mut layers: Vec<Tensor<2>>) -> Tensor<2> {
        let combined = match self {
            Self::Last => layers.pop(),
            Self::Cat => (!layers.is_empty()).then(|| Tensor::cat(layers, 1)),
            Self::Max => layers.into_iter().reduce(larger),
            Self::Lstm => panic!("an `LstmAttention` combines layers in mode `lstm`"),
        };
        match combined {
            Some(combined) => combined,
            None => panic!("expected the output of at least one layer"),
        }
    }
}

/// Weighs the outputs of all layers by an LSTM that reads them in both directions.
///
/// ```text
/// α_l = softmax_l( w · (→h_l ‖ ←h_l) + b )
/// x'  = Σ_l α_l x_l
/// ```
///
/// Source: Xu et al., Representation Learning on Graphs with Jumping Knowledge Networks, 2018,
/// arXiv:1806.03536. Matches `torch_geometric.nn.JumpingKnowledge` (2.8) in mode `lstm`.
///
/// # Shapes
/// layers: `L` times `[N, F]` · output: `[N, F]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_nn::models::LstmAttention;
///
/// let device = Device::flex();
/// let layers = vec![Tensor::<2>::ones([3, 4], &device); 2];
/// assert_eq!(LstmAttention::new(4, 2, &device).forward(layers).dims(), [3, 4]);
/// ```
#[derive(Module, Debug)]
pub struct LstmAttention {
    /// The LSTM.
    pub lstm: BiLstm,
    /// Map of its states to scores.
    pub att: Linear,
}

impl LstmAttention {
    /// For `num_layers` outputs of the given width.
    pub fn new(channels: usize, num_layers: usize, device: &Device) -> Self {
        let width = num_layers * channels / 2;
        Self {
            lstm: LstmConfig::new(channels, width).init_both(device),
            att: LinearConfig::new(2 * width, 1).init(device),
        }
    }

    /// Combines the outputs of all layers, in order.
    ///
    /// # Panics
    /// If there are none, or they do not have the width that was given.
    pub fn forward(&self, layers: Vec<Tensor<2>>) -> Tensor<2> {
        let states = self.lstm.forward(&layers);
        let scores = states.into_iter().map(|state| self.att.forward(state));
        let weights = softmax(Tensor::cat(scores.collect(), 1), 1);
        let weighted = layers.into_iter().enumerate();
        let weighted = weighted.map(|(layer, x)| x * weights.clone().narrow(1, layer, 1));
        let sum = weighted.reduce(|sum, x| sum + x);
        sum.unwrap_or_else(|| panic!("expected the output of at least one layer"))
    }
}

by_name!(
    JumpingKnowledge,
    UnknownJumpingKnowledge {
        Last: "last",
        Cat: "cat",
        Max: "max",
        Lstm: "lstm",
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
#[error("unknown jumping knowledge mode `{name}`, expected one of last, cat, max, lstm")]
pub struct UnknownJumpingKnowledge {
    /// The name.
    pub name: String,
}
