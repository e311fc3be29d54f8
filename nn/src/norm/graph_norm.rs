//! Normalisation of the nodes of each graph, with a learned share of the mean.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};

use super::{
    affine::{check_eps, check_width, ones, scaled},
    layer::{Graphs, Normalize, graph_norms},
};
use crate::{
    config::{ConfigError, LayerConfig},
    init,
};

/// Configuration of a [`GraphNorm`].
#[derive(Config, Debug)]
pub struct GraphNormConfig {
    /// Number of features.
    pub in_channels: usize,
    /// Added to the variance.
    #[config(default = 1e-5)]
    pub eps: f64,
}

impl LayerConfig for GraphNormConfig {
    type Layer = GraphNorm;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_width(self.in_channels)?;
        check_eps(self.eps)
    }

    fn make(&self, device: &Device) -> GraphNorm {
        GraphNorm {
            weight: ones([self.in_channels], device),
            bias: init::zeros(self.in_channels, device),
            mean_scale: ones([self.in_channels], device),
            eps: self.eps,
        }
    }
}

/// Normalises each feature over the nodes of each graph, and learns how much of the mean to keep.
///
/// ```text
/// x' = (x - α ⊙ E[x]) / √(E[(x - α ⊙ E[x])²] + ε) ⊙ γ + β
/// ```
///
/// Source: Cai et al., GraphNorm: A Principled Approach to Accelerating Graph Neural Network
/// Training, 2020, arXiv:2009.03294. Matches `torch_geometric.nn.GraphNorm` (2.8).
///
/// # Shapes
/// x: `[N, F]`, with the graph of each node or without · output: `[N, F]`
#[derive(Module, Debug)]
pub struct GraphNorm {
    /// The scale `γ`, `[F]`.
    pub weight: Param<Tensor<1>>,
    /// The shift `β`, `[F]`.
    pub bias: Param<Tensor<1>>,
    /// The share `α` of the mean that is taken away, `[F]`.
    pub mean_scale: Param<Tensor<1>>,
    /// Added to the variance.
    pub eps: f64,
}

impl Normalize for GraphNorm {
    fn width(&self) -> Option<usize> {
        Some(self.weight.dims()[0])
    }

    fn normalize(&self, x: Tensor<2>, graphs: &Graphs) -> Tensor<2> {
        let mean = graphs.lift(graphs.mean(x.clone()));
        let out = x - mean * self.mean_scale.val().unsqueeze();
        let variance = graphs.mean(out.clone() * out.clone());
        let deviation = graphs.lift(variance.add_scalar(self.eps).sqrt());
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        scaled(out / deviation, weight, bias)
    }
}

graph_norms!(GraphNorm(GraphNormConfig, "batch_size"));
