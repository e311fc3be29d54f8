//! Pooling by contracted edges.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Int, Tensor},
};
use kiln_core::{Arguments, EdgeIndex, Edges, Named, Signatures, Value, leaves, signature::Type};
use kiln_ops::{
    Endpoints, Layer, Reduce, arange, coo_to_csr, edge_matching, gather, nonzero, scatter,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::args::edge_index;
use crate::{
    activation::Activation,
    by_name::by_name,
    config::{ConfigError, LayerConfig, check_dropout},
    dropout::Dropout,
    linear::{Linear, LinearConfig},
    sparse::coalesced_edges,
};

/// How an [`EdgePooling`] makes scores of the edges' numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum EdgeScore {
    /// Softmax among the edges that lead to a node.
    #[default]
    Softmax,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
}

by_name!(
    EdgeScore,
    UnknownEdgeScore {
        Softmax: "softmax",
        Tanh: "tanh",
        Sigmoid: "sigmoid",
    }
);

/// A name that is no way to score edges.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown scores of edges `{name}`, expected one of softmax, tanh, sigmoid")]
pub struct UnknownEdgeScore {
    /// The name.
    pub name: String,
}

/// Configuration of an [`EdgePooling`].
#[derive(Config, Debug)]
pub struct EdgePoolingConfig {
    /// Width of the features.
    pub in_channels: usize,
    /// What makes scores of the edges' numbers. PyG has a function here.
    #[config(default = "EdgeScore::Softmax")]
    pub edge_score_method: EdgeScore,
    /// Probability with which the number of an edge is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// What is added to each score.
    #[config(default = 0.5)]
    pub add_to_edge_score: f64,
}

impl LayerConfig for EdgePoolingConfig {
    type Layer = EdgePooling;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)
    }

    fn make(&self, device: &Device) -> EdgePooling {
        EdgePooling {
            lin: LinearConfig::new(2 * self.in_channels, 1).init(device),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Merges the nodes of edges that share no node, those with the greatest scores first.
///
/// ```text
/// s_ij = softmax over i of ( w · (x_i ‖ x_j) + b ), plus 0.5
/// x'_c = s_ij (x_i + x_j) for each edge that is contracted, and x_i for each node that is left
/// ```
///
/// Clusters are numbered by contracted edges, the greatest score first, and then by nodes that are
/// left. Of equal scores the first edge is contracted, where PyG leaves the order open. Edges
/// between clusters are in order, each once.
///
/// Source: Diehl, Edge Contraction Pooling for Graph Neural Networks, 2019, arXiv:1905.10990.
/// Matches `torch_geometric.nn.EdgePooling` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes · batch: `[N]` · output: `[K, in_channels]`,
/// edges among `K` clusters, graphs `[K]`, and what [`unpool`](Self::unpool) needs
///
/// # Numerics
/// Edges are contracted one after the other, on the host; in a recording by a loop over all edges,
/// each step of which looks at all nodes: [`kiln_ops::edge_matching`].
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::{LayerConfig as _, pool::EdgePoolingConfig};
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[1, 2, 0], 3, 3, &device).unwrap();
/// let pool = EdgePoolingConfig::new(4).init(&device);
/// let out = pool.forward(Tensor::ones([3, 4], &device), &edges, Tensor::zeros([3], &device));
/// assert_eq!(out.x.dims(), [2, 4]);
/// assert_eq!(pool.unpool(out.x, &out.unpool).dims(), [3, 4]);
/// ```
#[derive(Module, Debug)]
pub struct EdgePooling {
    /// What numbers edges by the features of both ends.
    pub lin: Linear,
    /// Dropout of the edges' numbers.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: EdgePoolingConfig,
}

/// Nodes and edges of graphs.
#[derive(Clone, Debug)]
pub struct EdgePoolArgs {
    /// Features, `[N, F]`.
    pub x: Tensor<2>,
    /// Edges.
    pub edges: Edges,
    /// The graph of each node, `[N]`.
    pub batch: Tensor<1, Int>,
}

leaves!(EdgePoolArgs { x, edges as edge_index, batch });

impl<E: Into<Edges>> From<(Tensor<2>, E, Tensor<1, Int>)> for EdgePoolArgs {
    fn from((x, edges, batch): (Tensor<2>, E, Tensor<1, Int>)) -> Self {
        let edges = edges.into();
        Self { x, edges, batch }
    }
}

impl Arguments for EdgePoolArgs {
    fn from_named(values: &mut Named) -> Self {
        let batch = values.integers("batch");
        Self {
            x: values.tensor("x"),
            edges: values.edges("edge_index"),
            batch: batch.unwrap_or_else(|| panic!("expected `batch`, got none")),
        }
    }
}

/// What an [`EdgePooling`] returns.
#[derive(Clone, Debug)]
pub struct EdgePoolOutput {
    /// Features of the clusters, `[K, F]`.
    pub x: Tensor<2>,
    /// Edges between clusters.
    pub edges: EdgeIndex,
    /// The graph of each cluster, `[K]`.
    pub batch: Tensor<1, Int>,
    /// What undoes the pooling.
    pub unpool: UnpoolInfo,
}

/// What undoes an [`EdgePooling`]: the graph before, and which cluster each node became.
#[derive(Clone, Debug)]
pub struct UnpoolInfo {
    /// The edges before.
    pub edges: EdgeIndex,
    /// The cluster of each node, `[N]`.
    pub cluster: Tensor<1, Int>,
    /// The graph of each node, `[N]`.
    pub batch: Tensor<1, Int>,
    /// What the features of each cluster were multiplied by, `[K]`.
    pub new_edge_score: Tensor<1>,
}

leaves!(EdgePoolOutput { x, edges as edge_index, batch, unpool as unpool_info });
leaves!(UnpoolInfo { edges as edge_index, cluster, batch, new_edge_score });

impl From<EdgePoolOutput> for Value {
    fn from(out: EdgePoolOutput) -> Self {
        let info = out.unpool;
        let info = Self::Tuple(vec![
            Self::EdgeIndex(info.edges),
            info.cluster.into(),
            info.batch.into(),
            info.new_edge_score.into(),
        ]);
        Self::Tuple(vec![
            out.x.into(),
            Self::EdgeIndex(out.edges),
            out.batch.into(),
            info,
        ])
    }
}

impl EdgePooling {
    /// Merges nodes.
    ///
    /// # Panics
    /// If features do not have the width of the layer.
    pub fn forward(
        &self,
        x: Tensor<2>,
        edges: impl Into<Edges>,
        batch: Tensor<1, Int>,
    ) -> EdgePoolOutput {
        self.call((x, edges, batch))
    }

    /// Features of nodes from those of clusters: of each its cluster's, by what they were
    /// multiplied by. `x: [K, F]` gives `[N, F]`.
    pub fn unpool(&self, x: Tensor<2>, info: &UnpoolInfo) -> Tensor<2> {
        let x = x / info.new_edge_score.clone().unsqueeze_dim(1);
        gather(x, info.cluster.clone())
    }

    /// The score of each edge, `[E]`.
    fn scores(&self, x: &Tensor<2>, ends: &Endpoints) -> Tensor<1> {
        // Each node is mapped once as a source and once as a target.
        let [_, width] = x.dims();
        let of_source = self.lin.forward_first(x.clone());
        let of_target = self.lin.map_from(width, x.clone());
        let score = gather(of_source, ends.src()) + gather(of_target, ends.dst());
        let score = self.dropout.forward(score);
        let score = match self.config.edge_score_method {
            EdgeScore::Softmax => kiln_ops::segment_softmax(score, ends.dst(), ends.num_targets()),
            EdgeScore::Tanh => Activation::Tanh.apply(score),
            EdgeScore::Sigmoid => Activation::Sigmoid.apply(score),
        };
        score
            .squeeze_dim(1)
            .add_scalar(self.config.add_to_edge_score)
    }
}

impl Layer for EdgePooling {
    const NAME: &'static str = "EdgePooling";

    type Config = EdgePoolingConfig;
    type Args = EdgePoolArgs;
    type Output = EdgePoolOutput;

    fn signatures(&self) -> Signatures {
        let x = ["N".into(), self.config.in_channels.into()];
        Signatures::new()
            .with("x", Type::float(x))
            .with("edge_index", edge_index())
            .with("batch", Type::int(["N".into()]))
    }

    fn compute(&self, EdgePoolArgs { x, edges, batch }: EdgePoolArgs) -> EdgePoolOutput {
        let [nodes, _] = x.dims();
        let ends = Endpoints::of(edges.bare());
        let score = self.scores(&x, &ends);
        let (src, dst) = (ends.src(), ends.dst());
        let dtype = src.dtype();
        let number = |range| arange(range, &src.device()).cast(dtype);

        let taken = edge_matching(score.clone(), src.clone(), dst.clone(), nodes);
        let [contracted] = taken.dims();
        let first = src.clone().select(0, taken.clone());
        let second = dst.clone().select(0, taken.clone());
        let both = Tensor::cat(vec![first.clone(), second.clone()], 0);
        // The entries of the nodes of contracted edges, of which each node has one or none, and a
        // loop's node two.
        let (ptr, _) = coo_to_csr(both.clone(), nodes);
        let found = ptr.clone().narrow(0, 1, nodes) - ptr.narrow(0, 0, nodes);
        let left = nonzero(found.equal_elem(0)).cast(dtype);
        let clusters = contracted + left.dims()[0];

        let node = Tensor::cat(vec![both, left.clone()], 0);
        let of_edges = number(0..contracted);
        let of_left = number(contracted..clusters);
        let cluster = Tensor::cat(vec![of_edges.clone(), of_edges, of_left], 0);
        let (ptr, place) = coo_to_csr(node, nodes);
        let cluster = cluster.select(0, place.select(0, ptr.narrow(0, 0, nodes)));

        let ones = Tensor::ones([left.dims()[0]], (&x.device(), x.dtype()));
        let new_edge_score = Tensor::cat(vec![gather(score, taken), ones], 0);
        let x = scatter(x, cluster.clone(), clusters, Reduce::Sum);
        let between = [src.clone(), dst.clone()].map(|end| cluster.clone().select(0, end));
        // The last node of a cluster says which graph it is of.
        let is_last = second.clone().greater(first.clone());
        let last = first.mask_where(is_last, second);
        EdgePoolOutput {
            x: x * new_edge_score.clone().unsqueeze_dim(1),
            edges: coalesced_edges(between, clusters),
            batch: batch.clone().select(0, Tensor::cat(vec![last, left], 0)),
            unpool: UnpoolInfo {
                edges: EdgeIndex::from_ends_unchecked(src, dst, nodes, nodes),
                cluster,
                batch,
                new_edge_score,
            },
        }
    }
}
