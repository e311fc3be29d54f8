//! Layers on batches of graphs whose edges are dense matrices, pooling that clusters the nodes of
//! such graphs, and linear maps.
//!
//! Graphs of a batch have the same number of nodes `N`; where one has fewer, a mask says which
//! nodes are there. Every layer says in its documentation which class of PyG it matches.

mod args;
mod batches;
mod dense_gat_conv;
mod dense_gcn_conv;
mod dense_gin_conv;
mod dense_graph_conv;
mod dense_sage_conv;
mod diff_pool;
mod dmon_pooling;
mod hetero_linear;
mod mincut_pool;

use burn::tensor::{Bool, Tensor};
use kiln_ops::Layer;

pub use self::{
    args::DenseArgs,
    dense_gat_conv::{DenseGatConv, DenseGatConvConfig},
    dense_gcn_conv::{DenseGcnConv, DenseGcnConvConfig},
    dense_gin_conv::{DenseGinConv, DenseGinConvConfig},
    dense_graph_conv::{DenseAggr, DenseGraphConv, DenseGraphConvConfig, UnknownDenseAggr},
    dense_sage_conv::{DenseSageConv, DenseSageConvConfig},
    diff_pool::{ClusterArgs, DenseDiffPool, DenseDiffPoolConfig, DiffPoolOutput},
    dmon_pooling::{DmonChannels, DmonOutput, DmonPooling, DmonPoolingConfig},
    hetero_linear::{HeteroLinear, HeteroLinearArgs, HeteroLinearConfig},
    mincut_pool::{DenseMincutPool, DenseMincutPoolConfig, MincutPoolOutput},
};
pub use crate::linear::{Linear, LinearConfig};

/// A layer that takes batches of dense graphs and returns nodes.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_nn::{LayerConfig as _, dense::{DenseConv as _, DenseGcnConvConfig}};
///
/// let device = Device::flex();
/// let conv = DenseGcnConvConfig::new(3, 4).init(&device);
/// let (x, adj) = (Tensor::<3>::ones([2, 5, 3], &device), Tensor::ones([2, 5, 5], &device));
/// assert_eq!(conv.forward(x, adj, None).dims(), [2, 5, 4]);
/// ```
pub trait DenseConv: Layer<Args = DenseArgs, Output = Tensor<3>> {
    /// The convolution.
    ///
    /// # Panics
    /// If features do not have the width of the layer, or shapes disagree.
    fn forward(
        &self,
        x: Tensor<3>,
        adj: Tensor<3>,
        mask: impl Into<Option<Tensor<2, Bool>>>,
    ) -> Tensor<3> {
        self.call(DenseArgs::new(x, adj).with_mask(mask))
    }
}

impl<L: Layer<Args = DenseArgs, Output = Tensor<3>>> DenseConv for L {}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::config::LayerConfig as _;

    /// One matrix for all graphs is that matrix for each.
    #[test]
    fn graphs_may_share_a_matrix() {
        fn check(conv: &impl DenseConv) {
            let device = Device::flex();
            let x = Tensor::<1>::from_floats([1.0, -2.0, 3.0, 0.5, 4.0, -1.0], &device);
            let (x, adj) = (
                x.reshape([2, 3, 1]),
                [[[0.0, 2.0, 1.0], [1.0, 0.0, 0.0], [0.0; 3]]],
            );
            let adj = Tensor::<3>::from_floats(adj, &device);
            let each = conv.forward(x.clone(), adj.clone().expand([2, 3, 3]), None);
            assert_eq!(conv.forward(x, adj, None).into_data(), each.into_data());
        }
        let device = Device::flex();
        check(&DenseGcnConvConfig::new(1, 2).init(&device));
        check(&DenseGatConvConfig::new(1, 2).init(&device));
        check(&DenseSageConvConfig::new(1, 2).init(&device));
        check(&DenseGinConvConfig::new().with_nn(vec![1, 2]).init(&device));
        for aggr in [DenseAggr::Add, DenseAggr::Mean, DenseAggr::Max] {
            check(
                &DenseGraphConvConfig::new(1, 2)
                    .with_aggr(aggr)
                    .init(&device),
            );
        }
    }
}
