//! The first elements in order.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_ops::arange;

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
    ordered::Ordered,
};
use crate::{
    config::{ConfigError, LayerConfig},
    shape::expand,
};

/// Configuration of a [`SortAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct SortConfig {
    /// Number of elements of each set that are kept.
    pub k: usize,
}

impl LayerConfig for SortConfig {
    type Layer = SortAggregation;

    const REQUIRED: &'static [&'static str] = &["k"];

    fn blank() -> Self {
        Self::new(1)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.k > 0, "k", "at least one", "0")
    }

    fn make(&self, _device: &Device) -> SortAggregation {
        SortAggregation {
            config: self.clone(),
        }
    }
}

/// Takes the elements with the greatest last feature, the greatest first, side by side.
///
/// Source: Zhang et al., An End-to-End Deep Learning Architecture for Graph Classification, 2018.
/// Matches `torch_geometric.nn.SortAggregation` (2.8).
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, k F]`, with zeros behind the elements of a smaller set
///
/// # Numerics
/// Equal elements stay as they stand, and NaN counts as greater than all numbers. Departs: elements
/// need not be sorted by set; and PyG takes numbers equal to the smallest of all minus 1 for places
/// without elements, so that there infinities become zeros, and NaN of one set gets into others.
#[derive(Module, Debug)]
pub struct SortAggregation {
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: SortConfig,
}

impl Combine for SortAggregation {
    fn width(&self, element: usize) -> usize {
        element * self.config.k
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let x = elements.rows();
        let ([_, width], sets, k) = (x.dims(), elements.num_sets(), self.config.k);
        let last = x.clone().narrow(1, width - 1, 1);
        let ordered = Ordered::by(last, x, elements, true);
        let position =
            arange(0..k, &ordered.places.first.device()).cast(ordered.places.first.dtype());
        let position = expand(position, [sets, k]);
        ordered.at(position).reshape([sets, k * width])
    }
}

aggregation_layers!(SortAggregation(SortConfig));
