//! Neighbour sampling on the host.
//!
//! A graph that is too large for a device, or for one step of training, is trained on in batches:
//! some seeds, a sample of their neighbours, a sample of those. Samplers take node numbers and
//! return the subgraph; [`loader`](crate::loader) goes on from there to features and tensors.
//!
//! | type | what it is | in PyG |
//! |---|---|---|
//! | [`HostCsr`] | a graph in host memory | `colptr`, `row`, `perm` |
//! | [`NeighborSampler`] | samples one node type | `NeighborSampler` |
//! | [`NodeSamplerInput`], [`SamplerOutput`] | seeds and subgraph | the same |
//! | [`HeteroGraph`], [`HeteroNeighborSampler`] | several node and edge types | `NeighborSampler` |
//! | [`NumNeighbors`] | fan-outs by edge type | the same |
//! | [`Scratch`] | memory that a worker keeps | |
//!
//! In shapes, `B` is the number of seeds, `N` of nodes and `E` of edges of the batch.
//!
//! Samplers are shared by all workers (`&self`), each with a [`Scratch`] of its own. What is
//! sampled depends on the sampler's seed, the batch's number and the seeds; threads never matter.

mod build;
mod csr;
mod engine;
mod error;
mod hetero;
mod hetero_graph;
mod neighbor;
mod pick;
pub(crate) mod random;
mod relabel;
mod tensors;
#[cfg(test)]
mod tests;

pub use self::{
    build::NodeIndex,
    csr::HostCsr,
    engine::Scratch,
    error::SamplerError,
    hetero::{HeteroNeighborSampler, HeteroSamplerOutput},
    hetero_graph::{EdgeType, HeteroGraph, NumNeighbors},
    neighbor::{NeighborSampler, NodeSamplerInput, SamplerOutput, TemporalStrategy},
};
