//! Readout: one row for each graph of a batch.
//!
//! `batch` gives the graph of each node, `[N]`, as [`kiln_core::Batch`] has it; without it all nodes
//! belong to one graph. The number of graphs is an argument, so no data is read and graphs without
//! nodes keep their row: zeros.

use burn::tensor::{Int, Tensor};
use kiln_ops::Reduce;

/// Adds up the rows of each graph.
///
/// ```text
/// r_g = Σ_{n in g} x_n
/// ```
///
/// Matches `torch_geometric.nn.global_add_pool`.
///
/// # Shapes
/// x: `[N, F]` · batch: `[N]` int · output: `[num_graphs, F]`, or `[1, F]` without `batch`
pub fn global_add_pool(
    x: Tensor<2>,
    batch: Option<Tensor<1, Int>>,
    num_graphs: usize,
) -> Tensor<2> {
    match batch {
        Some(batch) => kiln_ops::scatter(x, batch, num_graphs, Reduce::Sum),
        None => kiln_ops::column_sum(x),
    }
}

/// Averages the rows of each graph.
///
/// ```text
/// r_g = 1/|g| Σ_{n in g} x_n
/// ```
///
/// Matches `torch_geometric.nn.global_mean_pool`.
///
/// # Shapes
/// x: `[N, F]` · batch: `[N]` int · output: `[num_graphs, F]`, or `[1, F]` without `batch`
pub fn global_mean_pool(
    x: Tensor<2>,
    batch: Option<Tensor<1, Int>>,
    num_graphs: usize,
) -> Tensor<2> {
    match batch {
        Some(batch) => kiln_ops::scatter(x, batch, num_graphs, Reduce::Mean),
        None => kiln_ops::column_mean(x),
    }
}

/// Takes each feature's largest value in each graph.
///
/// ```text
/// r_g = max_{n in g} x_n
/// ```
///
/// Matches `torch_geometric.nn.global_max_pool`.
///
/// # Shapes
/// x: `[N, F]` · batch: `[N]` int · output: `[num_graphs, F]`, or `[1, F]` without `batch`
pub fn global_max_pool(
    x: Tensor<2>,
    batch: Option<Tensor<1, Int>>,
    num_graphs: usize,
) -> Tensor<2> {
    match batch {
        Some(batch) => kiln_ops::scatter(x, batch, num_graphs, Reduce::Max),
        None => x.max_dim(0),
    }
}
