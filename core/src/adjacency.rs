//! Edges in CSR form: sorted by target, with the position at which each target begins.
//!
//! ```text
//! rowptr = [0, 2, 2, 3]     node 0 receives edges 0 and 1, node 1 none, node 2 edge 2
//! col    = [1, 2, 0]        edges 1 -> 0, 2 -> 0 and 0 -> 2
//! ```
//!
//! Kernels read it in order: the edges of a target lie together, so that one thread can write its
//! sum.

use burn::tensor::{Device, Int, Tensor};

use crate::{
    GraphError,
    any_tensor::AnyTensor,
    csr::{Csr, CsrCache, Walk},
    edge_index::check_range,
    integers::size_to_i64,
    leaves::{Leaves, part},
};

/// The edges of a graph in compressed form, sorted by target: PyG's `SparseTensor` `adj_t`.
///
/// The edges into node `i` are those at positions `rowptr[i] .. rowptr[i + 1]`; `col` holds their
/// sources and `value`, if there, their weights. It is what torch_sparse's `adj_t.csr()` returns.
#[derive(Clone, Debug)]
pub struct Adjacency {
    rowptr: Tensor<1, Int>,
    col: Tensor<1, Int>,
    value: Option<Tensor<1>>,
    num_src: usize,
    sorted: CsrCache,
}

impl Adjacency {
    /// Edges from their parts.
    ///
    /// # Shapes
    /// - rowptr: `[num_dst + 1]`, ascending from 0 to `E`
    /// - col: `[E]`, in `0..num_src`
    /// - value: `[E]`
    ///
    /// # Errors
    /// If a shape, a row pointer or an index is wrong. Reads the tensors.
    pub fn new(
        rowptr: Tensor<1, Int>,
        col: Tensor<1, Int>,
        value: Option<Tensor<1>>,
        num_src: usize,
    ) -> Result<Self, GraphError> {
        let shape = |tensor, expected: String, got: usize| GraphError::Shape {
            tensor,
            expected,
            got: vec![got],
        };
        let [rows] = rowptr.dims();
        let [edges] = col.dims();
        if rows == 0 {
            return Err(shape("rowptr", "[num_dst + 1]".to_owned(), rows));
        }
        if let Some(value) = &value
            && value.dims() != [edges]
        {
            return Err(shape("value", format!("[{edges}]"), value.dims()[0]));
        }
        let mut least = 0;
        let last = size_to_i64(edges);
        for (position, got) in rowptr.to_data().iter::<i64>().enumerate() {
            let expected = if position == 0 && got != 0 {
                Some("0".to_owned())
            } else if position + 1 == rows && got != last {
                Some(format!("{last}, the number of edges"))
            } else if got < least || got > last {
                Some(format!("{least}..={last}"))
            } else {
                None
            };
            if let Some(expected) = expected {
                return Err(GraphError::RowPointer {
                    position,
                    expected,
                    got,
                });
            }
            least = got;
        }
        check_range(&col.to_data(), 0..edges, "source", num_src)?;
        Ok(Self::unsorted(rowptr, col, value, num_src))
    }

    /// Edges that are known to be right.
    ///
    /// For parts that a kernel made, and for recordings, which have no values to check. With wrong
    /// parts, whatever uses the edges later panics or gives unspecified results.
    ///
    /// # Panics
    /// If `rowptr` is empty.
    pub fn new_unchecked(
        rowptr: Tensor<1, Int>,
        col: Tensor<1, Int>,
        value: Option<Tensor<1>>,
        num_src: usize,
    ) -> Self {
        assert!(
            rowptr.dims()[0] > 0,
            "rowptr is empty, expected [num_dst + 1]"
        );
        Self::unsorted(rowptr, col, value, num_src)
    }

    fn unsorted(
        rowptr: Tensor<1, Int>,
        col: Tensor<1, Int>,
        value: Option<Tensor<1>>,
        num_src: usize,
    ) -> Self {
        Self {
            rowptr,
            col,
            value,
            num_src,
            sorted: CsrCache::default(),
        }
    }

    /// Row pointers, `[num_dst + 1]`.
    pub fn rowptr(&self) -> Tensor<1, Int> {
        self.rowptr.clone()
    }

    /// Source of each edge, `[E]`.
    pub fn col(&self) -> Tensor<1, Int> {
        self.col.clone()
    }

    /// Weight of each edge, `[E]`.
    pub fn value(&self) -> Option<Tensor<1>> {
        self.value.clone()
    }

    /// The same edges with other weights.
    pub fn with_value(self, value: Option<Tensor<1>>) -> Self {
        Self { value, ..self }
    }

    /// Number of source nodes.
    pub fn num_src(&self) -> usize {
        self.num_src
    }

    /// Number of target nodes.
    pub fn num_dst(&self) -> usize {
        self.rowptr.dims()[0] - 1
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        self.col.dims()[0]
    }

    /// Where the edges are.
    pub fn device(&self) -> Device {
        self.col.device()
    }

    /// The same edges on another device.
    pub fn to_device(self, device: &Device) -> Self {
        Self::unsorted(
            self.rowptr.to_device(device),
            self.col.to_device(device),
            self.value.map(|value| value.to_device(device)),
            self.num_src,
        )
    }

    /// The edges sorted for `walk`, made by `build` the first time and kept for later; clones share
    /// them. `kiln_ops::Endpoints` is what calls this.
    pub fn sorted_or_init(&self, walk: Walk, build: impl FnOnce() -> Csr) -> Csr {
        self.sorted.get_or_init(walk, build)
    }
}

impl Leaves for Adjacency {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self::unsorted(
            self.rowptr.map_leaves(&part(name, "rowptr"), f),
            self.col.map_leaves(&part(name, "col"), f),
            self.value.map_leaves(&part(name, "value"), f),
            self.num_src,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(values: &[i64]) -> Tensor<1, Int> {
        Tensor::from_ints(values, &Device::flex())
    }

    fn new(rowptr: &[i64], col: &[i64], num_src: usize) -> Result<Adjacency, GraphError> {
        Adjacency::new(ints(rowptr), ints(col), None, num_src)
    }

    #[test]
    fn counts_come_from_the_parts() {
        let edges = new(&[0, 2, 2, 3], &[1, 2, 0], 5).unwrap();
        assert_eq!(
            (edges.num_src(), edges.num_dst(), edges.num_edges()),
            (5, 3, 3)
        );
        assert!(edges.value().is_none());
        let empty = new(&[0], &[], 0).unwrap();
        assert_eq!((empty.num_dst(), empty.num_edges()), (0, 0));
    }

    #[test]
    fn row_pointers_are_checked() {
        let text = |rowptr: &[i64]| new(rowptr, &[0, 0, 0], 1).unwrap_err().to_string();
        assert_eq!(text(&[1, 3]), "`rowptr` holds 1 at position 0, expected 0");
        assert_eq!(
            text(&[0, 2]),
            "`rowptr` holds 2 at position 1, expected 3, the number of edges"
        );
        assert_eq!(
            text(&[0, 2, 1, 3]),
            "`rowptr` holds 1 at position 2, expected 2..=3"
        );
        assert_eq!(
            text(&[0, 9, 3]),
            "`rowptr` holds 9 at position 1, expected 0..=3"
        );
        assert_eq!(
            text(&[0]),
            "`rowptr` holds 0 at position 0, expected 3, the number of edges"
        );
        assert_eq!(text(&[]), "`rowptr` has shape [0], expected [num_dst + 1]");
    }

    #[test]
    fn columns_are_checked() {
        let error = new(&[0, 1, 2], &[0, 7], 7).unwrap_err();
        assert_eq!(
            error.to_string(),
            "edge 1 has source 7, but there are 7 source nodes"
        );
    }

    #[test]
    fn there_is_one_value_an_edge() {
        let value = Tensor::<1>::zeros([2], &Device::flex());
        let error = Adjacency::new(ints(&[0, 1]), ints(&[0]), Some(value), 1).unwrap_err();
        assert_eq!(error.to_string(), "`value` has shape [2], expected [1]");
    }
}
