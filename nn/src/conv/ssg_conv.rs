//! The simple spectral graph convolution: an average over hops, then one linear map.

use super::prelude::*;
use crate::utils::{GcnNorm, GcnNormOptions, Normalized};

/// Configuration of an [`SsgConv`].
#[derive(Config, Debug)]
pub struct SsgConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Weight of a node's own features.
    pub alpha: f64,
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

impl LayerConfig for SsgConvConfig {
    type Layer = SsgConv;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "alpha"];
    const NEUTRAL: &'static [(&'static str, &'static str)] = CACHED;

    fn blank() -> Self {
        Self::new(0, 0, 0.0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.k > 0, "K", "at least one hop", "0")
    }

    fn make(&self, device: &Device) -> SsgConv {
        let lin = LinearConfig::new(self.in_channels, self.out_channels);
        SsgConv {
            lin: lin.with_bias(self.bias).init(device),
            config: self.clone(),
        }
    }
}

/// Averages the neighbourhoods of up to `K` hops, each as [`GcnConv`](super::GcnConv) does, adds
/// the node itself, and maps the result.
///
/// ```text
/// X' = (α X + (1 - α)/K Σ_{k=1..K} (D̂^(-1/2) Â D̂^(-1/2))^k X) W + b        Â = A + I
/// ```
///
/// Source: Zhu, Koniusz, Simple Spectral Graph Convolution, 2021, openreview.net CYO5T-YjWZV.
/// Matches `torch_geometric.nn.SSGConv` (2.8), whose code adds `α X` once. Departs: nothing is
/// cached inside the layer (PyG's `cached`).
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
/// let conv = SsgConvConfig::new(3, 4, 0.1).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct SsgConv {
    /// The linear map.
    pub lin: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: SsgConvConfig,
}

impl Layer for SsgConv {
    const NAME: &'static str = "SSGConv";

    type Config = SsgConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels).edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let SsgConvConfig {
            alpha,
            k,
            add_self_loops,
            ..
        } = self.config;
        let norm = GcnNorm::of(&edges, Some(GcnNormOptions::with_loops(add_self_loops)), &x);
        let share = (1.0 - alpha) / count(k);
        self.lin.around(x, |mut x| {
            let mut out = x.clone() * alpha;
            for _ in 0..k {
                let norm = norm.clone();
                x = self.propagate(&edges, Normalized { x, norm });
                out = out + x.clone() * share;
            }
            out
        })
    }
}

impl MessagePassing for SsgConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
