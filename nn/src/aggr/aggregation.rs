//! Aggregation of messages and of groups of rows.

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::{Device, Tensor},
};
use kiln_core::Groups;
use kiln_ops::{
    Endpoints, Reduce, aggregate, aggregate_heads, aggregate_normalized, aggregate_self,
    aggregate_with_loops, column_mean, column_sum, dot_attention, edge_attention,
    edge_attention_v2, edge_attention_with, scatter,
};

use super::softmax::SoftmaxAggregation;
use crate::{message::Message, transparent::transparent_module};

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
    /// A sum weighted by the messages' softmax.
    Softmax(SoftmaxAggregation),
    /// Several aggregations, whose results stand side by side.
    Multi(MultiAggregation),
}

transparent_module!(Aggregation {
    Self::Reduce;
    Self::Softmax;
    Self::Multi
});

/// A [`Reduce`] as a module.
#[derive(Module, Debug)]
pub struct ReduceAggregation {
    /// The reduction.
    #[module(skip)]
    pub reduce: Reduce,
}

/// Several aggregations, whose results stand side by side along the feature axis. Matches
/// `torch_geometric.nn.MultiAggregation` in mode `cat`.
#[derive(Module, Debug)]
pub struct MultiAggregation {
    /// The aggregations.
    pub aggrs: Vec<Aggregation>,
}

impl Aggregation {
    /// The reduction, if there is but one and it has no parameters.
    pub fn reduce(&self) -> Option<Reduce> {
        match self {
            Self::Reduce(one) => Some(one.reduce),
            Self::Softmax(_) | Self::Multi(_) => None,
        }
    }

    /// Whether the aggregate of linear maps is the linear map of the aggregate.
    pub fn is_linear(&self) -> bool {
        matches!(self.reduce(), Some(Reduce::Sum | Reduce::Mean))
    }

    /// Width of the result for messages of the given width.
    pub fn width(&self, message: usize) -> usize {
        match self {
            Self::Reduce(_) | Self::Softmax(_) => message,
            Self::Multi(several) => several.aggrs.iter().map(|aggr| aggr.width(message)).sum(),
        }
    }

    /// Aggregates messages.
    ///
    /// # Shapes
    /// Messages of width `F` become `[n, width(F)]` for `n` targets.
    ///
    /// # Panics
    /// If messages whose sum is taken, as [`Message`] says, meet another aggregation.
    pub fn apply(&self, message: Message, ends: &Endpoints) -> Tensor<2> {
        match self {
            Self::Reduce(one) => reduced(message, ends, one.reduce),
            Self::Softmax(softmax) => softmax.forward(rows(message, ends), ends),
            Self::Multi(several) => {
                let parts = several
                    .aggrs
                    .iter()
                    .map(|aggr| aggr.apply(message.clone(), ends));
                Tensor::cat(parts.collect(), 1)
            }
        }
    }

    /// Aggregates the rows of each group.
    ///
    /// # Shapes
    /// x: `[N, F]` · output: `[groups, width(F)]`
    ///
    /// # Panics
    /// If there is not one row for each row of the groups.
    pub fn aggregate(&self, x: Tensor<2>, groups: &Groups) -> Tensor<2> {
        match self.reduce() {
            Some(Reduce::Sum) if groups.is_one() => column_sum(x),
            Some(Reduce::Mean) if groups.is_one() => column_mean(x),
            // Groups can be long, and this loses no bits of long sums.
            Some(reduce) => scatter(x, groups.owner(), groups.num_groups(), reduce),
            None => self.apply(Message::Edge(x), &Endpoints::of(groups.edges())),
        }
    }
}

impl From<Reduce> for Aggregation {
    fn from(reduce: Reduce) -> Self {
        Self::Reduce(ReduceAggregation { reduce })
    }
}

/// The messages reduced, in one walk over the edges where there is one.
fn reduced(message: Message, ends: &Endpoints, reduce: Reduce) -> Tensor<2> {
    let by_heads = |out: Tensor<3>| {
        let [targets, heads, channels] = out.dims();
        out.reshape([targets, heads * channels])
    };
    if message.is_summed() {
        assert!(
            reduce == Reduce::Sum,
            "expected `sum`, since these messages are summed as they are made, got {reduce:?}"
        );
    }
    match message {
        Message::Weighted { x, weight } => aggregate(x, weight, ends, reduce),
        Message::Heads { x, weight } => by_heads(aggregate_heads(x, weight, ends, reduce)),
        Message::Edge(x) => ends.collect(x, reduce),
        Message::WithSelf { x, weight } => aggregate_self(x, weight, ends),
        Message::WithLoops {
            x,
            weight,
            self_loop,
        } => aggregate_with_loops(x, weight, self_loop, ends),
        Message::Normalized {
            x,
            scale,
            self_loop,
        } => aggregate_normalized(x, scale, ends, self_loop),
        Message::Attention {
            x,
            score_src,
            score_dst,
            score_edge,
            options,
        } => by_heads(match score_edge {
            Some(score_edge) => {
                edge_attention_with(x, score_src, score_dst, score_edge, ends, &options)
            }
            None => edge_attention(x, score_src, score_dst, ends, options),
        }),
        Message::JointAttention {
            x_j,
            x_i,
            att,
            options,
        } => by_heads(edge_attention_v2(x_j, x_i, att, ends, options)),
        Message::DotAttention {
            query,
            key,
            value,
            options,
        } => by_heads(dot_attention(query, key, value, ends, options)),
    }
}

/// The messages as rows, `[E, F]`.
fn rows(message: Message, ends: &Endpoints) -> Tensor<2> {
    match message {
        Message::Weighted { x, weight } => {
            let x = ends.lift_j(x);
            match weight {
                Some(weight) => x * weight.unsqueeze_dim(1),
                None => x,
            }
        }
        Message::Heads { x, weight } => {
            let x = ends.lift_j(x) * weight.unsqueeze_dim(2);
            let [edges, heads, channels] = x.dims();
            x.reshape([edges, heads * channels])
        }
        Message::Edge(x) => x,
        summed => panic!("expected messages that are not summed as they are made, got {summed:?}"),
    }
}
