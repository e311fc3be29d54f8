//! Standard deviation.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_ops::clamp;

use super::{
    elements::{Elements, Needs},
    layer::{Combine, aggregation_layers},
    var::MOMENTS,
};
use crate::config::LayerConfig;

/// Configuration of a [`StdAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct StdConfig {
    /// Whether no gradient flows through the mean of squares.
    #[config(default = false)]
    pub semi_grad: bool,
}

impl LayerConfig for StdConfig {
    type Layer = StdAggregation;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, _device: &Device) -> StdAggregation {
        StdAggregation {
            config: self.clone(),
        }
    }
}

/// Takes each feature's standard deviation.
///
/// ```text
/// out_i = √( mean_j( m_ji² ) - mean_j( m_ji )² )
/// ```
///
/// Matches `torch_geometric.nn.StdAggregation` (2.8).
///
/// # Numerics
/// 0 where the variance is at most 1e-5, with a gradient of 0. Beside others in a
/// [`MultiAggregation`](super::MultiAggregation) `semi_grad` is that of the variances there, as in
/// PyG.
#[derive(Module, Debug)]
pub struct StdAggregation {
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: StdConfig,
}

/// Variances up to this one count as 0.
const SMALLEST: f64 = 1e-5;

impl Combine for StdAggregation {
    fn needs(&self) -> Needs {
        MOMENTS
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let variance = elements.variance(self.config.semi_grad);
        let out = clamp(variance, Some(SMALLEST), None).sqrt();
        let is_none = out.clone().lower_equal_elem(SMALLEST.sqrt());
        out.mask_fill(is_none, 0.0)
    }
}

aggregation_layers!(StdAggregation(StdConfig));
