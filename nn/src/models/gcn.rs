//! The GCN model: a stack of [`GcnConv`].

use burn::tensor::{Device, Tensor};
use kiln_core::Edges;

use super::basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, EdgeInputs, LayerSpec};
use crate::conv::{GcnConv, GcnConvConfig};

/// A graph convolutional network. Matches `torch_geometric.nn.GCN`.
///
/// Source: Kipf, Welling, 2017, arXiv:1609.02907.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::models::GcnConfig;
///
/// let device = Device::flex();
/// let model = GcnConfig::new(3, 16, 2).with_out_channels(5).init(&device);
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// assert_eq!(model.forward(Tensor::ones([2, 3], &device), &edges).dims(), [2, 5]);
/// ```
pub type Gcn = BasicGnn<GcnConv>;

/// Configuration of a [`Gcn`]; the convolutions' options are a [`GcnConvConfig`].
pub type GcnConfig = BasicGnnConfig<GcnConv>;

impl BasicConv for GcnConv {
    type Options = GcnConvConfig;

    const MODEL: &'static str = "GCN";

    fn default_options() -> GcnConvConfig {
        GcnConvConfig::new(0, 0)
    }

    fn init_layer(options: &GcnConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        let config = GcnConvConfig {
            d_input: layer.d_input,
            d_output: layer.d_output,
            ..options.clone()
        };
        config.init(device)
    }

    fn convolve(&self, x: Tensor<2>, edges: &Edges, inputs: &EdgeInputs) -> Tensor<2> {
        self.forward_weighted(x, edges, inputs.weight.clone())
    }

    fn takes_edge_weight() -> bool {
        true
    }
}
