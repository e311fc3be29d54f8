//! Normalisation of each feature over the nodes of each graph.

use burn::{
    config::Config,
    module::{Flag, Module, Param, RunningState},
    tensor::{Device, Tensor},
};
use kiln_ops::column_mean;

use super::{
    affine::{check_eps, check_momentum, check_width, ones, scaled, zeros},
    layer::{Graphs, Normalize, graph_norms},
    running::{Statistic, is_trained, running},
};
use crate::config::{ConfigError, LayerConfig};

/// Configuration of an [`InstanceNorm`].
#[derive(Config, Debug)]
pub struct InstanceNormConfig {
    /// Number of features.
    pub in_channels: usize,
    /// Added to the variance.
    #[config(default = 1e-5)]
    pub eps: f64,
    /// Weight of the newest batch in the running statistics.
    #[config(default = 0.1)]
    pub momentum: f64,
    /// Whether scale and shift are learned.
    #[config(default = false)]
    pub affine: bool,
    /// Whether statistics of the batches are kept and used outside training.
    #[config(default = false)]
    pub track_running_stats: bool,
}

impl LayerConfig for InstanceNormConfig {
    type Layer = InstanceNorm;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_width(self.in_channels)?;
        check_eps(self.eps)?;
        check_momentum(self.momentum)
    }

    fn make(&self, device: &Device) -> InstanceNorm {
        let shape = [self.in_channels];
        let statistic = |start| {
            self.track_running_stats
                .then(|| running(shape, start, device))
        };
        InstanceNorm {
            weight: self.affine.then(|| ones(shape, device)),
            bias: self.affine.then(|| zeros(shape, device)),
            running_mean: statistic(0.0),
            running_var: statistic(1.0),
            training: Param::from_bool(true),
            config: self.clone(),
        }
    }
}

/// Normalises each feature over the nodes of each graph.
///
/// ```text
/// x' = (x - E[x]) / √(Var[x] + ε) ⊙ γ + β
/// ```
///
/// Source: Ulyanov et al., Instance Normalization: The Missing Ingredient for Fast Stylization,
/// 2016, arXiv:1607.08022. Matches `torch_geometric.nn.InstanceNorm` (2.8), which refuses a single
/// graph of one node while it is trained; here its features become `β`.
///
/// # Shapes
/// x: `[N, F]`, with the graph of each node or without · output: `[N, F]`
#[derive(Module, Debug)]
pub struct InstanceNorm {
    /// The scale `γ`, `[F]`.
    pub weight: Option<Param<Tensor<1>>>,
    /// The shift `β`, `[F]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Running mean of the graphs' means, `[F]`.
    pub running_mean: Option<RunningState<Tensor<1>>>,
    /// Running mean of the graphs' unbiased variances, `[F]`.
    pub running_var: Option<RunningState<Tensor<1>>>,
    /// Whether to behave as during training.
    pub training: Param<Flag>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: InstanceNormConfig,
}

impl Normalize for InstanceNorm {
    fn width(&self) -> Option<usize> {
        Some(self.config.in_channels)
    }

    fn normalize(&self, x: Tensor<2>, graphs: &Graphs) -> Tensor<2> {
        let InstanceNormConfig { eps, momentum, .. } = self.config;
        let is_trained = is_trained(&self.training, &x);
        let size = [graphs.len(), self.config.in_channels];
        // What graphs have: the mean of their rows, or outside training what was kept.
        let statistic = |kept: &Option<RunningState<Tensor<1>>>, rows: Tensor<2>, is_variance| {
            let Some(kept) = kept else {
                return graphs.mean(rows);
            };
            let outside = kept.value().to_device(&rows.device());
            let outside = outside.unsqueeze::<2>().expand(size);
            if !is_trained {
                return outside;
            }
            let batch = graphs.mean(rows.clone());
            let newest = if is_variance {
                // The mean of squares times n / (n - 1).
                let count = graphs.count(&rows);
                let others = count.clone().sub_scalar(1.0).clamp_min(1.0);
                batch.clone() * count / others
            } else {
                batch.clone()
            };
            let newest = column_mean(newest).squeeze_dim(0);
            let statistic = Statistic {
                batch,
                outside,
                newest,
            };
            statistic.follow(kept, momentum, false)
        };
        let mean = statistic(&self.running_mean, x.clone(), false);
        let x = x - graphs.lift(mean);
        let variance = statistic(&self.running_var, x.clone() * x.clone(), true);
        let out = x / graphs.lift(variance.add_scalar(eps).sqrt());
        scaled(out, self.weight.as_ref(), self.bias.as_ref())
    }
}

graph_norms!(InstanceNorm(InstanceNormConfig, "batch_size"));
