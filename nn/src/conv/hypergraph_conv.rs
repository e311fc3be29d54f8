//! The hypergraph convolution: from nodes to hyperedges and back.

use kiln_core::{Arguments, EdgeIndex, Flow, Named};
use kiln_ops::{aggregate, heads_dot};
use serde::{Deserialize, Serialize};

use super::{
    attention::{by_heads, finish},
    prelude::*,
};
use crate::dropout::Dropout;

/// Among which incidences a [`HypergraphConv`] takes the softmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HypergraphAttention {
    /// Those of the nodes of one hyperedge.
    Node,
    /// Those of the hyperedges that have one node.
    Edge,
}

/// Configuration of a [`HypergraphConv`].
#[derive(Config, Debug)]
pub struct HypergraphConvConfig {
    /// Width of the input features, and of those of hyperedges.
    pub in_channels: usize,
    /// Width of the output features of each head.
    pub out_channels: usize,
    /// Whether nodes and hyperedges pay attention to each other; they then have features both.
    #[config(default = false)]
    pub use_attention: bool,
    /// Among which incidences the softmax is taken.
    #[config(default = "HypergraphAttention::Node")]
    pub attention_mode: HypergraphAttention,
    /// Number of heads; 1 without attention.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether heads are concatenated; otherwise they are averaged.
    #[config(default = true)]
    pub concat: bool,
    /// Slope of the leaky ReLU for negative scores.
    #[config(default = 0.2)]
    pub negative_slope: f64,
    /// Probability with which an attention weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for HypergraphConvConfig {
    type Layer = HypergraphConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.heads == 1 || self.heads > 1 && self.use_attention;
        let expected = "1, or more with attention";
        ConfigError::unless(ok, "heads", expected, self.heads.to_string())?;
        check_dropout(self.dropout)
    }

    fn make(&self, device: &Device) -> HypergraphConv {
        let (heads, channels) = (self.heads, self.out_channels);
        let width = if self.concat {
            heads * channels
        } else {
            channels
        };
        let att = || init::glorot_heads(heads, 2 * channels, device);
        HypergraphConv {
            lin: LinearConfig::glorot(self.in_channels, heads * channels).init(device),
            att: self.use_attention.then(att),
            bias: self.bias.then(|| init::zeros(width, device)),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Averages nodes for each hyperedge, and these for each node.
///
/// ```text
/// X' = D^(-1) H B^(-1) Hᵀ X Θ + b        D = diag(H w),  B = diag(Hᵀ 1)
/// ```
///
/// with the incidence matrix `H: [N, M]` and weights `w` of the hyperedges, which count for `D`
/// alone, as in PyG. With attention each incidence of node `i` and hyperedge `e` has a weight in
/// place of 1 in both products with `H`, by heads:
///
/// ```text
/// α_ie = softmax( LeakyReLU( a · (Θ x_i ‖ Θ x_e) ) )
/// ```
///
/// Source: Bai, Zhang, Torr, Hypergraph Convolution and Hypergraph Attention, 2019,
/// arXiv:1901.08150. Matches `torch_geometric.nn.HypergraphConv` (2.8). Departs: the number of
/// hyperedges is known, in Rust from the incidences, and a recording takes it as `num_edges`.
///
/// # Shapes
/// x: `[N, in_channels]` · hyperedge_index: `E` incidences of `N` nodes and `M` hyperedges ·
/// hyperedge_weight: `[M]` or absent · hyperedge_attr: `[M, in_channels]`, with attention · output:
/// `[N, heads · out_channels]`, or `[N, out_channels]` if heads are averaged
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// // Hyperedges {0, 1, 2} and {1, 2, 3}.
/// let (nodes, hyperedges) = ([0, 1, 2, 1, 2, 3], [0, 0, 0, 1, 1, 1]);
/// let index = EdgeIndex::from_arrays(&nodes, &hyperedges, 4, 2, &device).unwrap();
/// let conv = HypergraphConvConfig::new(3, 5).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([4, 3], &device), &index, None, None);
/// assert_eq!(out.dims(), [4, 5]);
/// ```
#[derive(Module, Debug)]
pub struct HypergraphConv {
    /// The linear map.
    pub lin: Linear,
    /// Attention vector of node and hyperedge, `[1, heads, 2 · out_channels]`.
    pub att: Option<Param<Tensor<3>>>,
    /// The bias, as wide as the output.
    pub bias: Option<Param<Tensor<1>>>,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: HypergraphConvConfig,
}

/// What [`HypergraphConv`] takes.
#[derive(Clone, Debug)]
pub struct HypergraphArgs {
    /// Features of the nodes, `[N, in_channels]`.
    pub x: Tensor<2>,
    /// Incidences, as edges from nodes to hyperedges.
    pub hyperedge_index: Edges,
    /// Weight of each hyperedge, `[M]`.
    pub hyperedge_weight: Option<Tensor<1>>,
    /// Features of each hyperedge, `[M, in_channels]`.
    pub hyperedge_attr: Option<Tensor<2>>,
}

leaves!(HypergraphArgs {
    x,
    hyperedge_index,
    hyperedge_weight,
    hyperedge_attr
});

impl Arguments for HypergraphArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            hyperedge_index: values.edges("hyperedge_index"),
            hyperedge_weight: values.optional("hyperedge_weight"),
            hyperedge_attr: values.optional("hyperedge_attr"),
        }
    }
}

/// What [`HypergraphConv`] propagates, both ways.
#[derive(Clone, Debug)]
pub struct HypergraphPropagated {
    x: Tensor<3>,
    /// What the sums are multiplied with.
    norm: Tensor<1>,
    alpha: Option<Tensor<2>>,
}

leaves!(HypergraphPropagated { x, norm, alpha });

impl HypergraphConv {
    /// The convolution.
    ///
    /// # Panics
    /// If features do not have the width of the layer, or with attention there are none of the
    /// hyperedges.
    pub fn forward(
        &self,
        x: Tensor<2>,
        hyperedge_index: &EdgeIndex,
        hyperedge_weight: Option<Tensor<1>>,
        hyperedge_attr: Option<Tensor<2>>,
    ) -> Tensor<2> {
        self.call(HypergraphArgs {
            x,
            hyperedge_index: hyperedge_index.into(),
            hyperedge_weight,
            hyperedge_attr,
        })
    }

    /// The attention of each incidence, `[E, heads]`.
    fn attention(
        &self,
        att: &Tensor<3>,
        [x, attr]: [Tensor<3>; 2],
        [to_edges, to_nodes]: [&Endpoints; 2],
    ) -> Tensor<2> {
        let channels = self.config.out_channels;
        let part = |x, first| heads_dot(x, att.clone().narrow(2, first, channels));
        let (node, edge) = (part(x, 0), part(attr, channels));
        let scores = to_edges.lift_j(node) + to_edges.lift_i(edge);
        let scores = kiln_ops::leaky_relu(scores, self.config.negative_slope);
        let alpha = match self.config.attention_mode {
            HypergraphAttention::Node => to_edges.softmax(scores),
            HypergraphAttention::Edge => to_nodes.softmax(scores),
        };
        self.dropout.forward(alpha)
    }
}

/// One over each number; 0 for 0.
fn inverse(degree: Tensor<1>) -> Tensor<1> {
    let inverse = degree.recip();
    let is_infinite = inverse.clone().equal_elem(f64::INFINITY);
    inverse.mask_fill(is_infinite, 0.0)
}

impl Layer for HypergraphConv {
    const NAME: &'static str = "HypergraphConv";
    const HISTORY: &'static [Change] = &[Change::transposed("2.0", "weight", "lin.weight")];

    type Config = HypergraphConvConfig;
    type Args = HypergraphArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let (width, hyperedges) = (
            || Dim::from(self.config.in_channels),
            || Dim::from("hyperedges"),
        );
        let index = Type::EdgeIndex {
            src: "N".into(),
            dst: hyperedges(),
            edges: "E".into(),
        };
        let args = Signatures::new()
            .with("x", Type::float(["N".into(), width()]))
            .with("hyperedge_index", index)
            .with("hyperedge_weight", Type::float([hyperedges()]).optional());
        let args = if self.config.use_attention {
            args.with("hyperedge_attr", Type::float([hyperedges(), width()]))
        } else {
            args
        };
        args.with("num_edges", Type::Int(hyperedges()))
    }

    fn compute(&self, args: HypergraphArgs) -> Tensor<2> {
        let edges = args.hyperedge_index.bare();
        let back = edges.clone().with_flow(Flow::TargetToSource);
        let (to_edges, to_nodes) = (Endpoints::of(&edges), Endpoints::of(&back));
        let heads = self.config.heads;
        let x = by_heads(&self.lin, args.x, heads);
        let alpha = self.att.as_ref().map(|att| {
            let attr = args.hyperedge_attr;
            let attr = attr.expect("HypergraphConv needs the features of the hyperedges");
            let attr = by_heads(&self.lin, attr, heads);
            self.attention(&att.val(), [x.clone(), attr], [&to_edges, &to_nodes])
        });
        let of_nodes = match args.hyperedge_weight {
            Some(weight) => {
                let sums = aggregate(weight.unsqueeze_dim(1), None, &to_nodes, Reduce::Sum);
                sums.squeeze_dim(1)
            }
            None => to_nodes.weighted_degree(&x),
        };
        let of_edges = to_edges.weighted_degree(&x);
        let pass = |edges: &Edges, x: Tensor<3>, degree| {
            let (norm, alpha) = (inverse(degree), alpha.clone());
            self.propagate(edges, HypergraphPropagated { x, norm, alpha })
        };
        let [_, _, channels] = x.dims();
        let out = pass(&edges, x, of_edges);
        let [num_edges, _] = out.dims();
        let out = pass(&back, out.reshape([num_edges, heads, channels]), of_nodes);
        let mean_of = (!self.config.concat).then_some(heads);
        finish(out, mean_of, None, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for HypergraphConv {
    type Propagated = HypergraphPropagated;

    fn message(&self, args: &HypergraphPropagated, _ends: &Endpoints) -> Message {
        Message::heads(args.x.clone(), args.alpha.clone())
    }

    fn update(&self, aggregated: Tensor<2>, args: &HypergraphPropagated) -> Tensor<2> {
        aggregated * args.norm.clone().unsqueeze_dim(1)
    }
}
