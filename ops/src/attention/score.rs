//! How attention scores, and what backends need to know of it.

use burn::backend::{
    Backend, ExtensionType,
    tensor::{FloatTensor, IntTensor},
};

/// [`AttentionOptions`](crate::AttentionOptions) without the seed of the dropout, which is a
/// tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionAttributes {
    /// As in the options.
    pub negative_slope: f64,
    /// If set, the number of targets with loops.
    pub loops: Option<usize>,
    /// Probability with which a weight is dropped. If there is none, the seed is not read.
    pub dropout: Option<f64>,
}

/// [`DotAttentionOptions`](crate::DotAttentionOptions) without the seed of the dropout, which is a
/// tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DotAttentionAttributes {
    /// As in the options.
    pub scale: f64,
    /// If set, the number of targets with loops.
    pub loops: Option<usize>,
    /// Probability with which a weight is dropped. If there is none, the seed is not read.
    pub dropout: Option<f64>,
}

/// How pairs of nodes are scored, and what is done beside weighing. Each has three inputs.
///
/// | | inputs | operation |
/// |---|---|---|
/// | `Gat` | x, score_src, score_dst | [`edge_attention`](crate::edge_attention()) |
/// | `GatV2` | x_src, x_dst, att | [`edge_attention_v2`](crate::edge_attention_v2()) |
/// | `Dot` | query, key, value | [`dot_attention`](crate::dot_attention()) |
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score {
    /// The sum of a number of each end.
    Gat(AttentionAttributes),
    /// The sum of the rows of both ends, and a learned vector.
    GatV2(AttentionAttributes),
    /// The inner product of the rows of both ends.
    Dot(DotAttentionAttributes),
}

/// Saved for the backward pass of attention: outputs, output gradient, dropout seed.
#[derive(Clone, Debug, ExtensionType)]
pub struct SavedAttention<B: Backend> {
    /// The output.
    pub out: FloatTensor<B>,
    /// The logarithm of the sum of exponentials, per target and head.
    pub lse: FloatTensor<B>,
    /// The gradient at the output.
    pub grad: FloatTensor<B>,
    /// The seed of the dropout.
    pub seed: IntTensor<B>,
}
