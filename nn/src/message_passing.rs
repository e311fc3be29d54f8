//! The pattern that all graph layers share.
//!
//! For each edge a *message* is made from the features of its end points, the messages that meet at
//! a node are *aggregated*, and the result is *updated*:
//!
//! ```text
//! x_i' = update( ⊕ { message(x_i, x_j, e_ji) : j → i } )
//! ```
//!
//! As in PyG, `i` is the node that receives and `j` the one that sends; which row of the edge index
//! is which follows from the [`Flow`]. Sources are `j` by default.
//!
//! A layer says what its messages are by returning a [`Message`], not by computing them. The forms
//! that copy or scale rows never become a tensor with a row for each edge: they run as one sparse-dense
//! product. Only [`Message::Edge`] holds `[E, F]` values.

use burn::{module::Module, tensor::Tensor};
pub use kiln_core::Flow;
use kiln_core::{AnyTensor, Edges, Leaves};
use kiln_ops::scope;
pub use kiln_ops::{AttentionOptions, EdgeScores, Endpoints, Loops};

use crate::aggr::Aggregation;

/// The messages of one layer, one for each edge `j → i`, in the cheapest form that says what they are.
///
/// Forms with loops are for one node set. An edge from a node to itself gives way to the node's loop, so that
/// it is not read.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made in a call of a layer"
)]
#[non_exhaustive]
pub enum Message {
    /// A copy of the sender's row: `m = x_j`. `x` is `[N, F]`.
    Source(Tensor<2>),
    /// The sender's row times the edge's weight: `m = w · x_j`.
    Weighted {
        /// Rows of the senders, `[N, F]`.
        x: Tensor<2>,
        /// One weight per edge, `[E]`.
        weight: Tensor<1>,
    },
    /// The same with several heads: `m_h = w_h · x_j,h`; the heads' results are concatenated.
    Heads {
        /// Rows of the senders, `[N, H, C]`.
        x: Tensor<3>,
        /// One weight per edge and head, `[E, H]`.
        weight: Tensor<2>,
    },
    /// The sender's row, and to the sum of them the receiver's own with a weight: `m = x_j`.
    WithSelf {
        /// Rows of the nodes, `[N, F]`.
        x: Tensor<2>,
        /// Weight of a node's own row, `[1]`.
        weight: Tensor<1>,
    },
    /// The sender's row times the edge's weight, and a loop for each node, whose sum is taken: `m = w · x_j`.
    WithLoops {
        /// Rows of the nodes, `[N, F]`.
        x: Tensor<2>,
        /// One weight per edge, `[E]`.
        weight: Tensor<1>,
        /// Weight of each node's loop, `[N]`.
        self_loop: Tensor<1>,
    },
    /// The sender's row scaled by a number of both ends, whose sum is taken: `m = s_j · s_i · x_j`.
    Normalized {
        /// Rows of the nodes, `[N, F]`.
        x: Tensor<2>,
        /// Scale of each node, `[N]`.
        scale: Tensor<1>,
        /// Weight of each node's loop, if there are loops.
        self_loop: Option<f64>,
    },
    /// The sender's row weighted by the softmax of scores of both ends, by heads, whose sum is taken.
    Attention {
        /// Rows of the senders, `[N, H, C]`.
        x: Tensor<3>,
        /// Scores of the senders, `[N, H]`.
        score_src: Tensor<2>,
        /// Scores of the receivers, `[n, H]`.
        score_dst: Tensor<2>,
        /// What edges add to the scores.
        score_edge: Option<EdgeScores>,
        /// Loops, dropout, and the slope of the activation.
        options: AttentionOptions,
    },
    /// Anything else, row by row: `[E, F]`.
    Edge(Tensor<2>),
}

/// A layer that passes messages along edges.
///
/// Implement [`message`](Self::message) and, where the sum is not what you want,
/// [`aggregation`](Self::aggregation); call [`propagate`](Self::propagate) from your layer's
/// `forward`. The [crate documentation](crate) has a complete layer.
pub trait MessagePassing: Module {
    /// Everything that messages and update need, passed from `forward` to
    /// [`propagate`](Self::propagate): a tensor, a tuple, or a struct made known with
    /// `kiln_core::leaves!`. In a recording this is the record type of the `propagate` method.
    type Args: Leaves + Clone;

    /// Name of the layer in exported programs; PyG's name where there is one, such as `GCNConv`.
    const KIND: &'static str;

    /// Name of the type of [`Args`](Self::Args) in exported programs.
    const RECORD: &'static str = "PropagateArgs";

    /// The message of each edge.
    fn message(&self, args: &Self::Args, ends: &Endpoints) -> Message;

    /// How the messages that meet at a node are combined. The sum, unless overridden.
    fn aggregation(&self) -> Aggregation {
        Aggregation::default()
    }

    /// Which way messages run. From source to target, unless overridden.
    fn flow(&self) -> Flow {
        Flow::default()
    }

    /// Combines the messages that meet at a node: `[n, F]`, or `[n, k · F]` for `k` aggregations.
    fn aggregate(&self, message: Message, ends: &Endpoints) -> Tensor<2> {
        self.aggregation().apply(message, ends)
    }

    /// What becomes of the aggregated messages. They are returned as they are, unless overridden.
    fn update(&self, aggregated: Tensor<2>, _args: &Self::Args) -> Tensor<2> {
        aggregated
    }

    /// Passes messages: [`message`](Self::message), [`aggregate`](Self::aggregate),
    /// [`update`](Self::update).
    ///
    /// # Shapes
    /// The result has one row for each node that receives.
    fn propagate(&self, edges: impl Into<Edges>, args: Self::Args) -> Tensor<2> {
        let scope = scope::record(self, Self::KIND, "propagate", Self::RECORD);
        let edges = scope.input("edge_index", edges.into());
        let Record(args) = scope.input("", Record(args));
        let ends = Endpoints::new(edges, self.flow());
        let message = self.message(&args, &ends);
        let aggregated = self.aggregate(message, &ends);
        scope.exit(self.update(aggregated, &args))
    }
}

/// Arguments whose leaves have names that can be fields: those of a record, or `x`, or `x.0`, `x.1`.
struct Record<T>(T);

impl<T: Leaves> Leaves for Record<T> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self(self.0.map_leaves(name, &mut |name, tensor| {
            let name = match name.chars().next() {
                None => "x".to_owned(),
                Some(first) if first.is_ascii_digit() => format!("x.{name}"),
                Some(_) => name,
            };
            f(name, tensor)
        }))
    }
}
