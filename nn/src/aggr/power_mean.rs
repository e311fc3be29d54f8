//! Power mean.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use kiln_ops::{Reduce, clamp, powf, powf_scalar};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
    softmax::check_channels,
};
use crate::config::{ConfigError, LayerConfig};

/// Configuration of a [`PowerMeanAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct PowerMeanConfig {
    /// Initial power.
    #[config(default = 1.0)]
    pub p: f64,
    /// Whether the power is learned.
    #[config(default = false)]
    pub learn: bool,
    /// Number of powers: 1, or one for each feature.
    #[config(default = 1)]
    pub channels: usize,
    /// Smallest number that is taken to a power, if there is one.
    #[config(default = "Some(1e-4)")]
    pub clamp_min: Option<f64>,
    /// Largest number that is taken to a power, if there is one.
    #[config(default = "Some(100.0)")]
    pub clamp_max: Option<f64>,
}

impl LayerConfig for PowerMeanConfig {
    type Layer = PowerMeanAggregation;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_channels(self.learn, self.channels)
    }

    fn make(&self, device: &Device) -> PowerMeanAggregation {
        let p = || Param::from_tensor(Tensor::full([self.channels], self.p, device));
        PowerMeanAggregation {
            p: self.learn.then(p),
            config: self.clone(),
        }
    }
}

/// Takes each feature's mean of powers.
///
/// ```text
/// out_i = ( mean_j( m_ji ^ p ) ) ^ (1 / p)
/// ```
///
/// Source: Li et al., DeeperGCN: All You Need to Train Deeper GCNs, 2020, arXiv:2006.07739. Matches
/// `torch_geometric.nn.PowerMeanAggregation` (2.8).
///
/// # Numerics
/// Messages and their mean are limited to `clamp_min .. clamp_max`, so that a set without elements
/// gets `clamp_min ^ (1 / p)`. With a power of 1 that is not learned it is the mean, without
/// limits.
#[derive(Module, Debug)]
pub struct PowerMeanAggregation {
    /// The power, `[1]` or `[F]`, if it is learned.
    pub p: Option<Param<Tensor<1>>>,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: PowerMeanConfig,
}

impl PowerMeanAggregation {
    fn limited(&self, x: Tensor<2>) -> Tensor<2> {
        clamp(x, self.config.clamp_min, self.config.clamp_max)
    }
}

impl Combine for PowerMeanAggregation {
    fn input(&self) -> Option<usize> {
        (self.config.channels > 1).then_some(self.config.channels)
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let mean = |power: &dyn Fn(Tensor<2>) -> Tensor<2>| {
            elements
                .map(|x| power(self.limited(x)))
                .reduce(Reduce::Mean)
        };
        match &self.p {
            Some(p) => {
                let p = p.val().unsqueeze_dim::<2>(0);
                let mean = mean(&|x| powf(x, p.clone()));
                powf(self.limited(mean), p.recip())
            }
            #[expect(clippy::float_cmp, reason = "a power that changes nothing")]
            None if self.config.p == 1.0 => elements.reduce(Reduce::Mean),
            None => {
                let mean = mean(&|x| powf_scalar(x, self.config.p));
                powf_scalar(self.limited(mean), self.config.p.recip())
            }
        }
    }
}

aggregation_layers!(PowerMeanAggregation(PowerMeanConfig));
