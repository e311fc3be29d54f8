//! Graphs of several node and edge types, and fan-outs for them.

use std::{collections::BTreeMap, sync::Arc};

use super::{HostCsr, SamplerError, error::check_num_neighbors};

/// Source type, relation and target type: `("author", "writes", "paper")`.
pub type EdgeType = (String, String, String);

/// Several node types, and edges between them: what PyG samples of `HeteroData`.
///
/// # Examples
/// ```
/// use kiln_core::sampler::{HeteroGraph, HostCsr};
///
/// let writes = HostCsr::from_coo(&[0_u32, 1, 1], &[0, 0, 2], 2, 3)?;
/// let graph = HeteroGraph::new(&[("author", 2), ("paper", 3)])?
///     .with_edges(("author", "writes", "paper"), writes)?;
/// assert_eq!(graph.num_nodes("paper"), Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct HeteroGraph {
    pub(super) node_types: Vec<String>,
    pub(super) num_nodes: Vec<usize>,
    pub(super) relations: Vec<HeteroEdges>,
}

/// The edges of one type.
#[derive(Clone, Debug)]
pub(super) struct HeteroEdges {
    pub(super) edge_type: EdgeType,
    /// Positions of the node types.
    pub(super) src: usize,
    pub(super) dst: usize,
    pub(super) csr: Arc<HostCsr>,
}

impl HeteroGraph {
    /// Node types and their numbers of nodes.
    ///
    /// # Errors
    /// If a type is there twice.
    pub fn new(nodes: &[(&str, usize)]) -> Result<Self, SamplerError> {
        let mut graph = Self {
            node_types: Vec::new(),
            num_nodes: Vec::new(),
            relations: Vec::new(),
        };
        for &(name, count) in nodes {
            if graph.num_nodes(name).is_some() {
                return Err(SamplerError::TwoOfAType {
                    name: format!("node type {name:?}"),
                });
            }
            graph.node_types.push(name.to_owned());
            graph.num_nodes.push(count);
        }
        Ok(graph)
    }

    /// Adds edges of a type `(src, rel, dst)`.
    ///
    /// # Errors
    /// If the type is there already, a node type is not, or the edges are between other numbers
    /// of nodes than the types have.
    pub fn with_edges(
        mut self,
        edge_type: (&str, &str, &str),
        csr: impl Into<Arc<HostCsr>>,
    ) -> Result<Self, SamplerError> {
        let csr = csr.into();
        let edge_type = owned(edge_type);
        let src = self.node_type(&edge_type.0)?;
        let dst = self.node_type(&edge_type.2)?;
        if self.relation(&edge_type).is_ok() {
            return Err(SamplerError::TwoOfAType {
                name: format!("edge type {}", show(&edge_type)),
            });
        }
        let ends = [
            ("source", src, csr.num_src()),
            ("target", dst, csr.num_dst()),
        ];
        for (side, node_type, got) in ends {
            let expected = self.num_nodes[node_type];
            if got != expected {
                return Err(SamplerError::NumNodes {
                    edge_type: show(&edge_type),
                    side,
                    node_type: self.node_types[node_type].clone(),
                    expected,
                    got,
                });
            }
        }
        self.relations.push(HeteroEdges {
            edge_type,
            src,
            dst,
            csr,
        });
        Ok(self)
    }

    /// Names of the node types.
    pub fn node_types(&self) -> &[String] {
        &self.node_types
    }

    /// The edge types, in the order in which each hop walks them.
    pub fn edge_types(&self) -> impl Iterator<Item = &EdgeType> {
        self.relations.iter().map(|edges| &edges.edge_type)
    }

    /// Number of nodes of a type.
    pub fn num_nodes(&self, node_type: &str) -> Option<usize> {
        let position = self.node_types.iter().position(|name| name == node_type)?;
        Some(self.num_nodes[position])
    }

    /// Position of a node type.
    pub(super) fn node_type(&self, name: &str) -> Result<usize, SamplerError> {
        let position = self.node_types.iter().position(|known| known == name);
        position.ok_or_else(|| SamplerError::UnknownNodeType {
            name: name.to_owned(),
            known: self.node_types.join(", "),
        })
    }

    /// Position of an edge type.
    pub(super) fn relation(&self, name: &EdgeType) -> Result<usize, SamplerError> {
        let position = self.edge_types().position(|known| known == name);
        position.ok_or_else(|| SamplerError::UnknownEdgeType {
            name: show(name),
            known: self.edge_types().map(show).collect::<Vec<_>>().join(", "),
        })
    }
}

/// An edge type that owns its names.
pub(super) fn owned((src, rel, dst): (&str, &str, &str)) -> EdgeType {
    (src.to_owned(), rel.to_owned(), dst.to_owned())
}

/// An edge type as messages show it.
pub(super) fn show((src, rel, dst): &EdgeType) -> String {
    format!("({src}, {rel}, {dst})")
}

/// Fan-outs of each hop, by edge type: PyG's `NumNeighbors`.
#[derive(Clone, Debug)]
pub struct NumNeighbors {
    default: Vec<i64>,
    by_type: BTreeMap<EdgeType, Vec<i64>>,
}

impl NumNeighbors {
    /// The same fan-outs for every edge type.
    pub fn new(default: &[i64]) -> Self {
        Self {
            default: default.to_vec(),
            by_type: BTreeMap::new(),
        }
    }

    /// Other fan-outs for one edge type.
    pub fn with(mut self, edge_type: (&str, &str, &str), num_neighbors: &[i64]) -> Self {
        self.by_type
            .insert(owned(edge_type), num_neighbors.to_vec());
        self
    }

    /// Fan-outs of each relation of a graph.
    pub(super) fn resolve(&self, graph: &HeteroGraph) -> Result<Vec<Vec<i64>>, SamplerError> {
        for edge_type in self.by_type.keys() {
            graph.relation(edge_type)?;
        }
        let of = |edge_type| self.by_type.get(edge_type).unwrap_or(&self.default).clone();
        let all: Vec<Vec<i64>> = graph.edge_types().map(of).collect();
        for (num_neighbors, edge_type) in all.iter().zip(graph.edge_types()) {
            check_num_neighbors(num_neighbors)?;
            if num_neighbors.len() != all[0].len() {
                return Err(SamplerError::NumHops {
                    edge_type: show(edge_type),
                    expected: all[0].len(),
                    got: num_neighbors.len(),
                });
            }
        }
        Ok(all)
    }
}
