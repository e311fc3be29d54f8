//! Edges by relation: what relational convolutions share.

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
        Param,
    },
    tensor::{Bool, Device, Int, Tensor},
};
use kiln_core::{EdgeIndex, Edges, int_dtype, size_to_i64};
use kiln_ops::Endpoints;

use crate::transparent::transparent_module;

/// The maps of relational convolutions: of each relation, or their bases.
#[derive(Clone, Debug)]
pub enum RelationWeight {
    /// Matrices, `[R, in, out]`, or `[num_bases, in, out]`.
    Matrices(Param<Tensor<3>>),
    /// Blocks on the diagonal, `[R, num_blocks, in / num_blocks, out / num_blocks]`.
    Blocks(Param<Tensor<4>>),
}

transparent_module!(RelationWeight {
    Self::Matrices;
    Self::Blocks
});

/// The maps of all relations, `[R, in, out]`, by coefficients of the bases, `[R, num_bases]`.
pub(super) fn combined(coefficients: Tensor<2>, bases: Tensor<3>) -> Tensor<3> {
    let ([relations, _], [count, d_in, d_out]) = (coefficients.dims(), bases.dims());
    let maps = kiln_ops::matmul(coefficients, bases.reshape([count, d_in * d_out]));
    maps.reshape([relations, d_in, d_out])
}

/// The type of each edge.
///
/// # Panics
/// If the edges have no types.
fn types(edges: &Edges) -> Tensor<1, Int> {
    let ty = edges.edge_type();
    ty.unwrap_or_else(|| panic!("expected a type for each edge, got none"))
}

/// The edges of a graph with several relations.
///
/// Edges whose type is no relation are left out, as PyG does: those made here lead to a target
/// behind the last, which [`without_last`] cuts off, so that they need no selection of edges.
#[derive(Debug)]
pub(super) struct Relations {
    ends: Endpoints,
    /// The relation of each edge, 0 where its type is none.
    relation: Tensor<1, Int>,
    /// Whether the type of each edge is no relation.
    unknown: Tensor<1, Bool>,
    count: usize,
}

impl Relations {
    /// The edges by their types, of which `count` are relations.
    ///
    /// # Panics
    /// If the edges have no types.
    pub(super) fn of(edges: &Edges, count: usize) -> Self {
        let ty = types(edges);
        let negative = ty.clone().lower_elem(0);
        let unknown = negative.bool_or(ty.clone().greater_equal_elem(size_to_i64(count)));
        Self {
            ends: Endpoints::of(edges.bare()),
            relation: ty.mask_fill(unknown.clone(), 0),
            unknown,
            count,
        }
    }

    /// Where messages start.
    pub(super) fn source(&self) -> Tensor<1, Int> {
        self.ends.source()
    }

    /// Number of nodes where messages start.
    pub(super) fn num_sources(&self) -> usize {
        self.ends.num_sources()
    }

    /// Number of nodes where messages arrive.
    pub(super) fn num_targets(&self) -> usize {
        self.ends.num_targets()
    }

    /// The edges of `starts` that lead to one row for each target: `M + 1`.
    pub(super) fn to_targets(&self, starts: Starts) -> Edges {
        self.edges(starts, self.ends.target(), self.num_targets())
    }

    /// The edges of `starts` that lead to one row for each target and relation: `M · R + 1`.
    pub(super) fn to_pairs(&self, starts: Starts) -> Edges {
        let (target, rows) = (self.ends.target(), self.num_targets());
        let Starts(pair, rows) = self.by_node(target, rows);
        self.edges(starts, pair, rows)
    }

    /// The edges' own sources.
    pub(super) fn sources(&self) -> Starts {
        Starts(self.source(), self.num_sources())
    }

    /// A row for each node and relation, the relations of a node side by side.
    pub(super) fn by_node(&self, node: Tensor<1, Int>, nodes: usize) -> Starts {
        let rows = nodes * self.count;
        let dtype = int_dtype(node.dtype(), rows);
        let first = node.cast(dtype).mul_scalar(size_to_i64(self.count));
        Starts(first + self.relation.clone().cast(dtype), rows)
    }

    /// A row for each relation and node, the nodes of a relation side by side.
    pub(super) fn by_relation(&self, node: Tensor<1, Int>, nodes: usize) -> Starts {
        let rows = nodes * self.count;
        let dtype = int_dtype(node.dtype(), rows);
        let relation = self.relation.clone().cast(dtype);
        let first = relation.mul_scalar(size_to_i64(nodes));
        Starts(first + node.cast(dtype), rows)
    }

    fn edges(&self, Starts(src, starts): Starts, dst: Tensor<1, Int>, rows: usize) -> Edges {
        let last = size_to_i64(rows);
        let dtype = int_dtype(src.dtype(), rows.max(starts));
        let dst = dst.cast(dtype).mask_fill(self.unknown.clone(), last);
        EdgeIndex::from_ends_unchecked(src.cast(dtype), dst, starts, rows + 1).into()
    }
}

/// The row at which each edge starts, and how many rows there are.
#[derive(Debug)]
pub(super) struct Starts(Tensor<1, Int>, usize);

/// The rows but for the last, to which edges without relation lead.
pub(super) fn without_last(x: Tensor<2>) -> Tensor<2> {
    let [rows, width] = x.dims();
    x.slice([0..rows - 1, 0..width])
}

/// The product of all nodes with matrices of blocks, `[R, B, in / B, out / B]`.
pub(super) fn map_by_types(x: Tensor<2>, weight: Tensor<4>) -> Tensor<2> {
    let ([nodes, _], [types, blocks, d_in, d_out]) = (x.dims(), weight.dims());
    let x = x.reshape([nodes, blocks, d_in]).swap_dims(0, 1);
    let weight = weight.permute([1, 2, 0, 3]);
    let out = kiln_ops::matmul(x, weight.reshape([blocks, d_in, types * d_out]));
    let out = out.reshape([blocks, nodes, types, d_out]);
    let out = out.permute([2, 1, 0, 3]);
    out.reshape([types * nodes, blocks * d_out])
}

/// The edges as seen by what [`map_by_types`] gives: node `n` with the map of type `r` is
/// number `r · N + n`.
#[derive(Debug)]
pub(super) struct TypedEnds {
    /// Edges from nodes with the map of the edge's type, to nodes.
    pub(super) ends: Endpoints,
    /// Target of each edge with the map of the edge's type, `[E]`.
    pub(super) target: Tensor<1, Int>,
}

impl TypedEnds {
    /// The edges by their types.
    ///
    /// # Panics
    /// If the edges have no types.
    pub(super) fn new(edges: &Edges, num_types: usize) -> Self {
        let ends = Endpoints::of(edges.bare());
        let edge_type = types(edges);
        let [sources, targets] = [ends.num_sources(), ends.num_targets()];
        let (source, target) = (ends.source(), ends.target());
        let dtype = int_dtype(source.dtype(), num_types * sources.max(targets));
        let [source, target] = [source, target].map(|end| end.cast(dtype));
        let first = |count: usize| edge_type.clone().cast(dtype).mul_scalar(size_to_i64(count));
        let typed = first(sources) + source;
        let rows = num_types * sources;
        let typed = EdgeIndex::from_ends_unchecked(typed, target.clone(), rows, targets);
        Self {
            ends: Endpoints::of(typed),
            target: first(targets) + target,
        }
    }
}
