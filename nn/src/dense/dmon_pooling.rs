//! Pooling by clusters of high modularity.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_core::{Signatures, Value, leaves};
use kiln_ops::{Layer, matmul};
use serde::{Deserialize, Serialize};

use super::{
    args::DenseArgs,
    batches::{by_rows, normalized, orthogonality_loss, root, trace, transposed, weight},
    diff_pool::{ClusterArgs, Clustered},
};
use crate::{
    config::{ConfigError, LayerConfig, check_dropout, count},
    dropout::Dropout,
    models::{Mlp, MlpConfig},
};

/// Widths of the features, and of the hidden layers of the network that finds clusters (PyG's
/// `Union[int, List[int]]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DmonChannels {
    /// No hidden layers.
    One(usize),
    /// Widths of the features and of each hidden layer.
    Several(Vec<usize>),
}

/// Configuration of a [`DmonPooling`].
#[derive(Config, Debug)]
pub struct DmonPoolingConfig {
    /// Width of the features, and of hidden layers.
    pub channels: DmonChannels,
    /// Number of clusters.
    pub k: usize,
    /// Probability with which a node's score for a cluster is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl DmonPoolingConfig {
    fn widths(&self) -> Vec<usize> {
        let mut widths = match &self.channels {
            DmonChannels::One(width) => vec![*width],
            DmonChannels::Several(widths) => widths.clone(),
        };
        widths.push(self.k);
        widths
    }
}

impl LayerConfig for DmonPoolingConfig {
    type Layer = DmonPooling;

    const REQUIRED: &'static [&'static str] = &["channels", "k"];

    fn blank() -> Self {
        Self::new(DmonChannels::One(0), 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)?;
        ConfigError::unless(self.k > 0, "k", "at least one cluster", "0")?;
        let some = self.widths().len() > 1;
        ConfigError::unless(some, "channels", "at least one width", "none")
    }

    fn make(&self, device: &Device) -> DmonPooling {
        let mlp = MlpConfig::new(self.widths()).with_act(None).with_norm(None);
        DmonPooling {
            mlp: mlp.make(device),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Pools nodes to clusters that a network finds, with losses of modularity, of clusters that
/// overlap, and of clusters of different sizes.
///
/// ```text
/// S  = softmax( MLP( X ) )
/// X' = SELU( S^T X )   A' = S^T A S, without its diagonal and divided by the roots of its row sums
/// spectral_loss = -Tr( S^T A S - S^T d d^T S / 2m ) / 2m        d_i = Σ_j A_ij, 2m = Σ_i d_i
/// orthogonality_loss = ‖ S^T S / ‖S^T S‖ - I / √k ‖
/// cluster_loss = √k ‖ Σ_i S_i ‖ / n - 1
/// ```
///
/// Losses are means over the batch. As in PyG, the cluster loss is a mean over all pairs of a
/// graph's clusters and a graph's number of nodes `n`, which differs from that over graphs where
/// graphs have different numbers of nodes.
///
/// Source: Tsitsulin et al., Graph Clustering with Graph Neural Networks, 2023, arXiv:2006.16904.
/// Matches `torch_geometric.nn.DMoNPooling` (2.8); losses have the shape `[1]`. `add_loop` has no
/// effect.
///
/// # Shapes
/// x: `[B, N, F]` · adj: `[B, N, N]` · mask: `[B, N]` or none · output: shares of the nodes in
/// clusters `[B, N, k]`, `[B, k, F]`, `[B, k, k]` and three losses `[1]`
#[derive(Module, Debug)]
pub struct DmonPooling {
    /// The network that scores each node for each cluster.
    pub mlp: Mlp,
    /// Dropout of scores.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: DmonPoolingConfig,
}

/// What a [`DmonPooling`] returns.
#[derive(Clone, Debug)]
pub struct DmonOutput {
    /// Shares of the nodes in clusters, `[B, N, k]`.
    pub s: Tensor<3>,
    /// Features of the clusters, `[B, k, F]`.
    pub x: Tensor<3>,
    /// Normalised matrices of the clusters, `[B, k, k]`.
    pub adj: Tensor<3>,
    /// Minus the modularity of the clusters, `[1]`.
    pub spectral_loss: Tensor<1>,
    /// How far clusters are from being equal parts that do not overlap, `[1]`.
    pub orthogonality_loss: Tensor<1>,
    /// How far clusters are from having the same size, `[1]`.
    pub cluster_loss: Tensor<1>,
}

leaves!(DmonOutput {
    s,
    x,
    adj,
    spectral_loss,
    orthogonality_loss,
    cluster_loss
});

impl From<DmonOutput> for Value {
    fn from(out: DmonOutput) -> Self {
        (
            out.s,
            out.x,
            out.adj,
            out.spectral_loss,
            out.orthogonality_loss,
            out.cluster_loss,
        )
            .into()
    }
}

/// `1.05 x` for positive `x`, `1.76 (exp(x) - 1)` otherwise.
fn selu(x: Tensor<3>) -> Tensor<3> {
    const ALPHA: f64 = 1.673_263_242_354_377_2;
    const SCALE: f64 = 1.050_700_987_355_480_5;
    // As in `Activation::Elu`, the exponential is taken of negative numbers only.
    let is_negative = x.clone().lower_equal_elem(0.0);
    let negative = x.clone().mask_fill(is_negative.clone().bool_not(), 0.0);
    let negative = negative.exp().sub_scalar(1.0).mul_scalar(ALPHA * SCALE);
    x.mul_scalar(SCALE).mask_where(is_negative, negative)
}

impl Layer for DmonPooling {
    const NAME: &'static str = "DMoNPooling";

    type Config = DmonPoolingConfig;
    type Args = DenseArgs;
    type Output = DmonOutput;

    fn signatures(&self) -> Signatures {
        let widths = self.config.widths();
        DenseArgs::signatures(widths.first().copied().unwrap_or_default())
    }

    fn compute(&self, DenseArgs { x, adj, mask, .. }: DenseArgs) -> DmonOutput {
        let scores = by_rows(x.clone(), |x| self.dropout.forward(self.mlp.forward(x)));
        let [graphs, _, clusters] = scores.dims();
        let degree = adj.clone().sum_dim(2);
        let there = match &mask {
            Some(mask) => weight(mask.clone(), &x),
            None => degree.ones_like(),
        };
        let args = ClusterArgs::new(x, adj, scores).with_mask(mask);
        let Clustered { s, x, adj } = Clustered::new(args);

        let degree = degree * there.clone();
        let edges = degree.clone().sum_dim(1).div_scalar(2.0);
        let of_clusters = matmul(transposed(s.clone()), degree);
        // The sum of squares is the trace of the matrix of products.
        let expected = (of_clusters.clone() * of_clusters).sum_dim(1);
        let expected = expected.div_scalar(2.0) / edges.clone();
        let modularity = (trace(adj.clone()) - expected).div_scalar(2.0) / edges;

        let sizes = s.clone().sum_dim(1);
        let norm = root((sizes.clone() * sizes).sum_dim(2)).reshape([1, graphs]);
        let there = there.sum_dim(1).reshape([graphs, 1]);
        let cluster_loss = (norm / there).mul_scalar(count(clusters).sqrt());
        DmonOutput {
            x: selu(x),
            adj: normalized(adj),
            spectral_loss: -modularity.mean(),
            orthogonality_loss: orthogonality_loss(s.clone()),
            cluster_loss: cluster_loss.sub_scalar(1.0).mean(),
            s,
        }
    }
}
