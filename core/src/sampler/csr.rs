//! A graph in host memory, as samplers walk it.
//!
//! ```text
//! the edges into node i are at positions  p = rowptr[i] .. rowptr[i + 1]
//! the edge at position p comes from       col[p]   and was edge   edge_ids[p]   of the input
//! ```
//!
//! Everything is 32 bits wide: half of what a cache and a memory bus would carry with PyG's 64. It
//! limits a graph to 4,294,967,295 edges of one type.

use rayon::prelude::*;

use super::build::{self, NodeIndex};
use crate::GraphError;

/// The edges of a graph in host memory, compressed and sorted by target: PyG's CSC `colptr` and
/// `row`, with the permutation that sorted them.
///
/// # Examples
/// ```
/// use kiln_core::sampler::HostCsr;
///
/// // 2 -> 0, 0 -> 1, 1 -> 0
/// let graph = HostCsr::from_coo(&[2_i64, 0, 1], &[0, 1, 0], 3, 3)?;
/// assert_eq!(graph.rowptr(), [0, 2, 3, 3]);
/// assert_eq!(graph.neighbors(0), [2, 1]);
/// assert_eq!(graph.edge_id(1), 2);
/// # Ok::<(), kiln_core::GraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HostCsr {
    rowptr: Vec<u32>,
    col: Vec<u32>,
    edge_ids: Option<Vec<u32>>,
    num_src: usize,
}

impl HostCsr {
    /// A graph from its parts; the edge at position `p` has the number `p`.
    ///
    /// # Shapes
    /// - rowptr: `[num_dst + 1]`, ascending from 0 to `E`
    /// - col: `[E]`, in `0..num_src`
    ///
    /// # Errors
    /// If a row pointer or an index is wrong, or there are `2^32` edges or more.
    pub fn new(rowptr: Vec<u32>, col: Vec<u32>, num_src: usize) -> Result<Self, GraphError> {
        let last = expect_countable("col", col.len())?;
        check_rowptr(&rowptr, last)?;
        check_nodes(&col, "source", num_src)?;
        Ok(Self::from_parts(rowptr, col, None, num_src))
    }

    /// A graph from edges in any order, by a parallel counting sort; the edges of one target keep
    /// their order. The edge at position `i` of the input has the number `i`.
    ///
    /// # Shapes
    /// - src: `[E]`, in `0..num_src`
    /// - dst: `[E]`, in `0..num_dst`
    ///
    /// # Errors
    /// If the lengths differ, an index is out of range, or there are `2^32` edges or more.
    pub fn from_coo<I: NodeIndex>(
        src: &[I],
        dst: &[I],
        num_src: usize,
        num_dst: usize,
    ) -> Result<Self, GraphError> {
        if src.len() != dst.len() {
            return Err(GraphError::Shape {
                tensor: "dst",
                expected: format!("[{}]", src.len()),
                got: vec![dst.len()],
            });
        }
        expect_countable("src", src.len())?;
        check_nodes(src, "source", num_src)?;
        check_nodes(dst, "target", num_dst)?;
        let build::Sorted {
            rowptr,
            col,
            edge_ids,
        } = build::sort_by_target(src, dst, num_dst);
        Ok(Self::from_parts(rowptr, col, edge_ids, num_src))
    }

    /// A graph from parts that are known to be right.
    pub(super) fn from_parts(
        rowptr: Vec<u32>,
        col: Vec<u32>,
        edge_ids: Option<Vec<u32>>,
        num_src: usize,
    ) -> Self {
        Self {
            rowptr,
            col,
            edge_ids,
            num_src,
        }
    }

    /// The same graph with the positions as the numbers of the edges, which is one look-up less for
    /// every edge that is sampled.
    pub fn without_edge_ids(self) -> Self {
        Self {
            edge_ids: None,
            ..self
        }
    }

    /// Row pointers, `[num_dst + 1]`.
    pub fn rowptr(&self) -> &[u32] {
        &self.rowptr
    }

    /// Sources by position, `[E]`.
    pub fn col(&self) -> &[u32] {
        &self.col
    }

    /// Numbers of the edges by position, `[E]`; without them each edge's number is its position.
    pub fn edge_ids(&self) -> Option<&[u32]> {
        self.edge_ids.as_deref()
    }

    /// Number of the edge at a position.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "positions fit 32 bits, as constructors check"
    )]
    pub fn edge_id(&self, position: usize) -> u32 {
        self.edge_ids
            .as_ref()
            .map_or(position as u32, |ids| ids[position])
    }

    /// Sources of the edges into `node`.
    pub fn neighbors(&self, node: usize) -> &[u32] {
        &self.col[self.rowptr[node] as usize..self.rowptr[node + 1] as usize]
    }

    /// Number of source nodes.
    pub fn num_src(&self) -> usize {
        self.num_src
    }

    /// Number of target nodes.
    pub fn num_dst(&self) -> usize {
        self.rowptr.len() - 1
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        self.col.len()
    }

    /// The same graph with the edges of each target in ascending order of `time`, which gets the
    /// position of an edge; `None` if they are in that order already.
    pub(super) fn sorted_by_time(&self, time: impl Fn(usize) -> i64 + Sync) -> Option<Self> {
        let row = |node: usize| self.rowptr[node] as usize..self.rowptr[node + 1] as usize;
        let rows = 0..self.num_dst();
        let is_sorted = |node: usize| row(node).is_sorted_by_key(&time);
        if rows.clone().into_par_iter().all(is_sorted) {
            return None;
        }
        let parts: Vec<Vec<u32>> = rows
            .into_par_iter()
            .map(|node| {
                let mut positions: Vec<u32> = (self.rowptr[node]..self.rowptr[node + 1]).collect();
                positions.sort_by_key(|&position| time(position as usize));
                positions
            })
            .collect();
        let order: Vec<u32> = parts.into_iter().flatten().collect();
        let col = order.par_iter().map(|&at| self.col[at as usize]).collect();
        let edge_ids = order
            .par_iter()
            .map(|&at| self.edge_id(at as usize))
            .collect();
        let rowptr = self.rowptr.clone();
        Some(Self::from_parts(rowptr, col, Some(edge_ids), self.num_src))
    }
}

/// The number of edges as 32 bits.
fn expect_countable(tensor: &'static str, edges: usize) -> Result<u32, GraphError> {
    u32::try_from(edges).map_err(|_| GraphError::Shape {
        tensor,
        expected: "[E] with E below 2^32".to_owned(),
        got: vec![edges],
    })
}

fn check_rowptr(rowptr: &[u32], last: u32) -> Result<(), GraphError> {
    let Some(end) = rowptr.len().checked_sub(1) else {
        return Err(GraphError::Shape {
            tensor: "rowptr",
            expected: "[num_dst + 1]".to_owned(),
            got: vec![0],
        });
    };
    let wrong = |position: usize, expected: String| {
        Err(GraphError::RowPointer {
            position,
            expected,
            got: rowptr[position].into(),
        })
    };
    if rowptr[0] != 0 {
        return wrong(0, "0".to_owned());
    }
    if let Some(before) = rowptr.windows(2).position(|pair| pair[0] > pair[1]) {
        return wrong(before + 1, format!("{}..={last}", rowptr[before]));
    }
    if rowptr[end] != last {
        return wrong(end, format!("{last}, the number of edges"));
    }
    Ok(())
}

/// Checks that `nodes` are in `0..count`; names the first that is not.
fn check_nodes<I: NodeIndex>(
    nodes: &[I],
    side: &'static str,
    count: usize,
) -> Result<(), GraphError> {
    let outside = |&node: &I| usize::try_from(node.into()).map_or(true, |node| node >= count);
    match nodes.par_iter().position_first(outside) {
        Some(edge) => Err(GraphError::IndexOutOfRange {
            edge,
            side,
            index: nodes[edge].into(),
            count,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_checked() {
        let text = |rowptr: &[u32], col: &[u32]| {
            let error = HostCsr::new(rowptr.to_vec(), col.to_vec(), 2).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            text(&[], &[]),
            "`rowptr` has shape [0], expected [num_dst + 1]"
        );
        assert_eq!(
            text(&[1, 1], &[0]),
            "`rowptr` holds 1 at position 0, expected 0"
        );
        assert_eq!(
            text(&[0, 2, 1], &[0]),
            "`rowptr` holds 1 at position 2, expected 2..=1"
        );
        assert_eq!(
            text(&[0, 1], &[0, 0]),
            "`rowptr` holds 1 at position 1, expected 2, the number of edges"
        );
        assert_eq!(
            text(&[0, 1], &[2]),
            "edge 0 has source 2, but there are 2 source nodes"
        );
        assert!(HostCsr::new(vec![0], vec![], 0).is_ok());
    }

    #[test]
    fn edges_are_checked() {
        let error = HostCsr::from_coo(&[0_i64, -1], &[0, 0], 1, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "edge 1 has source -1, but there are 1 source nodes"
        );
        let error = HostCsr::from_coo(&[0_u32], &[1], 1, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "edge 0 has target 1, but there are 1 target nodes"
        );
        let error = HostCsr::from_coo(&[0_i32], &[], 1, 1).unwrap_err();
        assert_eq!(error.to_string(), "`dst` has shape [0], expected [1]");
    }

    #[test]
    fn rows_are_sorted_by_time_once() {
        let graph = HostCsr::from_coo(&[0_u32, 1, 2, 0], &[0, 0, 0, 1], 3, 2).unwrap();
        let time = [5, 1, 1];
        let by_node = |graph: &HostCsr, at: usize| time[graph.col()[at] as usize];
        let sorted = graph.sorted_by_time(|at| by_node(&graph, at)).unwrap();
        assert_eq!(sorted.neighbors(0), [1, 2, 0]);
        assert_eq!((sorted.edge_id(0), sorted.edge_id(2)), (1, 0));
        assert_eq!(sorted.neighbors(1), [0]);
        assert!(sorted.sorted_by_time(|at| by_node(&sorted, at)).is_none());
    }
}
