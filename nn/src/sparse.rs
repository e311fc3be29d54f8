//! Sparse matrices whose entries depend on data: products of the matrices of graphs.

use burn::tensor::{Int, Shape, Tensor};
use kiln_core::{Adjacency, EdgeIndex};
use kiln_ops::{
    Endpoints, Reduce, arange, coo_to_csr, degree, gather, nonzero, scatter, segment_reduce,
};

/// The entries of a sparse matrix, by row and then by column, each place once.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    /// Row of each entry, `[K]`.
    pub(crate) row: Tensor<1, Int>,
    /// Column of each entry, `[K]`.
    pub(crate) col: Tensor<1, Int>,
    /// The values, `[K]`.
    pub(crate) value: Tensor<1>,
}

/// Places of a matrix by row and then by column.
struct Places {
    row: Tensor<1, Int>,
    col: Tensor<1, Int>,
    /// The number that each place had.
    order: Tensor<1, Int>,
    /// The first one of each group of equal places.
    first: Tensor<1, Int>,
}

impl Places {
    /// Places in order. `dims` are the numbers of rows and columns.
    fn new(row: Tensor<1, Int>, col: Tensor<1, Int>, dims: [usize; 2]) -> Self {
        let [rows, columns] = dims;
        let (_, by_col) = coo_to_csr(col.clone(), columns);
        let (_, by_row) = coo_to_csr(row.clone().select(0, by_col.clone()), rows);
        let order = by_col.select(0, by_row);
        let [row, col] = [row, col].map(|end| end.select(0, order.clone()));
        let [count] = order.dims();
        let place = arange(0..count, &row.device());
        let before = place.clone().sub_scalar(1).clamp_min(0);
        let differs = |end: &Tensor<1, Int>| {
            let other = end.clone().select(0, before.clone());
            end.clone().not_equal(other)
        };
        let is_first = place
            .equal_elem(0)
            .bool_or(differs(&row))
            .bool_or(differs(&col));
        let first = nonzero(is_first);
        Self {
            row,
            col,
            order,
            first,
        }
    }
}

/// Edges from the first to the second ends, by the first and then by the second, each once.
pub(crate) fn coalesced_edges([src, dst]: [Tensor<1, Int>; 2], nodes: usize) -> EdgeIndex {
    let places = Places::new(src, dst, [nodes; 2]);
    let [src, dst] = [places.row, places.col].map(|end| end.select(0, places.first.clone()));
    EdgeIndex::from_ends_unchecked(src, dst, nodes, nodes)
}

/// Powers 0 to `last` of the matrix with one for each edge, whose rows are targets and whose
/// columns are sources, of the type and on the device of `like`.
pub(crate) fn powers(ends: &Endpoints, last: usize, like: &Tensor<2>) -> Vec<Entries> {
    let (nodes, on) = (ends.num_targets(), (&like.device(), like.dtype()));
    let (row, col) = (ends.target(), ends.source());
    let node = arange(0..nodes, &ends.device()).cast(row.dtype());
    let identity = Entries {
        row: node.clone(),
        col: node,
        value: Tensor::ones([nodes], on),
    };
    let mut powers = vec![identity];
    if last > 0 {
        let value = Tensor::ones([ends.num_edges()], on);
        powers.push(Entries { row, col, value }.coalesced([nodes; 2]));
    }
    for step in 1..last {
        let next = powers[step].times(&powers[1], [nodes; 3]);
        powers.push(next);
    }
    powers
}

/// Each number next to each of others, `[A]` and `[B]`, as `[A, B]`.
fn each_by_each(first: Tensor<1, Int>, second: Tensor<1, Int>) -> [Tensor<2, Int>; 2] {
    let shape = Shape::new([first.dims()[0], second.dims()[0]]);
    // Unlike `unsqueeze_dim`, this takes no numbers too.
    [first.reshape([-1, 1]), second.reshape([1, -1])].map(|part| part.expand(shape.clone()))
}

impl Entries {
    /// The same with values times a factor, `[1]`.
    pub(crate) fn scaled(self, factor: Tensor<1>) -> Self {
        let value = self.value * factor;
        Self { value, ..self }
    }

    /// The sum of several matrices of `nodes` rows and columns.
    pub(crate) fn sum(parts: Vec<Self>, nodes: usize) -> Self {
        let (mut row, mut col, mut value) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            row.push(part.row);
            col.push(part.col);
            value.push(part.value);
        }
        let all = Self {
            row: Tensor::cat(row, 0),
            col: Tensor::cat(col, 0),
            value: Tensor::cat(value, 0),
        };
        all.coalesced([nodes; 2])
    }

    /// Entries in any order, brought in order, with those of one place added up. `dims` are the
    /// numbers of rows and columns.
    pub(crate) fn coalesced(self, dims: [usize; 2]) -> Self {
        let Places {
            row,
            col,
            order,
            first,
        } = Places::new(self.row, self.col, dims);
        let value = gather(self.value, order);
        let [count] = value.dims();
        let end = arange(count..count + 1, &row.device()).cast(first.dtype());
        let ptr = Tensor::cat(vec![first.clone(), end], 0);
        Self {
            row: row.select(0, first.clone()),
            col: col.select(0, first),
            value: segment_reduce(value, ptr, Reduce::Sum),
        }
    }

    /// The same with rows and columns exchanged, for `dims` rows and columns before.
    pub(crate) fn transposed(self, [rows, columns]: [usize; 2]) -> Self {
        let Self { row, col, value } = self;
        let (row, col) = (col, row);
        Self { row, col, value }.coalesced([columns, rows])
    }

    /// The product of two matrices. `dims` are the numbers of rows of the first, of its columns and
    /// the second's rows, and of the second's columns.
    pub(crate) fn times(&self, other: &Self, dims: [usize; 3]) -> Self {
        let [rows, inner, columns] = dims;
        let device = self.row.device();
        let (ptr, _) = coo_to_csr(other.row.clone(), inner);
        let dtype = ptr.dtype();
        // The numbers of entries within rows: from 0 to the length of the longest row.
        let [count] = other.value.dims();
        let within =
            arange(0..count, &device).cast(dtype) - ptr.clone().select(0, other.row.clone());
        let found = scatter(other.value.ones_like(), within, count, Reduce::Sum);
        let within = nonzero(found.greater_elem(0.0)).cast(dtype);
        // Each entry next to those of the row that its column is.
        let start = ptr.clone().select(0, self.col.clone());
        let end = ptr.select(0, self.col.clone().add_scalar(1));
        let [lengths, numbers] = each_by_each(end - start.clone(), within.clone());
        let exists = numbers.lower(lengths).reshape([-1]);
        let [starts, numbers] = each_by_each(start, within.clone());
        let theirs: Tensor<1, Int> = (starts + numbers).reshape([-1]);
        let own = arange(0..self.value.dims()[0], &device);
        let [own, _] = each_by_each(own, within);
        let exists = nonzero(exists);
        let own = own.reshape([-1]).select(0, exists.clone());
        let theirs = theirs.select(0, exists);
        Self {
            row: self.row.clone().select(0, own.clone()),
            col: other.col.clone().select(0, theirs.clone()),
            value: gather(self.value.clone(), own) * gather(other.value.clone(), theirs),
        }
        .coalesced([rows, columns])
    }

    /// The matrix divided by the root of the number of entries in the row and in that of the
    /// column, as an adjacency. Each row has an entry.
    pub(crate) fn normalized(self, nodes: usize) -> Adjacency {
        let Self { row, col, value } = self;
        let entries = degree(row.clone(), nodes).cast(value.dtype());
        let scale = entries.sqrt().recip();
        let value = gather(scale.clone(), col.clone()) * value * gather(scale, row.clone());
        let (rowptr, _) = coo_to_csr(row, nodes);
        Adjacency::new_unchecked(rowptr, col, Some(value), nodes)
    }
}
