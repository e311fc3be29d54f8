//! Softmax aggregation.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use kiln_ops::{Endpoints, Reduce};

/// Configuration of a [`SoftmaxAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct SoftmaxConfig {
    /// Initial inverse temperature.
    #[config(default = 1.0)]
    pub t: f64,
    /// Whether the temperature is learned.
    #[config(default = false)]
    pub learn: bool,
    /// Number of temperatures: 1, or one for each feature.
    #[config(default = 1)]
    pub channels: usize,
}

impl SoftmaxConfig {
    /// Creates the aggregation.
    pub fn init(&self, device: &Device) -> SoftmaxAggregation {
        let t = || Param::from_tensor(Tensor::full([self.channels], self.t, device));
        SoftmaxAggregation {
            t: self.learn.then(t),
            config: self.clone(),
        }
    }
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
        let scores = match &self.t {
            Some(t) => x.clone() * t.val().unsqueeze_dim(0),
            #[expect(clippy::float_cmp, reason = "a factor that changes nothing")]
            None if self.config.t == 1.0 => x.clone(),
            None => x.clone() * self.config.t,
        };
        ends.collect(x * ends.softmax(scores), Reduce::Sum)
    }
}
