//! Batches of a graph with several node and edge types.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Epoch, FeatureStore, LoaderError, Rows,
    neighbor::{check_nodes, check_rows, check_times, take},
    schedule::{Schedule, schedule_methods},
};
use crate::sampler::{
    HeteroNeighborSampler, HeteroSamplerOutput, NodeSamplerInput, SamplerError, Scratch,
};

/// One batch of several types, made on the host. The seeds are the first `batch_size` nodes of
/// `input_type`.
#[derive(Clone, Debug, PartialEq)]
pub struct HeteroHostBatch {
    /// Nodes and edges by type.
    pub sample: HeteroSamplerOutput,
    /// Type of the seeds.
    pub input_type: String,
    /// Number of seeds, `B`.
    pub batch_size: usize,
    /// Position of each seed among the loader's input nodes, `[B]`.
    pub input_id: Vec<u32>,
    /// Features of the nodes by node type, `[N, F]`, of the types that have some.
    pub x: BTreeMap<String, Rows>,
    /// Class of each node by node type, `[N]`, of the types that have some.
    pub y: BTreeMap<String, Vec<i64>>,
}

/// Makes batches of a graph with several node and edge types: PyG's `NeighborLoader` of
/// `HeteroData`. As [`NeighborLoader`](super::NeighborLoader), with features by node type.
#[derive(Clone, Debug)]
pub struct HeteroNeighborLoader {
    sampler: Arc<HeteroNeighborSampler>,
    input_type: String,
    input_nodes: Arc<[u32]>,
    input_time: Option<Arc<[i64]>>,
    x: BTreeMap<String, Arc<dyn FeatureStore>>,
    y: BTreeMap<String, Arc<[i64]>>,
    schedule: Schedule,
}

impl HeteroNeighborLoader {
    /// A loader of the neighbourhoods of nodes of one type.
    ///
    /// # Errors
    /// If the type is not there or a node is out of range.
    pub fn new(
        sampler: impl Into<Arc<HeteroNeighborSampler>>,
        input_type: &str,
        input_nodes: impl Into<Arc<[u32]>>,
    ) -> Result<Self, LoaderError> {
        let loader = Self {
            sampler: sampler.into(),
            input_type: input_type.to_owned(),
            input_nodes: input_nodes.into(),
            input_time: None,
            x: BTreeMap::new(),
            y: BTreeMap::new(),
            schedule: Schedule::default(),
        };
        check_nodes(&loader.input_nodes, loader.num_nodes(input_type)?)?;
        Ok(loader)
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

    /// Features of the nodes of a type.
    ///
    /// # Errors
    /// If the type is not there or there is not one row per node.
    pub fn with_x(
        mut self,
        node_type: &str,
        x: impl FeatureStore + 'static,
    ) -> Result<Self, LoaderError> {
        let expected = self.num_nodes(node_type)?;
        check_rows(&format!("x of {node_type}"), x.num_rows(), expected, "node")?;
        self.x.insert(node_type.to_owned(), Arc::new(x));
        Ok(self)
    }

    /// Class of each node of a type.
    ///
    /// # Errors
    /// If the type is not there or there is not one label a node.
    pub fn with_y(
        mut self,
        node_type: &str,
        y: impl Into<Arc<[i64]>>,
    ) -> Result<Self, LoaderError> {
        let y = y.into();
        let expected = self.num_nodes(node_type)?;
        check_rows(&format!("y of {node_type}"), y.len(), expected, "node")?;
        self.y.insert(node_type.to_owned(), y);
        Ok(self)
    }

    fn num_nodes(&self, node_type: &str) -> Result<usize, LoaderError> {
        let graph = self.sampler.graph();
        graph.num_nodes(node_type).ok_or_else(|| {
            LoaderError::Sampler(SamplerError::UnknownNodeType {
                name: node_type.to_owned(),
                known: graph.node_types().join(", "),
            })
        })
    }

    /// The batches of an epoch. Workers start at once and end with the epoch or when it is dropped.
    pub fn epoch(&self, epoch: u64) -> Epoch<HeteroHostBatch> {
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

    fn batch(
        &self,
        input_id: &[u32],
        key: u64,
        scratch: &mut Scratch,
    ) -> Result<HeteroHostBatch, LoaderError> {
        let node = take(&self.input_nodes, input_id);
        let time = self.input_time.as_ref().map(|time| take(time, input_id));
        let input = NodeSamplerInput {
            node: &node,
            time: time.as_deref(),
            batch: key,
        };
        let sample = self.sampler.sample(&self.input_type, &input, scratch)?;
        let mut x = BTreeMap::new();
        for (node_type, store) in &self.x {
            let name = format!("x of {node_type}");
            let rows = Rows::of(&name, Some(store.as_ref()), &sample.node[node_type])?;
            x.extend(rows.map(|rows| (node_type.clone(), rows)));
        }
        let labels = self.y.iter();
        let y = labels.map(|(node_type, y)| (node_type.clone(), take(y, &sample.node[node_type])));
        Ok(HeteroHostBatch {
            y: y.collect(),
            x,
            sample,
            input_type: self.input_type.clone(),
            batch_size: input_id.len(),
            input_id: input_id.to_vec(),
        })
    }
}
