//! A perceptron of all elements side by side.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
};
use crate::{
    activation::Activation,
    config::{ConfigError, LayerConfig},
    models::{Mlp, MlpConfig},
    norm::NormConfig,
    shape::reshape,
};

/// Configuration of an [`MlpAggregation`]: the widths of the elements and of the result, and the
/// arguments of an [`MlpConfig`].
#[derive(Config, Debug, PartialEq)]
pub struct MlpAggregationConfig {
    /// Width of the elements.
    pub in_channels: usize,
    /// Width of the output.
    pub out_channels: usize,
    /// Number of elements of each set that are read.
    pub max_num_elements: usize,
    /// Width of hidden layers.
    #[config(default = "None")]
    pub hidden_channels: Option<usize>,
    /// Number of linear layers.
    #[config(default = "None")]
    pub num_layers: Option<usize>,
    /// Probability with which hidden features are dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Activation function of the hidden layers, if any.
    #[config(default = "Some(Activation::Relu)")]
    pub act: Option<Activation>,
    /// Whether the activation comes before the normalisation.
    #[config(default = false)]
    pub act_first: bool,
    /// Normalisation of hidden features, if any.
    #[config(default = "Some(NormConfig::batch_norm())")]
    pub norm: Option<NormConfig>,
    /// Whether the last layer is only linear.
    #[config(default = true)]
    pub plain_last: bool,
    /// Whether the layers have biases.
    #[config(default = true)]
    pub bias: bool,
}

impl MlpAggregationConfig {
    fn network(&self) -> MlpConfig {
        MlpConfig::new(Vec::new())
            .with_in_channels(Some(self.in_channels * self.max_num_elements))
            .with_hidden_channels(self.hidden_channels)
            .with_out_channels(Some(self.out_channels))
            .with_num_layers(self.num_layers)
            .with_dropout(self.dropout)
            .with_act(self.act)
            .with_act_first(self.act_first)
            .with_norm(self.norm.clone())
            .with_plain_last(self.plain_last)
            .with_bias(self.bias)
    }
}

impl LayerConfig for MlpAggregationConfig {
    type Layer = MlpAggregation;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "max_num_elements"];

    fn blank() -> Self {
        Self::new(0, 0, 1)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let some = self.max_num_elements > 0;
        ConfigError::unless(some, "max_num_elements", "at least one", "0")?;
        // PyG hands the groups of the elements to norms that look at groups, which take those of
        // the sets.
        let class = self.norm.as_ref().map_or("none", NormConfig::class);
        let ok = ["none", "BatchNorm", "DiffGroupNorm"].contains(&class);
        ConfigError::unless(ok, "norm", "a norm that looks at no groups", class)?;
        self.network().check()
    }

    fn make(&self, device: &Device) -> MlpAggregation {
        MlpAggregation {
            mlp: self.network().make(device),
            config: self.clone(),
        }
    }
}

/// Puts the elements of a set side by side and applies a perceptron.
///
/// Source: Buterez et al., Graph Neural Networks with Adaptive Readouts, 2022, arXiv:2211.04952.
/// Matches `torch_geometric.nn.MLPAggregation` (2.8). Departs: elements need not be sorted by set,
/// they are taken as they stand; norms that look at groups are refused, since there is one row per
/// set.
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, out_channels]`
///
/// # Numerics
/// A set of fewer elements is followed by zeros, and elements behind the first `max_num_elements`
/// are left out. The result depends on the order of the elements.
#[derive(Module, Debug)]
pub struct MlpAggregation {
    /// The perceptron.
    pub mlp: Mlp,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: MlpAggregationConfig,
}

impl Combine for MlpAggregation {
    fn input(&self) -> Option<usize> {
        Some(self.config.in_channels)
    }

    fn width(&self, _element: usize) -> usize {
        self.config.out_channels
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let length = self.config.max_num_elements;
        let x = elements.places().dense(elements.rows(), length);
        let [sets, length, width] = x.dims();
        self.mlp.forward(reshape(x, [sets, length * width]))
    }
}

aggregation_layers!(MlpAggregation(MlpAggregationConfig, "MLPAggregation"));
