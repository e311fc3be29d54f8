//! The generalised graph convolution: learned aggregations, and a network behind them.

use burn::nn;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::{
    activation::Activation,
    dropout::Dropout,
    norm::{MessageNorm, MessageNormConfig},
    sequential::{NodeTransform as _, RowNorm, Sequential, SequentialLayer},
};

/// Normalisation inside the network of a [`GenConv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GenNorm {
    /// Batch normalisation.
    Batch,
    /// Layer normalisation of each node.
    Layer,
    /// The same without parameters.
    Instance,
}

/// Configuration of a [`GenConv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct GenConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// How the neighbours are combined.
    #[config(default = "crate::aggr::SoftmaxConfig::new().into()")]
    pub aggr: AggrConfig,
    /// Initial inverse temperature of softmax.
    #[config(default = 1.0)]
    pub t: f64,
    /// Whether the temperature is learned.
    #[config(default = false)]
    pub learn_t: bool,
    /// Initial power of the power mean.
    #[config(default = 1.0)]
    pub p: f64,
    /// Whether the power is learned.
    #[config(default = false)]
    pub learn_p: bool,
    /// Whether to scale the aggregate to the length of the node's features.
    #[config(default = false)]
    pub msg_norm: bool,
    /// Whether the factor of that length is learned.
    #[config(default = false)]
    pub learn_msg_scale: bool,
    /// Normalisation inside the network, if any.
    #[config(default = "Some(GenNorm::Batch)")]
    pub norm: Option<GenNorm>,
    /// Number of linear layers of the network.
    #[config(default = 2)]
    pub num_layers: usize,
    /// Width of its hidden features, as a multiple of `out_channels`.
    #[config(default = 2)]
    pub expansion: usize,
    /// Added to each message.
    #[config(default = 1e-7)]
    pub eps: f64,
    /// Whether the maps have learned biases.
    #[config(default = false)]
    pub bias: bool,
    /// Width of the edges' features, `out_channels` by default.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
}

impl GenConvConfig {
    /// The aggregation; one without arguments of its own has those of the layer.
    fn aggregation(&self) -> AggrConfig {
        match &self.aggr {
            AggrConfig::Softmax(softmax) if !softmax.learn && softmax.t.total_cmp(&1.0).is_eq() => {
                let softmax = softmax.clone().with_t(self.t);
                softmax.with_learn(self.learn_t).into()
            }
            AggrConfig::PowerMean(power) if !power.learn && power.p.total_cmp(&1.0).is_eq() => {
                let power = power.clone().with_p(self.p);
                power.with_learn(self.learn_p).into()
            }
            other => other.clone(),
        }
    }

    fn network(&self, device: &Device) -> Sequential {
        let mut network = Vec::new();
        let mut width = self.out_channels;
        for number in 1..=self.num_layers {
            let is_last = number == self.num_layers;
            let next = self.out_channels * if is_last { 1 } else { self.expansion };
            let linear = LinearConfig::new(width, next).with_bias(self.bias);
            network.push(SequentialLayer::Linear(linear.init(device)));
            width = next;
            if is_last {
                break;
            }
            network.extend(self.norm.map(|norm| match norm {
                GenNorm::Batch => {
                    SequentialLayer::BatchNorm(nn::BatchNormConfig::new(width).init(device))
                }
                GenNorm::Layer => {
                    SequentialLayer::LayerNorm(nn::LayerNormConfig::new(width).init(device))
                }
                GenNorm::Instance => SequentialLayer::RowNorm(RowNorm),
            }));
            network.push(SequentialLayer::Activation(Activation::Relu.into()));
            network.push(SequentialLayer::Dropout(Dropout::new(0.0)));
        }
        network
    }
}

impl LayerConfig for GenConvConfig {
    type Layer = GenConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.num_layers > 0, "num_layers", "at least one layer", "0")?;
        self.aggregation().check()
    }

    fn make(&self, device: &Device) -> GenConv {
        let ([d_src, d_dst], d_out) = (self.in_channels.both(), self.out_channels);
        let aggr_module = self.aggregation().init(device);
        let lin = |width: usize| {
            let config = LinearConfig::new(width, d_out).with_bias(self.bias);
            (width != d_out).then(|| config.init(device))
        };
        GenConv {
            lin_src: lin(d_src),
            lin_edge: self.edge_dim.and_then(lin),
            lin_aggr_out: lin(aggr_module.width(d_out)),
            lin_dst: lin(d_dst),
            mlp: self.network(device),
            msg_norm: self.msg_norm.then(|| {
                let config = MessageNormConfig::new();
                config.with_learn_scale(self.learn_msg_scale).init(device)
            }),
            aggr_module,
            config: self.clone(),
        }
    }
}

/// Combines positive messages by an aggregation that can be learned, adds the node itself, and
/// applies a network.
///
/// ```text
/// x_i' = MLP( x_i + AGG_{j ∈ N(i)} ( ReLU(x_j + e_ji) + ε ) )
/// ```
///
/// Source: Li et al., DeeperGCN: All You Need to Train Deeper GCNs, 2020, arXiv:2006.07739. Matches
/// `torch_geometric.nn.GENConv` (2.8).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` whose second entry may be absent (its term
/// is left out then; with `msg_norm` there must be as many sources as targets then, and a recording
/// needs it) · edges: `E` from `N` to `M` nodes, with features `[E, edge_dim]` or without · output:
/// `[M, out_channels]`
///
/// # Numerics
/// With features of edges, and for softmax, a message is a row of the edge, `[E, out_channels]`.
/// Values of an adjacency have no effect. In 16 bits `msg_norm` takes messages below 2e-4 for
/// zeros, whose squares are.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = GenConvConfig::new(3.into(), 4).with_learn_t(true).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GenConv {
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// Map of the sources, if they are not as wide as the output.
    pub lin_src: Option<Linear>,
    /// Map of the edges' features, if they are not as wide as the output.
    pub lin_edge: Option<Linear>,
    /// Map of the aggregate, if it is not as wide as the output.
    pub lin_aggr_out: Option<Linear>,
    /// Map of the targets, if they are not as wide as the output.
    pub lin_dst: Option<Linear>,
    /// The network.
    pub mlp: Sequential,
    /// Normalisation of the aggregate.
    pub msg_norm: Option<MessageNorm>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GenConvConfig,
}

impl Layer for GenConv {
    const NAME: &'static str = "GENConv";

    type Config = GenConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let args = if self.msg_norm.is_some() {
            Signatures::conv_of_both(d_src, d_dst)
        } else {
            Signatures::conv(d_src, d_dst)
        };
        args.edge_attr(self.config.edge_dim.unwrap_or(self.config.out_channels))
            .size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let mapped = |lin: &Option<Linear>, x: Tensor<2>| match lin {
            Some(lin) => lin.forward(x),
            None => x,
        };
        let (x_j, x_i) = edges.ends(x);
        let x_j = mapped(&self.lin_src, x_j);
        let mut args = WithAttr::new(x_j.clone(), &edges);
        args.edge_attr = args.edge_attr.map(|attr| mapped(&self.lin_edge, attr));
        let mut out = mapped(&self.lin_aggr_out, self.propagate(&edges, args));
        if let Some(norm) = &self.msg_norm {
            out = norm.forward(x_i.clone().unwrap_or(x_j), out);
        }
        self.mlp.transform(match x_i {
            Some(x_i) => out + mapped(&self.lin_dst, x_i),
            None => out,
        })
    }
}

impl MessagePassing for GenConv {
    type Propagated = WithAttr;

    fn message(&self, args: &WithAttr, ends: &Endpoints) -> Message {
        let positive = |x: Tensor<2>| kiln_ops::relu(x).add_scalar(self.config.eps);
        match args.edge_attr.clone() {
            Some(attr) => Message::Edge(positive(ends.lift_j(args.x.clone()) + attr)),
            None => Message::source(positive(args.x.clone())),
        }
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
