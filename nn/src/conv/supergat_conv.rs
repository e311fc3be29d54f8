//! Self-supervised graph attention: scores that also say how likely an edge is.

use burn::nn::loss::BinaryCrossEntropyLossConfig;
use kiln_core::{EdgeIndex, Groups, batched_negative_sampling, edge_sampling, negative_sampling};
use kiln_ops::{LoopedEdges, edge_dot, heads_dot};
use serde::{Deserialize, Serialize};

use super::{
    attention::{AttentionPropagated, by_heads, finish, loops, with_attention},
    prelude::*,
};
use crate::{dropout::Dropout, utils};

/// How a [`SuperGatConv`] scores edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SuperGatAttention {
    /// The scores of graph attention, times the likelihood of the edge.
    Mx,
    /// The inner product of the rows of both ends, scaled by their width.
    Sd,
}

/// Configuration of a [`SuperGatConv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct SuperGatConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features of each head.
    pub out_channels: usize,
    /// Number of heads.
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
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// How edges are scored.
    #[config(default = "SuperGatAttention::Mx")]
    pub attention_type: SuperGatAttention,
    /// Number of edges to tell apart from those of the graph, relative to the number of these.
    #[config(default = 0.5)]
    pub neg_sample_ratio: f64,
    /// Share of the edges that the attention loss looks at.
    #[config(default = 1.0)]
    pub edge_sample_ratio: f64,
    /// Whether the edges that are given run both ways. Otherwise an edge is none to tell apart if
    /// there is one the other way.
    #[config(default = false)]
    pub is_undirected: bool,
}

impl LayerConfig for SuperGatConvConfig {
    type Layer = SuperGatConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.heads > 0, "heads", "at least one head", "0")?;
        let (neg, edge) = (self.neg_sample_ratio, self.edge_sample_ratio);
        let (name, got) = ("neg_sample_ratio", neg.to_string());
        ConfigError::unless(neg > 0.0, name, "a number above 0", got)?;
        let ok = edge > 0.0 && edge <= 1.0;
        let (name, got) = ("edge_sample_ratio", edge.to_string());
        ConfigError::unless(ok, name, "a share in (0, 1]", got)?;
        check_dropout(self.dropout)
    }

    fn make(&self, device: &Device) -> SuperGatConv {
        let (heads, channels) = (self.heads, self.out_channels);
        let width = if self.concat {
            heads * channels
        } else {
            channels
        };
        let has_att = self.attention_type == SuperGatAttention::Mx;
        let att = || has_att.then(|| init::glorot_heads(heads, channels, device));
        SuperGatConv {
            lin: LinearConfig::glorot(self.in_channels, heads * channels).init(device),
            att_l: att(),
            att_r: att(),
            bias: self.bias.then(|| init::zeros(width, device)),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Weighs each neighbour by attention that can also be trained to tell edges from pairs of nodes
/// without one.
///
/// ```text
/// x_i' = ‖_h  Σ_{j ∈ N(i) ∪ {i}} α_ji,h W_h x_j  + b        α_ji = softmax_j( LeakyReLU(e_ji) )
/// MX:  e_ji = (a_l · W x_j + a_r · W x_i) σ( W x_i · W x_j )
/// SD:  e_ji = W x_i · W x_j / √C
/// ```
///
/// Source: Kim, Oh, How to Find Your Friendly Neighborhood: Graph Attention Design with
/// Self-Supervision, ICLR 2021. Matches `torch_geometric.nn.SuperGATConv` (2.8). Departs: the
/// forward pass is the same in training, and
/// [`attention_loss`](SuperGatConv::attention_loss) is computed apart from it.
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes · output: `[N, heads · out_channels]`, or
/// `[N, out_channels]` if heads are averaged
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 3, 3, &device).unwrap();
/// let conv = SuperGatConvConfig::new(3, 4).with_heads(2).init(&device);
/// let x = Tensor::<2>::ones([3, 3], &device);
/// assert_eq!(conv.forward(x.clone(), &edges).dims(), [3, 8]);
/// let (positive, negative) = conv.sample_edges(&edges, None, 7);
/// assert_eq!(conv.attention_loss(x, &positive, &negative).dims(), [1]);
/// ```
#[derive(Module, Debug)]
pub struct SuperGatConv {
    /// The linear map, to `heads · out_channels`.
    pub lin: Linear,
    /// Attention vector of the source, `[1, heads, out_channels]`.
    pub att_l: Option<Param<Tensor<3>>>,
    /// Attention vector of the target, `[1, heads, out_channels]`.
    pub att_r: Option<Param<Tensor<3>>>,
    /// The bias, as wide as the output.
    pub bias: Option<Param<Tensor<1>>>,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: SuperGatConvConfig,
}

impl SuperGatConv {
    /// The loss by which attention learns to tell edges from pairs of nodes without one: the binary
    /// cross entropy of the inner products of their ends, averaged over the heads. PyG's
    /// `get_attention_loss`, for the edges that [`sample_edges`](Self::sample_edges) gives or any
    /// others.
    ///
    /// # Shapes
    /// x: `[N, in_channels]` · output: `[1]`
    ///
    /// # Panics
    /// If features do not have the width of the layer, or edges are not among `N` nodes.
    pub fn attention_loss(
        &self,
        x: Tensor<2>,
        positive: &EdgeIndex,
        negative: &EdgeIndex,
    ) -> Tensor<1> {
        let x = by_heads(&self.lin, x, self.config.heads);
        let logits = |edges: &EdgeIndex| {
            let logits = self.logits(edge_dot(x.clone(), x.clone(), &Endpoints::of(edges)));
            logits.mean_dim(1).squeeze_dim::<1>(1)
        };
        let device = x.device();
        let targets = [
            Tensor::ones([positive.num_edges()], &device),
            Tensor::zeros([negative.num_edges()], &device),
        ];
        let logits = Tensor::cat(vec![logits(positive), logits(negative)], 0);
        let loss = BinaryCrossEntropyLossConfig::new().with_logits(true);
        let targets = Tensor::cat(targets.to_vec(), 0);
        loss.init(&device).forward(logits, targets)
    }

    /// Edges to tell apart: those of the graph, with loops if the layer adds them, of which a share
    /// is taken; and others that are not in the graph. With the graphs of a batch, these run within
    /// graphs, as many in each as PyG draws. The same seed gives the same edges. Reads the edges.
    ///
    /// # Panics
    /// If the graph has two node sets, or graphs have another number of nodes.
    pub fn sample_edges(
        &self,
        edges: &EdgeIndex,
        batch: Option<&Groups>,
        seed: u64,
    ) -> (EdgeIndex, EdgeIndex) {
        let SuperGatConvConfig {
            neg_sample_ratio,
            edge_sample_ratio,
            is_undirected,
            ..
        } = self.config;
        let looped = if self.config.add_self_loops {
            let (bare, _) = utils::remove_self_loops::<1>(edges, None);
            utils::add_self_loops(&bare, None, 1.0).0
        } else {
            edges.clone()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of edges, rounded down as in PyG"
        )]
        let samples = (neg_sample_ratio * edge_sample_ratio * count(looped.num_edges())) as usize;
        let taken = if is_undirected {
            looped.clone()
        } else {
            let list = looped.tensor();
            let both = Tensor::cat(vec![list.clone(), list.flip([0])], 1);
            EdgeIndex::new_unchecked(both, looped.num_src(), looped.num_dst())
        };
        let negative = match batch {
            Some(batch) => batched_negative_sampling(&taken, batch, samples, seed),
            None => negative_sampling(&taken, samples, seed),
        };
        (edge_sampling(&looped, edge_sample_ratio, seed), negative)
    }

    /// What the likelihood of edges and nodes' loops is made of, from inner products.
    fn logits(&self, products: Tensor<2>) -> Tensor<2> {
        match self.config.attention_type {
            SuperGatAttention::Mx => products,
            SuperGatAttention::Sd => products / count(self.config.out_channels).sqrt(),
        }
    }

    /// Scores from inner products and, where there are attention vectors, the sums of both ends'.
    fn scores(&self, products: Tensor<2>, sums: Option<Tensor<2>>) -> Tensor<2> {
        let logits = self.logits(products);
        let scores = match sums {
            Some(sums) => sums * kiln_ops::sigmoid(logits),
            None => logits,
        };
        kiln_ops::leaky_relu(scores, self.config.negative_slope)
    }
}

impl Layer for SuperGatConv {
    const NAME: &'static str = "SuperGATConv";
    const HISTORY: &'static [Change] = &[Change::transposed("2.0", "weight", "lin.weight")];

    type Config = SuperGatConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels)
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let x = by_heads(&self.lin, x, self.config.heads);
        let edges = edges.bare();
        let ends = Endpoints::of(&edges);
        let att = self.att_l.as_ref().zip(self.att_r.as_ref());
        let parts = att.map(|(l, r)| [l, r].map(|att| heads_dot(x.clone(), att.val())));
        let sums = parts.clone().map(|[l, r]| ends.lift_j(l) + ends.lift_i(r));
        let scores = self.scores(edge_dot(x.clone(), x.clone(), &ends), sums);
        let of_loops = |_: &LoopedEdges| {
            let products = (x.clone() * x.clone()).sum_dim(2).squeeze_dim(2);
            self.scores(products, parts.map(|[l, r]| l + r))
        };
        let propagate = |edges: &Edges, alpha| {
            let (x, loops) = (x.clone(), None);
            self.propagate(edges, AttentionPropagated { x, alpha, loops })
        };
        let loops = loops(self.config.add_self_loops, false, &ends);
        let dropout = &self.dropout;
        let (out, _) = with_attention(false, &edges, scores, loops, dropout, of_loops, propagate);
        let mean_of = (!self.config.concat).then_some(self.config.heads);
        finish(out, mean_of, None, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for SuperGatConv {
    type Propagated = AttentionPropagated;

    fn message(&self, args: &AttentionPropagated, _ends: &Endpoints) -> Message {
        args.weighted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyG's `get_attention_loss` for the same weights, edges and pairs without an edge.
    #[test]
    fn the_attention_loss_is_that_of_pyg() {
        let device = Device::flex();
        let edges = |pairs: &[(i64, i64)]| EdgeIndex::from_pairs(pairs, 4, &device).unwrap();
        let x = Tensor::<2>::from_floats(
            [[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0], [0.1, 0.3]],
            &device,
        );
        let positive = edges(&[(0, 1), (1, 2), (2, 0), (0, 0), (1, 1), (2, 2), (3, 3)]);
        let negative = edges(&[(0, 2), (3, 0), (1, 3)]);
        for (kind, first, expected) in [
            (SuperGatAttention::Mx, -0.3_f32, 1.217_615_2_f32),
            (SuperGatAttention::Sd, -0.5, 0.809_422_5),
        ] {
            let config = SuperGatConvConfig::new(2, 2).with_heads(2);
            let mut conv = config.with_attention_type(kind).init(&device);
            // PyG's weight, `[4, 2]`, counts upwards by 0.4.
            let weight =
                Tensor::<1>::from_floats([0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0], &device);
            let weight = weight.reshape([2, 4]) * 0.4 + first;
            conv.lin.weight = conv.lin.weight.clone().map(|_| weight);
            let loss = conv.attention_loss(x.clone(), &positive, &negative);
            let loss = loss.into_scalar::<f32>();
            assert!((loss - expected).abs() < 1e-6, "{kind:?}: {loss}");
        }
    }

    #[test]
    fn edges_to_tell_apart_are_as_many_as_asked_for() {
        let device = Device::flex();
        let edges = EdgeIndex::from_pairs(&[(0, 1), (1, 2), (2, 2), (3, 0)], 6, &device).unwrap();
        let config = SuperGatConvConfig::new(2, 2).with_neg_sample_ratio(1.0);
        let conv = config.init(&device);
        let (positive, negative) = conv.sample_edges(&edges, None, 3);
        // Three edges and six loops.
        assert_eq!((positive.num_edges(), negative.num_edges()), (9, 9));
        let list = |edges: &EdgeIndex| edges.tensor().into_data();
        let (same, others) = conv.sample_edges(&edges, None, 3);
        assert_eq!(
            (list(&same), list(&others)),
            (list(&positive), list(&negative))
        );
        let data = list(&negative);
        let ends: Vec<i64> = data.iter().collect();
        let (src, dst) = ends.split_at(9);
        // Neither an edge nor one the other way.
        assert!(
            src.iter()
                .zip(dst)
                .all(|pair| ![(&0, &1), (&1, &0), (&2, &1)].contains(&pair))
        );
    }
}
