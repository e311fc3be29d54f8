//! Message-passing operations as backend extensions of Burn.
//!
//! A graph layer moves rows along edges. With `x` the node features `[N, F]` and an edge `e` that
//! runs from node `src[e]` to node `dst[e]`, one step of message passing is
//!
//! ```text
//!   gather            message                scatter
//!   x_j = x[src]      m = φ(x_j, ..)         out[i] = ⊕ { m[e] : dst[e] = i }
//!   [N, F] → [E, F]   [E, F] → [E, M]        [E, M] → [n, M]
//! ```
//!
//! where `⊕` is a [`Reduce`]: sum, mean, max, min or product. Burn has the tensor algebra for `φ`;
//! this crate adds what the two arrows need, and [`spmm`] and [`spmm_csr`], which do both arrows at
//! once and never hold the `E × F` messages.
//!
//! | function | meaning |
//! |---|---|
//! | [`gather`] | `out[e] = x[index[e]]` |
//! | [`scatter`] | `out[i] = ⊕ { x[e] : index[e] = i }` |
//! | [`segment_reduce`] | the same, for rows already sorted: segment `i` is `ptr[i] .. ptr[i + 1]` |
//! | [`segment_softmax`] | softmax among the rows that share a destination (attention) |
//! | [`spmm`], [`spmm_csr`] | `out[i] = ⊕ { w[e] · x[src[e]] : dst[e] = i }` |
//! | [`aggregate`], [`aggregate_heads`] | the same for [`Endpoints`], which keep the edges sorted: what layers use |
//! | [`aggregate_self`] | the sum and a node's own row with a weight |
//! | [`aggregate_normalized`] | the sum scaled by the degrees of both ends, with a loop for each node (graph convolution) |
//! | [`aggregate_with_loops`] | the weighted sum with a loop for each node, which has a weight of its own |
//! | [`edge_attention`], [`Endpoints::softmax`], [`edge_dot`](edge_dot()) | attention in one walk, and its parts |
//! | [`edge_attention_with`], [`LoopedEdges`] | attention to which edges add scores, and loops in its list of edges |
//! | [`edge_attention_v2`], [`dot_attention`] | attention whose scores compare rows of features |
//! | [`linear`], [`linear_add`], [`linear_sum`], [`linear_relu`], [`heads_dot`], [`add_bias`] | linear maps of node features |
//! | [`matmul`](matmul()) | products of any matrices |
//! | [`column_sum`], [`column_mean`] | the sum and the mean of all rows |
//! | [`degree`] | number of edges of each node |
//! | [`coo_to_csr`], [`ptr_to_index`] | edge lists to compressed rows and back |
//! | [`nonzero`], [`self_loop_position`], [`arange`] | positions |
//! | [`size_of`](size_of()) | integers that are sizes |
//! | [`batch_norm`] | columns normalised by their own statistics, while training |
//! | [`dropout`] | random zeros while training |
//! | [`running_statistic`] | statistics of batches, and those that follow them |
//! | [`detach`] | values without gradients |
//! | [`group_argsort`] | order of rows within their groups |
//! | [`edge_matching`] | edges that share no node, by their scores |
//! | [`scan`], [`scan_reversed`], [`repeat`] | loops, which recordings hold as loops |
//! | [`relu`], [`leaky_relu`] | the positive part, whose gradient needs the result only; with PyTorch's gradient at 0 |
//! | [`powf`], [`powf_scalar`] | powers |
//! | [`clamp`] | limits, with PyTorch's gradient at NaN |
//!
//! # Letters
//! `N` nodes, `E` edges, `F` features, `n` destinations. Axis 0 is always nodes or edges; further
//! axes are carried along, so `[E, heads, channels]` works wherever `[E, F]` does.
//!
//! # Where it runs
//! Each operation has a kernel for the CPU (`flex`), one for GPUs in CubeCL (`wgpu`, `vulkan`,
//! `metal`, `cuda`), a hand-written gradient, and a wire form ([`wire::GraphOp`]), so that a
//! forward pass can be recorded as a graph. All kernels are deterministic: a row adds its edges in
//! edge order, whatever the number of threads, and no kernel uses floating-point atomics.
//!
//! # Precision
//! Products of `f32` matrices keep all bits of their factors unless the device is allowed to take
//! shorter formats: see [`kiln_core::precision`]. Sums of rows are sums of sums, so that adding up
//! millions loses no more than adding up thousands.
//!
//! # Indices
//! Indices are `i32` or `i64`. On the CPU an index outside its range is a panic that names the
//! operation, the index and the size. GPU kernels skip such edges (or read row 0 where a row is
//! needed): results are then unspecified, but no memory outside the tensors is touched. Build
//! edges with `kiln_core::EdgeIndex::new`, which checks them once.

mod aggregate;
mod arange;
mod attention;
mod backend;
mod batch_norm;
mod check;
mod clamp;
mod csr;
mod degree;
mod detach;
pub mod dispatch;
mod dropout;
mod edge_dot;
mod edge_matching;
mod edge_softmax;
mod endpoints;
mod gather;
pub mod graph;
mod group_argsort;
mod layer;
mod linear;
mod match_sum;
mod memory;
mod nan;
mod nonzero;
mod pow;
mod reduce;
mod registry;
mod relu;
mod rows;
mod running_statistic;
mod scan;
mod scatter;
pub mod scope;
mod segment_reduce;
mod segment_softmax;
mod self_loops;
mod sigmoid;
mod size_of;
mod sort_edges;
mod spmm;
pub mod wire;
mod witness;

pub use aggregate::{
    Terms, aggregate, aggregate_heads, aggregate_normalized, aggregate_self, aggregate_with_loops,
};
pub use arange::arange;
pub use attention::{
    AttentionAttributes, AttentionOptions, DotAttentionAttributes, DotAttentionOptions, EdgeScores,
    LoopedEdges, Loops, SavedAttention, Score, dot_attention, edge_attention, edge_attention_v2,
    edge_attention_with,
};
pub use backend::{CsrTensors, GraphOps, OptionalTensor};
pub use batch_norm::batch_norm;
pub use clamp::clamp;
pub use csr::{coo_to_csr, ptr_to_index};
pub use degree::degree;
pub use detach::detach;
pub use dropout::{dropout, dropout_seed};
pub use edge_dot::edge_dot;
pub use edge_matching::edge_matching;
pub use endpoints::Endpoints;
pub use gather::gather;
pub use graph::{to_adjacency, to_edge_index};
pub use group_argsort::{float_key, group_argsort};
pub use layer::{Layer, Overload, Overloads};
pub use linear::{
    add_bias, column_mean, column_sum, heads_dot, linear, linear_add, linear_relu, linear_sum,
    matmul,
};
pub use memory::keep_freed_memory;
pub use nonzero::nonzero;
pub use pow::{powf, powf_scalar};
pub use reduce::Reduce;
pub use registry::register_graph_ops;
pub use relu::{leaky_relu, relu};
pub use running_statistic::{can_be_trained, running_statistic};
pub use scan::{Rows, Sequences, repeat, scan, scan_reversed};
pub use scatter::scatter;
pub use segment_reduce::segment_reduce;
pub use segment_softmax::segment_softmax;
pub use self_loops::self_loop_position;
pub use sigmoid::sigmoid;
pub use size_of::size_of;
pub use spmm::{spmm, spmm_csr};
