//! Batch normalisation over nodes, with PyG's parameter names.

use burn::{
    config::Config,
    module::Module,
    nn,
    tensor::{DType, Device, Tensor},
};

/// Configuration of a [`BatchNorm`].
#[derive(Config, Debug)]
pub struct BatchNormConfig {
    /// Number of features (PyG: `in_channels`).
    pub num_features: usize,
    /// Added to the variance (PyG: `eps`).
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Weight of the newest batch in the running statistics.
    #[config(default = 0.1)]
    pub momentum: f64,
}

impl BatchNormConfig {
    /// Creates the layer.
    ///
    /// # Panics
    /// If there are no features, `epsilon` is not positive, or `momentum` is not in `[0, 1]`.
    pub fn init(&self, device: &Device) -> BatchNorm {
        let config = nn::BatchNormConfig::new(self.num_features)
            .with_epsilon(self.epsilon)
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
/// `torch_geometric.nn.BatchNorm`, whose state lies below `module`. Uses the statistics of the batch
/// on an autodiff device, unless frozen, and the running ones otherwise.
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
        batch_norm(&self.module, x)
    }
}

/// Burn's layer for a matrix with a row for each node: the same results, by [`kiln_ops::batch_norm`] while the layer
/// is trained.
pub(crate) fn batch_norm(layer: &nn::BatchNorm, x: Tensor<2>) -> Tensor<2> {
    let device = x.device();
    let is_trained = device.is_autodiff() && layer.training.is_enabled();
    // Sums of many numbers of 16 bits overflow.
    if !is_trained || !matches!(x.dtype(), DType::F32 | DType::F64) {
        return layer.forward(x);
    }
    let batch = kiln_ops::batch_norm(x, layer.gamma.val(), layer.beta.val(), layer.epsilon);
    for (running, newest) in [
        (&layer.running_mean, batch.mean),
        (&layer.running_var, batch.variance),
    ] {
        let before = running.value_sync().to_device(&device) * (1.0 - layer.momentum);
        running.update((before + newest * layer.momentum).detach());
    }
    batch.output
}
