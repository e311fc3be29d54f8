//! Citation graphs as they lie in files.
#![expect(clippy::print_stderr, reason = "an example talks to its reader")]

use anyhow::Result;
use kiln::prelude::*;

/// The graph itself if it is undirected, as all graphs of Planetoid are. Some writers store the
/// transposed `edge_index` of PyG as it lies in memory: pair by pair, under the shape `[2, E]`. If
/// the edges are symmetric when read that way, they are meant that way.
pub(crate) fn undirected(graph: Graph) -> Result<Graph> {
    if graph.is_undirected() {
        return Ok(graph);
    }
    let (edges, nodes) = (graph.edges(), graph.num_nodes());
    let pairs = edges.tensor().reshape([graph.num_edges(), 2]).transpose();
    let mut paired = Graph::new(graph.x(), EdgeIndex::new(pairs, nodes, nodes)?)?;
    if !paired.is_undirected() {
        eprintln!("warning: the citations are not symmetric");
        return Ok(graph);
    }
    eprintln!("warning: `edge_index` is stored pair by pair, not as [2, E]; reading it as pairs");
    if let Some(y) = graph.y() {
        paired = paired.with_y(y)?;
    }
    if let Some(mask) = graph.train_mask() {
        paired = paired.with_train_mask(mask)?;
    }
    if let Some(mask) = graph.val_mask() {
        paired = paired.with_val_mask(mask)?;
    }
    if let Some(mask) = graph.test_mask() {
        paired = paired.with_test_mask(mask)?;
    }
    Ok(paired)
}
