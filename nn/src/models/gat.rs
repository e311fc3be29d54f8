//! The GAT model: a stack of [`GatConv`] or [`Gatv2Conv`].

use burn::{
    config::Config,
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::Device,
};
use kiln_core::Signatures;
use kiln_ops::{Layer, Reduce};

use super::basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, LayerSpec};
use crate::{
    config::{ConfigError, LayerConfig},
    conv::{
        AttentionArgs, AttentionOutput, FillValue, GatConv, GatConvConfig, Gatv2Conv,
        Gatv2ConvConfig,
    },
    transparent::transparent_module,
};

/// A graph attention network. Matches `torch_geometric.nn.GAT`: heads share the width of a layer if
/// they are concatenated, and the convolution that makes the output averages them. The model's
/// dropout also applies to attention weights.
///
/// Source: Veličković et al., 2018, arXiv:1710.10903; with `v2` Brody et al., 2022,
/// arXiv:2105.14491.
pub type Gat = BasicGnn<GatLayer>;

/// Configuration of a [`Gat`]; the convolutions' options are a [`GatLayerConfig`], or the
/// configuration of a [`GatConv`] or [`Gatv2Conv`].
pub type GatConfig = BasicGnnConfig<GatLayer>;

/// Configuration of a [`GatLayer`].
#[derive(Config, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "PyG's arguments")]
pub struct GatLayerConfig {
    /// Width of the features.
    pub in_channels: usize,
    /// Width of the output features of each head.
    pub out_channels: usize,
    /// Whether the layer is a [`Gatv2Conv`].
    #[config(default = false)]
    pub v2: bool,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether heads are concatenated; otherwise they are averaged.
    #[config(default = true)]
    pub concat: bool,
    /// Slope of the leaky ReLU.
    #[config(default = 0.2)]
    pub negative_slope: f64,
    /// Probability with which an attention weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Width of the edges' features; without it they have no effect.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
    /// Features of the added self loops.
    #[config(default = "FillValue::Incoming(Reduce::Mean)")]
    pub fill_value: FillValue,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// Whether sources and targets have the same map, with `v2`.
    #[config(default = false)]
    pub share_weights: bool,
    /// Whether to add a linear map of the node's own features.
    #[config(default = false)]
    pub residual: bool,
}

/// The options that both layers have.
macro_rules! between {
    ($($field:ident)+) => {
        impl GatLayerConfig {
            fn v1(&self) -> GatConvConfig {
                let blank = GatConvConfig::new(self.in_channels.into(), self.out_channels);
                GatConvConfig { $($field: self.$field.clone(),)+ ..blank }
            }

            fn v2(&self) -> Gatv2ConvConfig {
                let blank = Gatv2ConvConfig::new(self.in_channels.into(), self.out_channels);
                let share_weights = self.share_weights;
                Gatv2ConvConfig { $($field: self.$field.clone(),)+ share_weights, ..blank }
            }
        }

        impl From<GatConvConfig> for GatLayerConfig {
            fn from(config: GatConvConfig) -> Self {
                let blank = Self::new(config.in_channels.src(), config.out_channels);
                Self { $($field: config.$field,)+ ..blank }
            }
        }

        impl From<Gatv2ConvConfig> for GatLayerConfig {
            fn from(config: Gatv2ConvConfig) -> Self {
                let blank = Self::new(config.in_channels.src(), config.out_channels);
                let share_weights = config.share_weights;
                Self { $($field: config.$field,)+ share_weights, v2: true, ..blank }
            }
        }
    };
}

between!(heads concat negative_slope dropout add_self_loops edge_dim fill_value bias residual);

impl LayerConfig for GatLayerConfig {
    type Layer = GatLayer;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.v2 {
            return self.v2().check();
        }
        let (ok, expected) = (!self.share_weights, "false without `v2`");
        ConfigError::unless(ok, "share_weights", expected, "true")?;
        self.v1().check()
    }

    fn make(&self, device: &Device) -> GatLayer {
        if self.v2 {
            GatLayer::V2(self.v2().init(device))
        } else {
            GatLayer::V1(self.v1().init(device))
        }
    }
}

/// A layer of a [`Gat`].
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a few per model, and moved as they are made"
)]
pub enum GatLayer {
    /// [`GatConv`]
    V1(GatConv),
    /// [`Gatv2Conv`]
    V2(Gatv2Conv),
}

transparent_module!(GatLayer { Self::V1; Self::V2 });

impl Layer for GatLayer {
    const NAME: &'static str = "GATConv";

    type Config = GatLayerConfig;
    type Args = AttentionArgs;
    type Output = AttentionOutput;

    fn signatures(&self) -> Signatures {
        match self {
            Self::V1(layer) => layer.signatures(),
            Self::V2(layer) => layer.signatures(),
        }
    }

    fn compute(&self, args: AttentionArgs) -> AttentionOutput {
        match self {
            Self::V1(layer) => layer.compute(args),
            Self::V2(layer) => layer.compute(args),
        }
    }

    /// As the layer that it is, in recordings too.
    fn call(&self, args: impl Into<AttentionArgs>) -> AttentionOutput {
        match self {
            Self::V1(layer) => layer.call(args),
            Self::V2(layer) => layer.call(args),
        }
    }
}

impl BasicConv for GatLayer {
    const MODEL: &'static str = "GAT";

    fn layer_config(options: &GatLayerConfig, layer: &LayerSpec) -> GatLayerConfig {
        let (heads, width) = (options.heads, layer.out_channels);
        let concat = options.concat && !layer.is_output;
        GatLayerConfig {
            in_channels: layer.in_channels,
            out_channels: if concat { width / heads.max(1) } else { width },
            concat,
            dropout: layer.dropout,
            ..options.clone()
        }
    }

    fn init_layer(options: &GatLayerConfig, layer: &LayerSpec, device: &Device) -> Self {
        Self::layer_config(options, layer).init(device)
    }

    fn check_layer(options: &GatLayerConfig, layer: &LayerSpec) -> Result<(), ConfigError> {
        let config = Self::layer_config(options, layer);
        config.check()?;
        let divides = !config.concat || layer.out_channels.is_multiple_of(config.heads);
        let expected = "a divisor of `hidden_channels`";
        ConfigError::unless(divides, "heads", expected, config.heads.to_string())
    }
}
