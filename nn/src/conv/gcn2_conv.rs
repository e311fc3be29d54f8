//! The graph convolution with initial residual and identity map.

use super::{initial::InitialArgs, prelude::*};
use crate::utils::{GcnNorm, GcnNormOptions, Normalized};

/// Configuration of a [`Gcn2Conv`].
#[derive(Config, Debug)]
pub struct Gcn2ConvConfig {
    /// Width of the features.
    pub channels: usize,
    /// Weight of the initial features.
    pub alpha: f64,
    /// How much the map counts, with `layer`: `β = ln(theta / layer + 1)`. Without both `β` is 1.
    #[config(default = "None")]
    pub theta: Option<f64>,
    /// Number of the layer in its network, from 1.
    #[config(default = "None")]
    pub layer: Option<usize>,
    /// Whether the initial features go through the map of the aggregate.
    #[config(default = true)]
    pub shared_weights: bool,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to normalise symmetrically by degree. Without it edge weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
}

impl Gcn2ConvConfig {
    fn beta(&self) -> f64 {
        match (self.theta, self.layer) {
            (Some(theta), Some(layer)) => (theta / count(layer) + 1.0).ln(),
            _ => 1.0,
        }
    }
}

impl LayerConfig for Gcn2ConvConfig {
    type Layer = Gcn2Conv;

    const REQUIRED: &'static [&'static str] = &["channels", "alpha"];
    const NEUTRAL: &'static [(&'static str, &'static str)] = CACHED;

    fn blank() -> Self {
        Self::new(0, 0.0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.theta.is_some() == self.layer.is_some() && self.layer != Some(0);
        let got = format!("theta {:?} and layer {:?}", self.theta, self.layer);
        ConfigError::unless(
            ok,
            "theta",
            "both `theta` and `layer`, from 1, or neither",
            got,
        )
    }

    fn make(&self, device: &Device) -> Gcn2Conv {
        let weight = || init::glorot([self.channels; 2], device);
        Gcn2Conv {
            weight1: weight(),
            weight2: (!self.shared_weights).then(weight),
            config: self.clone(),
        }
    }
}

/// Averages neighbours as [`GcnConv`](super::GcnConv) does, goes back to the initial features in
/// part, and maps the result in part.
///
/// ```text
/// X' = ((1 - α) P X + α X_0) ((1 - β) I + β W)        P = D̂^(-1/2) Â D̂^(-1/2),  Â = A + I
/// ```
///
/// Without `shared_weights` the initial features have a map of their own.
///
/// Source: Chen et al., Simple and Deep Graph Convolutional Networks, 2020, arXiv:2007.02133.
/// Matches `torch_geometric.nn.GCN2Conv` (2.8). Departs: the initial features have as many rows as
/// the others; nothing is cached inside the layer (PyG's `cached`).
///
/// # Shapes
/// x, x_0: `[N, channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · output:
/// `[N, channels]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = Gcn2ConvConfig::new(3, 0.1).init(&device);
/// let x_0 = Tensor::<2>::ones([2, 3], &device);
/// let x = conv.forward(x_0.clone(), x_0.clone(), &edges);
/// assert_eq!(conv.forward(x, x_0, &edges).dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct Gcn2Conv {
    /// Map of the aggregate, `[channels, channels]`.
    pub weight1: Param<Tensor<2>>,
    /// Map of the initial features, `[channels, channels]`.
    pub weight2: Option<Param<Tensor<2>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: Gcn2ConvConfig,
}

impl Gcn2Conv {
    /// The convolution.
    ///
    /// # Panics
    /// If features do not have the width of the layer.
    pub fn forward(&self, x: Tensor<2>, x_0: Tensor<2>, edges: impl Into<Edges>) -> Tensor<2> {
        let edges = edges.into();
        self.call(InitialArgs { x, x_0, edges })
    }
}

impl Layer for Gcn2Conv {
    const NAME: &'static str = "GCN2Conv";

    type Config = Gcn2ConvConfig;
    type Args = InitialArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        InitialArgs::signatures(self.config.channels)
    }

    fn compute(&self, InitialArgs { x, x_0, edges }: InitialArgs) -> Tensor<2> {
        let Gcn2ConvConfig {
            alpha,
            add_self_loops,
            normalize,
            ..
        } = self.config;
        let options = normalize.then(|| GcnNormOptions::with_loops(add_self_loops));
        let norm = GcnNorm::of(&edges, options, &x);
        let x = self.propagate(&edges, Normalized { x, norm }) * (1.0 - alpha);
        let x_0 = x_0 * alpha;
        let beta = self.config.beta();
        let map = |x: Tensor<2>, weight: &Param<Tensor<2>>| {
            let mapped = kiln_ops::linear(x.clone(), weight.val(), None);
            x * (1.0 - beta) + mapped * beta
        };
        match &self.weight2 {
            Some(weight2) => map(x, &self.weight1) + map(x_0, weight2),
            None => map(x + x_0, &self.weight1),
        }
    }
}

impl MessagePassing for Gcn2Conv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
