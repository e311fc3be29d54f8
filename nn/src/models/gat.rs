//! The GAT model: a stack of [`GatConv`].

use burn::tensor::Device;

use super::basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, LayerSpec};
use crate::{
    config::{ConfigError, LayerConfig},
    conv::{GatConv, GatConvConfig},
};

/// A graph attention network. Matches `torch_geometric.nn.GAT`: heads share the width of a layer if
/// they are concatenated, and the convolution that makes the output averages them. The model's
/// dropout also applies to attention weights.
///
/// Source: Veličković et al., 2018, arXiv:1710.10903.
pub type Gat = BasicGnn<GatConv>;

/// Configuration of a [`Gat`]; the convolutions' options are a [`GatConvConfig`].
pub type GatConfig = BasicGnnConfig<GatConv>;

impl BasicConv for GatConv {
    const MODEL: &'static str = "GAT";

    fn layer_config(options: &GatConvConfig, layer: &LayerSpec) -> GatConvConfig {
        let (heads, width) = (options.heads, layer.out_channels);
        let concat = options.concat && !layer.is_output;
        GatConvConfig {
            in_channels: layer.in_channels.into(),
            out_channels: if concat { width / heads.max(1) } else { width },
            concat,
            dropout: layer.dropout,
            ..options.clone()
        }
    }

    fn init_layer(options: &GatConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        Self::layer_config(options, layer).init(device)
    }

    fn check_layer(options: &GatConvConfig, layer: &LayerSpec) -> Result<(), ConfigError> {
        let config = Self::layer_config(options, layer);
        config.check()?;
        let divides = !config.concat || layer.out_channels.is_multiple_of(config.heads);
        let expected = "a divisor of `hidden_channels`";
        ConfigError::unless(divides, "heads", expected, config.heads.to_string())
    }
}
