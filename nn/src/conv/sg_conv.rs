//! The simplified graph convolution: several hops, then one linear map.

use super::prelude::*;
use crate::utils::{GcnNorm, GcnNormOptions, Normalized};

/// Configuration of an [`SgConv`].
#[derive(Config, Debug)]
pub struct SgConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of hops.
    #[config(default = 1)]
    pub k: usize,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for SgConvConfig {
    type Layer = SgConv;

    const NEUTRAL: &'static [(&'static str, &'static str)] = CACHED;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn make(&self, device: &Device) -> SgConv {
        let lin = LinearConfig::new(self.in_channels, self.out_channels);
        SgConv {
            lin: lin.with_bias(self.bias).init(device),
            config: self.clone(),
        }
    }
}

/// Averages neighbours of `K` hops as [`GcnConv`](super::GcnConv) does, and maps the result.
///
/// ```text
/// X' = (D̂^(-1/2) Â D̂^(-1/2))^K X W + b        Â = A + I,  D̂ the diagonal of the row sums of Â
/// ```
///
/// Source: Wu et al., Simplifying Graph Convolutional Networks, 2019, arXiv:1902.07153. Matches
/// `torch_geometric.nn.SGConv` (2.8). Departs: nothing is cached inside the layer (PyG's `cached`).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · output:
/// `[N, out_channels]`
///
/// # Numerics
/// The map comes before the hops where it makes rows narrower.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = SgConvConfig::new(3, 4).with_k(2).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct SgConv {
    /// The linear map.
    pub lin: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: SgConvConfig,
}

impl Layer for SgConv {
    const NAME: &'static str = "SGConv";

    type Config = SgConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels).edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let options = GcnNormOptions::with_loops(self.config.add_self_loops);
        let norm = GcnNorm::of(&edges, Some(options), &x);
        self.lin.around(x, |x| {
            (0..self.config.k).fold(x, |x, _| {
                let norm = norm.clone();
                self.propagate(&edges, Normalized { x, norm })
            })
        })
    }
}

impl MessagePassing for SgConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
