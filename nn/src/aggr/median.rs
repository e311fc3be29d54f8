//! Median.

use burn::{
    config::Config,
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::{Device, Tensor},
};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
    quantile::{Interpolation, QuantileAggregation, QuantileConfig, Quantiles},
};
use crate::{config::LayerConfig, transparent::transparent_module};

/// Configuration of a [`MedianAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct MedianConfig {
    /// Result for a set without elements.
    #[config(default = 0.0)]
    pub fill_value: f64,
}

impl LayerConfig for MedianConfig {
    type Layer = MedianAggregation;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, device: &Device) -> MedianAggregation {
        let config = QuantileConfig::new(Quantiles::One(0.5))
            .with_interpolation(Interpolation::Lower)
            .with_fill_value(self.fill_value);
        MedianAggregation(config.make(device))
    }
}

/// Takes each feature's median: of an even number of elements, the lower of the two in the middle.
///
/// Matches `torch_geometric.nn.MedianAggregation` (2.8). [`QuantileAggregation`] says more.
#[derive(Clone, Debug)]
pub struct MedianAggregation(QuantileAggregation);

transparent_module!(MedianAggregation { Self });

impl Combine for MedianAggregation {
    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        self.0.combine(elements)
    }
}

aggregation_layers!(MedianAggregation(MedianConfig));
