//! Sums that keep the variance of their elements.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_ops::Reduce;

use super::{
    basic::NoArguments,
    elements::{Elements, Needs},
    layer::{Combine, aggregation_layers},
};
use crate::config::LayerConfig;

/// Configuration of a [`VariancePreservingAggregation`].
pub type VariancePreservingConfig = NoArguments<VariancePreservingAggregation>;

/// Adds up elements and divides by the root of their number.
///
/// ```text
/// out_i = 1 / √d_i Σ_j m_ji
/// ```
///
/// Source: Schneckenreiter et al., GNN-VPA: A Variance-Preserving Aggregation Strategy for Graph
/// Neural Networks, 2024, arXiv:2403.04747. Matches
/// `torch_geometric.nn.VariancePreservingAggregation` (2.8).
#[derive(Module, Debug)]
pub struct VariancePreservingAggregation;

impl LayerConfig for VariancePreservingConfig {
    type Layer = VariancePreservingAggregation;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, _device: &Device) -> VariancePreservingAggregation {
        VariancePreservingAggregation
    }
}

impl Combine for VariancePreservingAggregation {
    fn needs(&self) -> Needs {
        Reduce::Sum.needs()
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let sum = elements.reduce(Reduce::Sum);
        let count = elements.count(&sum).sqrt().clamp_min(1.0);
        sum / count.unsqueeze_dim(1)
    }
}

aggregation_layers!(VariancePreservingAggregation(VariancePreservingConfig));
