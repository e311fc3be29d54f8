//! Results scaled by the number of elements.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};

use super::{
    aggregation::BoxedAggregation,
    config::AggrConfig,
    elements::Elements,
    layer::{Combine, aggregation_layers},
};
use crate::{
    config::{ConfigError, LayerConfig, OneOrSeveral, count},
    shape::side_by_side,
};

/// A factor by the number of elements `d` of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaler {
    /// 1
    Identity,
    /// `log(d + 1)` by its mean in the training set.
    Amplification,
    /// The inverse, with `d` at least 1.
    Attenuation,
    /// `d` by its mean in the training set.
    Linear,
    /// The inverse, with `d` at least 1.
    InverseLinear,
}

/// One factor or several. JSON has a name or a list.
pub type Scalers = OneOrSeveral<Scaler>;

/// Configuration of a [`DegreeScalerAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct DegreeScalerConfig {
    /// What is scaled.
    pub aggr: Box<AggrConfig>,
    /// The factors.
    pub scaler: Scalers,
    /// Histogram of the training set: at `d` the number of sets of `d` elements.
    pub deg: Vec<u64>,
    /// Whether the means of the training set are trained.
    #[config(default = false)]
    pub train_norm: bool,
}

impl DegreeScalerConfig {
    /// The mean of a number of each set in the training set.
    fn mean(&self, of: impl Fn(f64) -> f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a mean of many")]
        let sets = |number: u64| number as f64;
        let bins = self.deg.iter().enumerate();
        let sum: f64 = bins
            .map(|(bin, &number)| of(count(bin)) * sets(number))
            .sum();
        sum / sets(self.deg.iter().sum())
    }
}

impl LayerConfig for DegreeScalerConfig {
    type Layer = DegreeScalerAggregation;

    const REQUIRED: &'static [&'static str] = &["aggr", "scaler", "deg"];

    fn blank() -> Self {
        let sum = kiln_ops::Reduce::Sum.into();
        Self::new(Box::new(sum), Scalers::One(Scaler::Identity), Vec::new())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let expected = "a histogram of at least one set";
        let some = self.deg.iter().any(|&number| number > 0);
        ConfigError::unless(some, "deg", expected, format!("{:?}", self.deg))?;
        let some = !self.scaler.all().is_empty();
        ConfigError::unless(some, "scaler", "at least one", "none")?;
        self.aggr.check()
    }

    fn make(&self, device: &Device) -> DegreeScalerAggregation {
        let mean = |mean: f64| {
            let mean = Param::from_tensor(Tensor::full([1], mean, device));
            mean.set_require_grad(self.train_norm)
        };
        DegreeScalerAggregation {
            aggr: self.aggr.init(device).into(),
            avg_deg_lin: mean(self.mean(|degree| degree)),
            avg_deg_log: mean(self.mean(|degree| (degree + 1.0).ln())),
            config: self.clone(),
        }
    }
}

/// Scales the result of an aggregation by factors of the number of elements.
///
/// Source: Corso et al., Principal Neighbourhood Aggregation for Graph Nets, 2020,
/// arXiv:2004.05718. Matches `torch_geometric.nn.DegreeScalerAggregation` (2.8).
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, S F']` for `S` factors and results of width `F'`
#[derive(Module, Debug)]
pub struct DegreeScalerAggregation {
    /// What is scaled.
    pub aggr: BoxedAggregation,
    /// Mean number of elements in the training set, `[1]`.
    pub avg_deg_lin: Param<Tensor<1>>,
    /// Mean logarithm of that number plus 1, `[1]`.
    pub avg_deg_log: Param<Tensor<1>>,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: DegreeScalerConfig,
}

impl Combine for DegreeScalerAggregation {
    fn input(&self) -> Option<usize> {
        self.aggr.input()
    }

    fn width(&self, element: usize) -> usize {
        Combine::width(&*self.aggr, element) * self.config.scaler.all().len()
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let out = self.aggr.combine(elements);
        let degree = elements.count(&out);
        let (linear, log) = (self.avg_deg_lin.val(), self.avg_deg_log.val());
        let logarithm = |degree: Tensor<1>| degree.add_scalar(1.0).log();
        let at_least_one = || degree.clone().clamp_min(1.0);
        let scaled = |scaler: &Scaler| {
            let factor = match scaler {
                Scaler::Identity => return out.clone(),
                Scaler::Amplification => logarithm(degree.clone()) / log.clone(),
                Scaler::Attenuation => log.clone() / logarithm(at_least_one()),
                Scaler::Linear => degree.clone() / linear.clone(),
                Scaler::InverseLinear => linear.clone() / at_least_one(),
            };
            out.clone() * factor.unsqueeze_dim(1)
        };
        side_by_side(self.config.scaler.all().iter().map(scaled).collect(), 1)
    }
}

aggregation_layers!(DegreeScalerAggregation(DegreeScalerConfig));
