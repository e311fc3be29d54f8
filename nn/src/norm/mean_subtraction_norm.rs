//! Features without their mean.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};

use super::layer::{Graphs, Normalize, graph_norms};
use crate::config::LayerConfig;

/// Configuration of a [`MeanSubtractionNorm`], which has no arguments.
#[derive(Config, Debug)]
pub struct MeanSubtractionNormConfig {}

impl LayerConfig for MeanSubtractionNormConfig {
    type Layer = MeanSubtractionNorm;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, _device: &Device) -> MeanSubtractionNorm {
        MeanSubtractionNorm {}
    }
}

/// Takes the mean of each feature over the nodes of each graph away.
///
/// ```text
/// x' = x - E[x]
/// ```
///
/// Source: Yang et al., Revisiting "Over-smoothing" in Deep GCNs, 2020, arXiv:2003.13663. Matches
/// `torch_geometric.nn.MeanSubtractionNorm` (2.8), which calls the number of graphs `dim_size`.
///
/// # Shapes
/// x: `[N, F]`, with the graph of each node or without · output: `[N, F]`
#[derive(Module, Debug)]
pub struct MeanSubtractionNorm {}

impl Normalize for MeanSubtractionNorm {
    fn normalize(&self, x: Tensor<2>, graphs: &Graphs) -> Tensor<2> {
        graphs.centered(x)
    }
}

graph_norms!(MeanSubtractionNorm(MeanSubtractionNormConfig, "dim_size"));
