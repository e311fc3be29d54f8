//! The local extremum convolution.

use super::prelude::*;

/// Configuration of an [`LeConv`].
#[derive(Config, Debug)]
pub struct LeConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// Whether the maps of a node itself and of its neighbours have learned biases.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for LeConvConfig {
    type Layer = LeConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn make(&self, device: &Device) -> LeConv {
        let [d_src, d_dst] = self.in_channels.both();
        let linear = |width, bias| {
            let config = LinearConfig::new(width, self.out_channels);
            config.with_bias(bias).init(device)
        };
        LeConv {
            lin1: linear(d_src, self.bias),
            lin2: linear(d_dst, false),
            lin3: linear(d_dst, self.bias),
            config: self.clone(),
        }
    }
}

/// Compares a node with its neighbours, so that the result is large where the node is a local
/// extremum.
///
/// ```text
/// x_i' = W_3 x_i + b_3 + Σ_{j ∈ N(i)} e_ji (W_1 x_j + b_1 - W_2 x_i)
/// ```
///
/// Source: Ranjan, Sanyal, Talukdar, ASAP: Adaptive Structure Aware Pooling for Learning
/// Hierarchical Graph Representations, 2020, arXiv:1911.07979. Matches `torch_geometric.nn.LEConv`
/// (2.8).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` · edges: `E` from `N` to `M` nodes, with
/// weights `[E]` or without · output: `[M, out_channels]`
///
/// # Numerics
/// The neighbours' rows are summed first and the node's own row, times the sum of the weights, is
/// taken off: no row per edge is made. A weight that is infinite gives NaN where PyG may have an
/// infinity.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = LeConvConfig::new(3.into(), 4).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct LeConv {
    /// Map of the neighbours.
    pub lin1: Linear,
    /// Map of the node itself, to compare its neighbours with.
    pub lin2: Linear,
    /// Map of the node itself.
    pub lin3: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: LeConvConfig,
}

impl Layer for LeConv {
    const NAME: &'static str = "LEConv";

    type Config = LeConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        Signatures::conv_of_both(d_src, d_dst).edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let x_i = x_i.expect("LEConv needs the features of the targets");
        let ends = Endpoints::of(&edges);
        let sum = self.propagate(&edges, Weighted::new(self.lin1.forward(x_j), &edges));
        let own = self.lin2.forward(x_i.clone());
        let shape = own.shape();
        // What is not finite in a node without neighbours is not compared with any.
        let alone = ends.degree().equal_elem(0.0).unsqueeze_dim::<2>(1);
        let own = own.mask_fill(alone.expand(shape), 0.0);
        let degree = ends.weighted_degree(&sum).unsqueeze_dim(1);
        self.lin3.forward_add(x_i, sum - own * degree)
    }
}

impl MessagePassing for LeConv {
    type Propagated = Weighted;

    fn message(&self, args: &Weighted, _ends: &Endpoints) -> Message {
        args.message()
    }
}
