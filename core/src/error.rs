//! Errors about graphs in memory.
//!
//! What is wrong with a file is a [`ReadError`](crate::read::ReadError), which wraps these where
//! the file holds a graph that contradicts itself.

use thiserror::Error;

use crate::integers::IntegerError;

/// A graph that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A tensor has another shape than its role asks for.
    #[error("`{tensor}` has shape {got:?}, expected {expected}")]
    Shape {
        /// The tensor's role, such as `edge_index`.
        tensor: &'static str,
        /// Shape in words or letters.
        expected: String,
        /// Its shape.
        got: Vec<usize>,
    },
    /// An edge names a node that does not exist.
    #[error("edge {edge} has {side} {index}, but there are {count} {side} nodes")]
    IndexOutOfRange {
        /// Position of the edge.
        edge: usize,
        /// `source` or `target`.
        side: &'static str,
        /// The index.
        index: i64,
        /// Number of nodes on that side.
        count: usize,
    },
    /// An edge names a node whose number the device has no integer for.
    #[error("`edge_index`: {0}")]
    Integer(#[from] IntegerError),
    /// Row pointers do not ascend from 0 to the number of edges.
    #[error("`rowptr` holds {got} at position {position}, expected {expected}")]
    RowPointer {
        /// Position in `rowptr`.
        position: usize,
        /// What it should hold.
        expected: String,
        /// What it holds.
        got: i64,
    },
    /// A batch without graphs: its number of features is unknown.
    #[error("expected at least one graph to make a batch of")]
    EmptyBatch,
    /// A graph does not go into one batch with the first.
    #[error("graph {graph} has `{tensor}` {got}, expected {expected} as in graph 0")]
    Mixed {
        /// Position of the graph in the batch.
        graph: usize,
        /// What differs, such as `edge_attr`.
        tensor: &'static str,
        /// As graph 0 has it.
        expected: String,
        /// As this graph has it.
        got: String,
    },
}
