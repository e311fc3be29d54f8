//! The dynamic graph model: a stack of [`EdgeConv`] around two-layer perceptrons.

use burn::tensor::Device;

use super::{
    basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, LayerSpec},
    mlp::{Mlp, MlpConfig},
};
use crate::{
    config::{ConfigError, LayerConfig},
    conv::{EdgeConv, EdgeConvConfig},
};

/// A network of edge convolutions. Matches `torch_geometric.nn.EdgeCNN`: each convolution wraps an
/// [`Mlp`] of two layers that normalises and activates as the model does.
///
/// Source: Wang et al., 2019, arXiv:1801.07829.
pub type EdgeCnn = BasicGnn<EdgeConv<Mlp>>;

/// Configuration of an [`EdgeCnn`]; the convolutions' options are an [`EdgeConvConfig`].
pub type EdgeCnnConfig = BasicGnnConfig<EdgeConv<Mlp>>;

impl BasicConv for EdgeConv<Mlp> {
    const MODEL: &'static str = "EdgeCNN";

    fn layer_config(options: &EdgeConvConfig, _layer: &LayerSpec) -> EdgeConvConfig {
        options.clone()
    }

    fn init_layer(options: &EdgeConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        let (d_input, d_output) = (layer.in_channels, layer.out_channels);
        let mlp = MlpConfig::new(vec![2 * d_input, d_output, d_output])
            .with_act(layer.act)
            .with_act_first(layer.act_first)
            .with_norm(layer.norm.clone());
        options.init_with(mlp.init(device), device)
    }

    /// The model makes the networks.
    fn check_layer(_options: &EdgeConvConfig, _layer: &LayerSpec) -> Result<(), ConfigError> {
        Ok(())
    }
}
