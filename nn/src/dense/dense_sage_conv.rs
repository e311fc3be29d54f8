//! GraphSAGE on dense graphs.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_core::Signatures;
use kiln_ops::{Layer, matmul};

use super::{
    args::DenseArgs,
    batches::{by_rows, degree, masked},
};
use crate::{
    config::LayerConfig,
    linear::{Linear, LinearConfig},
    utils::unit_rows,
};

/// Configuration of a [`DenseSageConv`].
#[derive(Config, Debug)]
pub struct DenseSageConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Whether to scale each result to length 1.
    #[config(default = false)]
    pub normalize: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for DenseSageConvConfig {
    type Layer = DenseSageConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn make(&self, device: &Device) -> DenseSageConv {
        let linear = |bias| {
            let config = LinearConfig::new(self.in_channels, self.out_channels);
            config.with_bias(bias).init(device)
        };
        DenseSageConv {
            lin_rel: linear(false),
            lin_root: linear(self.bias),
            config: self.clone(),
        }
    }
}

/// Adds a linear map of the neighbours' mean and one of the node's own features, in dense graphs
/// without weights.
///
/// ```text
/// X' = D^(-1) A X W_rel + X W_root + b        D_ii = max( 1, Σ_j A_ij )
/// ```
///
/// Source: Hamilton, Ying, Leskovec, Inductive Representation Learning on Large Graphs, 2017,
/// arXiv:1706.02216. Matches `torch_geometric.nn.DenseSAGEConv` (2.8). `add_loop` has no effect.
///
/// # Shapes
/// x: `[B, N, in_channels]` · adj: `[B, N, N]` or `[1, N, N]` · mask: `[B, N]` or none · output:
/// `[B, N, out_channels]`
#[derive(Module, Debug)]
pub struct DenseSageConv {
    /// Map of the mean.
    pub lin_rel: Linear,
    /// Map of the node itself.
    pub lin_root: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: DenseSageConvConfig,
}

impl Layer for DenseSageConv {
    const NAME: &'static str = "DenseSAGEConv";

    type Config = DenseSageConvConfig;
    type Args = DenseArgs;
    type Output = Tensor<3>;

    fn signatures(&self) -> Signatures {
        DenseArgs::signatures(self.config.in_channels)
    }

    fn compute(&self, DenseArgs { x, adj, mask, .. }: DenseArgs) -> Tensor<3> {
        let mean = matmul(adj.clone(), x.clone()) / degree(adj);
        let root = by_rows(x, |x| self.lin_root.forward(x));
        let out = by_rows(mean, |x| self.lin_rel.forward(x)) + root;
        let out = if self.config.normalize {
            by_rows(out, unit_rows)
        } else {
            out
        };
        masked(out, mask)
    }
}
