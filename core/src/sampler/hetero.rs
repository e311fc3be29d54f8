//! Sampling from a graph of several node and edge types.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    EdgeType, HeteroGraph, HostCsr, NodeSamplerInput, NumNeighbors, SamplerError, Scratch,
    TemporalStrategy,
    engine::{Plan, Relation, RelationTime, Seeds, sample},
    error::check_length,
    hetero_graph::owned,
    neighbor::seed_times,
    random::derive,
};

/// A sampled subgraph of several types: PyG's `HeteroSamplerOutput`. Lists are those of
/// [`SamplerOutput`](super::SamplerOutput), by node or edge type; every type of the graph is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeteroSamplerOutput {
    /// Nodes in the graph by node type, the seeds first.
    pub node: BTreeMap<String, Vec<u32>>,
    /// Source of each edge among the batch's nodes of the source type.
    pub row: BTreeMap<EdgeType, Vec<u32>>,
    /// Target of each edge among the batch's nodes of the target type, ascending.
    pub col: BTreeMap<EdgeType, Vec<u32>>,
    /// Number of each edge among the graph's edges of its type.
    pub edge: BTreeMap<EdgeType, Vec<u32>>,
    /// Seed to which each node belongs, if sampling is `disjoint`.
    pub batch: Option<BTreeMap<String, Vec<u32>>>,
    /// Number of seeds, and of nodes that each hop discovered.
    pub num_sampled_nodes: BTreeMap<String, Vec<usize>>,
    /// Number of edges of each hop.
    pub num_sampled_edges: BTreeMap<EdgeType, Vec<usize>>,
}

/// Samples the neighbourhoods of nodes in a graph of several types.
///
/// As [`NeighborSampler`](super::NeighborSampler); in each hop every edge type is walked, in the
/// order in which the graph has them.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use kiln_core::sampler::{
///     HeteroGraph, HeteroNeighborSampler, HostCsr, NodeSamplerInput, NumNeighbors, Scratch,
/// };
///
/// let writes = HostCsr::from_coo(&[0_u32, 1, 1], &[0, 0, 2], 2, 3)?;
/// let graph = HeteroGraph::new(&[("author", 2), ("paper", 3)])?
///     .with_edges(("author", "writes", "paper"), writes)?;
/// let sampler = HeteroNeighborSampler::new(Arc::new(graph), &NumNeighbors::new(&[-1]))?;
/// let input = NodeSamplerInput { node: &[0], time: None, batch: 0 };
/// let out = sampler.sample("paper", &input, &mut Scratch::new())?;
/// assert_eq!((&out.node["paper"], &out.node["author"]), (&vec![0], &vec![0, 1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct HeteroNeighborSampler {
    graph: Arc<HeteroGraph>,
    /// The graph of each edge type; with times, its rows are in their order.
    sorted: Vec<Arc<HostCsr>>,
    /// Fan-outs of each edge type.
    num_neighbors: Vec<Vec<i64>>,
    replace: bool,
    disjoint: bool,
    strategy: TemporalStrategy,
    /// Times by node type.
    node_time: BTreeMap<usize, Arc<[i64]>>,
    /// Times by edge type.
    edge_time: BTreeMap<usize, Arc<[i64]>>,
    seed: u64,
}

impl HeteroNeighborSampler {
    /// A sampler of the given fan-outs.
    ///
    /// # Errors
    /// If a fan-out is below -1, is for an edge type that is not there, or edge types have other
    /// numbers of hops.
    pub fn new(
        graph: Arc<HeteroGraph>,
        num_neighbors: &NumNeighbors,
    ) -> Result<Self, SamplerError> {
        let num_neighbors = num_neighbors.resolve(&graph)?;
        let sorted = graph
            .relations
            .iter()
            .map(|edges| edges.csr.clone())
            .collect();
        Ok(Self {
            graph,
            sorted,
            num_neighbors,
            replace: false,
            disjoint: false,
            strategy: TemporalStrategy::default(),
            node_time: BTreeMap::new(),
            edge_time: BTreeMap::new(),
            seed: 0,
        })
    }

    /// Whether an edge may be taken more than once.
    pub fn with_replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Whether each seed gets a subgraph of its own. Sampling by time is always so.
    pub fn with_disjoint(self, disjoint: bool) -> Self {
        Self { disjoint, ..self }
    }

    /// What random numbers depend on besides the batch; 0 unless given.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Which edges are taken where times are given.
    pub fn with_temporal_strategy(self, strategy: TemporalStrategy) -> Self {
        Self { strategy, ..self }
    }

    /// Gives each node of a type a time: neighbours of that type are sampled only if their time is
    /// no later than the seed's. Types without times are sampled freely.
    ///
    /// # Errors
    /// If the type is not there, there is not one time per node, or edges have times.
    pub fn with_node_time(
        mut self,
        node_type: &str,
        time: impl Into<Arc<[i64]>>,
    ) -> Result<Self, SamplerError> {
        let time = time.into();
        let node_type = self.graph.node_type(node_type)?;
        check_length(
            "node_time",
            time.len(),
            self.graph.num_nodes[node_type],
            "node",
        )?;
        if !self.edge_time.is_empty() {
            return Err(SamplerError::TwoTimes);
        }
        for (edges, csr) in self.graph.relations.iter().zip(&mut self.sorted) {
            if edges.src == node_type {
                let col = edges.csr.col();
                let sorted = edges.csr.sorted_by_time(|at| time[col[at] as usize]);
                *csr = sorted.map_or_else(|| edges.csr.clone(), Arc::new);
            }
        }
        self.node_time.insert(node_type, time);
        Ok(self)
    }

    /// Gives each edge of a type a time, by its number: edges of that type are sampled only if
    /// their time is no later than the seed's. Types without times are sampled freely.
    ///
    /// # Errors
    /// If the type is not there, there is not one time per edge, or nodes have times.
    pub fn with_edge_time(
        mut self,
        edge_type: (&str, &str, &str),
        time: impl Into<Arc<[i64]>>,
    ) -> Result<Self, SamplerError> {
        let time = time.into();
        let relation = self.graph.relation(&owned(edge_type))?;
        let csr = &self.graph.relations[relation].csr;
        check_length("edge_time", time.len(), csr.num_edges(), "edge")?;
        if !self.node_time.is_empty() {
            return Err(SamplerError::TwoTimes);
        }
        let sorted = csr.sorted_by_time(|at| time[csr.edge_id(at) as usize]);
        self.sorted[relation] = sorted.map_or_else(|| csr.clone(), Arc::new);
        self.edge_time.insert(relation, time);
        Ok(self)
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<HeteroGraph> {
        &self.graph
    }

    /// Whether each seed gets a subgraph of its own.
    pub fn is_disjoint(&self) -> bool {
        self.disjoint || !self.node_time.is_empty() || !self.edge_time.is_empty()
    }

    /// Samples around seeds of one node type.
    ///
    /// # Errors
    /// If the type is not there, a seed is out of range, times are missing or of another number
    /// than the seeds, or the batch has `2^31` edges or nodes of a type or more.
    pub fn sample(
        &self,
        node_type: &str,
        input: &NodeSamplerInput<'_>,
        scratch: &mut Scratch,
    ) -> Result<HeteroSamplerOutput, SamplerError> {
        let node_type = self.graph.node_type(node_type)?;
        if let Some(time) = input.time {
            check_length("time", time.len(), input.node.len(), "seed")?;
        }
        let timed = !self.node_time.is_empty() || !self.edge_time.is_empty();
        let node_time: Vec<i64>;
        let time = match (input.time, self.node_time.get(&node_type)) {
            _ if !timed => None,
            (Some(time), _) => Some(time),
            (None, Some(time)) => {
                node_time = seed_times(time, input.node);
                Some(node_time.as_slice())
            }
            (None, None) => return Err(SamplerError::NoSeedTime),
        };
        let relations = self.graph.relations.iter().enumerate();
        let plan = Plan {
            relations: relations
                .map(|(index, edges)| Relation {
                    src: edges.src,
                    dst: edges.dst,
                    csr: &self.sorted[index],
                    num_neighbors: &self.num_neighbors[index],
                    time: self.relation_time(index, edges.src),
                })
                .collect(),
            num_nodes: &self.graph.num_nodes,
            replace: self.replace,
            disjoint: self.is_disjoint(),
            last: self.strategy == TemporalStrategy::Last,
            key: derive(self.seed, input.batch),
        };
        let seeds = Seeds {
            node_type,
            nodes: input.node,
            time,
        };
        sample(&plan, seeds, scratch)?;
        Ok(self.output(scratch))
    }

    fn relation_time(&self, relation: usize, src: usize) -> Option<RelationTime<'_>> {
        let by_edge = self.edge_time.get(&relation);
        let by_node = self.node_time.get(&src);
        by_edge
            .map(|time| RelationTime::Edge(time))
            .or_else(|| by_node.map(|time| RelationTime::Node(time)))
    }

    fn output(&self, scratch: &mut Scratch) -> HeteroSamplerOutput {
        let mut out = HeteroSamplerOutput {
            batch: self.is_disjoint().then(BTreeMap::new),
            ..HeteroSamplerOutput::default()
        };
        for (name, state) in self.graph.node_types.iter().zip(&mut scratch.types) {
            let taken = state.take();
            out.node.insert(name.clone(), taken.nodes);
            out.num_sampled_nodes.insert(name.clone(), taken.counts);
            if let Some(batch) = &mut out.batch {
                batch.insert(name.clone(), taken.examples);
            }
        }
        for (name, state) in self.graph.edge_types().zip(&mut scratch.relations) {
            let taken = state.take();
            out.row.insert(name.clone(), taken.row);
            out.col.insert(name.clone(), taken.col);
            out.edge.insert(name.clone(), taken.edge);
            out.num_sampled_edges.insert(name.clone(), taken.counts);
        }
        out
    }
}
