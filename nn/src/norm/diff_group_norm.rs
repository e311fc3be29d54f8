//! Batch normalisation of soft groups of nodes.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor, activation::softmax},
};
use kiln_core::{Signatures, signature::Type};
use kiln_ops::Layer;

use super::{
    affine::check_width,
    batch_norm::{BatchNorm1d, BatchNormConfig},
};
use crate::{
    config::{ConfigError, LayerConfig},
    linear::{Linear, LinearConfig},
};

/// Configuration of a [`DiffGroupNorm`].
#[derive(Config, Debug)]
pub struct DiffGroupNormConfig {
    /// Number of features.
    pub in_channels: usize,
    /// Number of groups.
    pub groups: usize,
    /// Weight `λ` of the normalised features.
    #[config(default = 0.01)]
    pub lamda: f64,
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
}

impl DiffGroupNormConfig {
    fn norm(&self) -> BatchNormConfig {
        BatchNormConfig::new(self.groups * self.in_channels)
            .with_eps(self.eps)
            .with_momentum(self.momentum)
            .with_affine(self.affine)
            .with_track_running_stats(self.track_running_stats)
    }
}

impl LayerConfig for DiffGroupNormConfig {
    type Layer = DiffGroupNorm;

    const REQUIRED: &'static [&'static str] = &["in_channels", "groups"];

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_width(self.in_channels)?;
        ConfigError::unless(self.groups > 0, "groups", "at least one", "0")?;
        self.norm().check()
    }

    fn make(&self, device: &Device) -> DiffGroupNorm {
        let lin = LinearConfig::new(self.in_channels, self.groups);
        DiffGroupNorm {
            lin: lin.with_bias(false).init(device),
            norm: BatchNorm1d::new(&self.norm(), device),
            lamda: self.lamda,
        }
    }
}

/// Assigns nodes to groups, normalises each group, and adds that to the features.
///
/// ```text
/// s  = softmax(x W)
/// x' = x + λ Σ_g BatchNorm( s_g ⊙ x )
/// ```
///
/// Source: Zhou et al., Towards Deeper Graph Neural Networks with Differentiable Group
/// Normalization, 2020, arXiv:2006.06972. Matches `torch_geometric.nn.DiffGroupNorm` (2.8).
///
/// # Shapes
/// x: `[N, F]` · output: `[N, F]`
#[derive(Module, Debug)]
pub struct DiffGroupNorm {
    /// Map to the groups.
    pub lin: Linear,
    /// Normalisation of the features of all groups.
    pub norm: BatchNorm1d,
    /// Weight `λ` of the normalised features.
    pub lamda: f64,
}

impl DiffGroupNorm {
    /// Normalises features.
    ///
    /// # Panics
    /// If the number of features is not the layer's.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.call(x)
    }
}

impl Layer for DiffGroupNorm {
    const NAME: &'static str = "DiffGroupNorm";

    type Config = DiffGroupNormConfig;
    type Args = Tensor<2>;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.lin.in_channels().into();
        Signatures::new().with("x", Type::float(["N".into(), width]))
    }

    fn compute(&self, x: Tensor<2>) -> Tensor<2> {
        let ([rows, width], groups) = (x.dims(), self.lin.out_channels());
        let share = softmax(self.lin.forward(x.clone()), 1);
        let grouped = share.unsqueeze_dim::<3>(2) * x.clone().unsqueeze_dim(1);
        let normalized = self.norm.forward(grouped.reshape([rows, groups * width]));
        let sum = normalized.reshape([rows, groups, width]).sum_dim(1);
        x + sum.squeeze_dim::<2>(1) * self.lamda
    }
}
