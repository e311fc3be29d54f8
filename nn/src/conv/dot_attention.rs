//! What layers share whose attention compares rows by inner products.

use burn::tensor::Tensor;
use kiln_core::{AnyTensor, Leaves, leaf_name};
use kiln_ops::DotAttentionOptions;

use crate::message::Message;

/// What layers with attention by inner products propagate.
#[derive(Clone, Debug)]
pub struct DotPropagated {
    /// Values of the sources, `[N, heads, channels]`.
    pub(super) value: Tensor<3>,
    /// What they are weighted by.
    pub(super) weights: DotWeights,
}

/// What values are weighted by.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved a few times per layer; a box would allocate"
)]
pub(super) enum DotWeights {
    /// Weight of each edge and head, `[E, heads]`.
    Known(Tensor<2>),
    /// Queries of the targets and keys of the sources, whose softmax is taken on the way.
    Dot {
        /// `[n, heads, channels]`
        query: Tensor<3>,
        /// `[N, heads, channels]`
        key: Tensor<3>,
    },
}

impl DotPropagated {
    /// The weighted values; the options are for weights that are not known.
    pub(super) fn message(&self, options: DotAttentionOptions) -> Message {
        let value = self.value.clone();
        match self.weights.clone() {
            DotWeights::Known(weight) => Message::Heads { x: value, weight },
            DotWeights::Dot { query, key } => Message::DotAttention {
                query,
                key,
                value,
                options,
            },
        }
    }
}

impl Leaves for DotPropagated {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let leaf = |field| leaf_name(name, field);
        Self {
            value: self.value.map_leaves(&leaf("value"), f),
            weights: match self.weights {
                DotWeights::Known(alpha) => DotWeights::Known(alpha.map_leaves(&leaf("alpha"), f)),
                DotWeights::Dot { query, key } => DotWeights::Dot {
                    query: query.map_leaves(&leaf("query"), f),
                    key: key.map_leaves(&leaf("key"), f),
                },
            },
        }
    }
}
