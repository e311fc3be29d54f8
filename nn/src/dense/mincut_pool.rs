//! Pooling by learned clusters that cut few edges.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_core::{Signatures, Value, leaves};
use kiln_ops::Layer;

use super::{
    batches::{normalized, orthogonality_loss, trace},
    diff_pool::{ClusterArgs, Clustered},
};
use crate::config::{ConfigError, LayerConfig};

/// Configuration of a [`DenseMincutPool`].
#[derive(Config, Debug)]
pub struct DenseMincutPoolConfig {
    /// What scores are divided by before the softmax.
    #[config(default = 1.0)]
    pub temp: f64,
}

impl LayerConfig for DenseMincutPoolConfig {
    type Layer = DenseMincutPool;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.temp != 0.0;
        ConfigError::unless(ok, "temp", "a number other than 0", "0")
    }

    fn make(&self, _: &Device) -> DenseMincutPool {
        DenseMincutPool {
            config: self.clone(),
        }
    }
}

/// Pools nodes to clusters by given scores, with a loss of cut edges and one of clusters that
/// overlap.
///
/// ```text
/// S  = softmax( s / temp )
/// X' = S^T X        A' = S^T A S, without its diagonal and divided by the roots of its row sums
/// mincut_loss = -Tr( S^T A S ) / Tr( S^T D S )        D_ii = Σ_j A_ij
/// orthogonality_loss = ‖ S^T S / ‖S^T S‖ - I / √C ‖
/// ```
///
/// Losses are means over the batch.
///
/// Source: Bianchi, Grattarola, Alippi, Spectral Clustering with Graph Neural Networks for Graph
/// Pooling, 2020, arXiv:1907.00481. Matches the function `torch_geometric.nn.dense_mincut_pool`
/// (2.8); losses have the shape `[1]`.
///
/// # Shapes
/// x: `[B, N, F]` · adj: `[B, N, N]` · s: `[B, N, C]` · mask: `[B, N]` or none · output: `[B, C,
/// F]`, `[B, C, C]` and two losses `[1]`
#[derive(Module, Debug)]
pub struct DenseMincutPool {
    /// What the layer was made from.
    #[module(skip)]
    pub config: DenseMincutPoolConfig,
}

/// What a [`DenseMincutPool`] returns.
#[derive(Clone, Debug)]
pub struct MincutPoolOutput {
    /// Features of the clusters, `[B, C, F]`.
    pub x: Tensor<3>,
    /// Normalised matrices of the clusters, `[B, C, C]`.
    pub adj: Tensor<3>,
    /// Minus the share of edges that are within clusters, `[1]`.
    pub mincut_loss: Tensor<1>,
    /// How far clusters are from being equal parts that do not overlap, `[1]`.
    pub orthogonality_loss: Tensor<1>,
}

leaves!(MincutPoolOutput {
    x,
    adj,
    mincut_loss,
    orthogonality_loss
});

impl From<MincutPoolOutput> for Value {
    fn from(out: MincutPoolOutput) -> Self {
        (out.x, out.adj, out.mincut_loss, out.orthogonality_loss).into()
    }
}

impl Layer for DenseMincutPool {
    const NAME: &'static str = "dense_mincut_pool";

    type Config = DenseMincutPoolConfig;
    type Args = ClusterArgs;
    type Output = MincutPoolOutput;

    fn signatures(&self) -> Signatures {
        ClusterArgs::signatures()
    }

    fn compute(&self, args: ClusterArgs) -> MincutPoolOutput {
        let s = args.s.div_scalar(self.config.temp);
        let degree = args.adj.clone().sum_dim(2);
        let Clustered { s, x, adj } = Clustered::new(ClusterArgs { s, ..args });
        // The matrix of degrees is diagonal.
        let within = (degree * s.clone() * s.clone()).sum_dim(2).sum_dim(1);
        let mincut_loss = -(trace(adj.clone()) / within).mean();
        MincutPoolOutput {
            x,
            adj: normalized(adj),
            mincut_loss,
            orthogonality_loss: orthogonality_loss(s),
        }
    }
}
