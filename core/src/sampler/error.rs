//! What cannot be sampled.

use thiserror::Error;

/// A sampler or a request that does not fit its graph.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SamplerError {
    /// A seed is no node of the graph.
    #[error("seed {position} is node {node}, but there are {count} nodes")]
    SeedOutOfRange {
        /// Position among the seeds.
        position: usize,
        /// The node.
        node: u32,
        /// Number of nodes of its type.
        count: usize,
    },
    /// A number of neighbours that means nothing.
    #[error("hop {hop} asks for {got} neighbours, expected 0 or more, or -1 for all")]
    NumNeighbors {
        /// The hop, counted from 0.
        hop: usize,
        /// What it asks for.
        got: i64,
    },
    /// Fan-outs of another number of hops than those of the other edge types.
    #[error("`num_neighbors` of {edge_type} has {got} hops, expected {expected}")]
    NumHops {
        /// The edge type, as `(src, rel, dst)`.
        edge_type: String,
        /// Number of hops of the others.
        expected: usize,
        /// Its number of hops.
        got: usize,
    },
    /// A list that should have one entry for each node, edge or seed.
    #[error("`{list}` has {got} entries, expected {expected}, one for each {each}")]
    Length {
        /// The list, such as `node_time`.
        list: &'static str,
        /// Number of nodes, edges or seeds.
        expected: usize,
        /// Its length.
        got: usize,
        /// What it should have one entry for.
        each: &'static str,
    },
    /// Both nodes and edges have times.
    #[error("both nodes and edges have times, expected one of them")]
    TwoTimes,
    /// Edges have times, but the seeds have none.
    #[error("the edges have times but the seeds have none; give each seed its `time`")]
    NoSeedTime,
    /// One node set is expected, but the edges go from one to another.
    #[error("expected one node set, got {num_src} sources and {num_dst} targets")]
    Bipartite {
        /// Number of source nodes.
        num_src: usize,
        /// Number of target nodes.
        num_dst: usize,
    },
    /// A node type that the graph does not have.
    #[error("there is no node type {name:?}; the graph has {known}")]
    UnknownNodeType {
        /// The name.
        name: String,
        /// Names of those that are there.
        known: String,
    },
    /// An edge type that the graph does not have.
    #[error("there is no edge type {name}; the graph has {known}")]
    UnknownEdgeType {
        /// The name, as `(src, rel, dst)`.
        name: String,
        /// Names of those that are there.
        known: String,
    },
    /// A type that is there already.
    #[error("{name} is there already")]
    TwoOfAType {
        /// The type.
        name: String,
    },
    /// Edges between other numbers of nodes than their types have.
    #[error("{edge_type} has {got} {side} nodes, but there are {expected} of type {node_type:?}")]
    NumNodes {
        /// The edge type, as `(src, rel, dst)`.
        edge_type: String,
        /// `source` or `target`.
        side: &'static str,
        /// The node type.
        node_type: String,
        /// Number of nodes of that type.
        expected: usize,
        /// Number of nodes of the edges.
        got: usize,
    },
    /// A batch whose numbers do not fit 32 bits.
    #[error("a batch has {got} {of}, expected at most {most}; use fewer seeds or neighbours")]
    TooLarge {
        /// Seeds or edges.
        of: &'static str,
        /// Their number.
        got: usize,
        /// The largest number that works.
        most: usize,
    },
}

/// Fan-outs of every hop are a number or -1.
pub(super) fn check_num_neighbors(num_neighbors: &[i64]) -> Result<(), SamplerError> {
    match num_neighbors.iter().position(|&count| count < -1) {
        Some(hop) => Err(SamplerError::NumNeighbors {
            hop,
            got: num_neighbors[hop],
        }),
        None => Ok(()),
    }
}

/// A list has the length it should have.
pub(super) fn check_length(
    list: &'static str,
    got: usize,
    expected: usize,
    each: &'static str,
) -> Result<(), SamplerError> {
    if got == expected {
        return Ok(());
    }
    Err(SamplerError::Length {
        list,
        expected,
        got,
        each,
    })
}
