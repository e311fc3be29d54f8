//! Quantiles.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
    ordered::Ordered,
};
use crate::config::{ConfigError, LayerConfig, OneOrSeveral};

/// What a quantile between two elements is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The lower of both.
    Lower,
    /// The higher of both.
    Higher,
    /// The number in the middle of both.
    Midpoint,
    /// The nearer of both.
    Nearest,
    /// A number between both by the distances to them.
    #[default]
    Linear,
}

/// One quantile or several. JSON has a number or a list.
pub type Quantiles = OneOrSeveral<f64>;

/// Configuration of a [`QuantileAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct QuantileConfig {
    /// The quantiles, in `[0, 1]`.
    pub q: Quantiles,
    /// What a quantile between two elements is.
    #[config(default = "Interpolation::Linear")]
    pub interpolation: Interpolation,
    /// Result for a set without elements.
    #[config(default = 0.0)]
    pub fill_value: f64,
}

impl LayerConfig for QuantileConfig {
    type Layer = QuantileAggregation;

    const REQUIRED: &'static [&'static str] = &["q"];

    fn blank() -> Self {
        Self::new(Quantiles::One(0.5))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let all = self.q.all();
        let ok = !all.is_empty() && all.iter().all(|q| (0.0..=1.0).contains(q));
        let expected = "numbers in [0, 1], at least one";
        ConfigError::unless(ok, "q", expected, format!("{all:?}"))
    }

    fn make(&self, device: &Device) -> QuantileAggregation {
        let all = self.q.all();
        let q = TensorData::new(all.to_vec(), [all.len(), 1]);
        let q = Param::from_tensor(Tensor::from_data(q, device));
        QuantileAggregation {
            q: q.set_require_grad(false),
            config: self.clone(),
        }
    }
}

/// Takes quantiles of each feature.
///
/// With the elements of a set in order, `m_1 ≤ .. ≤ m_k`, the quantile `q` is at position `q (k -
/// 1)`, which may lie between two elements.
///
/// Matches `torch_geometric.nn.QuantileAggregation` (2.8).
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, Q F]` for `Q` quantiles: all features of the first, then those
/// of the second, ...
///
/// # Numerics
/// NaN counts as greater than all numbers. The gradient goes to the elements that are taken, to the
/// first of equal ones as they stand. Departs: the first set may be without elements too (PyG
/// reads a row that is not there).
#[derive(Module, Debug)]
pub struct QuantileAggregation {
    /// The quantiles, `[Q, 1]`.
    pub q: Param<Tensor<2>>,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: QuantileConfig,
}

impl Combine for QuantileAggregation {
    fn width(&self, element: usize) -> usize {
        element * self.config.q.all().len()
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let x = elements.rows();
        let ([_, width], dtype) = (x.dims(), x.dtype());
        let ordered = Ordered::by(x.clone(), x, elements, false);
        let q = self.q.val().transpose();
        let [sets, quantiles] = [elements.num_sets(), q.dims()[1]];
        let last = ordered.places.count.clone().sub_scalar(1).clamp_min(0);
        let position = last.float().cast(dtype) * q;
        let at = |position: Tensor<2>| {
            let position = position.int().cast(ordered.places.first.dtype());
            ordered.at(position)
        };
        let (floor, ceil) = (position.clone().floor(), position.clone().ceil());
        let out = match self.config.interpolation {
            Interpolation::Lower => at(floor),
            Interpolation::Higher => at(ceil),
            Interpolation::Nearest => {
                // From the middle, to the even one of the places of all sets.
                let odd = ordered
                    .places
                    .first
                    .clone()
                    .remainder_scalar(2)
                    .float()
                    .cast(dtype);
                at((position + odd.clone()).round() - odd)
            }
            Interpolation::Midpoint => at(floor) * 0.5 + at(ceil) * 0.5,
            Interpolation::Linear => {
                let (low, high) = (at(floor.clone()), at(ceil));
                let part = (position - floor).reshape([sets * quantiles, 1]);
                low.clone() + (high - low) * part
            }
        };
        let out = out.reshape([sets, quantiles * width]);
        let is_empty = ordered
            .places
            .count
            .clone()
            .equal_elem(0)
            .expand(out.shape());
        out.mask_fill(is_empty, self.config.fill_value)
    }
}

aggregation_layers!(QuantileAggregation(QuantileConfig));
