//! A batch in host memory.

use super::{FeatureStore, LoaderError};

/// Rows of features, `[rows, num_features]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Row by row.
    pub values: Vec<f32>,
    /// Number of features of a row.
    pub num_features: usize,
}

impl Rows {
    /// The given rows of a store, if there is one.
    pub(super) fn of(
        name: &str,
        store: Option<&dyn FeatureStore>,
        rows: &[u32],
    ) -> Result<Option<Self>, LoaderError> {
        let Some(store) = store else { return Ok(None) };
        let num_features = store.num_features();
        let mut values = vec![0.0; rows.len() * num_features];
        store
            .gather(rows, &mut values)
            .map_err(|source| LoaderError::Features {
                features: name.to_owned(),
                source,
            })?;
        Ok(Some(Self {
            values,
            num_features,
        }))
    }
}

/// One batch, made on the host: the subgraph around some seeds, with its features.
///
/// Fields are named as PyG names them in the batches of its `NeighborLoader`; `row` and `col` are
/// the rows of `edge_index`. The seeds are the first `batch_size` nodes. Tensors are made by
/// [`graph`](Self::graph) and the other methods.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    /// Nodes in the graph, `[N]`, the seeds first.
    pub n_id: Vec<u32>,
    /// Source of each edge in the batch, `[E]`.
    pub row: Vec<u32>,
    /// Target of each edge in the batch, `[E]`, ascending.
    pub col: Vec<u32>,
    /// Number of each edge in the graph, `[E]`.
    pub e_id: Vec<u32>,
    /// Seed to which each node belongs, `[N]`, if the sampler is `disjoint`.
    pub batch: Option<Vec<u32>>,
    /// Number of seeds, `B`.
    pub batch_size: usize,
    /// Position of each seed among the loader's input nodes, `[B]`.
    pub input_id: Vec<u32>,
    /// Features of the nodes, `[N, F]`.
    pub x: Option<Rows>,
    /// Features of the edges, `[E, D]`.
    pub edge_attr: Option<Rows>,
    /// Class of each node, `[N]`.
    pub y: Option<Vec<i64>>,
    /// Number of seeds, and of nodes that each hop discovered, `[hops + 1]`.
    pub num_sampled_nodes: Vec<usize>,
    /// Number of edges of each hop, `[hops]`.
    pub num_sampled_edges: Vec<usize>,
}
