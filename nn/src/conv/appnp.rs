//! Personalised propagation of predictions: several hops that each return to the input.

use super::prelude::*;
use crate::{
    dropout::Dropout,
    utils::{GcnNorm, GcnNormOptions, Normalized},
};

/// Configuration of an [`Appnp`].
#[derive(Config, Debug)]
pub struct AppnpConfig {
    /// Number of hops.
    pub k: usize,
    /// Probability of returning to the input.
    pub alpha: f64,
    /// Probability that an edge is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to normalise symmetrically by degree. Without it edge weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
}

impl LayerConfig for AppnpConfig {
    type Layer = Appnp;

    const REQUIRED: &'static [&'static str] = &["K", "alpha"];
    const NEUTRAL: &'static [(&'static str, &'static str)] = CACHED;

    fn blank() -> Self {
        Self::new(0, 0.0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)
    }

    fn make(&self, _device: &Device) -> Appnp {
        Appnp {
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Spreads features along edges, as a random walk that returns to where it started does.
///
/// ```text
/// X⁰ = X        X^k = (1 - α) D̂^(-1/2) Â D̂^(-1/2) X^(k-1) + α X⁰        X' = X^K
/// ```
///
/// Source: Klicpera, Bojchevski, Günnemann, Predict then Propagate: Graph Neural Networks meet
/// Personalized PageRank, 2019, arXiv:1810.05997. Matches `torch_geometric.nn.APPNP` (2.8).
/// Departs: nothing is cached inside the layer (PyG's `cached`).
///
/// # Shapes
/// x: `[N, F]` · edges: `E` among `N` nodes, with weights `[E]` or without · output: `[N, F]`
///
/// # Numerics
/// While training with dropout, edges with neither weights nor normalisation count as 1 and are
/// dropped; PyG refuses them.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = AppnpConfig::new(10, 0.1).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct Appnp {
    /// Dropout of the coefficients, anew in each hop.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: AppnpConfig,
}

impl Layer for Appnp {
    const NAME: &'static str = "APPNP";

    type Config = AppnpConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set("F").edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (input, _) = x.floats();
        let AppnpConfig { k, alpha, .. } = self.config;
        let options = GcnNormOptions::with_loops(self.config.add_self_loops);
        let norm = GcnNorm::of(&edges, self.config.normalize.then_some(options), &input);
        (0..k).fold(input.clone(), |x, _| {
            let norm = norm.clone().dropped(&edges, &x, &self.dropout);
            let x = self.propagate(&edges, Normalized { x, norm });
            x * (1.0 - alpha) + input.clone() * alpha
        })
    }
}

impl MessagePassing for Appnp {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
