//! Pooling: one row per group, such as the graphs of a batch, or fewer nodes and edges per graph.
//!
//! [`Groups`] say which group each row belongs to: `Groups::from(&batch)`, or
//! [`Groups::one`] for a single graph. They are sorted once; keep them for a batch.
//!
//! Layers such as [`TopKPooling`] select nodes and keep the edges between them: [`PoolArgs`] in,
//! [`PoolOutput`] out. How many there are depends on data.

mod args;
mod asap_pooling;
mod connect;
mod edge_pooling;
mod mem_pooling;
mod pan_pooling;
mod sag_pooling;
mod select;
mod topk_pooling;

use burn::tensor::Tensor;
use kiln_core::Groups;
use kiln_ops::Reduce;

pub use self::{
    args::{PoolArgs, PoolOutput},
    asap_pooling::{AsapArgs, AsapOutput, AsapPooling, AsapPoolingConfig},
    connect::filter_edges,
    edge_pooling::{
        EdgePoolArgs, EdgePoolOutput, EdgePooling, EdgePoolingConfig, EdgeScore, UnknownEdgeScore,
        UnpoolInfo,
    },
    mem_pooling::{MemArgs, MemPooling, MemPoolingConfig},
    pan_pooling::{PanPoolArgs, PanPooling, PanPoolingConfig},
    sag_pooling::{SagPooling, SagPoolingConfig},
    select::{SelectTopK, Selected, topk},
    topk_pooling::{TopKPooling, TopKPoolingConfig},
};
use crate::aggr::Aggregation;

/// Adds up the rows of each group.
///
/// ```text
/// r_g = Σ_{n in g} x_n
/// ```
///
/// Matches `torch_geometric.nn.global_add_pool`.
///
/// # Shapes
/// x: `[N, F]` · output: `[groups, F]`, zeros for a group without rows
///
/// # Panics
/// If there is not one row for each row of the groups.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::Groups;
///
/// let device = Device::flex();
/// let groups = Groups::from_array(&[0, 0, 1], 2, &device).unwrap();
/// let x = Tensor::<2>::from_floats([[1.0], [2.0], [5.0]], &device);
/// let out = kiln_nn::pool::global_add_pool(x, &groups).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [3.0, 5.0]);
/// ```
pub fn global_add_pool(x: Tensor<2>, groups: &Groups) -> Tensor<2> {
    Aggregation::from(Reduce::Sum).aggregate(x, groups)
}

/// Averages the rows of each group.
///
/// ```text
/// r_g = 1/|g| Σ_{n in g} x_n
/// ```
///
/// Matches `torch_geometric.nn.global_mean_pool`.
///
/// # Shapes
/// x: `[N, F]` · output: `[groups, F]`, zeros for a group without rows
///
/// # Panics
/// If there is not one row for each row of the groups.
pub fn global_mean_pool(x: Tensor<2>, groups: &Groups) -> Tensor<2> {
    Aggregation::from(Reduce::Mean).aggregate(x, groups)
}

/// Takes each feature's largest value in each group.
///
/// ```text
/// r_g = max_{n in g} x_n
/// ```
///
/// Matches `torch_geometric.nn.global_max_pool`.
///
/// # Shapes
/// x: `[N, F]` · output: `[groups, F]`, zeros for a group without rows
///
/// # Panics
/// If there is not one row for each row of the groups.
pub fn global_max_pool(x: Tensor<2>, groups: &Groups) -> Tensor<2> {
    Aggregation::from(Reduce::Max).aggregate(x, groups)
}
