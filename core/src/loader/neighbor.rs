//! Batches of a graph with one node type: PyG's `NeighborLoader`.

use std::sync::Arc;

use super::{
    Epoch, FeatureStore, HostBatch, LoaderError, Rows,
    schedule::{Schedule, schedule_methods},
};
use crate::sampler::{NeighborSampler, NodeSamplerInput, SamplerError, Scratch};

/// Makes batches for training on a graph that is too large to be trained on at once.
///
/// Each batch is the sampled neighbourhood of some of the input nodes, with the features and labels
/// of its nodes. [`epoch`](Self::epoch) iterates over them; with workers, sampling and reading
/// features run ahead on other threads while the consumer trains.
///
/// Matches `torch_geometric.loader.NeighborLoader`. Departs: an epoch has a number, on which order
/// and samples depend, so that a run can be resumed; sampler options are the sampler's.
#[derive(Clone, Debug)]
pub struct NeighborLoader {
    sampler: Arc<NeighborSampler>,
    input_nodes: Arc<[u32]>,
    input_time: Option<Arc<[i64]>>,
    x: Option<Arc<dyn FeatureStore>>,
    edge_attr: Option<Arc<dyn FeatureStore>>,
    y: Option<Arc<[i64]>>,
    schedule: Schedule,
}

impl NeighborLoader {
    /// A loader of the neighbourhoods of `input_nodes`, such as the nodes to train on.
    ///
    /// # Errors
    /// If a node is out of range.
    pub fn new(
        sampler: impl Into<Arc<NeighborSampler>>,
        input_nodes: impl Into<Arc<[u32]>>,
    ) -> Result<Self, LoaderError> {
        let (sampler, input_nodes) = (sampler.into(), input_nodes.into());
        check_nodes(&input_nodes, sampler.graph().num_dst())?;
        Ok(Self {
            sampler,
            input_nodes,
            input_time: None,
            x: None,
            edge_attr: None,
            y: None,
            schedule: Schedule::default(),
        })
    }

    schedule_methods!();

    /// Time of each input node; without it, the time that the sampler has of the node.
    ///
    /// # Errors
    /// If there is not one time an input node.
    pub fn with_input_time(mut self, time: impl Into<Arc<[i64]>>) -> Result<Self, LoaderError> {
        let time = time.into();
        check_times(time.len(), self.input_nodes.len())?;
        self.input_time = Some(time);
        Ok(self)
    }

    /// Features of the nodes of the graph.
    ///
    /// # Errors
    /// If there is not one row per node.
    pub fn with_x(mut self, x: impl FeatureStore + 'static) -> Result<Self, LoaderError> {
        check_rows("x", x.num_rows(), self.sampler.graph().num_src(), "node")?;
        self.x = Some(Arc::new(x));
        Ok(self)
    }

    /// Features of the edges of the graph, by the edges' numbers.
    ///
    /// # Errors
    /// If there is not one row per edge.
    pub fn with_edge_attr(
        mut self,
        attr: impl FeatureStore + 'static,
    ) -> Result<Self, LoaderError> {
        let edges = self.sampler.graph().num_edges();
        check_rows("edge_attr", attr.num_rows(), edges, "edge")?;
        self.edge_attr = Some(Arc::new(attr));
        Ok(self)
    }

    /// Class of each node of the graph.
    ///
    /// # Errors
    /// If there is not one label a node.
    pub fn with_y(mut self, y: impl Into<Arc<[i64]>>) -> Result<Self, LoaderError> {
        let y = y.into();
        check_rows("y", y.len(), self.sampler.graph().num_src(), "node")?;
        self.y = Some(y);
        Ok(self)
    }

    /// The batches of an epoch. Workers start at once and end with the epoch or when it is dropped.
    pub fn epoch(&self, epoch: u64) -> Epoch<HostBatch> {
        let order = self.schedule.order(self.input_nodes.len(), epoch);
        let loader = self.clone();
        let make = move |batch: usize, scratch: &mut Scratch| {
            let seeds = loader.schedule.range(order.len(), batch);
            let key = loader.schedule.key(epoch, batch);
            loader.batch(&order[seeds], key, scratch)
        };
        Epoch::start(
            self.num_batches(),
            self.schedule.num_workers,
            self.schedule.prefetch_factor,
            Arc::new(make),
        )
    }

    /// The batch of the input nodes at `input_id`.
    fn batch(
        &self,
        input_id: &[u32],
        key: u64,
        scratch: &mut Scratch,
    ) -> Result<HostBatch, LoaderError> {
        let node = take(&self.input_nodes, input_id);
        let time = self.input_time.as_ref().map(|time| take(time, input_id));
        let input = NodeSamplerInput {
            node: &node,
            time: time.as_deref(),
            batch: key,
        };
        let out = self.sampler.sample(&input, scratch)?;
        Ok(HostBatch {
            x: Rows::of("x", self.x.as_deref(), &out.node)?,
            edge_attr: Rows::of("edge_attr", self.edge_attr.as_deref(), &out.edge)?,
            y: self.y.as_ref().map(|y| take(y, &out.node)),
            input_id: input_id.to_vec(),
            batch_size: input_id.len(),
            n_id: out.node,
            row: out.row,
            col: out.col,
            e_id: out.edge,
            batch: out.batch,
            num_sampled_nodes: out.num_sampled_nodes,
            num_sampled_edges: out.num_sampled_edges,
        })
    }
}

/// The entries of a list at positions that are in it.
pub(super) fn take<T: Copy>(list: &[T], positions: &[u32]) -> Vec<T> {
    positions.iter().map(|&at| list[at as usize]).collect()
}

/// Input nodes are nodes of the graph.
pub(super) fn check_nodes(nodes: &[u32], count: usize) -> Result<(), LoaderError> {
    match nodes.iter().position(|&node| node as usize >= count) {
        Some(position) => Err(LoaderError::Sampler(SamplerError::SeedOutOfRange {
            position,
            node: nodes[position],
            count,
        })),
        None => Ok(()),
    }
}

/// There is one time an input node.
pub(super) fn check_times(got: usize, expected: usize) -> Result<(), LoaderError> {
    if got == expected {
        return Ok(());
    }
    Err(LoaderError::Sampler(SamplerError::Length {
        list: "input_time",
        expected,
        got,
        each: "input node",
    }))
}

/// There is one row per node or edge.
pub(super) fn check_rows(
    features: &str,
    got: usize,
    expected: usize,
    each: &'static str,
) -> Result<(), LoaderError> {
    if got == expected {
        return Ok(());
    }
    Err(LoaderError::Rows {
        features: features.to_owned(),
        expected,
        got,
        each,
    })
}
