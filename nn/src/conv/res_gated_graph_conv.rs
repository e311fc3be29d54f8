//! The residual gated graph convolution.

use super::prelude::*;
use crate::activation::Activation;

/// Configuration of a [`ResGatedGraphConv`].
#[derive(Config, Debug)]
pub struct ResGatedGraphConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// The gate's function.
    #[config(default = "Activation::Sigmoid")]
    pub act: Activation,
    /// Width of the edges' features, if there are any.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
    /// Whether to add a map of the node itself.
    #[config(default = true)]
    pub root_weight: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for ResGatedGraphConvConfig {
    type Layer = ResGatedGraphConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn make(&self, device: &Device) -> ResGatedGraphConv {
        let [d_src, d_dst] = self.in_channels.both();
        let edge_dim = self.edge_dim.unwrap_or_default();
        let linear = |width| LinearConfig::new(width, self.out_channels);
        let lin_skip = || linear(d_dst).with_bias(false).init(device);
        ResGatedGraphConv {
            lin_key: linear(d_dst + edge_dim).init(device),
            lin_query: linear(d_src + edge_dim).init(device),
            lin_value: linear(d_src + edge_dim).init(device),
            lin_skip: self.root_weight.then(lin_skip),
            bias: self.bias.then(|| init::zeros(self.out_channels, device)),
            config: self.clone(),
        }
    }
}

/// Sums each node's neighbours through a gate per edge and channel, and adds the node itself.
///
/// ```text
/// x_i' = W_skip x_i + b + Σ_{j ∈ N(i)} η_ij ⊙ (W_value [x_j ‖ e_ji] + b_value)
/// η_ij = σ( W_key [x_i ‖ e_ji] + b_key + W_query [x_j ‖ e_ji] + b_query )
/// ```
///
/// Source: Bresson, Laurent, Residual Gated Graph ConvNets, 2017, arXiv:1711.07553. Matches
/// `torch_geometric.nn.ResGatedGraphConv` (2.8).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` · edges: `E` from `N` to `M` nodes, with
/// features `[E, edge_dim]` if the layer has an `edge_dim` · output: `[M, out_channels]`
///
/// # Numerics
/// The maps take nodes and edges apart and add the results, so that a node is mapped once.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = ResGatedGraphConvConfig::new(3.into(), 4).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct ResGatedGraphConv {
    /// Map of the node itself for the gate, and of the edge.
    pub lin_key: Linear,
    /// Map of the neighbours for the gate, and of the edge.
    pub lin_query: Linear,
    /// Map of the neighbours, and of the edge.
    pub lin_value: Linear,
    /// Map of the node itself.
    pub lin_skip: Option<Linear>,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: ResGatedGraphConvConfig,
}

/// What [`ResGatedGraphConv`] propagates.
#[derive(Clone, Debug)]
pub struct ResGatedPropagated {
    k: Tensor<2>,
    q: Tensor<2>,
    v: Tensor<2>,
    edge_attr: Option<Tensor<2>>,
}

leaves!(ResGatedPropagated { k, q, v, edge_attr });

impl Layer for ResGatedGraphConv {
    const NAME: &'static str = "ResGatedGraphConv";

    type Config = ResGatedGraphConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let args = Signatures::conv_of_both(d_src, d_dst);
        match self.config.edge_dim {
            Some(edge_dim) => args.needed_edge_attr(edge_dim),
            None => args,
        }
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let x_i = x_i.expect("ResGatedGraphConv needs the features of the targets");
        let edge_attr = self.config.edge_dim.and_then(|_| edges.attr());
        let args = ResGatedPropagated {
            k: self.lin_key.forward_first(x_i.clone()),
            q: self.lin_query.forward_first(x_j.clone()),
            v: self.lin_value.forward_first(x_j),
            edge_attr,
        };
        let mut out = self.propagate(&edges, args);
        if let Some(lin) = &self.lin_skip {
            out = lin.forward_add(x_i, out);
        }
        add_bias(out, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for ResGatedGraphConv {
    type Propagated = ResGatedPropagated;

    fn message(&self, args: &ResGatedPropagated, ends: &Endpoints) -> Message {
        let key = ends.lift_i(args.k.clone());
        let query = ends.lift_j(args.q.clone());
        let value = ends.lift_j(args.v.clone());
        let (gate, value) = match &args.edge_attr {
            Some(attr) => {
                let key = self.lin_key.add_last(attr.clone(), key);
                let query = self.lin_query.add_last(attr.clone(), query);
                (key + query, self.lin_value.add_last(attr.clone(), value))
            }
            None => (key + query, value),
        };
        Message::Edge(self.config.act.apply(gate) * value)
    }
}
