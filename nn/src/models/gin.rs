//! The GIN model: a stack of [`GinConv`] around two-layer perceptrons.

use burn::tensor::{Device, Tensor};
use kiln_core::Edges;

use super::{
    basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, EdgeInputs, LayerSpec},
    mlp::{Mlp, MlpConfig},
};
use crate::conv::{GinConv, GinConvConfig};

/// A graph isomorphism network. Matches `torch_geometric.nn.GIN`: each convolution wraps an [`Mlp`]
/// of two layers that normalises and activates as the model does.
///
/// Source: Xu, Hu, Leskovec, Jegelka, 2019, arXiv:1810.00826.
pub type Gin = BasicGnn<GinConv<Mlp>>;

/// Configuration of a [`Gin`]; the convolutions' options are a [`GinConvConfig`].
pub type GinConfig = BasicGnnConfig<GinConv<Mlp>>;

impl BasicConv for GinConv<Mlp> {
    type Options = GinConvConfig;

    const MODEL: &'static str = "GIN";

    fn default_options() -> GinConvConfig {
        GinConvConfig::new()
    }

    fn init_layer(options: &GinConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        let mlp = MlpConfig::new(vec![layer.d_input, layer.d_output, layer.d_output])
            .with_act(layer.act)
            .with_act_first(layer.act_first)
            .with_batch_norm(layer.batch_norm);
        options.init(mlp.init(device), device)
    }

    fn convolve(&self, x: Tensor<2>, edges: &Edges, _inputs: &EdgeInputs) -> Tensor<2> {
        self.forward(x, edges)
    }
}
