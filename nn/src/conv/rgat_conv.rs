//! Relational graph attention: maps and scores for each type of edges.

use kiln_ops::{gather, linear, matmul, relu, segment_softmax};
use serde::{Deserialize, Serialize};

use super::{
    attention::{Attention, AttentionArgs, AttentionOutput, answered, asked, finish},
    prelude::*,
    relations::{RelationWeight, TypedEnds, combined, map_by_types},
};
use crate::dropout::Dropout;

/// How an [`RgatConv`] keeps what a softmax loses: how many neighbours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RgatMod {
    /// The sum of the neighbours is added, each feature with a learned weight.
    Additive,
    /// The result is multiplied with what a network makes of the degree.
    Scaled,
    /// Weights above 0 are raised by 1.
    FAdditive,
    /// The result is multiplied with the degree.
    FScaled,
}

/// Among which edges an [`RgatConv`] takes the softmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RgatMechanism {
    /// Those of one type into a node.
    WithinRelation,
    /// All into a node.
    AcrossRelation,
}

/// How an [`RgatConv`] scores edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RgatMode {
    /// `LeakyReLU(q + k)`, and what the edge adds.
    AdditiveSelfAttention,
    /// `q · k` by dimensions, times what the edge adds.
    MultiplicativeSelfAttention,
}

/// Configuration of an [`RgatConv`].
#[derive(Config, Debug)]
pub struct RgatConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features of each head.
    pub out_channels: usize,
    /// Number of types of edges.
    pub num_relations: usize,
    /// If set, the maps of all types are combinations of so many.
    #[config(default = "None")]
    pub num_bases: Option<usize>,
    /// If set, the maps consist of so many blocks along their diagonals.
    #[config(default = "None")]
    pub num_blocks: Option<usize>,
    /// How the number of neighbours is kept (PyG's `mod`).
    #[config(default = "None")]
    pub mod_: Option<RgatMod>,
    /// Among which edges the softmax is taken.
    #[config(default = "RgatMechanism::AcrossRelation")]
    pub attention_mechanism: RgatMechanism,
    /// How edges are scored.
    #[config(default = "RgatMode::AdditiveSelfAttention")]
    pub attention_mode: RgatMode,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Number of scores of each head; above 1 only if scores are products.
    #[config(default = 1)]
    pub dim: usize,
    /// Whether heads are concatenated; otherwise they are averaged.
    #[config(default = true)]
    pub concat: bool,
    /// Slope of the leaky ReLU for negative scores.
    #[config(default = 0.2)]
    pub negative_slope: f64,
    /// Probability with which an attention weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Width of the edges' features, if there are any.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for RgatConvConfig {
    type Layer = RgatConv;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "num_relations"];

    fn blank() -> Self {
        Self::new(0, 0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)?;
        let (heads, dim) = (self.heads, self.dim);
        ConfigError::unless(heads > 0, "heads", "at least one head", "0")?;
        let ok =
            dim == 1 || dim > 1 && self.attention_mode == RgatMode::MultiplicativeSelfAttention;
        let expected = "1, or more with multiplicative attention";
        ConfigError::unless(ok, "dim", expected, dim.to_string())?;
        let ok = self.dropout == 0.0 || self.mod_.is_none();
        let got = format!("{:?}", self.mod_);
        ConfigError::unless(ok, "mod", "none, since there is dropout", got)?;
        let width = heads * self.out_channels;
        let (ok, got) = match (self.num_bases, self.num_blocks) {
            (Some(bases), Some(blocks)) => (false, format!("{blocks} beside {bases} bases")),
            (_, Some(blocks)) => {
                let divides = |width: usize| width.checked_rem(blocks) == Some(0);
                let ok = divides(self.in_channels) && divides(width);
                (ok, blocks.to_string())
            }
            _ => (true, String::new()),
        };
        let expected = "a divisor of both widths, without bases";
        ConfigError::unless(ok, "num_blocks", expected, got)
    }

    fn make(&self, device: &Device) -> RgatConv {
        let (types, d_in, channels) = (self.num_relations, self.in_channels, self.out_channels);
        let (width, scores) = (self.heads * channels, self.heads * self.dim);
        let heads = if self.concat { self.heads } else { 1 };
        let score = || init::glorot([width, scores], device);
        let weight = match (self.num_bases, self.num_blocks) {
            (Some(_), _) => None,
            (None, Some(blocks)) => {
                let shape = [types, blocks, d_in / blocks, width / blocks];
                Some(RelationWeight::Blocks(init::glorot(shape, device)))
            }
            (None, None) => {
                let weight = init::glorot([types, d_in, width], device);
                Some(RelationWeight::Matrices(weight))
            }
        };
        let row = |value: f64| Param::from_tensor(Tensor::full([1, channels], value, device));
        let lin_edge = |edge_dim| LinearConfig::glorot(edge_dim, width).init(device);
        let mean = count(channels.max(1)).recip();
        RgatConv {
            q: score(),
            k: score(),
            bias: (self.bias).then(|| init::zeros(heads * self.dim * channels, device)),
            lin_edge: self.edge_dim.map(lin_edge),
            e: self.edge_dim.map(|_| score()),
            att: self
                .num_bases
                .map(|bases| init::glorot([types, bases], device)),
            basis: self
                .num_bases
                .map(|bases| init::glorot([bases, d_in, width], device)),
            weight,
            w: Param::from_tensor(Tensor::ones([channels], device)),
            l1: row(1.0),
            b1: row(0.0),
            l2: Param::from_tensor(Tensor::full([channels, channels], mean, device)),
            b2: row(0.0),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Weighs each neighbour by attention with a map for each type of edges.
///
/// ```text
/// x_i' = ‖_h  Σ_{j → i of type r} α_ji,h W_r,h x_j  + b
/// q_i = Q W_r x_i,  k_j = K W_r x_j        α_ji = softmax_j of
///   additive:        LeakyReLU( q_i + k_j + E W_e e_ji )
///   multiplicative:  q_i k_j (E W_e e_ji)
/// ```
///
/// The softmax is taken among all edges into a node, or among those of each type. Of a
/// multiplicative score with several dimensions, each weighs the neighbours by itself.
///
/// Source: Busbridge et al., Relational Graph Attention Networks, 2019, arXiv:1904.05811; `mod`
/// after Zhang, Xie, Improving Attention Mechanism in Graph Neural Networks via Cardinality
/// Preservation, 2019, arXiv:1907.02204. Matches `torch_geometric.nn.RGATConv` (2.8). Departs: `l2`
/// starts as `1 / out_channels` (PyG leaves it uninitialised); types of edges beside an adjacency
/// are an argument.
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with types `[E]` below `num_relations` and
/// with features `[E, edge_dim]` or without · output: `[N, heads · dim · out_channels]`, or
/// `[N, dim · out_channels]` if heads are averaged
///
/// # Numerics
/// All nodes go through the maps of all types in one product, `[num_relations · N, heads ·
/// out_channels]`, of which edges take rows; where a row that no edge takes is not finite, neither
/// are the gradients of the maps.
///
/// # Panics
/// On the CPU, if the type of an edge is not below `num_relations`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_core::{EdgeIndex, Edges};
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let edges = Edges::from(edges).with_type(Tensor::<1, Int>::from_ints([2, 0], &device));
/// let conv = RgatConvConfig::new(3, 4, 3).with_heads(2).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 8]);
/// ```
#[derive(Module, Debug)]
pub struct RgatConv {
    /// Map to the targets' part of scores, `[heads · out_channels, heads · dim]`.
    pub q: Param<Tensor<2>>,
    /// Map to the sources' part of scores, of the same shape.
    pub k: Param<Tensor<2>>,
    /// The bias, as wide as the output.
    pub bias: Option<Param<Tensor<1>>>,
    /// Map of the edges' features.
    pub lin_edge: Option<Linear>,
    /// Map to the edges' part of scores, of the shape of the others.
    pub e: Option<Param<Tensor<2>>>,
    /// What each type takes of the bases, `[num_relations, num_bases]`.
    pub att: Option<Param<Tensor<2>>>,
    /// The bases of the maps, `[num_bases, in_channels, heads · out_channels]`.
    pub basis: Option<Param<Tensor<3>>>,
    /// The maps of the types, where they have no bases.
    pub weight: Option<RelationWeight>,
    /// Weight of the neighbours' sum ([`RgatMod::Additive`]), `[out_channels]`.
    pub w: Param<Tensor<1>>,
    /// First map of the degree ([`RgatMod::Scaled`]), `[1, out_channels]`.
    pub l1: Param<Tensor<2>>,
    /// Its bias, `[1, out_channels]`.
    pub b1: Param<Tensor<2>>,
    /// Second map of the degree, `[out_channels, out_channels]`.
    pub l2: Param<Tensor<2>>,
    /// Its bias, `[1, out_channels]`.
    pub b2: Param<Tensor<2>>,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: RgatConvConfig,
}

/// What [`RgatConv`] propagates.
#[derive(Clone, Debug)]
pub struct RgatPropagated {
    x: Tensor<3>,
    alpha: Option<Tensor<2>>,
}

leaves!(RgatPropagated { x, alpha });

impl RgatConv {
    /// The convolution, and the attention that it paid to each edge, before `mod` and dropout:
    /// `[E, heads · dim]`.
    ///
    /// # Panics
    /// If features do not have the width of the layer, or the edges have no types.
    pub fn forward_with_attention(
        &self,
        x: impl Into<Nodes>,
        edges: impl Into<Edges>,
    ) -> (Tensor<2>, Attention) {
        answered(self.call(asked(x, edges)))
    }

    /// All nodes by the maps of all types, `[num_relations · N, heads · out_channels]`.
    fn mapped(&self, x: Tensor<2>) -> Tensor<2> {
        match (&self.weight, &self.att, &self.basis) {
            (Some(RelationWeight::Matrices(weight)), ..) => {
                map_by_types(x, weight.val().unsqueeze_dim(1))
            }
            (Some(RelationWeight::Blocks(weight)), ..) => map_by_types(x, weight.val()),
            (None, Some(att), Some(basis)) => {
                map_by_types(x, combined(att.val(), basis.val()).unsqueeze_dim(1))
            }
            _ => unreachable!("without maps there are bases"),
        }
    }

    /// The attention paid to each edge, `[E, heads · dim]`.
    fn attention(
        &self,
        mapped: &Tensor<2>,
        attr: Option<Tensor<2>>,
        typed: &TypedEnds,
    ) -> Tensor<2> {
        let q = matmul(mapped.clone(), self.q.val());
        let k = typed.ends.lift_j(matmul(mapped.clone(), self.k.val()));
        let q = gather(q, typed.target.clone());
        let edge = self.lin_edge.as_ref().zip(self.e.as_ref()).zip(attr);
        let edge = edge.map(|((lin, e), attr)| linear(lin.forward(attr), e.val(), None));
        let scores = match (self.config.attention_mode, edge) {
            (RgatMode::AdditiveSelfAttention, edge) => {
                let sums = match edge {
                    Some(edge) => q + k + edge,
                    None => q + k,
                };
                kiln_ops::leaky_relu(sums, self.config.negative_slope)
            }
            (RgatMode::MultiplicativeSelfAttention, Some(edge)) => q * k * edge,
            (RgatMode::MultiplicativeSelfAttention, None) => q * k,
        };
        match self.config.attention_mechanism {
            RgatMechanism::AcrossRelation => typed.ends.softmax(scores),
            RgatMechanism::WithinRelation => {
                let size = self.config.num_relations * typed.ends.num_targets();
                segment_softmax(scores, typed.target.clone(), size)
            }
        }
    }

    /// What the degree makes of the result, `[N, heads · dim, out_channels]`.
    fn modified(&self, out: Tensor<3>, x: Tensor<3>, typed: &TypedEnds) -> Tensor<3> {
        let degree = typed.ends.weighted_degree(&x);
        match self.config.mod_ {
            None | Some(RgatMod::FAdditive) => out,
            Some(RgatMod::FScaled) => out * degree.unsqueeze_dims(&[1, 2]),
            Some(RgatMod::Scaled) => {
                let hidden = degree.unsqueeze_dim::<2>(1) * self.l1.val() + self.b1.val();
                let scale = matmul(relu(hidden), self.l2.val()) + self.b2.val();
                out * scale.unsqueeze_dim(1)
            }
            Some(RgatMod::Additive) => {
                let [nodes, _, channels] = out.dims();
                let (heads, dim) = (self.config.heads, self.config.dim);
                let plain = RgatPropagated { x, alpha: None };
                let sum = self.propagate(typed.ends.edges(), plain);
                let sum = sum.reshape([nodes, heads, channels]) * self.w.val().unsqueeze();
                out + repeated(sum, dim)
            }
        }
    }
}

/// Each head so many times in a row: `[N, H, C]` to `[N, H · times, C]`.
fn repeated(x: Tensor<3>, times: usize) -> Tensor<3> {
    let [rows, heads, channels] = x.dims();
    if times == 1 {
        return x;
    }
    let x = x.unsqueeze_dim::<4>(2).repeat_dim(2, times);
    x.reshape([rows, heads * times, channels])
}

impl Layer for RgatConv {
    const NAME: &'static str = "RGATConv";

    type Config = RgatConvConfig;
    type Args = AttentionArgs;
    type Output = AttentionOutput;

    fn signatures(&self) -> Signatures {
        let args = Signatures::conv_of_one_set(self.config.in_channels).needed_edge_type();
        let args = match self.config.edge_dim {
            Some(edge_dim) => args.edge_attr(edge_dim),
            None => args,
        };
        args.size().choice("return_attention_weights")
    }

    fn compute(&self, args: AttentionArgs) -> AttentionOutput {
        let ConvArgs { x, edges } = args.conv;
        let (x, _) = x.floats();
        let RgatConvConfig {
            num_relations,
            out_channels,
            heads,
            dim,
            concat,
            ..
        } = self.config;
        let typed = TypedEnds::new(&edges, num_relations);
        let mapped = self.mapped(x);
        let alpha = self.attention(&mapped, edges.attr(), &typed);
        let attention = args.return_attention_weights.then(|| {
            let (edges, alpha) = (edges.bare(), alpha.clone());
            Attention { edges, alpha }
        });
        let alpha = if self.config.mod_ == Some(RgatMod::FAdditive) {
            let is_positive = alpha.clone().greater_elem(0.0);
            alpha.clone().mask_where(is_positive, alpha + 1.0)
        } else {
            self.dropout.forward(alpha)
        };
        let [rows, _] = mapped.dims();
        let mapped = mapped.reshape([rows, heads, out_channels]);
        let args = RgatPropagated {
            x: repeated(mapped.clone(), dim),
            alpha: Some(alpha),
        };
        let out = self.propagate(typed.ends.edges(), args);
        let [nodes, width] = out.dims();
        let out = out.reshape([nodes, heads * dim, out_channels]);
        let out = self.modified(out, mapped, &typed).reshape([nodes, width]);
        let bias = self.bias.as_ref().map(Param::val);
        let x = finish(out, (!concat).then_some(heads), None, bias);
        AttentionOutput { x, attention }
    }
}

impl MessagePassing for RgatConv {
    type Propagated = RgatPropagated;

    fn message(&self, args: &RgatPropagated, _ends: &Endpoints) -> Message {
        Message::heads(args.x.clone(), args.alpha.clone())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;
    use kiln_core::EdgeIndex;

    use super::*;
    use crate::conv::Conv as _;

    #[test]
    #[should_panic(expected = "7")]
    fn a_type_that_is_none_is_no_other_nodes() {
        let device = Device::flex();
        let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
        let edges = Edges::from(edges).with_type(Tensor::<1, Int>::from_ints([0, 3], &device));
        let conv = RgatConvConfig::new(3, 4, 3).init(&device);
        conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
    }

    #[test]
    fn options_that_exclude_each_other_are_named() {
        let config = || RgatConvConfig::new(6, 4, 3);
        for (config, argument) in [
            (config().with_dim(2), "dim"),
            (config().with_dim(0), "dim"),
            (
                config().with_mod_(Some(RgatMod::Scaled)).with_dropout(0.5),
                "mod",
            ),
            (
                config().with_num_bases(Some(2)).with_num_blocks(Some(2)),
                "num_blocks",
            ),
            (config().with_num_blocks(Some(4)), "num_blocks"),
            (config().with_num_blocks(Some(0)), "num_blocks"),
        ] {
            assert_eq!(config.check().unwrap_err().name, argument);
        }
    }
}
