//! Pooling by learned clusters, with losses for links and for clear assignments.

use burn::{
    config::Config,
    module::Module,
    tensor::{Bool, Device, Int, Tensor, activation::softmax},
};
use kiln_core::{Arguments, Named, Signatures, Value, leaves, signature::Type, size_to_i64};
use kiln_ops::{Layer, matmul};

use super::batches::{EPSILON, root, transposed, weight};
use crate::config::LayerConfig;

/// Batches of nodes, of dense adjacency matrices, and of scores that say which cluster a node
/// belongs to: what pooling takes that gets its assignments from outside.
///
/// The names of the arguments are PyG's: `x`, `adj`, `s` and `mask`.
#[derive(Clone, Debug)]
pub struct ClusterArgs {
    /// Features, `[B, N, F]`.
    pub x: Tensor<3>,
    /// Matrices, `[B, N, N]`.
    pub adj: Tensor<3>,
    /// A score of each node for each cluster, `[B, N, C]`, before the softmax.
    pub s: Tensor<3>,
    /// Which nodes are there, `[B, N]`; without it all are.
    pub mask: Option<Tensor<2, Bool>>,
}

leaves!(ClusterArgs { x, adj, s, mask });

impl ClusterArgs {
    /// Nodes, matrices and scores without a mask.
    pub fn new(x: Tensor<3>, adj: Tensor<3>, s: Tensor<3>) -> Self {
        let mask = None;
        Self { x, adj, s, mask }
    }

    /// The same where only some nodes are there.
    pub fn with_mask(self, mask: impl Into<Option<Tensor<2, Bool>>>) -> Self {
        let mask = mask.into();
        Self { mask, ..self }
    }

    pub(super) fn signatures() -> Signatures {
        let dims = |last: &str| ["B".into(), "N".into(), last.into()];
        Signatures::new()
            .with("x", Type::float(dims("F")))
            .with("adj", Type::float(dims("N")))
            .with("s", Type::float(dims("C")))
            .with("mask", Type::bool(["B".into(), "N".into()]).optional())
    }
}

impl From<(Tensor<3>, Tensor<3>, Tensor<3>)> for ClusterArgs {
    fn from((x, adj, s): (Tensor<3>, Tensor<3>, Tensor<3>)) -> Self {
        Self::new(x, adj, s)
    }
}

impl Arguments for ClusterArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            adj: values.tensor("adj"),
            s: values.tensor("s"),
            mask: values.booleans("mask"),
        }
    }
}

/// Clusters of nodes: their shares in each cluster, and what becomes of features and matrices.
pub(super) struct Clustered {
    /// Shares of the nodes, `[B, N, C]`; 0 for nodes that are not there.
    pub(super) s: Tensor<3>,
    /// `S^T X`, `[B, C, F]`.
    pub(super) x: Tensor<3>,
    /// `S^T A S`, `[B, C, C]`.
    pub(super) adj: Tensor<3>,
}

impl Clustered {
    pub(super) fn new(args: ClusterArgs) -> Self {
        let ClusterArgs { x, adj, s, mask } = args;
        let s = softmax(s, 2);
        let weight = mask.map(|mask| weight(mask, &x));
        let (x, s) = match weight {
            Some(weight) => (x * weight.clone(), s * weight),
            None => (x, s),
        };
        let to_clusters = transposed(s.clone());
        let adj = matmul(matmul(to_clusters.clone(), adj), s.clone());
        let x = matmul(to_clusters, x);
        Self { s, x, adj }
    }
}

/// Configuration of a [`DenseDiffPool`].
#[derive(Config, Debug)]
pub struct DenseDiffPoolConfig {
    /// Whether the loss of links is divided by the number of entries of the matrices.
    #[config(default = true)]
    pub normalize: bool,
}

impl LayerConfig for DenseDiffPoolConfig {
    type Layer = DenseDiffPool;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, _: &Device) -> DenseDiffPool {
        DenseDiffPool {
            config: self.clone(),
        }
    }
}

/// Pools nodes to clusters by given scores, with a loss of links and one of clear assignments.
///
/// ```text
/// S  = softmax( s )
/// X' = S^T X        A' = S^T A S
/// link_loss = ‖ A - S S^T ‖ / (B N²)
/// entropy_loss = the mean over nodes of -Σ_c S_nc ln( S_nc + 1e-15 )
/// ```
///
/// Source: Ying et al., Hierarchical Graph Representation Learning with Differentiable Pooling,
/// 2018, arXiv:1806.08804. Matches the function `torch_geometric.nn.dense_diff_pool` (2.8); losses
/// have the shape `[1]`.
///
/// # Shapes
/// x: `[B, N, F]` · adj: `[B, N, N]` · s: `[B, N, C]` · mask: `[B, N]` or none · output: `[B, C,
/// F]`, `[B, C, C]` and two losses `[1]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_nn::{Layer as _, LayerConfig as _, dense::DenseDiffPoolConfig};
///
/// let device = Device::flex();
/// let pool = DenseDiffPoolConfig::new().init(&device);
/// let [x, adj, s] = [3, 5, 2].map(|width| Tensor::<3>::ones([1, 5, width], &device));
/// let out = pool.call((x, adj, s));
/// assert_eq!((out.x.dims(), out.adj.dims()), ([1, 2, 3], [1, 2, 2]));
/// ```
#[derive(Module, Debug)]
pub struct DenseDiffPool {
    /// What the layer was made from.
    #[module(skip)]
    pub config: DenseDiffPoolConfig,
}

/// What a [`DenseDiffPool`] returns.
#[derive(Clone, Debug)]
pub struct DiffPoolOutput {
    /// Features of the clusters, `[B, C, F]`.
    pub x: Tensor<3>,
    /// Matrices of the clusters, `[B, C, C]`.
    pub adj: Tensor<3>,
    /// How far clusters are from being linked nodes, `[1]`.
    pub link_loss: Tensor<1>,
    /// How far nodes are from belonging to one cluster each, `[1]`.
    pub entropy_loss: Tensor<1>,
}

leaves!(DiffPoolOutput {
    x,
    adj,
    link_loss,
    entropy_loss
});

impl From<DiffPoolOutput> for Value {
    fn from(out: DiffPoolOutput) -> Self {
        (out.x, out.adj, out.link_loss, out.entropy_loss).into()
    }
}

impl Layer for DenseDiffPool {
    const NAME: &'static str = "dense_diff_pool";

    type Config = DenseDiffPoolConfig;
    type Args = ClusterArgs;
    type Output = DiffPoolOutput;

    fn signatures(&self) -> Signatures {
        ClusterArgs::signatures()
    }

    fn compute(&self, args: ClusterArgs) -> DiffPoolOutput {
        let adj = args.adj.clone();
        let Clustered {
            s,
            x,
            adj: of_clusters,
        } = Clustered::new(args);
        let [graphs, nodes, _] = s.dims();
        let missed = adj - matmul(s.clone(), transposed(s.clone()));
        let link_loss = root((missed.clone() * missed).sum());
        let link_loss = if self.config.normalize {
            // One by one: 16 bits may not hold the product.
            let by = |loss: Tensor<1>, size| {
                let size = Tensor::<1, Int>::full([1], size_to_i64(size), &loss.device());
                let size = size.float().cast(loss.dtype());
                loss / size
            };
            [graphs, nodes, nodes].into_iter().fold(link_loss, by)
        } else {
            link_loss
        };
        // Shares of 0, such as those of nodes that are not there, add 0 in 16 bits too, which have
        // no 1e-15.
        let is_zero = s.clone().equal_elem(0.0);
        let log = s.clone().mask_fill(is_zero, 1.0).add_scalar(EPSILON).log();
        let entropy_loss = (-s * log).sum_dim(2).mean();
        DiffPoolOutput {
            x,
            adj: of_clusters,
            link_loss,
            entropy_loss,
        }
    }
}
