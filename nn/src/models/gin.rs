//! The GIN model: a stack of [`GinConv`] around two-layer perceptrons.

use burn::tensor::Device;

use super::{
    basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, LayerSpec},
    mlp::{Mlp, MlpConfig},
};
use crate::{
    config::{ConfigError, LayerConfig},
    conv::{GinConv, GinConvConfig},
};

/// A graph isomorphism network. Matches `torch_geometric.nn.GIN`: each convolution wraps an [`Mlp`]
/// of two layers that normalises and activates as the model does.
///
/// Source: Xu, Hu, Leskovec, Jegelka, 2019, arXiv:1810.00826.
pub type Gin = BasicGnn<GinConv<Mlp>>;

/// Configuration of a [`Gin`]; the convolutions' options are a [`GinConvConfig`].
pub type GinConfig = BasicGnnConfig<GinConv<Mlp>>;

impl BasicConv for GinConv<Mlp> {
    const MODEL: &'static str = "GIN";

    fn layer_config(options: &GinConvConfig, _layer: &LayerSpec) -> GinConvConfig {
        options.clone()
    }

    fn init_layer(options: &GinConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        let (d_input, d_output) = (layer.in_channels, layer.out_channels);
        let mlp = MlpConfig::new(vec![d_input, d_output, d_output])
            .with_act(layer.act)
            .with_act_first(layer.act_first)
            .with_norm(layer.norm.clone());
        options.init_with(mlp.init(device), device)
    }

    /// The model makes the networks.
    fn check_layer(_options: &GinConvConfig, _layer: &LayerSpec) -> Result<(), ConfigError> {
        Ok(())
    }
}
