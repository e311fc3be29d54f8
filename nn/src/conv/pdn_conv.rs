//! The pathfinder discovery convolution: a network of the edge makes its weight.

use super::prelude::*;
use crate::{
    sequential::{NodeTransform as _, Sequential, relu_network},
    utils::{GcnNorm, GcnNormOptions, Normalized},
};

/// Configuration of a [`PdnConv`].
#[derive(Config, Debug)]
pub struct PdnConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Width of the edges' features.
    pub edge_dim: usize,
    /// Width between the maps of the edges' network.
    pub hidden_channels: usize,
    /// Whether to add self loops, which weigh 1.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to normalise symmetrically by degree. Without it the weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for PdnConvConfig {
    type Layer = PdnConv;

    const REQUIRED: &'static [&'static str] =
        &["in_channels", "out_channels", "edge_dim", "hidden_channels"];

    fn blank() -> Self {
        Self::new(0, 0, 0, 0)
    }

    fn make(&self, device: &Device) -> PdnConv {
        PdnConv {
            lin: LinearConfig::glorot(self.in_channels, self.out_channels).init(device),
            mlp: relu_network(&[self.edge_dim, self.hidden_channels, 1], device),
            bias: self.bias.then(|| init::zeros(self.out_channels, device)),
            config: self.clone(),
        }
    }
}

/// Averages neighbours as [`GcnConv`](super::GcnConv) does, with weights that a network makes of
/// the edges' features.
///
/// ```text
/// x_i' = Σ_{j ∈ N(i) ∪ {i}} w_ji / √(d̂_j d̂_i) Wᵀ x_j + b        w_ji = σ( MLP(e_ji) )
/// ```
///
/// Source: Rozemberczki et al., Pathfinder Discovery Networks for Neural Message Passing, 2021,
/// arXiv:2010.12878. Matches `torch_geometric.nn.PDNConv` (2.8). Departs: features of the edges
/// beside an adjacency are an argument; PyG takes the values of the `SparseTensor` for them.
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with features `[E, edge_dim]`; without them
/// all edges weigh 1 · output: `[N, out_channels]`
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
/// let conv = PdnConvConfig::new(3, 4, 2, 8).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct PdnConv {
    /// The linear map of the nodes.
    pub lin: Linear,
    /// The network of the edges.
    pub mlp: Sequential,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: PdnConvConfig,
}

impl Layer for PdnConv {
    const NAME: &'static str = "PDNConv";

    type Config = PdnConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels).edge_attr(self.config.edge_dim)
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let weight = edges.attr().map(|attr| {
            let score = self.mlp.transform(attr).squeeze_dim(1);
            kiln_ops::sigmoid(score)
        });
        let edges = edges.bare().with_weight(weight);
        let options = GcnNormOptions::with_loops(self.config.add_self_loops);
        let norm = GcnNorm::of(&edges, self.config.normalize.then_some(options), &x);
        let map = Map::from(&self.lin).with_bias(self.bias.as_ref().map(Param::val));
        self.propagate_map(&edges.bare(), Normalized { x, norm }, map)
    }
}

impl MessagePassing for PdnConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
