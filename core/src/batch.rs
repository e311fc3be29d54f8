//! Several graphs as one: PyG's `Batch`.
//!
//! Graphs of different sizes are laid side by side. Nodes are stacked, edges are shifted by the
//! number of nodes before their graph, so that the adjacency matrix is block-diagonal and no
//! message crosses from one graph to another. `batch` remembers whose each node is:
//!
//! ```text
//! graph 0: 0 -> 1          x     = rows of graph 0, then of graph 1
//! graph 1: 0 -> 2, 1 -> 2  edges = 0 -> 1, 2 -> 4, 3 -> 4
//!                          batch = [0, 0, 1, 1, 1]      ptr = [0, 2, 5]
//! ```

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{
    EdgeIndex, Graph, GraphError,
    integers::{int_dtype, size_to_i64},
};

/// A block-diagonal batch of graphs.
#[derive(Clone, Debug)]
pub struct Batch {
    x: Tensor<2>,
    edges: EdgeIndex,
    edge_weight: Option<Tensor<1>>,
    edge_attr: Option<Tensor<2>>,
    y: Option<Tensor<1, Int>>,
    graph_of_node: Tensor<1, Int>,
    ptr: Vec<usize>,
}

impl Batch {
    /// Joins graphs of equally many features; all or none of them have `edge_weight`, `edge_attr`
    /// and `y`. Masks are left out: a batch is for labels of whole graphs, or of all nodes.
    ///
    /// # Errors
    /// If there is no graph, or one does not go with the first.
    ///
    /// # Panics
    /// If the graphs are on different devices.
    pub fn from_graphs(graphs: &[Graph]) -> Result<Self, GraphError> {
        let Some(first) = graphs.first() else {
            return Err(GraphError::EmptyBatch);
        };
        agree(graphs, "x", |graph| {
            format!("with {} features", graph.num_features())
        })?;
        agree(graphs, "edge_weight", |graph| {
            presence(graph.edge_weight().is_some())
        })?;
        agree(graphs, "edge_attr", |graph| match graph.edge_attr() {
            Some(attr) => format!("with {} features", attr.dims()[1]),
            None => presence(false),
        })?;
        agree(graphs, "y", |graph| presence(graph.y().is_some()))?;
        let each_node = |graph: &Graph| graph.y().is_none_or(|y| y.dims() == [graph.num_nodes()]);
        let whole_graph = |graph: &Graph| graph.y().is_none_or(|y| y.dims() == [1]);
        if !graphs.iter().all(each_node) && !graphs.iter().all(whole_graph) {
            agree(graphs, "y", |graph| {
                let label = if each_node(graph) {
                    "of each node"
                } else {
                    "of the whole graph"
                };
                label.to_owned()
            })?;
        }

        let device = first.device();
        let mut ptr = vec![0];
        let mut nodes = 0;
        let mut owners = Vec::new();
        let mut columns = Vec::with_capacity(graphs.len());
        let total: usize = graphs.iter().map(Graph::num_nodes).sum();
        let dtype = int_dtype(first.edges().tensor().dtype(), total);
        for (position, graph) in (0_i64..).zip(graphs) {
            let shift = size_to_i64(nodes);
            columns.push(graph.edges().tensor().cast(dtype).add_scalar(shift));
            owners.extend(core::iter::repeat_n(position, graph.num_nodes()));
            nodes += graph.num_nodes();
            ptr.push(nodes);
        }
        let owners = TensorData::new(owners, [nodes]);
        Ok(Self {
            x: Tensor::cat(graphs.iter().map(Graph::x).collect(), 0),
            edges: EdgeIndex::new_unchecked(Tensor::cat(columns, 1), nodes, nodes),
            edge_weight: join(graphs.iter().map(Graph::edge_weight), |parts| {
                Tensor::cat(parts, 0)
            }),
            edge_attr: join(graphs.iter().map(Graph::edge_attr), |parts| {
                Tensor::cat(parts, 0)
            }),
            y: join(graphs.iter().map(Graph::y), |parts| Tensor::cat(parts, 0)),
            graph_of_node: Tensor::from_data(owners, &device),
            ptr,
        })
    }

    /// Features of all nodes, `[N, F]`.
    pub fn x(&self) -> Tensor<2> {
        self.x.clone()
    }

    /// Edges of all graphs, numbered through.
    pub fn edges(&self) -> &EdgeIndex {
        &self.edges
    }

    /// One weight an edge, `[E]`.
    pub fn edge_weight(&self) -> Option<Tensor<1>> {
        self.edge_weight.clone()
    }

    /// Features of the edges, `[E, D]`.
    pub fn edge_attr(&self) -> Option<Tensor<2>> {
        self.edge_attr.clone()
    }

    /// Class of each graph, `[num_graphs]`, or of each node, `[N]`: as the graphs had it.
    pub fn y(&self) -> Option<Tensor<1, Int>> {
        self.y.clone()
    }

    /// Graph of each node, `[N]`, ascending from 0.
    pub fn batch(&self) -> Tensor<1, Int> {
        self.graph_of_node.clone()
    }

    /// Position of each graph's first node, and the number of nodes: `num_graphs + 1` entries.
    pub fn ptr(&self) -> &[usize] {
        &self.ptr
    }

    /// Number of graphs, those without nodes included.
    pub fn num_graphs(&self) -> usize {
        self.ptr.len() - 1
    }

    /// Number of nodes of all graphs.
    pub fn num_nodes(&self) -> usize {
        self.x.dims()[0]
    }

    /// Number of edges of all graphs.
    pub fn num_edges(&self) -> usize {
        self.edges.num_edges()
    }

    /// Number of features of a node.
    pub fn num_features(&self) -> usize {
        self.x.dims()[1]
    }

    /// Where the batch is.
    pub fn device(&self) -> Device {
        self.x.device()
    }

    /// The same batch on another device.
    pub fn to_device(self, device: &Device) -> Self {
        Self {
            x: self.x.to_device(device),
            edges: self.edges.to_device(device),
            edge_weight: self.edge_weight.map(|tensor| tensor.to_device(device)),
            edge_attr: self.edge_attr.map(|tensor| tensor.to_device(device)),
            y: self.y.map(|tensor| tensor.to_device(device)),
            graph_of_node: self.graph_of_node.to_device(device),
            ptr: self.ptr,
        }
    }
}

fn presence(present: bool) -> String {
    if present { "present" } else { "absent" }.to_owned()
}

/// Checks that a property is the same for all graphs.
fn agree(
    graphs: &[Graph],
    tensor: &'static str,
    property: impl Fn(&Graph) -> String,
) -> Result<(), GraphError> {
    let mut properties = graphs.iter().map(property).enumerate();
    let Some((_, expected)) = properties.next() else {
        return Ok(());
    };
    match properties.find(|(_, got)| *got != expected) {
        Some((graph, got)) => Err(GraphError::Mixed {
            graph,
            tensor,
            expected,
            got,
        }),
        None => Ok(()),
    }
}

fn join<T>(parts: impl Iterator<Item = Option<T>>, cat: impl FnOnce(Vec<T>) -> T) -> Option<T> {
    parts.collect::<Option<Vec<T>>>().map(cat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(pairs: &[(i64, i64)], nodes: usize, value: f32) -> Graph {
        let device = Device::flex();
        let edges = EdgeIndex::from_pairs(pairs, nodes, &device).unwrap();
        Graph::new(Tensor::full([nodes, 2], value, &device), edges).unwrap()
    }

    fn ints<const D: usize>(tensor: Tensor<D, Int>) -> Vec<i64> {
        tensor.into_data().iter::<i64>().collect()
    }

    #[test]
    fn graphs_lie_side_by_side() {
        let device = Device::flex();
        let label = |graph: Graph, y: i64| graph.with_y(Tensor::from_ints([y], &device)).unwrap();
        let one = label(graph(&[(0, 1)], 2, 1.0), 7);
        let empty = label(graph(&[], 0, 0.0), 9);
        let two = label(graph(&[(0, 2), (1, 2)], 3, 2.0), 8);
        let batch = Batch::from_graphs(&[one, empty, two]).unwrap();
        assert_eq!(
            (batch.num_graphs(), batch.num_nodes(), batch.num_edges()),
            (3, 5, 3)
        );
        assert_eq!(ints(batch.edges().tensor()), [0, 2, 3, 1, 4, 4]);
        assert_eq!(ints(batch.batch()), [0, 0, 2, 2, 2]);
        assert_eq!(ints(batch.y().unwrap()), [7, 9, 8]);
        assert_eq!(batch.ptr(), [0, 2, 2, 5]);
        let x: Vec<f32> = batch.x().into_data().iter::<f32>().collect();
        assert_eq!(x, [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn edge_values_are_stacked() {
        let device = Device::flex();
        let weigh = |graph: Graph, value: f32| {
            let edges = graph.num_edges();
            graph
                .with_edge_weight(Tensor::full([edges], value, &device))
                .and_then(|graph| graph.with_edge_attr(Tensor::full([edges, 1], value, &device)))
                .unwrap()
        };
        let graphs = [
            weigh(graph(&[(0, 0)], 1, 0.0), 1.0),
            weigh(graph(&[(0, 0)], 1, 0.0), 2.0),
        ];
        let batch = Batch::from_graphs(&graphs).unwrap().to_device(&device);
        assert_eq!(batch.device(), device);
        let weight = batch.edge_weight().unwrap().into_data();
        assert_eq!(weight.iter::<f32>().collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!(batch.edge_attr().unwrap().dims(), [2, 1]);
    }

    #[test]
    fn graphs_must_go_together() {
        let device = Device::flex();
        let text = |graphs: &[Graph]| Batch::from_graphs(graphs).unwrap_err().to_string();
        assert_eq!(text(&[]), "expected at least one graph to make a batch of");
        let wide = EdgeIndex::from_pairs(&[], 1, &device).unwrap();
        let wide = Graph::new(Tensor::ones([1, 3], &device), wide).unwrap();
        assert_eq!(
            text(&[graph(&[], 1, 0.0), wide]),
            "graph 1 has `x` with 3 features, expected with 2 features as in graph 0"
        );
        let plain = graph(&[], 3, 0.0);
        let nodes = plain.clone().with_y(Tensor::ones([3], &device)).unwrap();
        let whole = plain.clone().with_y(Tensor::ones([1], &device)).unwrap();
        assert_eq!(
            text(&[nodes.clone(), plain]),
            "graph 1 has `y` absent, expected present as in graph 0"
        );
        assert_eq!(
            text(&[nodes, whole]),
            "graph 1 has `y` of the whole graph, expected of each node as in graph 0"
        );
    }
}
