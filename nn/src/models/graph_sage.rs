//! The GraphSAGE model: a stack of [`SageConv`].

use burn::tensor::{Device, Tensor};
use kiln_core::Edges;

use super::basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, EdgeInputs, LayerSpec};
use crate::conv::{SageConv, SageConvConfig};

/// A GraphSAGE network. Matches `torch_geometric.nn.GraphSAGE`.
///
/// Source: Hamilton, Ying, Leskovec, 2017, arXiv:1706.02216.
pub type GraphSage = BasicGnn<SageConv>;

/// Configuration of a [`GraphSage`]; the convolutions' options are a [`SageConvConfig`].
pub type GraphSageConfig = BasicGnnConfig<SageConv>;

impl BasicConv for SageConv {
    type Options = SageConvConfig;

    const MODEL: &'static str = "GraphSAGE";

    fn default_options() -> SageConvConfig {
        SageConvConfig::new(0, 0)
    }

    fn init_layer(options: &SageConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        let config = SageConvConfig {
            d_input: layer.d_input,
            d_output: layer.d_output,
            d_dst: None,
            ..options.clone()
        };
        config.init(device)
    }

    fn convolve(&self, x: Tensor<2>, edges: &Edges, _inputs: &EdgeInputs) -> Tensor<2> {
        self.forward(x, edges)
    }
}
