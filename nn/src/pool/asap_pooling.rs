//! Pooling by local clusters.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Int, Tensor},
};
use kiln_core::{Arguments, EdgeIndex, Edges, Named, Signatures, Value, leaves, signature::Type};
use kiln_ops::{
    Endpoints, Layer, Reduce, aggregate, coo_to_csr, gather, graph, leaky_relu, nonzero,
    segment_softmax, sigmoid,
};

use super::{
    args::edge_index,
    select::{Options, SelectTopK},
};
use crate::{
    activation::Activation,
    config::{ConfigError, LayerConfig, check_dropout},
    conv::{AnyConv, Conv as _, ConvConfig, LeConv, LeConvConfig},
    dropout::Dropout,
    linear::{Linear, LinearConfig},
    sparse::Entries,
};

/// Configuration of an [`AsapPooling`].
#[derive(Config, Debug)]
pub struct AsapPoolingConfig {
    /// Width of the features.
    pub in_channels: usize,
    /// The share of a graph's clusters that is kept, or, from 1 on, their number.
    #[config(default = 0.5)]
    pub ratio: f64,
    /// A convolution that features pass before they score neighbours, without its widths. PyG has a
    /// class here, and its arguments beside.
    #[config(default = "None")]
    pub gnn: Option<ConvConfig>,
    /// Probability with which a neighbour's weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Slope of the leaky ReLU for negative scores.
    #[config(default = 0.2)]
    pub negative_slope: f64,
    /// Whether clusters get self loops; otherwise they have none.
    #[config(default = false)]
    pub add_self_loops: bool,
}

impl AsapPoolingConfig {
    fn options(&self) -> Options {
        Options {
            ratio: Some(self.ratio),
            min_score: None,
            act: Activation::Tanh,
        }
    }

    fn gnn(&self) -> Result<Option<ConvConfig>, ConfigError> {
        let width = self.in_channels;
        let gnn = self.gnn.as_ref();
        gnn.map(|gnn| gnn.with_widths("GNN", width, width))
            .transpose()
    }
}

impl LayerConfig for AsapPoolingConfig {
    type Layer = AsapPooling;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)?;
        self.options().check()?;
        self.gnn().map(drop)
    }

    fn make(&self, device: &Device) -> AsapPooling {
        let width = self.in_channels;
        let gnn = self.gnn().unwrap_or_else(|error| panic!("{error}"));
        AsapPooling {
            lin: LinearConfig::new(width, width).init(device),
            att: LinearConfig::new(2 * width, 1).init(device),
            gnn_score: LeConvConfig::new(width.into(), 1).make(device),
            gnn_intra_cluster: gnn.map(|gnn| gnn.make(device)),
            select: self.options().init(1, device),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Makes each node and its neighbours a cluster, keeps the fittest, and links those that share or
/// touch nodes.
///
/// ```text
/// q_i   = max_{j ∈ N(i) ∪ i} x_j
/// s_ji  = softmax over j of LeakyReLU( w · (W q_i + b ‖ x_j) )
/// x_i'  = Σ_{j ∈ N(i) ∪ i} s_ji x_j        φ = σ( LEConv( X', A ) )
/// X''   = (X' ⊙ φ)_i        A'' = S^T A S, without its diagonal
/// ```
///
/// where `i` are the clusters with the greatest `φ`, and `S` has the weights `s` of their nodes.
/// [`topk`](super::topk) says which clusters are kept, and in which order. Edges between clusters
/// are in order, which PyG leaves open.
///
/// Source: Ranjan, Sanyal, Talukdar, ASAP: Adaptive Structure Aware Pooling for Learning
/// Hierarchical Graph Representations, 2020, arXiv:1911.07979. Matches
/// `torch_geometric.nn.ASAPooling` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · batch: `[N]`
/// or none · output: `[K, in_channels]`, edges among `K` clusters, with weights if the nodes' edges
/// have some, and graphs and former numbers `[K]`
///
/// # Numerics
/// Matrices are sparse. A product takes memory for the entries of the first times the largest
/// number of entries in a row of the second.
#[derive(Module, Debug)]
pub struct AsapPooling {
    /// The map of the neighbours' maximum.
    pub lin: Linear,
    /// What scores a neighbour in a cluster.
    pub att: Linear,
    /// What scores a cluster.
    pub gnn_score: LeConv,
    /// A convolution that features pass before they score neighbours.
    pub gnn_intra_cluster: Option<AnyConv>,
    /// What selects the clusters; its one number has no effect but by its sign.
    pub select: SelectTopK,
    /// Dropout of the neighbours' weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: AsapPoolingConfig,
}

/// Nodes and edges of one or several graphs.
#[derive(Clone, Debug)]
pub struct AsapArgs {
    /// Features, `[N, F]`.
    pub x: Tensor<2>,
    /// Edges, with weights or without.
    pub edges: Edges,
    /// The graph of each node, `[N]`, in any order; without it there is one.
    pub batch: Option<Tensor<1, Int>>,
}

leaves!(AsapArgs { x, edges as edge_index, batch });

impl<E: Into<Edges>> From<(Tensor<2>, E)> for AsapArgs {
    fn from((x, edges): (Tensor<2>, E)) -> Self {
        let (edges, batch) = (edges.into(), None);
        Self { x, edges, batch }
    }
}

impl Arguments for AsapArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            edges: values.edges("edge_index"),
            batch: values.integers("batch"),
        }
    }
}

/// What an [`AsapPooling`] returns.
#[derive(Clone, Debug)]
pub struct AsapOutput {
    /// Features of the clusters, times their scores, `[K, F]`.
    pub x: Tensor<2>,
    /// Edges between clusters: an edge index, with weights if the nodes' edges have some.
    pub edges: Edges,
    /// The graph of each cluster, `[K]`; 0 if there is one.
    pub batch: Tensor<1, Int>,
    /// The node that each cluster was around, `[K]`.
    pub perm: Tensor<1, Int>,
}

leaves!(AsapOutput { x, edges as edge_index, batch, perm as index });

impl From<AsapOutput> for Value {
    fn from(out: AsapOutput) -> Self {
        let ends = Endpoints::of(out.edges.bare());
        let (nodes, weight) = (out.edges.num_src(), out.edges.weight());
        let edges = EdgeIndex::from_ends_unchecked(ends.src(), ends.dst(), nodes, nodes);
        Self::Tuple(vec![
            out.x.into(),
            Self::EdgeIndex(edges),
            weight.into(),
            out.batch.into(),
            out.perm.into(),
        ])
    }
}

impl AsapPooling {
    /// The weight of each edge's source in the cluster of its target, `[E]`.
    fn shares(&self, x: &Tensor<2>, edges: &Edges, ends: &Endpoints) -> Tensor<1> {
        let [_, width] = x.dims();
        let x = match &self.gnn_intra_cluster {
            Some(gnn) => gnn.forward(x.clone(), edges),
            None => x.clone(),
        };
        let most = aggregate(x.clone(), None, ends, Reduce::Max);
        // Each node is mapped once as a cluster and once as a neighbour.
        let of_cluster = self.att.forward_first(self.lin.forward(most));
        let of_neighbour = self.att.map_from(width, x);
        let score = gather(of_cluster, ends.dst()) + gather(of_neighbour, ends.src());
        let score = leaky_relu(score, self.config.negative_slope);
        let score = segment_softmax(score, ends.dst(), ends.num_targets());
        self.dropout.forward(score).squeeze_dim(1)
    }

    /// Edges between the clusters that are kept.
    fn coarsened(
        &self,
        ends: &Endpoints,
        weight: Option<Tensor<1>>,
        share: Tensor<1>,
        perm: Tensor<1, Int>,
    ) -> Edges {
        let (nodes, [kept]) = (ends.num_targets(), perm.dims());
        let (src, dst) = (ends.src(), ends.dst());
        let links = Entries {
            row: src.clone(),
            col: dst.clone(),
            value: weight.clone().unwrap_or_else(|| share.ones_like()),
        };
        // Where the new numbers of clusters stand, of which each node has one or none.
        let (ptr, number) = coo_to_csr(perm, nodes);
        let start = ptr.clone().narrow(0, 0, nodes);
        let found = ptr.narrow(0, 1, nodes) - start.clone();
        let own = nonzero(found.select(0, dst.clone()).greater_elem(0));
        let cluster = start.select(0, dst.select(0, own.clone()));
        let members = Entries {
            row: src.select(0, own.clone()),
            col: number.select(0, cluster),
            value: gather(share, own),
        };
        let members = members.coalesced([nodes, kept]);
        let linked = links
            .coalesced([nodes; 2])
            .times(&members, [nodes, nodes, kept]);
        let Entries { row, col, value } = members
            .transposed([nodes, kept])
            .times(&linked, [kept, nodes, kept]);
        let edges = EdgeIndex::from_ends_unchecked(row, col, kept, kept);
        let value = weight.map(|_| value);
        let (edges, value) = if self.config.add_self_loops {
            graph::add_remaining_self_loops(&edges, value, 1.0)
        } else {
            graph::remove_self_loops(&edges, value)
        };
        Edges::from(edges).with_weight(value)
    }
}

impl Layer for AsapPooling {
    const NAME: &'static str = "ASAPooling";

    type Config = AsapPoolingConfig;
    type Args = AsapArgs;
    type Output = AsapOutput;

    fn signatures(&self) -> Signatures {
        let x = ["N".into(), self.config.in_channels.into()];
        Signatures::new()
            .with("x", Type::float(x))
            .with("edge_index", edge_index())
            .edge_weight()
            .with("batch", Type::int(["N".into()]).optional())
    }

    fn compute(&self, AsapArgs { x, edges, batch }: AsapArgs) -> AsapOutput {
        let ends = Endpoints::of(edges.bare());
        let nodes = ends.num_targets();
        let index = EdgeIndex::from_ends_unchecked(ends.src(), ends.dst(), nodes, nodes);
        let (index, weight) = graph::add_remaining_self_loops(&index, edges.weight(), 1.0);
        let edges = Edges::from(&index).with_weight(weight.clone());
        let ends = Endpoints::of(edges.bare());

        let share = self.shares(&x, &edges, &ends);
        let x = aggregate(x, Some(share.clone()), &ends, Reduce::Sum);
        let fitness = sigmoid(self.gnn_score.forward(x.clone(), edges.bare()));
        let perm = self.select.forward(fitness.clone(), batch.clone()).perm;
        AsapOutput {
            x: gather(x, perm.clone()) * gather(fitness, perm.clone()),
            edges: self.coarsened(&ends, weight, share, perm.clone()),
            batch: match batch {
                Some(batch) => batch.select(0, perm.clone()),
                None => perm.zeros_like(),
            },
            perm,
        }
    }
}
