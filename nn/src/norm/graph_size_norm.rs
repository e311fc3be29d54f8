//! Normalisation by the size of each graph.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};

use super::layer::{Graphs, Normalize, graph_norms};
use crate::config::LayerConfig;

/// Configuration of a [`GraphSizeNorm`], which has no arguments.
#[derive(Config, Debug)]
pub struct GraphSizeNormConfig {}

impl LayerConfig for GraphSizeNormConfig {
    type Layer = GraphSizeNorm;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, _device: &Device) -> GraphSizeNorm {
        GraphSizeNorm {}
    }
}

/// Divides features by the root of the number of nodes of each graph.
///
/// ```text
/// x' = x / √|V|
/// ```
///
/// Source: Dwivedi et al., Benchmarking Graph Neural Networks, 2020, arXiv:2003.00982. Matches
/// `torch_geometric.nn.GraphSizeNorm` (2.8).
///
/// # Shapes
/// x: `[N, F]`, with the graph of each node or without · output: `[N, F]`
#[derive(Module, Debug)]
pub struct GraphSizeNorm {}

impl Normalize for GraphSizeNorm {
    fn normalize(&self, x: Tensor<2>, graphs: &Graphs) -> Tensor<2> {
        let scale = graphs.count(&x).sqrt().recip();
        x * graphs.lift(scale)
    }
}

graph_norms!(GraphSizeNorm(GraphSizeNormConfig, "batch_size"));
