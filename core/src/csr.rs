//! Edges in the order that kernels walk, kept with the edges they come from.
//!
//! Sorting a graph costs more than a layer, so it happens once: an edge list or adjacency holds its
//! sorted form from the first use on, and its clones share it. Layers, epochs and gradients all
//! walk the same copy.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Int, Tensor};

/// Rows with more entries than this are cut in pieces by GPU kernels.
pub const HUB: usize = 128;

/// Edges sorted by one of their ends, the *row*: compressed rows with the numbers of the edges.
///
/// ```text
/// row i holds the entries  k = ptr[i] .. ptr[i + 1]
/// entry k is the edge      edge[k], whose other end is col[k]
/// ```
///
/// Entries of one row keep the order of the edges. All tensors are `i32`; the values are right by
/// construction, so kernels do not check them.
#[derive(Clone, Debug)]
pub struct Csr {
    /// Where each row starts, and the end of the last, `[n + 1]`.
    pub ptr: Tensor<1, Int>,
    /// The node at the other end of each entry, `[E]`.
    pub col: Tensor<1, Int>,
    /// Number of each entry's edge, `[E]`: its row in weights, scores and messages.
    pub edge: Tensor<1, Int>,
    /// Pieces of the rows with more than [`HUB`] entries, `[2 C]`: row and first entry of each.
    pub chunk: Tensor<1, Int>,
    /// The rows with more than [`HUB`] entries, `[2 K]`: each row, and the number of its first
    /// piece.
    pub hub: Tensor<1, Int>,
}

/// What rows and columns of sorted edges are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Walk {
    /// Rows are targets, columns sources.
    ByDestination,
    /// Rows are sources, columns targets.
    BySource,
    /// Rows are edges, one entry each, columns targets.
    ToDestination,
    /// Rows are edges, one entry each, columns sources.
    ToSource,
}

/// The sorted forms of one set of edges, each made when it is first asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct CsrCache {
    walks: Arc<[OnceLock<Csr>; 4]>,
}

impl CsrCache {
    /// The edges sorted for `walk`; `build` makes them the first time.
    pub(crate) fn get_or_init(&self, walk: Walk, build: impl FnOnce() -> Csr) -> Csr {
        let [by_destination, by_source, to_destination, to_source] = &*self.walks;
        let slot = match walk {
            Walk::ByDestination => by_destination,
            Walk::BySource => by_source,
            Walk::ToDestination => to_destination,
            Walk::ToSource => to_source,
        };
        slot.get_or_init(build).clone()
    }
}
