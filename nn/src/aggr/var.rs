//! Variance.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    elements::{Elements, Needs},
    layer::{Combine, aggregation_layers},
};
use crate::config::LayerConfig;

/// Configuration of a [`VarAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct VarConfig {
    /// Whether no gradient flows through the mean of squares.
    #[config(default = false)]
    pub semi_grad: bool,
}

impl LayerConfig for VarConfig {
    type Layer = VarAggregation;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, _device: &Device) -> VarAggregation {
        VarAggregation {
            config: self.clone(),
        }
    }
}

/// Takes each feature's variance.
///
/// ```text
/// out_i = mean_j( m_ji² ) - mean_j( m_ji )²
/// ```
///
/// Matches `torch_geometric.nn.VarAggregation` (2.8).
///
/// # Numerics
/// As PyG computes it, so that the result may be slightly negative. Beside others in a
/// [`MultiAggregation`](super::MultiAggregation) no gradient flows through the mean of squares if
/// any variance there says so, as in PyG.
#[derive(Module, Debug)]
pub struct VarAggregation {
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: VarConfig,
}

/// What a variance is made of.
pub(super) const MOMENTS: Needs = Needs {
    sum: false,
    mean: true,
    squares: true,
};

impl Combine for VarAggregation {
    fn needs(&self) -> Needs {
        MOMENTS
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        elements.variance(self.config.semi_grad)
    }
}

aggregation_layers!(VarAggregation(VarConfig));
