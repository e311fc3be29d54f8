//! Batch normalisation over nodes, with PyG's parameter names.

use burn::{
    config::Config,
    module::Module,
    nn,
    tensor::{DType, Device, Tensor},
};
use kiln_core::{Signatures, signature::Type};
use kiln_ops::Layer;

use crate::config::{ConfigError, LayerConfig};

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
}

impl LayerConfig for BatchNormConfig {
    type Layer = BatchNorm;

    const REQUIRED: &'static [&'static str] = &["in_channels"];
    const NEUTRAL: &'static [(&'static str, &'static str)] = &[
        ("affine", "true"),
        ("track_running_stats", "true"),
        ("allow_single_element", "false"),
    ];

    fn blank() -> Self {
        Self::new(1)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let (eps, momentum) = (self.eps, self.momentum);
        ConfigError::unless(self.in_channels > 0, "in_channels", "at least one", "0")?;
        ConfigError::unless(eps > 0.0, "eps", "a positive number", eps.to_string())?;
        let ok = (0.0..=1.0).contains(&momentum);
        ConfigError::unless(ok, "momentum", "a number in [0, 1]", momentum.to_string())
    }

    fn make(&self, device: &Device) -> BatchNorm {
        let config = nn::BatchNormConfig::new(self.in_channels)
            .with_epsilon(self.eps)
            .with_momentum(self.momentum);
        BatchNorm {
            module: config.init(device),
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
/// batch on an autodiff device, unless frozen, and the running ones otherwise.
///
/// # Shapes
/// x: `[N, F]` · output: `[N, F]`
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Burn's layer.
    pub module: nn::BatchNorm,
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
        let [width] = self.module.gamma.dims();
        Signatures::new().with("x", Type::float(["N".into(), width.into()]))
    }

    fn compute(&self, x: Tensor<2>) -> Tensor<2> {
        batch_norm(&self.module, x)
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
            let statistics = [&layer.module.running_mean, &layer.module.running_var];
            let [mean, variance] = statistics.map(|one| one.value_sync().into_data());
            mean.assert_approx_eq::<f32>(&TensorData::from([0.5_f32]), Tolerance::default());
            variance.assert_approx_eq::<f32>(&TensorData::from([1.0_f32]), Tolerance::default());
        }
    }
}
