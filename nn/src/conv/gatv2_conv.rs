//! Graph attention whose scores compare features of both ends.
//!
//! ```text
//! s_ji = a · LeakyReLU( W_l x_j + W_r x_i + W_e e_ji )
//! α_ji = softmax over j of s_ji
//! x_i' = Σ_j α_ji W_l x_j + b
//! ```

use kiln_ops::{AttentionOptions, LoopedEdges, Loops};

use super::{
    attention::{
        Alpha, Attention, AttentionArgs, AttentionOutput, AttentionPropagated, FillValue, answered,
        asked, by_heads, finish, loops, with_attention,
    },
    prelude::*,
};
use crate::dropout::Dropout;

/// Configuration of a [`Gatv2Conv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct Gatv2ConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features of each head.
    pub out_channels: usize,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether heads are concatenated; otherwise they are averaged.
    #[config(default = true)]
    pub concat: bool,
    /// Slope of the leaky ReLU for negative sums of features.
    #[config(default = 0.2)]
    pub negative_slope: f64,
    /// Probability with which an attention weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Width of the edges' features; without it they have no effect.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
    /// Features of the added self loops.
    #[config(default = "FillValue::Incoming(Reduce::Mean)")]
    pub fill_value: FillValue,
    /// Whether to add a learned bias to the maps and to the output.
    #[config(default = true)]
    pub bias: bool,
    /// Whether sources and targets have the same map.
    #[config(default = false)]
    pub share_weights: bool,
    /// Whether to add a linear map of the node's own features.
    #[config(default = false)]
    pub residual: bool,
}

impl LayerConfig for Gatv2ConvConfig {
    type Layer = Gatv2Conv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)?;
        ConfigError::unless(self.heads > 0, "heads", "at least one head", "0")?;
        let [src, dst] = self.in_channels.both();
        let fits = !self.share_weights || src == dst;
        ConfigError::unless(fits, "share_weights", "false where widths differ", "true")?;
        let fits = self.fill_value.fits(self.edge_dim);
        let got = format!("{:?}", self.fill_value);
        ConfigError::unless(fits, "fill_value", "a row of width `edge_dim`", got)
    }

    fn make(&self, device: &Device) -> Gatv2Conv {
        let (heads, channels) = (self.heads, self.out_channels);
        let width = heads * channels;
        let d_output = if self.concat { width } else { channels };
        let map = |d_input, d_output, bias| {
            let config = LinearConfig::glorot(d_input, d_output);
            config.with_bias(bias).init(device)
        };
        let [d_src, d_dst] = self.in_channels.both();
        Gatv2Conv {
            lin_l: map(d_src, width, self.bias),
            lin_r: (!self.share_weights).then(|| map(d_dst, width, self.bias)),
            att: init::glorot_heads(heads, channels, device),
            lin_edge: self.edge_dim.map(|edge_dim| map(edge_dim, width, false)),
            res: self.residual.then(|| map(d_dst, d_output, false)),
            bias: self.bias.then(|| init::zeros(d_output, device)),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Weighs each neighbour by attention that looks at the features of both ends together.
///
/// ```text
/// x_i' = ‖_h  Σ_{j ∈ N(i) ∪ {i}} α_ji,h W_l,h x_j  + b
/// α_ji = softmax_j( a · LeakyReLU( W_l x_j + W_r x_i + W_e e_ji ) )
/// ```
///
/// Source: Brody, Alon, Yahav, How Attentive are Graph Attention Networks?, 2022, arXiv:2105.14491.
/// Matches `torch_geometric.nn.GATv2Conv` (2.8). Departs: edge features together with self loops
/// work for an adjacency too (PyG raises an error); with messages from target to source, `lin_l`
/// belongs to the sources.
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` · edges: `E` from `N` to `M` nodes, with
/// features `[E, edge_dim]` or without · output: `[M, heads · out_channels]`, or `[M,
/// out_channels]` if heads are averaged
///
/// # Numerics
/// The softmax subtracts the largest score of a node and adds 1e-16 to the sum.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = Gatv2ConvConfig::new(3.into(), 4).with_heads(2).init(&device);
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 8]);
/// ```
#[derive(Module, Debug)]
pub struct Gatv2Conv {
    /// Map of the sources, to `heads · out_channels`.
    pub lin_l: Linear,
    /// Map of the targets; without it that of the sources serves both.
    pub lin_r: Option<Linear>,
    /// Attention vector, `[1, heads, out_channels]`.
    pub att: Param<Tensor<3>>,
    /// Map of the edges' features.
    pub lin_edge: Option<Linear>,
    /// Map of the node itself, added to the output.
    pub res: Option<Linear>,
    /// The bias, as wide as the output.
    pub bias: Option<Param<Tensor<1>>>,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: Gatv2ConvConfig,
}

impl Gatv2Conv {
    /// The convolution, and the attention that it paid to each edge.
    ///
    /// # Panics
    /// If the widths of the features are not those of the layer, or a pair lacks those of the
    /// targets.
    pub fn forward_with_attention(
        &self,
        x: impl Into<Nodes>,
        edges: impl Into<Edges>,
    ) -> (Tensor<2>, Attention) {
        answered(self.call(asked(x, edges)))
    }

    /// Transformed features of sources and targets, `[N, H, C]` and `[n, H, C]`.
    fn mapped(
        &self,
        is_pair: bool,
        x_j: Tensor<2>,
        x_i: Option<Tensor<2>>,
    ) -> (Tensor<3>, Tensor<3>) {
        let j = by_heads(&self.lin_l, x_j, self.config.heads);
        let i = match (&self.lin_r, x_i) {
            (None, _) if !is_pair => j.clone(),
            (lin, Some(x_i)) => {
                by_heads(lin.as_ref().unwrap_or(&self.lin_l), x_i, self.config.heads)
            }
            (_, None) => panic!("{}: expected features of sources and targets", Self::NAME),
        };
        (j, i)
    }

    /// Scores of edges, `[E, H]`, from sums of what both ends and the edges have, `[E, H, C]`.
    fn score(&self, sums: Tensor<3>, edge_attr: Option<Tensor<2>>) -> Tensor<2> {
        let sums = match (&self.lin_edge, edge_attr) {
            (Some(lin), Some(edge_attr)) => sums + by_heads(lin, edge_attr, self.config.heads),
            _ => sums,
        };
        let products = kiln_ops::leaky_relu(sums, self.config.negative_slope) * self.att.val();
        products.sum_dim(2).squeeze_dim(2)
    }

    /// Passes messages with weights that show: one row of features per edge is made.
    fn attend_with_attention(
        &self,
        is_asked: bool,
        (j, i): (Tensor<3>, Tensor<3>),
        edges: &Edges,
        loops: Option<Loops>,
    ) -> (Tensor<2>, Option<Attention>) {
        let ends = Endpoints::of(edges);
        let edge_attr = edges.attr().filter(|_| self.lin_edge.is_some());
        let edge_attr = edge_attr.map(|edge_attr| match loops {
            Some(_) => ends.without_loops(edge_attr),
            None => edge_attr,
        });
        let sums = ends.lift_j(j.clone()) + ends.lift_i(i.clone());
        let scores = self.score(sums, edge_attr.clone());
        let of_loops = |looped: &LoopedEdges| {
            let fill = &self.config.fill_value;
            let attr = edge_attr.map(|edge_attr| fill.of_loops(edge_attr, &ends));
            self.score(looped.lift_loops(j.clone()) + i, attr)
        };
        let propagate = |edges: &Edges, alpha| {
            let (x, loops) = (j.clone(), None);
            self.propagate(edges, AttentionPropagated { x, alpha, loops })
        };
        with_attention(
            is_asked,
            edges,
            scores,
            loops,
            &self.dropout,
            of_loops,
            propagate,
        )
    }
}

impl Layer for Gatv2Conv {
    const NAME: &'static str = "GATv2Conv";
    const HISTORY: &'static [Change] = &[Change::tied("lin_r", "lin_l")];

    type Config = Gatv2ConvConfig;
    type Args = AttentionArgs;
    type Output = AttentionOutput;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let edge_dim = self
            .config
            .edge_dim
            .map_or_else(|| Dim::from("D"), Dim::from);
        Signatures::conv_of_both(d_src, d_dst)
            .edge_attr(edge_dim)
            .choice("return_attention_weights")
    }

    fn compute(&self, args: AttentionArgs) -> AttentionOutput {
        let ConvArgs { x, edges } = args.conv;
        let ends = Endpoints::of(&edges);
        let is_pair = x.is_pair();
        let loops = loops(self.config.add_self_loops, is_pair, &ends);
        let (x_j, x_i) = edges.ends(x);
        let (j, i) = self.mapped(is_pair, x_j, x_i.clone());
        let has_attr = self.lin_edge.is_some() && edges.attr().is_some();
        let (out, attention) = if args.return_attention_weights || has_attr {
            self.attend_with_attention(args.return_attention_weights, (j, i), &edges, loops)
        } else {
            let (x, alpha) = (j, Alpha::Joint(i));
            (
                self.propagate(&edges, AttentionPropagated { x, alpha, loops }),
                None,
            )
        };
        let mean_of = (!self.config.concat).then_some(self.config.heads);
        let bias = self.bias.as_ref().map(Param::val);
        let x = finish(out, mean_of, self.res.as_ref().zip(x_i), bias);
        AttentionOutput { x, attention }
    }
}

impl MessagePassing for Gatv2Conv {
    type Propagated = AttentionPropagated;

    fn message(&self, args: &AttentionPropagated, _ends: &Endpoints) -> Message {
        let x = args.x.clone();
        match args.alpha.clone() {
            Alpha::Weights(weight) => Message::Heads { x, weight },
            Alpha::Joint(x_i) => Message::JointAttention {
                x_j: x,
                x_i,
                att: self.att.val().squeeze_dim(0),
                options: AttentionOptions {
                    negative_slope: self.config.negative_slope,
                    loops: args.loops,
                    dropout: self.dropout.probability(),
                    seed: None,
                },
            },
            Alpha::Scores { .. } => unreachable!("scores of this layer compare both ends"),
        }
    }
}
