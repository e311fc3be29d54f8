//! Edges in either form, for layers that take both.

use burn::tensor::Device;

use crate::{Adjacency, EdgeIndex, leaves::Leaves, value::AnyTensor};

/// The edges that a layer takes: COO or CSR (PyG's `Adj = Union[Tensor, SparseTensor]`).
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved a few times a layer; a box would allocate"
)]
pub enum Edges {
    /// Coordinate form.
    Coo(EdgeIndex),
    /// Compressed form, sorted by destination.
    Csr(Adjacency),
}

impl Edges {
    /// Number of source nodes.
    pub fn num_src(&self) -> usize {
        match self {
            Self::Coo(edges) => edges.num_src(),
            Self::Csr(edges) => edges.num_src(),
        }
    }

    /// Number of destination nodes.
    pub fn num_dst(&self) -> usize {
        match self {
            Self::Coo(edges) => edges.num_dst(),
            Self::Csr(edges) => edges.num_dst(),
        }
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        match self {
            Self::Coo(edges) => edges.num_edges(),
            Self::Csr(edges) => edges.num_edges(),
        }
    }

    /// Where the edges are.
    pub fn device(&self) -> Device {
        match self {
            Self::Coo(edges) => edges.device(),
            Self::Csr(edges) => edges.device(),
        }
    }
}

impl From<EdgeIndex> for Edges {
    fn from(edges: EdgeIndex) -> Self {
        Self::Coo(edges)
    }
}

impl From<&EdgeIndex> for Edges {
    fn from(edges: &EdgeIndex) -> Self {
        Self::Coo(edges.clone())
    }
}

impl From<Adjacency> for Edges {
    fn from(edges: Adjacency) -> Self {
        Self::Csr(edges)
    }
}

impl From<&Adjacency> for Edges {
    fn from(edges: &Adjacency) -> Self {
        Self::Csr(edges.clone())
    }
}

impl From<&Edges> for Edges {
    fn from(edges: &Edges) -> Self {
        edges.clone()
    }
}

impl Leaves for Edges {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        match self {
            Self::Coo(edges) => Self::Coo(edges.map_leaves(name, f)),
            Self::Csr(edges) => Self::Csr(edges.map_leaves(name, f)),
        }
    }
}
