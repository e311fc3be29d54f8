//! The GraphSAGE model: a stack of [`SageConv`].

use burn::tensor::Device;

use super::basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, LayerSpec};
use crate::{
    config::LayerConfig,
    conv::{SageConv, SageConvConfig},
};

/// A GraphSAGE network. Matches `torch_geometric.nn.GraphSAGE`.
///
/// Source: Hamilton, Ying, Leskovec, 2017, arXiv:1706.02216.
pub type GraphSage = BasicGnn<SageConv>;

/// Configuration of a [`GraphSage`]; the convolutions' options are a [`SageConvConfig`].
pub type GraphSageConfig = BasicGnnConfig<SageConv>;

impl BasicConv for SageConv {
    const MODEL: &'static str = "GraphSAGE";

    fn layer_config(options: &SageConvConfig, layer: &LayerSpec) -> SageConvConfig {
        SageConvConfig {
            in_channels: layer.in_channels.into(),
            out_channels: layer.out_channels,
            ..options.clone()
        }
    }

    fn init_layer(options: &SageConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        Self::layer_config(options, layer).init(device)
    }
}
