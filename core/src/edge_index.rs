//! Edges in COO form: one column per edge, its source above its target.
//!
//! ```text
//! edge_index = [[0, 1, 2],     0 -> 1
//!               [1, 2, 0]]     1 -> 2    messages flow along the arrows,
//!                              2 -> 0    from source to target
//! ```

use burn::tensor::{Device, Int, Tensor, TensorData};
use core::ops::Range;

use crate::{
    GraphError,
    any_tensor::AnyTensor,
    csr::{Csr, CsrCache, Walk},
    integers::int_tensor,
    leaves::Leaves,
};

/// The edges of a graph in coordinate form: PyG's `edge_index`, with the numbers of nodes.
///
/// Row 0 holds the source of each edge, row 1 its target. Sources and targets may be two
/// different node sets (a bipartite graph).
///
/// [`EdgeIndex::new`] checks every index once, so that nothing after it has to. The edges sorted by
/// target or source are kept once they are made, and clones share them: keep one edge index
/// for a graph and clone it, rather than make a new one each time.
#[derive(Clone, Debug)]
pub struct EdgeIndex {
    tensor: Tensor<2, Int>,
    num_src: usize,
    num_dst: usize,
    sorted: CsrCache,
}

impl EdgeIndex {
    /// Edges from a tensor.
    ///
    /// # Shapes
    /// - tensor: `[2, E]`, `i32` or `i64`, row 0 in `0..num_src`, row 1 in `0..num_dst`
    ///
    /// # Errors
    /// If there are not two rows or an index is out of range. Reads the tensor.
    pub fn new(tensor: Tensor<2, Int>, num_src: usize, num_dst: usize) -> Result<Self, GraphError> {
        let shape = tensor.dims();
        if shape[0] != 2 {
            return Err(GraphError::Shape {
                tensor: "edge_index",
                expected: "[2, E]".to_owned(),
                got: shape.to_vec(),
            });
        }
        let data = tensor.to_data();
        let edges = shape[1];
        check_range(&data, 0..edges, "source", num_src)?;
        check_range(&data, edges..2 * edges, "target", num_dst)?;
        Ok(Self::unsorted(tensor, num_src, num_dst))
    }

    /// Edges that are known to be in range.
    ///
    /// For indices that a kernel made, and for recordings, which have no values to check. With an
    /// index out of range, whatever uses the edges later panics or gives unspecified results.
    ///
    /// # Panics
    /// If there are not two rows.
    pub fn new_unchecked(tensor: Tensor<2, Int>, num_src: usize, num_dst: usize) -> Self {
        let shape = tensor.dims();
        assert!(
            shape[0] == 2,
            "edge_index has shape {shape:?}, expected [2, E]"
        );
        Self::unsorted(tensor, num_src, num_dst)
    }

    /// Edges with the given sources and targets, `[E]` each, known to be in range as in
    /// [`new_unchecked`](Self::new_unchecked).
    ///
    /// # Panics
    /// If there are not as many targets as sources.
    pub fn from_ends_unchecked(
        source: Tensor<1, Int>,
        target: Tensor<1, Int>,
        num_src: usize,
        num_dst: usize,
    ) -> Self {
        // `Tensor::stack` panics where there are no edges.
        let rows = [source, target].map(|end| end.reshape([1, -1]));
        Self::unsorted(Tensor::cat(rows.to_vec(), 0), num_src, num_dst)
    }

    fn unsorted(tensor: Tensor<2, Int>, num_src: usize, num_dst: usize) -> Self {
        Self {
            tensor,
            num_src,
            num_dst,
            sorted: CsrCache::default(),
        }
    }

    /// Edges from two lists of equal length.
    ///
    /// # Errors
    /// If the lengths differ, or an index is out of range or does not fit the device's integers.
    pub fn from_arrays(
        src: &[i64],
        dst: &[i64],
        num_src: usize,
        num_dst: usize,
        device: &Device,
    ) -> Result<Self, GraphError> {
        if src.len() != dst.len() {
            return Err(GraphError::Shape {
                tensor: "dst",
                expected: format!("[{}]", src.len()),
                got: vec![dst.len()],
            });
        }
        // Checked before the device makes narrower integers of them.
        let data = TensorData::new([src, dst].concat(), [2, src.len()]);
        check_range(&data, 0..src.len(), "source", num_src)?;
        check_range(&data, src.len()..2 * src.len(), "target", num_dst)?;
        let tensor = int_tensor(data, device)?;
        Ok(Self::unsorted(tensor, num_src, num_dst))
    }

    /// Edges of one node set from `(source, target)` pairs.
    ///
    /// # Errors
    /// If an index is out of range.
    pub fn from_pairs(
        pairs: &[(i64, i64)],
        num_nodes: usize,
        device: &Device,
    ) -> Result<Self, GraphError> {
        let (src, dst): (Vec<i64>, Vec<i64>) = pairs.iter().copied().unzip();
        Self::from_arrays(&src, &dst, num_nodes, num_nodes, device)
    }

    /// Both rows, `[2, E]`.
    pub fn tensor(&self) -> Tensor<2, Int> {
        self.tensor.clone()
    }

    /// Source of each edge, `[E]`.
    #[expect(
        clippy::single_range_in_vec_init,
        reason = "one range, that of the first axis"
    )]
    pub fn src(&self) -> Tensor<1, Int> {
        self.tensor.clone().slice([0..1]).squeeze_dim(0)
    }

    /// Target of each edge, `[E]`.
    #[expect(
        clippy::single_range_in_vec_init,
        reason = "one range, that of the first axis"
    )]
    pub fn dst(&self) -> Tensor<1, Int> {
        self.tensor.clone().slice([1..2]).squeeze_dim(0)
    }

    /// Number of source nodes.
    pub fn num_src(&self) -> usize {
        self.num_src
    }

    /// Number of target nodes.
    pub fn num_dst(&self) -> usize {
        self.num_dst
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        self.tensor.dims()[1]
    }

    /// Number of nodes of a graph with one node set.
    ///
    /// # Panics
    /// If sources and targets differ in number.
    pub fn num_nodes(&self) -> usize {
        assert!(
            self.num_src == self.num_dst,
            "a graph with {} source and {} target nodes has no single number of nodes",
            self.num_src,
            self.num_dst
        );
        self.num_src
    }

    /// Where the edges are.
    pub fn device(&self) -> Device {
        self.tensor.device()
    }

    /// The same edges on another device.
    pub fn to_device(self, device: &Device) -> Self {
        let tensor = self.tensor.to_device(device);
        Self::unsorted(tensor, self.num_src, self.num_dst)
    }

    /// The edges sorted for `walk`, made by `build` the first time and kept for later; clones share
    /// them. `kiln_ops::Endpoints` is what calls this.
    pub fn sorted_or_init(&self, walk: Walk, build: impl FnOnce() -> Csr) -> Csr {
        self.sorted.get_or_init(walk, build)
    }
}

impl Leaves for EdgeIndex {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let tensor = self.tensor.map_leaves(name, f);
        Self::unsorted(tensor, self.num_src, self.num_dst)
    }
}

/// Checks that the indices at `positions` name nodes `0..count`; edges are numbered from the start
/// of `positions`.
pub(crate) fn check_range(
    data: &TensorData,
    positions: Range<usize>,
    side: &'static str,
    count: usize,
) -> Result<(), GraphError> {
    fn first_outside<I: Copy + Into<i64>>(
        indices: impl IntoIterator<Item = I>,
        count: usize,
    ) -> Option<(usize, i64)> {
        let outside = |index: i64| usize::try_from(index).map_or(true, |index| index >= count);
        indices
            .into_iter()
            .map(Into::into)
            .enumerate()
            .find(|&(_, index)| outside(index))
    }
    let found = if let Ok(indices) = data.as_slice::<i64>() {
        first_outside(indices[positions].iter().copied(), count)
    } else if let Ok(indices) = data.as_slice::<i32>() {
        first_outside(indices[positions].iter().copied(), count)
    } else {
        let (skip, take) = (positions.start, positions.len());
        first_outside(data.iter::<i64>().skip(skip).take(take), count)
    };
    match found {
        Some((edge, index)) => Err(GraphError::IndexOutOfRange {
            edge,
            side,
            index,
            count,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::DType;

    use super::*;

    fn device() -> Device {
        Device::flex()
    }

    #[test]
    fn rows_are_sources_and_destinations() {
        let edges = EdgeIndex::from_pairs(&[(0, 1), (1, 2), (2, 0)], 3, &device()).unwrap();
        assert_eq!(edges.num_edges(), 3);
        assert_eq!(edges.num_nodes(), 3);
        assert_eq!(
            edges.src().into_data().iter::<i64>().collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(
            edges.dst().into_data().iter::<i64>().collect::<Vec<_>>(),
            [1, 2, 0]
        );
    }

    #[test]
    fn an_index_out_of_range_is_named() {
        let error = EdgeIndex::from_arrays(&[0, 1], &[1, 4], 3, 4, &device()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "edge 1 has target 4, but there are 4 target nodes"
        );
        let error = EdgeIndex::from_arrays(&[0, -1], &[1, 1], 3, 4, &device()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "edge 1 has source -1, but there are 3 source nodes"
        );
    }

    #[test]
    fn an_index_beyond_32_bits_does_not_wrap_into_range() {
        let error = EdgeIndex::from_pairs(&[(1 << 32, 0)], 1, &device()).unwrap_err();
        assert!(matches!(
            error,
            GraphError::IndexOutOfRange {
                index: 0x1_0000_0000,
                ..
            }
        ));
    }

    /// An id beyond 32 bits stays what it is, as does one that would wrap into range.
    #[test]
    fn ids_beyond_32_bits_are_kept() {
        let nodes = 1 << 34;
        for ids in [[3_000_000_000, 1], [(1 << 32) + 1, 0]] {
            let edges = EdgeIndex::from_arrays(&ids, &[0, 1], nodes, 2, &device()).unwrap();
            let src = edges.src().into_data();
            assert_eq!(src.iter::<i64>().collect::<Vec<_>>(), ids);
        }
        let small = EdgeIndex::from_arrays(&[5], &[1], nodes, 2, &device()).unwrap();
        assert_eq!(small.tensor().dtype(), DType::I32);
    }

    #[test]
    fn both_integer_widths_are_checked() {
        for dtype in [DType::I32, DType::I64] {
            let data = TensorData::from([[0, 1], [1, 2]]);
            let tensor = Tensor::<2, Int>::from_data(data, (&device(), dtype));
            assert_eq!(tensor.dtype(), dtype);
            assert!(EdgeIndex::new(tensor.clone(), 2, 3).is_ok());
            let error = EdgeIndex::new(tensor, 2, 2).unwrap_err();
            let (side, count) = ("target", 2);
            assert_eq!(
                error,
                GraphError::IndexOutOfRange {
                    edge: 1,
                    side,
                    index: 2,
                    count
                }
            );
        }
    }

    #[test]
    fn shapes_are_checked() {
        let three = Tensor::<2, Int>::zeros([3, 4], &device());
        let error = EdgeIndex::new(three, 9, 9).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`edge_index` has shape [3, 4], expected [2, E]"
        );
        let error = EdgeIndex::from_arrays(&[0], &[0, 0], 1, 1, &device()).unwrap_err();
        assert_eq!(error.to_string(), "`dst` has shape [2], expected [1]");
    }

    #[test]
    fn a_graph_may_have_no_edges() {
        let edges = EdgeIndex::from_pairs(&[], 3, &device()).unwrap();
        assert_eq!((edges.num_edges(), edges.num_nodes()), (0, 3));
    }

    #[test]
    #[should_panic(expected = "no single number of nodes")]
    fn bipartite_edges_have_no_number_of_nodes() {
        let edges = EdgeIndex::from_arrays(&[0], &[0], 1, 2, &device()).unwrap();
        edges.num_nodes();
    }
}
