//! Graph utilities composed of the operations: changing the form of edges, and self loops.
//!
//! Names and results are those of `torch_geometric.utils`. Functions that remove edges have outputs
//! whose size depends on values, so they use [`nonzero`].

use burn::tensor::{Int, Tensor};
use kiln_core::{Adjacency, EdgeIndex, int_dtype};

use crate::{arange, coo_to_csr, gather, nonzero, ptr_to_index, self_loop_position};

/// Edges as compressed rows by destination, and the number each of them had in the list.
///
/// Edges of one destination keep their order. With `value`, entry `k` of the result has the value
/// `value[perm[k]]`; other edge attributes follow by `attr.select(0, perm)`.
///
/// # Shapes
/// value: `[E]` · output: adjacency of `num_dst` rows and perm `[E]` int
///
/// # Panics
/// If `value` has another length than the edges.
pub fn to_adjacency(edges: &EdgeIndex, value: Option<Tensor<1>>) -> (Adjacency, Tensor<1, Int>) {
    let (rowptr, perm) = coo_to_csr(edges.dst(), edges.num_dst());
    let col = edges.src().select(0, perm.clone());
    let value = value.map(|value| {
        assert!(
            value.dims()[0] == edges.num_edges(),
            "to_adjacency: expected {} entries in `value`, got {}",
            edges.num_edges(),
            value.dims()[0]
        );
        gather(value, perm.clone())
    });
    (
        Adjacency::new_unchecked(rowptr, col, value, edges.num_src()),
        perm,
    )
}

/// Compressed rows as a list of edges, ordered by destination. Values are [`Adjacency::value`], in
/// the same order.
///
/// # Shapes
/// output: `[2, E]`
pub fn to_edge_index(adjacency: &Adjacency) -> EdgeIndex {
    let src = adjacency.col();
    let dst = ptr_to_index(adjacency.rowptr(), adjacency.num_edges());
    EdgeIndex::from_ends_unchecked(src, dst, adjacency.num_src(), adjacency.num_dst())
}

/// Whether any edge runs from a node to itself. Reads the edges.
pub fn contains_self_loops(edges: &EdgeIndex) -> bool {
    edges.num_edges() > 0 && edges.src().equal(edges.dst()).any().into_scalar::<bool>()
}

/// Removes the edges that run from a node to itself, and their attributes.
///
/// # Shapes
/// attr: `[E, ..]` · output: the edges left and their attributes, in the same order
pub fn remove_self_loops<const D: usize>(
    edges: &EdgeIndex,
    attr: Option<Tensor<D>>,
) -> (EdgeIndex, Option<Tensor<D>>) {
    let keep = nonzero(edges.src().not_equal(edges.dst()));
    let tensor = edges.tensor().select(1, keep.clone());
    let left = EdgeIndex::new_unchecked(tensor, edges.num_src(), edges.num_dst());
    (left, attr.map(|attr| gather(attr, keep)))
}

/// Appends one self loop for each node, after the edges, whether or not it has one already.
///
/// # Shapes
/// weight: `[E]` · output: `E + N` edges, and their weights if weights are given; loops weigh
/// `fill`
///
/// # Panics
/// If sources and destinations differ in number.
pub fn add_self_loops(
    edges: &EdgeIndex,
    weight: Option<Tensor<1>>,
    fill: f64,
) -> (EdgeIndex, Option<Tensor<1>>) {
    let nodes = edges.num_nodes();
    let weight = weight.map(|weight| {
        let loops = Tensor::full([nodes], fill, (&weight.device(), weight.dtype()));
        Tensor::cat(vec![weight, loops], 0)
    });
    (append_loops(edges), weight)
}

/// Appends one self loop for each node and removes those that were there, as
/// `torch_geometric.utils.add_remaining_self_loops`: a node that had loops keeps the weight of its
/// last one, others get `fill`.
///
/// # Shapes
/// weight: `[E]` · output: the edges between different nodes, then `N` loops, and their weights if
/// weights are given
///
/// # Panics
/// If sources and destinations differ in number.
pub fn add_remaining_self_loops(
    edges: &EdgeIndex,
    weight: Option<Tensor<1>>,
    fill: f64,
) -> (EdgeIndex, Option<Tensor<1>>) {
    let nodes = edges.num_nodes();
    let (left, left_weight) = remove_self_loops(edges, weight.clone());
    let weight = weight.zip(left_weight).map(|(weight, left_weight)| {
        let position = self_loop_position(edges.src(), edges.dst(), nodes);
        // Position E, which stands for "no loop", reads the appended fill value.
        let absent = Tensor::full([1], fill, (&weight.device(), weight.dtype()));
        let loops = gather(Tensor::cat(vec![weight, absent], 0), position);
        Tensor::cat(vec![left_weight, loops], 0)
    });
    (append_loops(&left), weight)
}

fn append_loops(edges: &EdgeIndex) -> EdgeIndex {
    let nodes = edges.num_nodes();
    let dtype = int_dtype(edges.tensor().dtype(), nodes);
    let loops = arange(0..nodes, &edges.device()).cast(dtype);
    let edges = edges.tensor().cast(dtype);
    let loops = EdgeIndex::from_ends_unchecked(loops.clone(), loops, nodes, nodes);
    let tensor = Tensor::cat(vec![edges, loops.tensor()], 1);
    EdgeIndex::new_unchecked(tensor, nodes, nodes)
}
