//! Normalisation of the distances between nodes.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    affine::check_eps,
    layer::{Graphs, Normalize, graph_norms},
};
use crate::{
    config::{ConfigError, LayerConfig},
    utils::row_lengths,
};

/// Configuration of a [`PairNorm`].
#[derive(Config, Debug)]
pub struct PairNormConfig {
    /// The factor `s`.
    #[config(default = 1.0)]
    pub scale: f64,
    /// Whether each node is scaled by its own length.
    #[config(default = false)]
    pub scale_individually: bool,
    /// Added to the squared length, or to the length of each node.
    #[config(default = 1e-5)]
    pub eps: f64,
}

impl LayerConfig for PairNormConfig {
    type Layer = PairNorm;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_eps(self.eps)
    }

    fn make(&self, _device: &Device) -> PairNorm {
        PairNorm {
            scale: self.scale,
            scale_individually: self.scale_individually,
            eps: self.eps,
        }
    }
}

/// Keeps the mean distance between the nodes of a graph constant.
///
/// ```text
/// c_i  = x_i - E[x]
/// x_i' = s · c_i / √(ε + E[‖c‖²])        x_i' = s · c_i / (ε + ‖c_i‖)  with `scale_individually`
/// ```
///
/// Source: Zhao, Akoglu, PairNorm: Tackling Oversmoothing in GNNs, 2019, arXiv:1909.12223. Matches
/// `torch_geometric.nn.PairNorm` (2.8).
///
/// # Shapes
/// x: `[N, F]`, with the graph of each node or without · output: `[N, F]`
#[derive(Module, Debug)]
pub struct PairNorm {
    /// The factor `s`.
    pub scale: f64,
    /// Whether each node is scaled by its own length.
    pub scale_individually: bool,
    /// Added to the squared length, or to the length of each node.
    pub eps: f64,
}

impl Normalize for PairNorm {
    fn normalize(&self, x: Tensor<2>, graphs: &Graphs) -> Tensor<2> {
        let x = graphs.centered(x);
        let length = if self.scale_individually {
            row_lengths(x.clone()).add_scalar(self.eps)
        } else {
            let squares = (x.clone() * x.clone()).sum_dim(1);
            graphs
                .lift(graphs.mean(squares))
                .add_scalar(self.eps)
                .sqrt()
        };
        x * self.scale / length
    }
}

graph_norms!(PairNorm(PairNormConfig, "batch_size"));
