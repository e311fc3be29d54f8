//! Normalisation over all features of a graph, or of a node.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};

use super::{
    affine::{check_eps, check_width, ones, scaled, zeros},
    layer::{Graphs, Normalize, graph_norms},
};
use crate::config::{ConfigError, LayerConfig};

/// What a [`LayerNorm`] takes mean and variance of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerNormMode {
    /// All features of all nodes of a graph.
    #[default]
    Graph,
    /// The features of each node.
    Node,
}

/// Configuration of a [`LayerNorm`].
#[derive(Config, Debug)]
pub struct LayerNormConfig {
    /// Number of features.
    pub in_channels: usize,
    /// Added to the variance, or to the deviation of a single graph.
    #[config(default = 1e-5)]
    pub eps: f64,
    /// Whether scale and shift are learned.
    #[config(default = true)]
    pub affine: bool,
    /// What mean and variance are taken of.
    #[config(default = "LayerNormMode::Graph")]
    pub mode: LayerNormMode,
}

impl LayerConfig for LayerNormConfig {
    type Layer = LayerNorm;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_width(self.in_channels)?;
        check_eps(self.eps)
    }

    fn make(&self, device: &Device) -> LayerNorm {
        let shape = [self.in_channels];
        LayerNorm {
            weight: self.affine.then(|| ones(shape, device)),
            bias: self.affine.then(|| zeros(shape, device)),
            config: self.clone(),
        }
    }
}

/// Normalises by mean and variance of all features of a graph, or of each node.
///
/// ```text
/// x' = (x - E[x]) / √(Var[x] + ε) ⊙ γ + β
/// ```
///
/// Source: Ba et al., Layer Normalization, 2016, arXiv:1607.06450. Matches
/// `torch_geometric.nn.LayerNorm` (2.8): in mode `graph` features of one graph, given without
/// `batch`, are divided by `√Var[x] + ε` instead.
///
/// # Shapes
/// x: `[N, F]`, with the graph of each node or without · output: `[N, F]`
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// The scale `γ`, `[F]`.
    pub weight: Option<Param<Tensor<1>>>,
    /// The shift `β`, `[F]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: LayerNormConfig,
}

impl Normalize for LayerNorm {
    fn width(&self) -> Option<usize> {
        Some(self.config.in_channels)
    }

    fn normalize(&self, x: Tensor<2>, graphs: &Graphs) -> Tensor<2> {
        let LayerNormConfig { eps, mode, .. } = self.config;
        let out = match mode {
            LayerNormMode::Graph => whole_graphs(x, graphs, eps),
            LayerNormMode::Node => nodes(x, eps),
        };
        scaled(out, self.weight.as_ref(), self.bias.as_ref())
    }
}

/// Normalises by mean and variance of each graph.
fn whole_graphs(x: Tensor<2>, graphs: &Graphs, eps: f64) -> Tensor<2> {
    let mean = |x: Tensor<2>| graphs.mean(x).mean_dim(1);
    let x = x.clone() - graphs.lift(mean(x));
    let variance = mean(x.clone() * x.clone());
    let deviation = if graphs.is_batch() {
        graphs.lift(variance.add_scalar(eps).sqrt())
    } else {
        // The gradient of the root of zero is zero.
        let is_zero = variance.clone().equal_elem(0.0);
        let root = variance.mask_fill(is_zero.clone(), 1.0).sqrt();
        root.mask_fill(is_zero, 0.0).add_scalar(eps)
    };
    x / deviation
}

/// Normalises by mean and variance of each row.
pub(super) fn nodes(x: Tensor<2>, eps: f64) -> Tensor<2> {
    let x = x.clone() - x.mean_dim(1);
    let variance = (x.clone() * x.clone()).mean_dim(1);
    x / variance.add_scalar(eps).sqrt()
}

graph_norms!(LayerNorm(LayerNormConfig, "batch_size"));
