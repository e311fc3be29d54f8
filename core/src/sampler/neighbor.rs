//! Sampling from a graph of one node type: PyG's `NeighborSampler`.

use std::sync::Arc;

use super::{
    HostCsr, SamplerError, Scratch,
    engine::{Plan, Relation, RelationTime, Seeds, sample},
    error::{check_length, check_num_neighbors},
    random::derive,
};

/// Which of the edges that are not too late are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TemporalStrategy {
    /// Any of them, each equally likely.
    #[default]
    Uniform,
    /// The latest.
    Last,
}

/// What a batch begins with: PyG's `NodeSamplerInput`.
#[derive(Clone, Copy, Debug)]
pub struct NodeSamplerInput<'a> {
    /// The seeds, `[B]`. Without `disjoint`, a seed that is there twice is expanded twice, and
    /// edges from it come from its first place.
    pub node: &'a [u32],
    /// Time of each seed, `[B]`; without it, the time of its node.
    pub time: Option<&'a [i64]>,
    /// Number of the batch: batches of the same seeds and another number are sampled anew.
    pub batch: u64,
}

/// A sampled subgraph: PyG's `SamplerOutput`.
///
/// ```text
/// edge k goes from node[row[k]], a neighbour, to node[col[k]], which is nearer to the seeds
/// ```
///
/// Nodes are the seeds in the order given, then the others as they are discovered. `col` ascends,
/// so the edges are sorted by target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SamplerOutput {
    /// Nodes in the graph, `[N]`, the seeds first.
    pub node: Vec<u32>,
    /// Source of each edge in the batch, `[E]`.
    pub row: Vec<u32>,
    /// Target of each edge in the batch, `[E]`, ascending.
    pub col: Vec<u32>,
    /// Number of each edge in the graph, `[E]`.
    pub edge: Vec<u32>,
    /// Seed to which each node belongs, `[N]`, if sampling is `disjoint`.
    pub batch: Option<Vec<u32>>,
    /// Number of seeds, and of nodes that each hop discovered, `[hops + 1]`.
    pub num_sampled_nodes: Vec<usize>,
    /// Number of edges of each hop, `[hops]`.
    pub num_sampled_edges: Vec<usize>,
}

/// Times of nodes or edges.
#[derive(Clone, Debug)]
pub(super) enum Times {
    Node(Arc<[i64]>),
    Edge(Arc<[i64]>),
}

impl Times {
    fn relation(&self) -> RelationTime<'_> {
        match self {
            Self::Node(time) => RelationTime::Node(time),
            Self::Edge(time) => RelationTime::Edge(time),
        }
    }
}

/// Samples the neighbourhoods of nodes, hop by hop.
///
/// Each hop takes up to `num_neighbors` edges into each node that the hop before discovered, the
/// seeds first; -1 takes all. The sample depends on the sampler's seed, the number of the batch and
/// the nodes asked for, never on threads.
///
/// Source: Hamilton, Ying and Leskovec, Inductive Representation Learning on Large Graphs,
/// arXiv:1706.02216. Matches `torch_geometric.sampler.NeighborSampler` with
/// `subgraph_type='directional'`. Departs: other random numbers; edge weights, the other subgraph
/// types and sampling around edges are not there.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use kiln_core::sampler::{HostCsr, NeighborSampler, NodeSamplerInput, Scratch};
///
/// // A path 3 -> 2 -> 1 -> 0.
/// let graph = HostCsr::from_coo(&[1_u32, 2, 3], &[0, 1, 2], 4, 4)?;
/// let sampler = NeighborSampler::new(Arc::new(graph), &[5, 5])?.with_seed(7);
/// let input = NodeSamplerInput { node: &[0], time: None, batch: 0 };
/// let out = sampler.sample(&input, &mut Scratch::new())?;
/// assert_eq!(out.node, [0, 1, 2]);
/// assert_eq!((out.row, out.col), (vec![1, 2], vec![0, 1]));
/// assert_eq!(out.num_sampled_nodes, [1, 1, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NeighborSampler {
    graph: Arc<HostCsr>,
    num_neighbors: Vec<i64>,
    replace: bool,
    disjoint: bool,
    strategy: TemporalStrategy,
    times: Option<Times>,
    seed: u64,
}

impl NeighborSampler {
    /// A sampler that takes up to `num_neighbors[h]` edges a node in hop `h`, or all for -1.
    ///
    /// # Errors
    /// If the graph has two node sets, or a fan-out is below -1.
    pub fn new(graph: Arc<HostCsr>, num_neighbors: &[i64]) -> Result<Self, SamplerError> {
        let (num_src, num_dst) = (graph.num_src(), graph.num_dst());
        if num_src != num_dst {
            return Err(SamplerError::Bipartite { num_src, num_dst });
        }
        check_num_neighbors(num_neighbors)?;
        Ok(Self {
            graph,
            num_neighbors: num_neighbors.to_vec(),
            replace: false,
            disjoint: false,
            strategy: TemporalStrategy::default(),
            times: None,
            seed: 0,
        })
    }

    /// Whether an edge may be taken more than once.
    pub fn with_replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Whether each seed gets a subgraph of its own, which shares no node with the others. Sampling
    /// by time is always so.
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

    /// Gives each node a time: only neighbours whose time is no later than the seed's are sampled.
    ///
    /// If the neighbours of a node are not in the order of time, this sorts a copy of the graph.
    ///
    /// # Errors
    /// If there is not one time per node, or edges have times.
    pub fn with_node_time(mut self, time: impl Into<Arc<[i64]>>) -> Result<Self, SamplerError> {
        let time = time.into();
        check_length("node_time", time.len(), self.graph.num_src(), "node")?;
        if self.times.is_some() {
            return Err(SamplerError::TwoTimes);
        }
        let col = self.graph.col();
        let sorted = self.graph.sorted_by_time(|at| time[col[at] as usize]);
        self.graph = sorted.map_or(self.graph, Arc::new);
        self.times = Some(Times::Node(time));
        Ok(self)
    }

    /// Gives each edge a time, by its number: only edges whose time is no later than the seed's are
    /// sampled.
    ///
    /// If the edges of a node are not in the order of time, this sorts a copy of the graph.
    ///
    /// # Errors
    /// If there is not one time per edge, or nodes have times.
    pub fn with_edge_time(mut self, time: impl Into<Arc<[i64]>>) -> Result<Self, SamplerError> {
        let time = time.into();
        check_length("edge_time", time.len(), self.graph.num_edges(), "edge")?;
        if self.times.is_some() {
            return Err(SamplerError::TwoTimes);
        }
        let graph = &self.graph;
        let sorted = graph.sorted_by_time(|at| time[graph.edge_id(at) as usize]);
        self.graph = sorted.map_or(self.graph, Arc::new);
        self.times = Some(Times::Edge(time));
        Ok(self)
    }

    /// The graph; with times, its rows are in their order.
    pub fn graph(&self) -> &Arc<HostCsr> {
        &self.graph
    }

    /// Fan-out of each hop.
    pub fn num_neighbors(&self) -> &[i64] {
        &self.num_neighbors
    }

    /// Whether each seed gets a subgraph of its own.
    pub fn is_disjoint(&self) -> bool {
        self.disjoint || self.times.is_some()
    }

    /// Samples around the seeds.
    ///
    /// # Errors
    /// If a seed is out of range, times are missing or of another number than the seeds, or the
    /// batch has `2^31` edges or nodes or more.
    pub fn sample(
        &self,
        input: &NodeSamplerInput<'_>,
        scratch: &mut Scratch,
    ) -> Result<SamplerOutput, SamplerError> {
        if let Some(time) = input.time {
            check_length("time", time.len(), input.node.len(), "seed")?;
        }
        let node_time: Vec<i64>;
        let time = match (&self.times, input.time) {
            (None, _) => None,
            (Some(_), Some(time)) => Some(time),
            (Some(Times::Edge(_)), None) => return Err(SamplerError::NoSeedTime),
            (Some(Times::Node(time)), None) => {
                node_time = seed_times(time, input.node);
                Some(node_time.as_slice())
            }
        };
        let disjoint = self.is_disjoint();
        let plan = Plan {
            relations: vec![Relation {
                src: 0,
                dst: 0,
                csr: &self.graph,
                num_neighbors: &self.num_neighbors,
                time: self.times.as_ref().map(Times::relation),
            }],
            num_nodes: &[self.graph.num_src()],
            replace: self.replace,
            disjoint,
            last: self.strategy == TemporalStrategy::Last,
            key: derive(self.seed, input.batch),
        };
        let seeds = Seeds {
            node_type: 0,
            nodes: input.node,
            time,
        };
        sample(&plan, seeds, scratch)?;
        let nodes = scratch.types[0].take();
        let edges = scratch.relations[0].take();
        Ok(SamplerOutput {
            node: nodes.nodes,
            row: edges.row,
            col: edges.col,
            edge: edges.edge,
            batch: disjoint.then_some(nodes.examples),
            num_sampled_nodes: nodes.counts,
            num_sampled_edges: edges.counts,
        })
    }
}

/// Times of the seeds by their nodes. A seed that is out of range gets any: it is reported later.
pub(super) fn seed_times(time: &[i64], seeds: &[u32]) -> Vec<i64> {
    let time_of = |&node: &u32| time.get(node as usize).copied().unwrap_or_default();
    seeds.iter().map(time_of).collect()
}
