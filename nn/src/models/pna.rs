//! The PNA model: a stack of [`PnaConv`].

use burn::tensor::Device;

use super::basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, LayerSpec};
use crate::{
    config::LayerConfig,
    conv::{PnaConv, PnaConvConfig},
};

/// A network of principal neighbourhood aggregations. Matches `torch_geometric.nn.PNA`.
///
/// Source: Corso et al., 2020, arXiv:2004.05718.
pub type Pna = BasicGnn<PnaConv>;

/// Configuration of a [`Pna`]; the convolutions' options are a [`PnaConvConfig`].
pub type PnaConfig = BasicGnnConfig<PnaConv>;

impl BasicConv for PnaConv {
    const MODEL: &'static str = "PNA";

    fn layer_config(options: &PnaConvConfig, layer: &LayerSpec) -> PnaConvConfig {
        PnaConvConfig {
            in_channels: layer.in_channels,
            out_channels: layer.out_channels,
            ..options.clone()
        }
    }

    fn init_layer(options: &PnaConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        Self::layer_config(options, layer).init(device)
    }
}
