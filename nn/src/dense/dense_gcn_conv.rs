//! Graph convolution on dense graphs.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use kiln_core::Signatures;
use kiln_ops::{Layer, matmul, powf_scalar};

use super::{
    args::DenseArgs,
    batches::{by_rows, degree, masked, products, with_diagonal},
};
use crate::{
    config::LayerConfig,
    init,
    linear::{Linear, LinearConfig},
};

/// Configuration of a [`DenseGcnConv`].
#[derive(Config, Debug)]
pub struct DenseGcnConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Whether self loops have weight 2 instead of 1.
    #[config(default = false)]
    pub improved: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for DenseGcnConvConfig {
    type Layer = DenseGcnConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn make(&self, device: &Device) -> DenseGcnConv {
        DenseGcnConv {
            lin: LinearConfig::glorot(self.in_channels, self.out_channels).init(device),
            bias: self.bias.then(|| init::zeros(self.out_channels, device)),
            config: self.clone(),
        }
    }
}

/// Averages each node and its neighbours, weighted by both degrees, in dense graphs.
///
/// ```text
/// X' = D^(-1/2) Â D^(-1/2) X W + b        D_ii = max( 1, Σ_j Â_ij )
/// ```
///
/// where `Â` is the matrix with self loops in place of its diagonal.
///
/// Source: Kipf, Welling, Semi-Supervised Classification with Graph Convolutional Networks, 2017,
/// arXiv:1609.02907. Matches `torch_geometric.nn.DenseGCNConv` (2.8).
///
/// # Shapes
/// x: `[B, N, in_channels]` · adj: `[B, N, N]` or `[1, N, N]` · mask: `[B, N]` or none · output:
/// `[B, N, out_channels]`
#[derive(Module, Debug)]
pub struct DenseGcnConv {
    /// The linear map.
    pub lin: Linear,
    /// The bias.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: DenseGcnConvConfig,
}

impl Layer for DenseGcnConv {
    const NAME: &'static str = "DenseGCNConv";

    type Config = DenseGcnConvConfig;
    type Args = DenseArgs;
    type Output = Tensor<3>;

    fn signatures(&self) -> Signatures {
        DenseArgs::looped_signatures(self.config.in_channels)
    }

    fn compute(&self, args: DenseArgs) -> Tensor<3> {
        let adj = if args.add_loop {
            let weight = if self.config.improved { 2.0 } else { 1.0 };
            with_diagonal(args.adj, weight)
        } else {
            args.adj
        };
        let scale = powf_scalar(degree(adj.clone()), -0.5);
        let adj = adj * products(scale);
        let out = matmul(adj, by_rows(args.x, |x| self.lin.forward(x)));
        let out = match &self.bias {
            Some(bias) => out + bias.val().unsqueeze(),
            None => out,
        };
        masked(out, args.mask)
    }
}
