//! The layer of the design space of graph networks: most choices are options.

use kiln_ops::{edge_dot, heads_dot};
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::utils::unit_rows;

/// How a [`GeneralConv`] scores messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneralAttention {
    /// The product of the message with a learned vector.
    Additive,
    /// The inner product of the message with that of the edge turned round, scaled by the width.
    DotProduct,
}

/// Configuration of a [`GeneralConv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct GeneralConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// Width of the edges' features, if there are any.
    #[config(default = "None")]
    pub in_edge_channels: Option<usize>,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: AggrConfig,
    /// Whether the node itself goes through a map, even if its features are as wide as the output.
    #[config(default = false)]
    pub skip_linear: bool,
    /// Whether a message is made of the source alone, and not of the target too.
    #[config(default = true)]
    pub directed_msg: bool,
    /// Number of heads, which are averaged.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether messages are weighed by attention.
    #[config(default = false)]
    pub attention: bool,
    /// How attention scores messages.
    #[config(default = "GeneralAttention::Additive")]
    pub attention_type: GeneralAttention,
    /// Whether the result's rows are scaled to Euclidean norm 1.
    #[config(default = false)]
    pub l2_normalize: bool,
    /// Whether the maps have learned biases.
    #[config(default = true)]
    pub bias: bool,
}

impl GeneralConvConfig {
    fn has_dot_product(&self) -> bool {
        self.attention && self.attention_type == GeneralAttention::DotProduct
    }
}

impl LayerConfig for GeneralConvConfig {
    type Layer = GeneralConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.heads > 0, "heads", "at least one head", "0")?;
        let is_one = !matches!(self.aggr, AggrConfig::Multi(_));
        ConfigError::unless(
            is_one,
            "aggr",
            "one aggregation",
            format!("{:?}", self.aggr),
        )?;
        let [src, dst] = self.in_channels.both();
        let takes_both = !self.directed_msg || self.has_dot_product();
        let got = format!("{src} and {dst}");
        let expected = "one width, since a map takes sources and targets";
        ConfigError::unless(src == dst || !takes_both, "in_channels", expected, got)
    }

    fn make(&self, device: &Device) -> GeneralConv {
        let [d_src, d_dst] = self.in_channels.both();
        let (heads, channels) = (self.heads, self.out_channels);
        let linear = |width| {
            let config = LinearConfig::new(width, heads * channels);
            config.with_bias(self.bias).init(device)
        };
        let own = LinearConfig::new(d_dst, channels).with_bias(self.bias);
        let has_own = self.skip_linear || self.in_channels != channels.into();
        let is_additive = self.attention && !self.has_dot_product();
        let scaler = || Tensor::full([1], count(channels).sqrt(), device);
        let scaler = || Param::from_tensor(scaler()).set_require_grad(false);
        GeneralConv {
            lin_msg: linear(d_src),
            lin_msg_i: (!self.directed_msg).then(|| linear(d_src)),
            lin_self: has_own.then(|| own.init(device)),
            lin_edge: self.in_edge_channels.map(linear),
            att_msg: is_additive.then(|| init::glorot_heads(heads, channels, device)),
            scaler: self.has_dot_product().then(scaler),
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

/// Combines messages that are maps of the source, and of the target and the edge if asked for, with
/// attention or without, and adds the node itself.
///
/// ```text
/// x_i' = 1/H Σ_h ⊕_{j ∈ N(i)} α_ji,h m_ji,h  + W_self x_i
/// m_ji = W_msg x_j + W_i x_i + W_edge e_ji        each with a bias, by heads
/// α_ji = softmax_j( LeakyReLU( a · m_ji ) )  or  softmax_j( LeakyReLU( m_ij · m_ji / √C ) )
/// ```
///
/// Terms are left out where there is no map. `W_self` is the identity where it is not asked for and
/// the widths agree.
///
/// Source: You, Ying, Leskovec, Design Space for Graph Neural Networks, 2020, arXiv:2011.08843.
/// Matches `torch_geometric.nn.GeneralConv` (2.8).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` · edges: `E` from `N` to `M` nodes, with
/// features `[E, in_edge_channels]` or without · output: `[M, out_channels]`
///
/// # Numerics
/// Nodes are mapped once. Messages of the source alone never become a row per edge; those in which
/// the target or the edge has a part do.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = GeneralConvConfig::new(3.into(), 4).with_attention(true).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GeneralConv {
    /// Map of the source, to `heads · out_channels`.
    pub lin_msg: Linear,
    /// Map of the target.
    pub lin_msg_i: Option<Linear>,
    /// Map of the node itself; the identity without.
    pub lin_self: Option<Linear>,
    /// Map of the edges' features.
    pub lin_edge: Option<Linear>,
    /// Attention vector, `[1, heads, out_channels]`.
    pub att_msg: Option<Param<Tensor<3>>>,
    /// What inner products are divided by, `[1]`: the root of the width.
    pub scaler: Option<Param<Tensor<1>>>,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GeneralConvConfig,
}

/// What [`GeneralConv`] propagates.
#[derive(Clone, Debug)]
pub struct GeneralPropagated {
    /// The sources' part of messages, `[N, heads · channels]`.
    x_j: Tensor<2>,
    /// The targets' part, `[n, heads · channels]`.
    x_i: Option<Tensor<2>>,
    /// The edges' part, `[E, heads · channels]`.
    edge: Option<Tensor<2>>,
    /// Weight of each edge and head, `[E, heads]`.
    alpha: Option<Tensor<2>>,
}

leaves!(GeneralPropagated {
    x_j,
    x_i,
    edge,
    alpha
});

impl GeneralPropagated {
    /// Whether the target or the edge has a part in messages.
    fn has_rows(&self) -> bool {
        self.x_i.is_some() || self.edge.is_some()
    }

    /// The message of each edge, `[E, heads · channels]`.
    fn rows(&self, ends: &Endpoints) -> Tensor<2> {
        let mut rows = ends.lift_j(self.x_j.clone());
        if let Some(x_i) = &self.x_i {
            rows = rows + ends.lift_i(x_i.clone());
        }
        match &self.edge {
            Some(edge) => rows + edge.clone(),
            None => rows,
        }
    }
}

impl GeneralConv {
    fn by_heads(&self, x: Tensor<2>) -> Tensor<3> {
        let [rows, _] = x.dims();
        x.reshape([rows, self.config.heads, self.config.out_channels])
    }

    /// The attention of each edge and head, `[E, heads]`: of its message, and where messages are
    /// compared with those of the edges turned round, of their parts.
    fn attention(
        &self,
        args: &GeneralPropagated,
        [x_j, x_i]: [&Tensor<2>; 2],
        ends: &Endpoints,
    ) -> Tensor<2> {
        let scores = match (&self.att_msg, &self.scaler) {
            (Some(att), _) if args.has_rows() => {
                heads_dot(self.by_heads(args.rows(ends)), att.val())
            }
            (Some(att), _) => ends.lift_j(heads_dot(self.by_heads(args.x_j.clone()), att.val())),
            (None, Some(scaler)) => {
                let own = self.lin_msg.forward(x_i.clone());
                let products = if args.has_rows() {
                    let x_j = self.lin_msg_i.as_ref().map(|lin| lin.forward(x_j.clone()));
                    let mut turned = ends.lift_i(own);
                    if let Some(x_j) = x_j {
                        turned = turned + ends.lift_j(x_j);
                    }
                    if let Some(edge) = &args.edge {
                        turned = turned + edge.clone();
                    }
                    let products = self.by_heads(turned * args.rows(ends));
                    products.sum_dim(2).squeeze_dim(2)
                } else {
                    edge_dot(self.by_heads(own), self.by_heads(args.x_j.clone()), ends)
                };
                products / scaler.val().unsqueeze()
            }
            (None, None) => unreachable!("attention is by a vector or by inner products"),
        };
        ends.softmax(kiln_ops::leaky_relu(scores, 0.2))
    }
}

impl Layer for GeneralConv {
    const NAME: &'static str = "GeneralConv";

    type Config = GeneralConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let args = Signatures::conv_of_both(d_src, d_dst);
        let args = match self.config.in_edge_channels {
            Some(width) => args.edge_attr(width),
            None => args,
        };
        args.size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let x_i = x_i.expect("GeneralConv needs the features of the targets");
        let attr = self.lin_edge.as_ref().zip(edges.attr());
        let mut args = GeneralPropagated {
            x_j: self.lin_msg.forward(x_j.clone()),
            x_i: self.lin_msg_i.as_ref().map(|lin| lin.forward(x_i.clone())),
            edge: attr.map(|(lin, attr)| lin.forward(attr)),
            alpha: None,
        };
        if self.config.attention {
            let ends = Endpoints::of(edges.bare());
            args.alpha = Some(self.attention(&args, [&x_j, &x_i], &ends));
        }
        let out = self.propagate(&edges, args);
        let out = self.by_heads(out).mean_dim(1).squeeze_dim(1);
        let out = match &self.lin_self {
            Some(lin) => lin.forward_add(x_i, out),
            None => out + x_i,
        };
        if self.config.l2_normalize {
            return unit_rows(out);
        }
        out
    }
}

impl MessagePassing for GeneralConv {
    type Propagated = GeneralPropagated;

    fn message(&self, args: &GeneralPropagated, ends: &Endpoints) -> Message {
        match (args.has_rows(), args.alpha.clone()) {
            (false, None) => Message::source(args.x_j.clone()),
            (false, Some(weight)) => {
                let x = self.by_heads(args.x_j.clone());
                Message::Heads { x, weight }
            }
            (true, None) => Message::Edge(args.rows(ends)),
            (true, Some(weight)) => {
                let rows = args.rows(ends);
                let shape = rows.shape();
                let rows = self.by_heads(rows) * weight.unsqueeze_dim(2);
                Message::Edge(rows.reshape(shape))
            }
        }
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
