//! Edges between selected nodes.

use burn::tensor::{Int, Tensor};
use kiln_core::{EdgeIndex, Edges};
use kiln_ops::{Endpoints, coo_to_csr, gather, nonzero};

/// The edges between nodes that are kept, under the nodes' new numbers, with what they carry.
///
/// Edges stay in their order, those of an adjacency in the order of its entries, and become an edge
/// index. Matches `torch_geometric.nn.pool.connect.FilterEdges` (2.8).
///
/// # Shapes
/// edges: `E` among `N` nodes · perm: numbers of the nodes that are kept, `[K]`, each once ·
/// output: edges among `K` nodes
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_core::EdgeIndex;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[1, 2, 0], 3, 3, &device).unwrap();
/// let perm = Tensor::<1, Int>::from_ints([2, 1], &device);
/// let left = kiln_nn::pool::filter_edges(&edges.into(), perm);
/// assert_eq!((left.num_edges(), left.num_src()), (1, 2)); // 1 -> 2 is 1 -> 0 now
/// ```
pub fn filter_edges(edges: &Edges, perm: Tensor<1, Int>) -> Edges {
    let (nodes, [kept]) = (edges.num_src(), perm.dims());
    let ends = Endpoints::of(edges.bare());
    // Where the new numbers of nodes stand, of which each has one or none.
    let (ptr, number) = coo_to_csr(perm, nodes);
    let start = ptr.clone().narrow(0, 0, nodes);
    let found = ptr.narrow(0, 1, nodes) - start.clone();
    let is_kept = |end: Tensor<1, Int>| found.clone().select(0, end).greater_elem(0);
    let (src, dst) = (ends.src(), ends.dst());
    let left = nonzero(is_kept(src.clone()).bool_and(is_kept(dst.clone())));
    let [src, dst] = [src, dst].map(|end| {
        let end = end.select(0, left.clone());
        number.clone().select(0, start.clone().select(0, end))
    });
    let attr = edges.attr().map(|attr| gather(attr, left.clone()));
    let weight = edges.weight().map(|weight| gather(weight, left.clone()));
    let ty = edges.edge_type().map(|ty| ty.select(0, left.clone()));
    Edges::from(EdgeIndex::from_ends_unchecked(src, dst, kept, kept))
        .with_weight(weight)
        .with_attr(attr)
        .with_type(ty)
        .with_flow(edges.flow())
}
