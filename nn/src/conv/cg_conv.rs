//! The crystal graph convolution.

use burn::nn;

use super::prelude::*;
use crate::sequential::NodeTransform as _;

/// Configuration of a [`CgConv`].
#[derive(Config, Debug)]
pub struct CgConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub channels: Channels,
    /// Width of the edges' features.
    #[config(default = 0)]
    pub dim: usize,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: AggrConfig,
    /// Whether to normalise the aggregate.
    #[config(default = false)]
    pub batch_norm: bool,
    /// Whether the maps have learned biases.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for CgConvConfig {
    type Layer = CgConv;

    const REQUIRED: &'static [&'static str] = &["channels"];

    fn blank() -> Self {
        Self::new(0.into())
    }

    fn make(&self, device: &Device) -> CgConv {
        let [d_src, d_dst] = self.channels.both();
        let linear = LinearConfig::new(d_src + d_dst + self.dim, d_dst).with_bias(self.bias);
        let bn = || nn::BatchNormConfig::new(d_dst).init(device);
        CgConv {
            lin_f: linear.init(device),
            lin_s: linear.init(device),
            bn: self.batch_norm.then(bn),
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

/// Adds to each node a gated sum over its neighbours and the edges to them.
///
/// ```text
/// x_i' = x_i + Σ_{j ∈ N(i)} σ(z_ij W_f + b_f) ⊙ softplus(z_ij W_s + b_s)        z_ij = x_i ‖ x_j ‖ e_ji
/// ```
///
/// Source: Xie, Grossman, Crystal Graph Convolutional Neural Networks for an Accurate and
/// Interpretable Prediction of Material Properties, 2018, arXiv:1710.10324. Matches
/// `torch_geometric.nn.CGConv` (2.8).
///
/// # Shapes
/// x: `[N, F]`, or a pair `([N, F_src], [M, F_dst])` · edges: `E` from `N` to `M` nodes, with
/// features `[E, dim]` if `dim` is not 0 · output: `[M, F_dst]`
///
/// # Numerics
/// The maps take nodes and edges apart and add the results, so that a node is mapped once.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Edges};
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let edges = Edges::from(edges).with_attr(Tensor::ones([2, 2], &device));
/// let conv = CgConvConfig::new(3.into()).with_dim(2).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), edges);
/// assert_eq!(out.dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct CgConv {
    /// Map for the gate, of target, source and edge.
    pub lin_f: Linear,
    /// Map for the message.
    pub lin_s: Linear,
    /// Normalisation of the aggregate.
    pub bn: Option<nn::BatchNorm>,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: CgConvConfig,
}

/// What [`CgConv`] propagates: the maps of both ends.
#[derive(Clone, Debug)]
pub struct CgPropagated {
    f_i: Tensor<2>,
    f_j: Tensor<2>,
    s_i: Tensor<2>,
    s_j: Tensor<2>,
    edge_attr: Option<Tensor<2>>,
}

leaves!(CgPropagated {
    f_i,
    f_j,
    s_i,
    s_j,
    edge_attr
});

impl Layer for CgConv {
    const NAME: &'static str = "CGConv";

    type Config = CgConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.channels.both();
        let args = Signatures::conv_of_both(d_src, d_dst);
        match self.config.dim {
            0 => args,
            dim => args.needed_edge_attr(dim),
        }
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let x_i = x_i.expect("CGConv needs the features of the targets");
        let [_, d_dst] = x_i.dims();
        let map = |lin: &Linear| {
            let f_i = lin.forward_first(x_i.clone());
            (f_i, lin.map_from(d_dst, x_j.clone()))
        };
        let ((f_i, f_j), (s_i, s_j)) = (map(&self.lin_f), map(&self.lin_s));
        let edge_attr = (self.config.dim > 0).then(|| edges.attr()).flatten();
        let args = CgPropagated {
            f_i,
            f_j,
            s_i,
            s_j,
            edge_attr,
        };
        let out = self.propagate(&edges, args);
        let out = match &self.bn {
            Some(bn) => bn.transform(out),
            None => out,
        };
        out + x_i
    }
}

impl MessagePassing for CgConv {
    type Propagated = CgPropagated;

    fn message(&self, args: &CgPropagated, ends: &Endpoints) -> Message {
        let ends_of = |x_i: &Tensor<2>, x_j: &Tensor<2>, lin: &Linear| {
            let sum = ends.lift_i(x_i.clone()) + ends.lift_j(x_j.clone());
            match &args.edge_attr {
                Some(attr) => lin.add_last(attr.clone(), sum),
                None => sum,
            }
        };
        let gate = ends_of(&args.f_i, &args.f_j, &self.lin_f);
        let message = ends_of(&args.s_i, &args.s_j, &self.lin_s);
        let gate = kiln_ops::sigmoid(gate);
        Message::Edge(gate * softplus(message))
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}

/// `ln(1 + exp(x))`, and `x` above 20, as PyTorch has it.
fn softplus(x: Tensor<2>) -> Tensor<2> {
    let is_large = x.clone().greater_elem(20.0);
    let small = x.clone().mask_fill(is_large.clone(), 0.0);
    small.exp().log1p().mask_where(is_large, x)
}
