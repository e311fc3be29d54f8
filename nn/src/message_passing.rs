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
//! that only copy or scale rows ([`Message::Source`], [`Message::Weighted`], [`Message::Heads`])
//! never become a tensor with a row for each edge: they run as one sparse-dense product. Only
//! [`Message::Edge`] holds `[E, F]` values.

use core::cell::OnceCell;

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};
use kiln_core::{AnyTensor, Edges, Leaves, Nodes};
use kiln_ops::scope;
use serde::{Deserialize, Serialize};

use crate::aggr::Aggregation;

/// Which way messages run along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// From the first row of the edge index to the second.
    #[default]
    SourceToTarget,
    /// From the second row to the first.
    TargetToSource,
}

impl Flow {
    /// The features of senders and receivers, `(x_j, x_i)`; those of the receivers may be absent.
    ///
    /// # Panics
    /// If messages run from target to source and a pair lacks the targets' features.
    pub fn ends(self, x: Nodes) -> (Tensor<2>, Option<Tensor<2>>) {
        let (src, dst) = (x.src, x.dst);
        match self {
            Self::SourceToTarget => (src, dst),
            Self::TargetToSource => {
                let sender = dst.unwrap_or_else(|| {
                    panic!("messages run from target to source: expected features of the targets")
                });
                (sender, Some(src))
            }
        }
    }
}

/// The messages of one layer, one for each edge `j → i`, in the cheapest form that says what they are.
#[derive(Clone, Debug)]
pub enum Message {
    /// A copy of the sender's row: `m = x_j`. `x` is `[N, F]`.
    Source(Tensor<2>),
    /// The sender's row times the edge's weight: `m = w · x_j`.
    Weighted {
        /// Rows of the senders, `[N, F]`.
        x: Tensor<2>,
        /// One weight an edge, `[E]`.
        weight: Tensor<1>,
    },
    /// The same with several heads: `m_h = w_h · x_j,h`; the heads' results are concatenated.
    Heads {
        /// Rows of the senders, `[N, H, C]`.
        x: Tensor<3>,
        /// One weight an edge and head, `[E, H]`.
        weight: Tensor<2>,
    },
    /// Anything else, row by row: `[E, F]`.
    Edge(Tensor<2>),
}

/// The edges of one propagation, seen by receiver (`i`) and sender (`j`).
#[derive(Debug)]
pub struct Endpoints {
    edges: Edges,
    flow: Flow,
    src: OnceCell<Tensor<1, Int>>,
    dst: OnceCell<Tensor<1, Int>>,
}

impl Endpoints {
    /// The end points of edges whose messages run in the direction of `flow`.
    pub fn new(edges: impl Into<Edges>, flow: Flow) -> Self {
        let edges = edges.into();
        Self {
            edges,
            flow,
            src: OnceCell::new(),
            dst: OnceCell::new(),
        }
    }

    /// The edges.
    pub fn edges(&self) -> &Edges {
        &self.edges
    }

    /// Which way messages run.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// First end point of each edge: the source. `[E]`
    pub fn src(&self) -> Tensor<1, Int> {
        let src = self.src.get_or_init(|| match &self.edges {
            Edges::Coo(edges) => edges.src(),
            Edges::Csr(adjacency) => adjacency.col(),
        });
        src.clone()
    }

    /// Second end point of each edge: the destination. `[E]`
    pub fn dst(&self) -> Tensor<1, Int> {
        let dst = self.dst.get_or_init(|| match &self.edges {
            Edges::Coo(edges) => edges.dst(),
            Edges::Csr(adjacency) => {
                kiln_ops::ptr_to_index(adjacency.rowptr(), adjacency.num_edges())
            }
        });
        dst.clone()
    }

    /// Node that sends, for each edge. `[E]`
    pub fn sender(&self) -> Tensor<1, Int> {
        match self.flow {
            Flow::SourceToTarget => self.src(),
            Flow::TargetToSource => self.dst(),
        }
    }

    /// Node that receives, for each edge. `[E]`
    pub fn receiver(&self) -> Tensor<1, Int> {
        match self.flow {
            Flow::SourceToTarget => self.dst(),
            Flow::TargetToSource => self.src(),
        }
    }

    /// Number of nodes that send.
    pub fn num_senders(&self) -> usize {
        match self.flow {
            Flow::SourceToTarget => self.edges.num_src(),
            Flow::TargetToSource => self.edges.num_dst(),
        }
    }

    /// Number of nodes that receive.
    pub fn num_receivers(&self) -> usize {
        match self.flow {
            Flow::SourceToTarget => self.edges.num_dst(),
            Flow::TargetToSource => self.edges.num_src(),
        }
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        self.edges.num_edges()
    }

    /// The device of the edges.
    pub fn device(&self) -> Device {
        self.edges.device()
    }

    /// `x_j`: for each edge the row of its sender. `x: [N, ..]` gives `[E, ..]`.
    pub fn lift_j<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kiln_ops::gather(x, self.sender())
    }

    /// `x_i`: for each edge the row of its receiver. `x: [n, ..]` gives `[E, ..]`.
    pub fn lift_i<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kiln_ops::gather(x, self.receiver())
    }

    /// Softmax among the edges that share a receiver. `[E, ..]` gives `[E, ..]`.
    pub fn softmax<const D: usize>(&self, scores: Tensor<D>) -> Tensor<D> {
        kiln_ops::segment_softmax(scores, self.receiver(), self.num_receivers())
    }

    /// Number of messages that each node receives, as floats. `[n]`
    pub fn degree(&self) -> Tensor<1> {
        kiln_ops::degree(self.receiver(), self.num_receivers())
    }
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
