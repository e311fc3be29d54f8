//! The GCN model: a stack of [`GcnConv`].

use burn::tensor::Device;

use super::basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, LayerSpec};
use crate::{
    config::LayerConfig,
    conv::{GcnConv, GcnConvConfig},
};

/// A graph convolutional network. Matches `torch_geometric.nn.GCN`.
///
/// Source: Kipf, Welling, 2017, arXiv:1609.02907.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::{models::GcnConfig, prelude::*};
///
/// let device = Device::flex();
/// let model = GcnConfig::new(3, 16, 2).with_out_channels(5).init(&device);
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// assert_eq!(model.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 5]);
/// ```
pub type Gcn = BasicGnn<GcnConv>;

/// Configuration of a [`Gcn`]; the convolutions' options are a [`GcnConvConfig`].
pub type GcnConfig = BasicGnnConfig<GcnConv>;

impl BasicConv for GcnConv {
    const MODEL: &'static str = "GCN";

    fn layer_config(options: &GcnConvConfig, layer: &LayerSpec) -> GcnConvConfig {
        GcnConvConfig {
            in_channels: layer.in_channels,
            out_channels: layer.out_channels,
            ..options.clone()
        }
    }

    fn init_layer(options: &GcnConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        Self::layer_config(options, layer).init(device)
    }
}
