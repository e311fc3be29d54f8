//! Batch normalisation of each type of nodes.

use burn::{
    config::Config,
    module::{Flag, Module, Param, RunningState},
    tensor::{Device, Int, Tensor},
};
use kiln_core::{Signatures, signature::Type};
use kiln_ops::{Layer, Reduce, clamp, degree, detach, gather, scatter};

use super::{
    affine::{check_eps, check_momentum, check_width, ones, zeros},
    running::{Statistic, is_trained, running},
    types::{TypeArgs, check_types, scaled_by_type},
};
use crate::config::{ConfigError, LayerConfig};

/// Configuration of a [`HeteroBatchNorm`].
#[derive(Config, Debug)]
pub struct HeteroBatchNormConfig {
    /// Number of features.
    pub in_channels: usize,
    /// Number of types.
    pub num_types: usize,
    /// Least variance.
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

impl LayerConfig for HeteroBatchNormConfig {
    type Layer = HeteroBatchNorm;

    const REQUIRED: &'static [&'static str] = &["in_channels", "num_types"];

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_width(self.in_channels)?;
        check_types(self.num_types)?;
        check_eps(self.eps)?;
        check_momentum(self.momentum)
    }

    fn make(&self, device: &Device) -> HeteroBatchNorm {
        let shape = [self.num_types, self.in_channels];
        let statistic = |start| {
            self.track_running_stats
                .then(|| running(shape, start, device))
        };
        HeteroBatchNorm {
            weight: self.affine.then(|| ones(shape, device)),
            bias: self.affine.then(|| zeros(shape, device)),
            running_mean: statistic(0.0),
            running_var: statistic(1.0),
            training: Param::from_bool(true),
            config: self.clone(),
        }
    }
}

/// Normalises each feature over all nodes of a type, with a scale and a shift of each type.
///
/// ```text
/// x_i' = (x_i - E_t[x]) / √max(Var_t[x], ε) ⊙ γ_t + β_t        t the type of i
/// ```
///
/// Source: Ioffe, Szegedy, Batch Normalization, 2015, arXiv:1502.03167. Matches
/// `torch_geometric.nn.HeteroBatchNorm` (2.8): no gradient flows through the statistics. PyG's
/// `momentum=None`, the mean of all batches, is not there.
///
/// # Shapes
/// x: `[N, F]` · types: the type of each node, `[N]` · output: `[N, F]`
#[derive(Module, Debug)]
pub struct HeteroBatchNorm {
    /// The scales `γ`, `[types, F]`.
    pub weight: Option<Param<Tensor<2>>>,
    /// The shifts `β`, `[types, F]`.
    pub bias: Option<Param<Tensor<2>>>,
    /// Running means, `[types, F]`.
    pub running_mean: Option<RunningState<Tensor<2>>>,
    /// Running variances, `[types, F]`.
    pub running_var: Option<RunningState<Tensor<2>>>,
    /// Whether to behave as during training.
    pub training: Param<Flag>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: HeteroBatchNormConfig,
}

impl HeteroBatchNorm {
    /// Normalises features of nodes of the given types.
    ///
    /// # Panics
    /// If the number of features is not the layer's, or there is not one type for each node.
    pub fn forward(&self, x: Tensor<2>, types: Tensor<1, Int>) -> Tensor<2> {
        self.call((x, types))
    }

    /// Mean and variance of each type.
    fn statistics(&self, x: &Tensor<2>, types: &Tensor<1, Int>) -> [Tensor<2>; 2] {
        let HeteroBatchNormConfig {
            num_types,
            momentum,
            ..
        } = self.config;
        let is_trained = is_trained(&self.training, x);
        let kept = [&self.running_mean, &self.running_var].map(Option::as_ref);
        if let ([Some(mean), Some(variance)], false) = (kept, is_trained) {
            return [mean, variance].map(|one| one.value().to_device(&x.device()));
        }
        let x = detach(x.clone());
        let mean = |x| scatter(x, types.clone(), num_types, Reduce::Mean);
        let means = mean(x.clone());
        let centered = x - gather(means.clone(), types.clone());
        let variances = mean(centered.clone() * centered);
        let [Some(mean), Some(variance)] = kept else {
            return [means, variances];
        };
        // Statistics of types without nodes stay.
        let is_absent = degree(types.clone(), num_types).equal_elem(0.0);
        let is_absent = is_absent.unsqueeze_dim::<2>(1).expand(means.dims());
        let follow = |kept: &RunningState<Tensor<2>>, batch: Tensor<2>| {
            let outside = kept.value().to_device(&batch.device());
            let newest = batch.clone().mask_where(is_absent.clone(), outside.clone());
            let statistic = Statistic {
                batch,
                outside,
                newest,
            };
            statistic.follow(kept, momentum, false)
        };
        [follow(mean, means), follow(variance, variances)]
    }
}

impl Layer for HeteroBatchNorm {
    const NAME: &'static str = "HeteroBatchNorm";

    type Config = HeteroBatchNormConfig;
    type Args = TypeArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let x = Type::float(["N".into(), self.config.in_channels.into()]);
        let types = Type::int(["N".into()]);
        Signatures::new().with("x", x).with("type_vec", types)
    }

    fn compute(&self, args: TypeArgs) -> Tensor<2> {
        let (x, types) = args.parts();
        let [mean, variance] = self.statistics(&x, &types);
        let deviation = clamp(variance, Some(self.config.eps), None).sqrt();
        let out = (x - gather(mean, types.clone())) / gather(deviation, types.clone());
        scaled_by_type(out, &types, self.weight.as_ref(), self.bias.as_ref())
    }
}
