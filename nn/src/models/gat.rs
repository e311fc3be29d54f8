//! The GAT model: a stack of [`GatConv`].

use burn::tensor::{Device, Tensor};
use kiln_core::Edges;

use super::basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, EdgeInputs, LayerSpec};
use crate::conv::{GatConv, GatConvConfig};

/// A graph attention network. Matches `torch_geometric.nn.GAT`: heads share the width of a layer if
/// they are concatenated, and the convolution that makes the output averages them. The model's
/// dropout also applies to attention weights.
///
/// Source: Veličković et al., 2018, arXiv:1710.10903.
pub type Gat = BasicGnn<GatConv>;

/// Configuration of a [`Gat`]; the convolutions' options are a [`GatConvConfig`].
pub type GatConfig = BasicGnnConfig<GatConv>;

impl BasicConv for GatConv {
    type Options = GatConvConfig;

    const MODEL: &'static str = "GAT";

    fn default_options() -> GatConvConfig {
        GatConvConfig::new(0, 0)
    }

    /// # Panics
    /// If heads are concatenated and do not divide the width.
    fn init_layer(options: &GatConvConfig, layer: &LayerSpec, device: &Device) -> Self {
        let (heads, width) = (options.heads, layer.d_output);
        let concat = options.concat && !layer.is_output;
        assert!(
            !concat || width.is_multiple_of(heads),
            "expected a width that {heads} heads divide, got {width}"
        );
        let config = GatConvConfig {
            d_input: layer.d_input,
            d_output: if concat { width / heads } else { width },
            d_dst: None,
            concat,
            dropout: layer.dropout,
            ..options.clone()
        };
        config.init(device)
    }

    fn convolve(&self, x: Tensor<2>, edges: &Edges, inputs: &EdgeInputs) -> Tensor<2> {
        self.forward_with(x, edges, inputs.attr.clone())
    }

    fn d_edge(&self) -> Option<usize> {
        self.lin_edge.as_ref().map(|lin| lin.weight.dims()[0])
    }
}
