//! Batch normalisation over nodes, with PyG's parameter names.

use burn::{
    config::Config,
    module::{
        Content, Devices, Flag, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
        ModuleVisitor, Param, RunningState,
    },
    nn,
    tensor::{DType, Device, Tensor},
};
use kiln_core::{Signatures, signature::Type};
use kiln_ops::{Layer, column_mean, degree};

use super::{
    affine::{check_eps, check_momentum, check_width, ones, scaled, zeros},
    running::{Statistic, is_trained, running},
};
use crate::{
    config::{ConfigError, LayerConfig},
    transparent::transparent_module,
};

/// Configuration of a [`BatchNorm`].
#[derive(Config, Debug)]
pub struct BatchNormConfig {
    /// Number of features.
    pub in_channels: usize,
    /// Added to the variance.
    #[config(default = 1e-5)]
    pub eps: f64,
    /// Weight of the newest batch in the running statistics.
    #[config(default = 0.1)]
    pub momentum: f64,
    /// Whether scale and shift are learned.
    #[config(default = true)]
    pub affine: bool,
    /// Whether statistics of the batches are kept and used outside training.
    #[config(default = true)]
    pub track_running_stats: bool,
    /// Whether a batch of one node is normalised by the running statistics while training too.
    #[config(default = false)]
    pub allow_single_element: bool,
}

impl LayerConfig for BatchNormConfig {
    type Layer = BatchNorm;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(1)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_width(self.in_channels)?;
        check_eps(self.eps)?;
        check_momentum(self.momentum)?;
        let ok = self.track_running_stats || !self.allow_single_element;
        let expected = "false without `track_running_stats`";
        ConfigError::unless(ok, "allow_single_element", expected, "true")
    }

    fn make(&self, device: &Device) -> BatchNorm {
        BatchNorm {
            module: BatchNorm1d::new(self, device),
        }
    }
}

/// Normalises each feature over all nodes of the batch.
///
/// ```text
/// x' = (x - E[x]) / √(Var[x] + ε) · γ + β
/// ```
///
/// Source: Ioffe, Szegedy, Batch Normalization, 2015, arXiv:1502.03167. Matches
/// `torch_geometric.nn.BatchNorm`, whose state lies below `module`. Uses the statistics of the
/// batch on an autodiff device, unless frozen, and the running ones otherwise, if there are any.
/// PyG's `momentum=None`, the mean of all batches, is not there.
///
/// # Shapes
/// x: `[N, F]` · output: `[N, F]`
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// The layer inside.
    pub module: BatchNorm1d,
}

impl BatchNorm {
    /// Normalises.
    ///
    /// # Panics
    /// If the number of features is not the layer's.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.call(x)
    }
}

impl Layer for BatchNorm {
    const NAME: &'static str = "BatchNorm";

    type Config = BatchNormConfig;
    type Args = Tensor<2>;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.module.in_channels().into();
        Signatures::new().with("x", Type::float(["N".into(), width]))
    }

    fn compute(&self, x: Tensor<2>) -> Tensor<2> {
        self.module.forward(x)
    }
}

/// Batch normalisation with the parameters and statistics of PyTorch's `BatchNorm1d`.
#[derive(Clone, Debug)]
pub enum BatchNorm1d {
    /// Burn's layer, which has scale, shift and running statistics; and whether a batch of one node
    /// is normalised by the running ones while training too.
    Full(nn::BatchNorm, bool),
    /// A layer without some of them.
    Partial(PartialBatchNorm),
}

transparent_module!(BatchNorm1d {
    Self::Full, allow_single_element;
    Self::Partial
});

/// Batch normalisation without scale and shift, or without running statistics.
#[derive(Module, Debug)]
pub struct PartialBatchNorm {
    /// The scale `γ`, `[F]`.
    pub weight: Option<Param<Tensor<1>>>,
    /// The shift `β`, `[F]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Running mean, `[F]`.
    pub running_mean: Option<RunningState<Tensor<1>>>,
    /// Running unbiased variance, `[F]`.
    pub running_var: Option<RunningState<Tensor<1>>>,
    /// Whether to behave as during training.
    pub training: Param<Flag>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: BatchNormConfig,
}

impl BatchNorm1d {
    pub(super) fn new(config: &BatchNormConfig, device: &Device) -> Self {
        let (affine, tracked) = (config.affine, config.track_running_stats);
        if affine && tracked {
            let layer = nn::BatchNormConfig::new(config.in_channels)
                .with_epsilon(config.eps)
                .with_momentum(config.momentum);
            return Self::Full(layer.init(device), config.allow_single_element);
        }
        let shape = [config.in_channels];
        let statistic = |start| tracked.then(|| running(shape, start, device));
        Self::Partial(PartialBatchNorm {
            weight: affine.then(|| ones(shape, device)),
            bias: affine.then(|| zeros(shape, device)),
            running_mean: statistic(0.0),
            running_var: statistic(1.0),
            training: Param::from_bool(true),
            config: config.clone(),
        })
    }

    /// Number of features.
    pub fn in_channels(&self) -> usize {
        match self {
            Self::Full(layer, _) => layer.gamma.dims()[0],
            Self::Partial(layer) => layer.config.in_channels,
        }
    }

    /// Normalises.
    ///
    /// # Panics
    /// If the number of features is not the layer's.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            // What is exported looks at the size while it runs.
            Self::Full(layer, true) if x.device().is_autodiff() && x.dims()[0] <= 1 => {
                by_running_statistics(layer, x)
            }
            Self::Full(layer, _) => batch_norm(layer, x),
            Self::Partial(layer) => layer.forward(&x),
        }
    }
}

fn by_running_statistics(layer: &nn::BatchNorm, x: Tensor<2>) -> Tensor<2> {
    let device = x.device();
    let statistics = [&layer.running_mean, &layer.running_var];
    let [mean, variance] = statistics.map(|one| one.value_sync().to_device(&device));
    let (gamma, beta) = (layer.gamma.val(), layer.beta.val());
    burn::tensor::module::batch_norm(x, gamma, beta, mean, variance, layer.epsilon)
}

impl PartialBatchNorm {
    fn forward(&self, x: &Tensor<2>) -> Tensor<2> {
        let BatchNormConfig {
            in_channels,
            eps,
            momentum,
            ..
        } = self.config;
        let ([rows, width], device) = (x.dims(), x.device());
        assert!(
            width == in_channels,
            "expected {in_channels} features, got {width}"
        );
        let is_trained = is_trained(&self.training, x);
        let count = || -> Tensor<2> {
            let count = degree(Tensor::zeros([rows], &device), 1);
            let count = count.to_device(&device).cast(x.dtype());
            count.unsqueeze_dim::<2>(1).expand([1, width])
        };
        let statistic = |kept: &Option<RunningState<Tensor<1>>>, rows: Tensor<2>, is_variance| {
            let Some(kept) = kept else {
                return column_mean(rows);
            };
            let outside: Tensor<2> = kept.value().to_device(&device).unsqueeze();
            if !is_trained {
                return outside;
            }
            let (mut batch, count) = (column_mean(rows), count());
            let mut newest = batch.clone();
            if is_variance {
                let others = count.clone().sub_scalar(1.0).clamp_min(1.0);
                newest = newest * count.clone() / others;
            }
            if self.config.allow_single_element {
                let is_single = count.lower_equal_elem(1.0);
                batch = batch.mask_where(is_single.clone(), outside.clone());
                newest = newest.mask_where(is_single, outside.clone());
            }
            let statistic = Statistic {
                batch,
                outside,
                newest: newest.squeeze_dim(0),
            };
            statistic.follow(kept, momentum, !is_variance)
        };
        let x = x.clone() - statistic(&self.running_mean, x.clone(), false);
        let variance = statistic(&self.running_var, x.clone() * x.clone(), true);
        let out = x / variance.add_scalar(eps).sqrt();
        scaled(out, self.weight.as_ref(), self.bias.as_ref())
    }
}

/// Burn's layer for a matrix with a row for each node: the same results, by
/// [`kiln_ops::batch_norm`] while the layer is trained. As in PyTorch, statistics have at least 32
/// bits, and the running variance follows the unbiased one of each batch (Burn's layer follows the
/// biased one).
pub(crate) fn batch_norm(layer: &nn::BatchNorm, x: Tensor<2>) -> Tensor<2> {
    let device = x.device();
    if !(device.is_autodiff() && layer.training.is_enabled()) {
        return layer.forward(x);
    }
    let dtype = x.dtype();
    // Sums of many numbers of 16 bits overflow.
    let wide = match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    let [rows, _] = x.dims();
    let [gamma, beta] = [&layer.gamma, &layer.beta].map(|row| row.val().cast(wide));
    let batch = kiln_ops::batch_norm(x.cast(wide), gamma, beta, layer.epsilon);
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    let unbiased = rows as f64 / rows.saturating_sub(1).max(1) as f64;
    for (running, newest) in [
        (&layer.running_mean, batch.mean),
        (&layer.running_var, batch.variance * unbiased),
    ] {
        let before = running.value_sync().to_device(&device);
        let kept = before.clone().cast(wide) * (1.0 - layer.momentum);
        let after = (kept + newest * layer.momentum).cast(before.dtype());
        running.update(after.detach());
    }
    batch.output.cast(dtype)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{FloatDType, TensorData, Tolerance};

    use super::*;

    /// Mean 2, biased variance 2/3, unbiased 1.
    #[test]
    fn running_statistics_follow_as_in_pytorch() {
        let device = Device::flex().autodiff();
        for dtype in [FloatDType::F32, FloatDType::F64, FloatDType::F16] {
            let layer = BatchNormConfig::new(1).with_momentum(0.25).init(&device);
            let x = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &device).cast(dtype);
            let out = layer.forward(x);
            assert_eq!(out.dtype(), DType::from(dtype));
            let out = out.into_data().convert::<f32>();
            let expected = TensorData::from([[-1.2247_f32], [0.0], [1.2247]]);
            out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(2e-3));
            let BatchNorm1d::Full(module, _) = &layer.module else {
                panic!("expected scale, shift and statistics");
            };
            let statistics = [&module.running_mean, &module.running_var];
            let [mean, variance] = statistics.map(|one| one.value_sync().into_data());
            mean.assert_approx_eq::<f32>(&TensorData::from([0.5_f32]), Tolerance::default());
            variance.assert_approx_eq::<f32>(&TensorData::from([1.0_f32]), Tolerance::default());
        }
    }
}
