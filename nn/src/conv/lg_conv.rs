//! The convolution of LightGCN: a normalised sum without parameters.

use super::prelude::*;
use crate::utils::{GcnNorm, GcnNormOptions, Normalized};

/// Configuration of an [`LgConv`].
#[derive(Config, Debug)]
pub struct LgConvConfig {
    /// Whether to normalise symmetrically by degree. Without it edge weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
}

impl LayerConfig for LgConvConfig {
    type Layer = LgConv;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, _device: &Device) -> LgConv {
        LgConv {
            config: self.clone(),
        }
    }
}

/// Sums each node's neighbours, weighted by `1 / √(d_i d_j)`.
///
/// ```text
/// x_i' = Σ_{j ∈ N(i)}  e_ji / √(d_j d_i)  x_j        d_i = Σ_j e_ji
/// ```
///
/// Source: He et al., LightGCN: Simplifying and Powering Graph Convolution Network for
/// Recommendation, 2020, arXiv:2002.02126. Matches `torch_geometric.nn.LGConv` (2.8).
///
/// # Shapes
/// x: `[N, F]` · edges: `E` among `N` nodes, with weights `[E]` or without · output: `[N, F]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = LgConvConfig::new().init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct LgConv {
    /// What the layer was made from.
    #[module(skip)]
    pub config: LgConvConfig,
}

impl Layer for LgConv {
    const NAME: &'static str = "LGConv";

    type Config = LgConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set("F").edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let options = GcnNormOptions::with_loops(false);
        let norm = GcnNorm::of(&edges, self.config.normalize.then_some(options), &x);
        self.propagate(&edges, Normalized { x, norm })
    }
}

impl MessagePassing for LgConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
