//! What a layer says of its messages, in place of computing them.
//!
//! The source of a message is `j` and its target `i`, whichever way the edge runs.

use burn::tensor::Tensor;
use kiln_ops::{AttentionOptions, DotAttentionOptions, EdgeScores};

/// The messages of one layer, one per edge `j → i`, in the cheapest form that says what they are.
///
/// Forms with loops are for one node set. An edge from a node to itself gives way to the node's
/// loop, so that it is not read.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "moved a few times per layer; a box would allocate"
)]
pub enum Message {
    /// The source's row, times the edge's weight if there are weights: `m = w · x_j`.
    Weighted {
        /// Rows of the sources, `[N, F]`.
        x: Tensor<2>,
        /// One weight per edge, `[E]`.
        weight: Option<Tensor<1>>,
    },
    /// The same with several heads: `m_h = w_h · x_j,h`; the heads' results are concatenated.
    Heads {
        /// Rows of the sources, `[N, H, C]`.
        x: Tensor<3>,
        /// One weight per edge and head, `[E, H]`.
        weight: Tensor<2>,
    },
    /// Anything else, row by row: `[E, F]`.
    Edge(Tensor<2>),
    /// The sum of the sources' rows, and the target's own with a weight: `m = x_j`.
    WithSelf {
        /// Rows of the nodes, `[N, F]`.
        x: Tensor<2>,
        /// Weight of a node's own row, `[1]`.
        weight: Tensor<1>,
    },
    /// The sum of the sources' rows times the edges' weights, and of one loop per node: `m = w ·
    /// x_j`.
    WithLoops {
        /// Rows of the nodes, `[N, F]`.
        x: Tensor<2>,
        /// One weight per edge, `[E]`.
        weight: Tensor<1>,
        /// Weight of each node's loop, `[N]`.
        self_loop: Tensor<1>,
    },
    /// The sum of the sources' rows, scaled by a number of both ends: `m = s_j · s_i · x_j`.
    Normalized {
        /// Rows of the nodes, `[N, F]`.
        x: Tensor<2>,
        /// Scale of each node, `[N]`.
        scale: Tensor<1>,
        /// Weight of each node's loop, if there are loops.
        self_loop: Option<f64>,
    },
    /// The sum of the sources' rows, weighted by the softmax of scores of both ends, by heads.
    Attention {
        /// Rows of the sources, `[N, H, C]`.
        x: Tensor<3>,
        /// Scores of the sources, `[N, H]`.
        score_src: Tensor<2>,
        /// Scores of the targets, `[n, H]`.
        score_dst: Tensor<2>,
        /// What edges add to the scores.
        score_edge: Option<EdgeScores>,
        /// Loops, dropout, and the slope of the activation.
        options: AttentionOptions,
    },
    /// The same with scores that compare the rows of both ends: `att · LeakyReLU(x_j + x_i)`.
    JointAttention {
        /// Rows of the sources, `[N, H, C]`.
        x_j: Tensor<3>,
        /// Rows of the targets, `[n, H, C]`.
        x_i: Tensor<3>,
        /// The attention vector of each head, `[H, C]`.
        att: Tensor<2>,
        /// Loops, dropout, and the slope of the activation.
        options: AttentionOptions,
    },
    /// The sum of the sources' values, weighted by the softmax of inner products, by heads, as
    /// transformers do.
    DotAttention {
        /// Rows of the targets, `[n, H, C]`.
        query: Tensor<3>,
        /// Rows of the sources, `[N, H, C]`.
        key: Tensor<3>,
        /// What is summed, `[N, H, C]`.
        value: Tensor<3>,
        /// Scale and dropout.
        options: DotAttentionOptions,
    },
}

impl Message {
    /// A copy of the source's row: `m = x_j`. `x: [N, F]`
    pub fn source(x: Tensor<2>) -> Self {
        Self::Weighted { x, weight: None }
    }

    /// The source's rows by heads, times the edge's weights if there are weights. `x: [N, H, C]`,
    /// weight: `[E, H]`
    pub fn heads(x: Tensor<3>, weight: Option<Tensor<2>>) -> Self {
        if let Some(weight) = weight {
            return Self::Heads { x, weight };
        }
        let [rows, heads, channels] = x.dims();
        Self::source(x.reshape([rows, heads * channels]))
    }

    /// Whether the messages are summed as they are made, so that no other aggregation is possible.
    pub fn is_summed(&self) -> bool {
        !matches!(
            self,
            Self::Weighted { .. } | Self::Heads { .. } | Self::Edge(_)
        )
    }
}
