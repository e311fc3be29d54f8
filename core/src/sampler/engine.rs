//! The loop over hops that all samplers share.
//!
//! A graph of one node type is one relation from that type to itself. In each hop, each relation
//! expands the nodes of its target type that the hop before discovered:
//!
//! ```text
//! 1. rows      where the row of each node is, how many of its edges are taken     random reads
//! 2. pick      which of them                                                      arithmetic
//! 3. gather    their sources                                                      random reads
//! 4. relabel   sources to numbers in the batch, new ones appended                 random reads
//! ```
//!
//! Each step is a loop of its own over a block of nodes, without branches that depend on what it
//! reads, so that a processor has many reads under way at once. Steps 1 to 3 do not depend on each
//! other's order and may run in parallel; step 4 gives the numbers and runs in order. All random
//! numbers are keyed by hop, relation and position of the expanded node (see `random`).
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers in a batch fit 32 bits: `hop` checks it before it makes them"
)]

use rayon::prelude::*;

use super::{
    SamplerError,
    csr::HostCsr,
    pick::{Marks, Mode, Row, pick},
    random::derive,
    relabel::{Relabel, key},
};

/// Nodes that go through the four steps together, so that what passes between steps stays in the
/// first-level cache.
const BLOCK: usize = 128;

/// The same in parallel, and what each task takes of it.
const PARALLEL_BLOCK: usize = 1 << 16;
const TASK: usize = 1 << 10;

/// The most seeds of a batch.
const MOST_SEEDS: usize = 1 << 28;

/// Edges of one type.
#[derive(Debug)]
pub(crate) struct Relation<'a> {
    /// Type of the sources.
    pub(crate) src: usize,
    /// Type of the targets, whose neighbours are sampled.
    pub(crate) dst: usize,
    pub(crate) csr: &'a HostCsr,
    /// Fan-out of each hop.
    pub(crate) num_neighbors: &'a [i64],
    pub(crate) time: Option<RelationTime<'a>>,
}

/// What must not be later than the seed's time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RelationTime<'a> {
    /// Time of each source node.
    Node(&'a [i64]),
    /// Time of each edge, by its number.
    Edge(&'a [i64]),
}

/// A graph and how to sample it.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) relations: Vec<Relation<'a>>,
    /// Number of nodes of each type.
    pub(crate) num_nodes: &'a [usize],
    pub(crate) replace: bool,
    pub(crate) disjoint: bool,
    /// Take the latest instead of any.
    pub(crate) last: bool,
    /// Key of all random numbers of the batch.
    pub(crate) key: u64,
}

/// Where a batch begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds<'a> {
    pub(crate) node_type: usize,
    pub(crate) nodes: &'a [u32],
    /// Time of each seed; there if a relation has times.
    pub(crate) time: Option<&'a [i64]>,
}

/// Memory that sampling works in, kept from batch to batch.
///
/// A worker has one and lends it to [`sample`](super::NeighborSampler::sample). It holds the tables
/// that number nodes, 4 bytes for each node of the graph. A scratch of one sampler may be lent to
/// another; its tables are then made anew where sizes differ.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) types: Vec<TypeState>,
    pub(super) relations: Vec<RelationState>,
    buffers: Buffers,
    parallel: bool,
}

impl Scratch {
    /// For sampling by the calling thread alone: best with a worker on each core.
    pub fn new() -> Self {
        Self::default()
    }

    /// For sampling one batch on all threads of the current Rayon pool; the result is the same.
    pub fn parallel() -> Self {
        Self {
            parallel: true,
            ..Self::default()
        }
    }
}

/// Nodes of one type in the batch.
#[derive(Debug, Default)]
pub(super) struct TypeState {
    pub(super) nodes: Vec<u32>,
    /// Example of each node, if examples are disjoint.
    pub(super) examples: Vec<u32>,
    /// Number of nodes that each hop discovered; the seeds are first.
    pub(super) counts: Vec<usize>,
    /// Nodes that the hop before discovered are `begin..end`.
    begin: usize,
    end: usize,
    relabel: Option<Relabel>,
}

/// Edges of one type in the batch.
#[derive(Debug, Default)]
pub(super) struct RelationState {
    pub(super) row: Vec<u32>,
    pub(super) col: Vec<u32>,
    pub(super) edge: Vec<u32>,
    /// Number of edges of each hop.
    pub(super) counts: Vec<usize>,
}

/// What passes between the steps of a block.
#[derive(Debug, Default)]
struct Buffers {
    rows: Vec<Row>,
    /// Position of each edge in the graph.
    positions: Vec<u32>,
    /// Its source in the graph.
    sources: Vec<u32>,
    /// Its example, if examples are disjoint.
    examples: Vec<u32>,
    marks: Marks,
}

/// Samples a batch; the result is left in `scratch`.
pub(super) fn sample(
    plan: &Plan<'_>,
    seeds: Seeds<'_>,
    scratch: &mut Scratch,
) -> Result<(), SamplerError> {
    let count = plan.num_nodes[seeds.node_type];
    let outside = |&node: &u32| node as usize >= count;
    if let Some(position) = seeds.nodes.iter().position(outside) {
        return Err(SamplerError::SeedOutOfRange {
            position,
            node: seeds.nodes[position],
            count,
        });
    }
    limit("seeds", seeds.nodes.len(), MOST_SEEDS)?;
    begin(plan, seeds, scratch);
    let hops = plan
        .relations
        .first()
        .map_or(0, |relation| relation.num_neighbors.len());
    for number in 0..hops {
        for relation in 0..plan.relations.len() {
            hop(plan, seeds, number, relation, scratch)?;
        }
        for state in &mut scratch.types {
            (state.begin, state.end) = (state.end, state.nodes.len());
            state.counts.push(state.end - state.begin);
        }
    }
    Ok(())
}

fn limit(of: &'static str, got: usize, most: usize) -> Result<(), SamplerError> {
    if got > most {
        return Err(SamplerError::TooLarge { of, got, most });
    }
    Ok(())
}

/// Empties the state and puts in the seeds.
fn begin(plan: &Plan<'_>, seeds: Seeds<'_>, scratch: &mut Scratch) {
    let Scratch {
        types, relations, ..
    } = scratch;
    types.resize_with(plan.num_nodes.len(), TypeState::default);
    relations.resize_with(plan.relations.len(), RelationState::default);
    for state in relations {
        state.row.clear();
        state.col.clear();
        state.edge.clear();
        state.counts.clear();
    }
    for (node_type, (state, &num_nodes)) in types.iter_mut().zip(plan.num_nodes).enumerate() {
        let nodes = if node_type == seeds.node_type {
            seeds.nodes
        } else {
            &[]
        };
        state.nodes.clear();
        state.nodes.extend_from_slice(nodes);
        state.examples.clear();
        state.counts.clear();
        state.counts.push(nodes.len());
        (state.begin, state.end) = (0, nodes.len());
        if !state
            .relabel
            .as_ref()
            .is_some_and(|relabel| relabel.fits(num_nodes, plan.disjoint))
        {
            state.relabel = None;
        }
        let relabel = state
            .relabel
            .get_or_insert_with(|| Relabel::new(num_nodes, plan.disjoint));
        relabel.clear(nodes.len());
        for (number, &node) in nodes.iter().enumerate() {
            let number = number as u32;
            let example = if plan.disjoint { number } else { 0 };
            relabel.seed(example, node, number);
        }
        if plan.disjoint {
            state.examples.extend(0..nodes.len() as u32);
        }
    }
}

/// Expands the nodes that the hop before discovered along one relation.
fn hop(
    plan: &Plan<'_>,
    seeds: Seeds<'_>,
    number: usize,
    index: usize,
    scratch: &mut Scratch,
) -> Result<(), SamplerError> {
    let relation = &plan.relations[index];
    let Scratch {
        types,
        relations,
        buffers,
        parallel,
    } = scratch;
    let out = &mut relations[index];
    let before = out.row.len();
    let key = derive(derive(plan.key, number as u64), index as u64);
    let (begin, end) = (types[relation.dst].begin, types[relation.dst].end);
    let block = if *parallel { PARALLEL_BLOCK } else { BLOCK };

    for from in (begin..end).step_by(block) {
        let to = end.min(from + block);
        let parallel = *parallel && to - from > TASK;
        let expanded = &types[relation.dst];
        let frontier = Frontier {
            relation,
            nodes: &expanded.nodes[from..to],
            examples: expanded.examples.get(from..to).unwrap_or_default(),
            times: seeds.time.unwrap_or_default(),
            mode: Mode::new(relation.num_neighbors[number], plan.replace),
            last: plan.last,
            key,
            first: from as u64,
        };
        frontier.fill(buffers, parallel);
        let total = buffers.positions.len();
        limit("edges", out.row.len() + total, i32::MAX as usize)?;
        let discovered = types[relation.src].nodes.len() + total;
        limit("nodes", discovered, i32::MAX as usize)?;
        out.add(from as u32, buffers, relation.csr.edge_ids());
        types[relation.src].number(&buffers.sources, &buffers.examples, &mut out.row);
    }
    out.counts.push(out.row.len() - before);
    Ok(())
}

/// A block of nodes to expand.
struct Frontier<'a> {
    relation: &'a Relation<'a>,
    nodes: &'a [u32],
    /// Example of each node; empty unless examples are disjoint.
    examples: &'a [u32],
    /// Time of each example; there if the relation has times.
    times: &'a [i64],
    mode: Mode,
    last: bool,
    key: u64,
    /// Number of the first node.
    first: u64,
}

impl Frontier<'_> {
    /// Steps 1 to 3.
    fn fill(&self, buffers: &mut Buffers, parallel: bool) {
        let Buffers {
            rows,
            positions,
            sources,
            examples,
            marks,
        } = buffers;
        rows.resize(self.nodes.len(), Row::default());
        if parallel {
            let tasks = rows.par_chunks_mut(TASK).enumerate();
            tasks.for_each(|(task, rows)| self.rows(task * TASK, rows));
        } else {
            self.rows(0, rows);
        }
        let total = rows.iter().map(|row| row.count as usize).sum();
        positions.resize(total, 0);
        sources.resize(total, 0);
        examples.clear();
        for (row, &example) in rows.iter().zip(self.examples) {
            examples.extend(std::iter::repeat_n(example, row.count as usize));
        }
        if !parallel {
            return self.take(0, rows, positions, sources, marks);
        }
        let (mut positions, mut sources) = (positions.as_mut_slice(), sources.as_mut_slice());
        let mut tasks = Vec::with_capacity(rows.len().div_ceil(TASK));
        for (task, rows) in rows.chunks(TASK).enumerate() {
            let count = rows.iter().map(|row| row.count as usize).sum();
            let (mine, rest) = std::mem::take(&mut positions).split_at_mut(count);
            positions = rest;
            let (sources_of_mine, rest) = std::mem::take(&mut sources).split_at_mut(count);
            sources = rest;
            tasks.push((task * TASK, rows, mine, sources_of_mine));
        }
        let tasks = tasks.into_par_iter();
        tasks.for_each_init(
            Marks::default,
            |marks, (offset, rows, positions, sources)| {
                self.take(offset, rows, positions, sources, marks);
            },
        );
    }

    /// Step 1: the rows of the nodes from `offset` on.
    fn rows(&self, offset: usize, rows: &mut [Row]) {
        let rowptr = self.relation.csr.rowptr();
        for (row, &node) in rows.iter_mut().zip(&self.nodes[offset..]) {
            let (start, end) = (rowptr[node as usize], rowptr[node as usize + 1]);
            let population = end - start;
            *row = Row {
                start,
                population,
                count: self.mode.count(population),
            };
        }
        if let Some(time) = self.relation.time {
            for (row, &example) in rows.iter_mut().zip(&self.examples[offset..]) {
                *row = self.until(*row, time, self.times[example as usize]);
            }
        }
    }

    /// The part of a row that is not later than `now`: rows are in the order of time.
    fn until(&self, row: Row, time: RelationTime<'_>, now: i64) -> Row {
        let csr = self.relation.csr;
        let time_at = |position: u32| match time {
            RelationTime::Node(time) => time[csr.col()[position as usize] as usize],
            RelationTime::Edge(time) => time[csr.edge_id(position as usize) as usize],
        };
        let (mut low, mut high) = (row.start, row.start + row.population);
        while low < high {
            let middle = low + (high - low) / 2;
            if time_at(middle) <= now {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let population = low - row.start;
        let count = self.mode.count(population);
        // With replacement, too, the latest are those that are drawn from.
        let kept = if self.last {
            count.min(population)
        } else {
            population
        };
        Row {
            start: low - kept,
            population: kept,
            count,
        }
    }

    /// Steps 2 and 3: which edges of the rows, which belong to the nodes from `offset` on.
    fn take(
        &self,
        offset: usize,
        rows: &[Row],
        positions: &mut [u32],
        sources: &mut [u32],
        marks: &mut Marks,
    ) {
        let mut rest = &mut *positions;
        for (number, &row) in (self.first + offset as u64..).zip(rows) {
            let (out, after) = rest.split_at_mut(row.count as usize);
            rest = after;
            pick(row, self.mode, derive(self.key, number), out, marks);
        }
        let col = self.relation.csr.col();
        for (source, &position) in sources.iter_mut().zip(&*positions) {
            *source = col[position as usize];
        }
    }
}

impl RelationState {
    /// The edges of the batch, with room for as many in the next one.
    pub(super) fn take(&mut self) -> Self {
        Self {
            row: take(&mut self.row),
            col: take(&mut self.col),
            edge: take(&mut self.edge),
            counts: take(&mut self.counts),
        }
    }

    /// The targets and the numbers of the edges of a block; the first row is that of node `first`.
    fn add(&mut self, first: u32, buffers: &Buffers, edge_ids: Option<&[u32]>) {
        for (node, row) in (first..).zip(&buffers.rows) {
            self.col
                .extend(std::iter::repeat_n(node, row.count as usize));
        }
        match edge_ids {
            None => self.edge.extend_from_slice(&buffers.positions),
            Some(ids) => {
                let edges = buffers.positions.iter().map(|&at| ids[at as usize]);
                self.edge.extend(edges);
            }
        }
    }
}

/// Nodes of one type, taken out of a scratch.
#[derive(Debug)]
pub(super) struct TakenNodes {
    pub(super) nodes: Vec<u32>,
    pub(super) examples: Vec<u32>,
    pub(super) counts: Vec<usize>,
}

/// Takes a list and leaves an empty one with room for an eighth more.
fn take<T>(list: &mut Vec<T>) -> Vec<T> {
    let room = list.len() + list.len() / 8;
    std::mem::replace(list, Vec::with_capacity(room))
}

impl TypeState {
    /// The nodes of the batch, with room for as many in the next one.
    pub(super) fn take(&mut self) -> TakenNodes {
        TakenNodes {
            nodes: take(&mut self.nodes),
            examples: take(&mut self.examples),
            counts: take(&mut self.counts),
        }
    }

    /// Step 4: the number of each source in the batch is added to `numbers`.
    fn number(&mut self, sources: &[u32], examples: &[u32], numbers: &mut Vec<u32>) {
        match self.relabel.as_mut() {
            None => {}
            Some(Relabel::Dense(dense)) => dense.number(sources, &mut self.nodes, numbers),
            Some(Relabel::Hashed(hashed)) => {
                hashed.reserve(sources.len());
                let disjoint = !examples.is_empty();
                for (at, &node) in sources.iter().enumerate() {
                    let example = if disjoint { examples[at] } else { 0 };
                    let next = self.nodes.len() as u32;
                    let number = hashed.get_or_insert(key(example, node), next);
                    if number == next {
                        self.nodes.push(node);
                        if disjoint {
                            self.examples.push(example);
                        }
                    }
                    numbers.push(number);
                }
            }
        }
    }
}
