//! Softmax aggregation.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use kiln_ops::{Endpoints, Reduce, detach};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
};
use crate::{
    config::{ConfigError, LayerConfig},
    message::Message,
};

/// Configuration of a [`SoftmaxAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct SoftmaxConfig {
    /// Initial inverse temperature.
    #[config(default = 1.0)]
    pub t: f64,
    /// Whether the temperature is learned.
    #[config(default = false)]
    pub learn: bool,
    /// Whether no gradient flows through the weights.
    #[config(default = false)]
    pub semi_grad: bool,
    /// Number of temperatures: 1, or one for each feature.
    #[config(default = 1)]
    pub channels: usize,
}

impl LayerConfig for SoftmaxConfig {
    type Layer = SoftmaxAggregation;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = !(self.learn && self.semi_grad);
        ConfigError::unless(
            ok,
            "semi_grad",
            "false, since the temperature is learned",
            "true",
        )?;
        check_channels(self.learn, self.channels)
    }

    fn make(&self, device: &Device) -> SoftmaxAggregation {
        let t = || Param::from_tensor(Tensor::full([self.channels], self.t, device));
        SoftmaxAggregation {
            t: self.learn.then(t),
            config: self.clone(),
        }
    }
}

/// Checks the number of learned numbers.
pub(super) fn check_channels(learn: bool, channels: usize) -> Result<(), ConfigError> {
    let ok = channels == 1 || learn && channels > 1;
    let expected = "1, or the number of features of a learned parameter";
    ConfigError::unless(ok, "channels", expected, channels.to_string())
}

/// Sums messages weighted by the softmax of themselves, feature by feature.
///
/// ```text
/// out_i = Σ_j softmax_j( t · m_ji ) ⊙ m_ji
/// ```
///
/// Source: Li et al., DeeperGCN: All You Need to Train Deeper GCNs, 2020, arXiv:2006.07739. Matches
/// `torch_geometric.nn.SoftmaxAggregation` (2.8).
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, F]`
#[derive(Module, Debug)]
pub struct SoftmaxAggregation {
    /// The inverse temperature, `[1]` or `[F]`, if it is learned.
    pub t: Option<Param<Tensor<1>>>,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: SoftmaxConfig,
}

impl SoftmaxAggregation {
    /// Aggregates messages.
    ///
    /// # Panics
    /// If there are several temperatures and another number of features.
    pub fn forward(&self, x: Tensor<2>, ends: &Endpoints) -> Tensor<2> {
        self.combine(&Elements::of_messages(Message::Edge(x), ends))
    }
}

impl Combine for SoftmaxAggregation {
    fn input(&self) -> Option<usize> {
        (self.config.channels > 1).then_some(self.config.channels)
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let x = elements.rows();
        let scores = match &self.t {
            Some(t) => x.clone() * t.val().unsqueeze_dim(0),
            #[expect(clippy::float_cmp, reason = "a factor that changes nothing")]
            None if self.config.t == 1.0 => x.clone(),
            None => x.clone() * self.config.t,
        };
        let weights = if self.config.semi_grad {
            elements.softmax(detach(scores))
        } else {
            elements.softmax(scores)
        };
        elements.collect(x * weights, Reduce::Sum)
    }
}

aggregation_layers!(SoftmaxAggregation(SoftmaxConfig));
