//! The topology adaptive graph convolution: a linear map of its own per hop.

use super::prelude::*;
use crate::utils::{GcnNorm, GcnNormOptions, Normalized};

/// Configuration of a [`TagConv`].
#[derive(Config, Debug)]
pub struct TagConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of hops.
    #[config(default = 3)]
    pub k: usize,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// Whether to normalise symmetrically by degree. Without it edge weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
}

impl LayerConfig for TagConvConfig {
    type Layer = TagConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn make(&self, device: &Device) -> TagConv {
        let lin = LinearConfig::new(self.in_channels, self.out_channels).with_bias(false);
        TagConv {
            lins: (0..=self.k).map(|_| lin.init(device)).collect(),
            bias: self.bias.then(|| init::zeros(self.out_channels, device)),
            config: self.clone(),
        }
    }
}

/// Adds a linear map of the features of each number of hops, up to `K`.
///
/// ```text
/// X' = Σ_{k=0..K} (D^(-1/2) A D^(-1/2))^k X W_k + b
/// ```
///
/// Source: Du et al., Topology Adaptive Graph Convolutional Networks, 2017, arXiv:1710.10370.
/// Matches `torch_geometric.nn.TAGConv` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · output:
/// `[N, out_channels]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = TagConvConfig::new(3, 4).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct TagConv {
    /// The map of each number of hops.
    pub lins: Vec<Linear>,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: TagConvConfig,
}

impl Layer for TagConv {
    const NAME: &'static str = "TAGConv";

    type Config = TagConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels).edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (mut x, _) = x.floats();
        let options = GcnNormOptions::with_loops(false);
        let norm = GcnNorm::of(&edges, self.config.normalize.then_some(options), &x);
        let mut out = self.lins[0].forward(x.clone());
        for lin in &self.lins[1..] {
            let norm = norm.clone();
            x = self.propagate(&edges, Normalized { x, norm });
            out = lin.forward_add(x.clone(), out);
        }
        add_bias(out, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for TagConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
