//! The graph convolution of Weisfeiler-Leman networks on dense graphs.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_core::Signatures;
use kiln_ops::{Layer, matmul};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    args::DenseArgs,
    batches::{by_rows, degree, masked},
};
use crate::{
    by_name::by_name,
    config::LayerConfig,
    linear::{Linear, LinearConfig},
};

/// How a [`DenseGraphConv`] combines neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum DenseAggr {
    /// The weighted sum.
    #[default]
    Add,
    /// The weighted sum by the sum of weights, at least 1.
    Mean,
    /// The maximum of those whose weight is not 0.
    Max,
}

by_name!(
    DenseAggr,
    UnknownDenseAggr {
        Add: "add",
        Mean: "mean",
        Max: "max",
    }
);

/// A name that is no way to combine neighbours in dense graphs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown aggregation `{name}`, expected one of add, mean, max")]
pub struct UnknownDenseAggr {
    /// The name.
    pub name: String,
}

/// Configuration of a [`DenseGraphConv`].
#[derive(Config, Debug)]
pub struct DenseGraphConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// How the neighbours are combined.
    #[config(default = "DenseAggr::Add")]
    pub aggr: DenseAggr,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for DenseGraphConvConfig {
    type Layer = DenseGraphConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn make(&self, device: &Device) -> DenseGraphConv {
        let linear = |bias| {
            let config = LinearConfig::new(self.in_channels, self.out_channels);
            config.with_bias(bias).init(device)
        };
        DenseGraphConv {
            lin_rel: linear(self.bias),
            lin_root: linear(false),
            config: self.clone(),
        }
    }
}

/// Adds a linear map of the neighbours' weighted sum and one of the node's own features, in dense
/// graphs.
///
/// ```text
/// X' = A X W_rel + b + X W_root
/// ```
///
/// Source: Morris et al., Weisfeiler and Leman Go Neural: Higher-order Graph Neural Networks, 2019,
/// arXiv:1810.02244. Matches `torch_geometric.nn.DenseGraphConv` (2.8), maxima over columns of the
/// matrix, where sums are over rows, among it. `add_loop` has no effect.
///
/// # Shapes
/// x: `[B, N, in_channels]` · adj: `[B, N, N]` or `[1, N, N]` · mask: `[B, N]` or none · output:
/// `[B, N, out_channels]`
///
/// # Numerics
/// Maxima hold `[B, N, N, in_channels]` numbers.
#[derive(Module, Debug)]
pub struct DenseGraphConv {
    /// Map of the aggregate.
    pub lin_rel: Linear,
    /// Map of the node itself.
    pub lin_root: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: DenseGraphConvConfig,
}

/// The maximum of the neighbours' features; 0 for nodes without neighbours.
fn maximum(x: Tensor<3>, adj: Tensor<3>) -> Tensor<3> {
    let [graphs, nodes, width] = x.dims();
    let is_none = adj.equal_elem(0.0).unsqueeze_dim::<4>(3);
    let is_none = is_none.expand([graphs, nodes, nodes, width]);
    let x = x
        .unsqueeze_dim::<4>(2)
        .expand([graphs, nodes, nodes, width]);
    let x = x.mask_fill(is_none, f64::NEG_INFINITY);
    // One neighbour gets the gradient, as in PyG.
    let place = x.clone().argmax(1);
    let most = x.gather(1, place).reshape([graphs, nodes, width]);
    let is_none = most.clone().equal_elem(f64::NEG_INFINITY);
    most.mask_fill(is_none, 0.0)
}

impl Layer for DenseGraphConv {
    const NAME: &'static str = "DenseGraphConv";

    type Config = DenseGraphConvConfig;
    type Args = DenseArgs;
    type Output = Tensor<3>;

    fn signatures(&self) -> Signatures {
        DenseArgs::signatures(self.config.in_channels)
    }

    fn compute(&self, DenseArgs { x, adj, mask, .. }: DenseArgs) -> Tensor<3> {
        let out = match self.config.aggr {
            DenseAggr::Add => matmul(adj, x.clone()),
            DenseAggr::Mean => matmul(adj.clone(), x.clone()) / degree(adj),
            DenseAggr::Max => maximum(x.clone(), adj),
        };
        let root = by_rows(x, |x| self.lin_root.forward(x));
        masked(by_rows(out, |x| self.lin_rel.forward(x)) + root, mask)
    }
}
