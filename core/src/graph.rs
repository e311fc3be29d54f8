//! One graph with everything a training loop needs of it: PyG's `Data`.
//!
//! ```text
//! N nodes · E edges · F features of a node · D features of an edge
//!
//! x            [N, F]     features of the nodes
//! edges        [2, E]     an EdgeIndex
//! edge_weight  [E]        one number per edge
//! edge_attr    [E, D]     several numbers per edge
//! y            [N] or [1] class of each node, or of the whole graph
//! *_mask       [N]        which nodes to train, validate and test on
//! ```

use burn::tensor::{Bool, Device, Int, Tensor};

use crate::{EdgeIndex, GraphError};

/// A graph of one node set, with features, labels and masks that agree in number.
///
/// [`Graph::new`] takes what every graph has; the `with_` methods add the rest and check it against
/// the numbers of nodes and edges. Getters hand out tensors, which are cheap to clone.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Graph};
///
/// # fn main() -> Result<(), kiln_core::GraphError> {
/// # #[cfg(feature = "flex")] {
/// let device = Device::flex();
/// let edges = EdgeIndex::from_pairs(&[(0, 1), (1, 0), (1, 2), (2, 1)], 3, &device)?;
/// let graph = Graph::new(Tensor::from_floats([[-1.0], [0.0], [1.0]], &device), edges)?
///     .with_y(Tensor::from_ints([0, 1, 0], &device))?;
/// assert_eq!((graph.num_nodes(), graph.num_edges(), graph.num_features()), (3, 4, 1));
/// assert!(graph.is_undirected());
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    x: Tensor<2>,
    edges: EdgeIndex,
    edge_weight: Option<Tensor<1>>,
    edge_attr: Option<Tensor<2>>,
    y: Option<Tensor<1, Int>>,
    train_mask: Option<Tensor<1, Bool>>,
    val_mask: Option<Tensor<1, Bool>>,
    test_mask: Option<Tensor<1, Bool>>,
}

impl Graph {
    /// A graph of the given features and edges.
    ///
    /// # Shapes
    /// - x: `[N, F]`, float
    /// - edges: `N` sources, `N` targets
    ///
    /// # Errors
    /// If the number of nodes differs between `x` and `edges`.
    pub fn new(x: Tensor<2>, edges: EdgeIndex) -> Result<Self, GraphError> {
        let got = x.dims();
        let (num_src, num_dst) = (edges.num_src(), edges.num_dst());
        if [num_src, num_dst] != [got[0]; 2] {
            let expected = if num_src == num_dst {
                format!("[{num_src}, F]")
            } else {
                format!("one node set, not {num_src} sources and {num_dst} targets")
            };
            return Err(GraphError::Shape {
                tensor: "x",
                expected,
                got: got.to_vec(),
            });
        }
        Ok(Self {
            x,
            edges,
            edge_weight: None,
            edge_attr: None,
            y: None,
            train_mask: None,
            val_mask: None,
            test_mask: None,
        })
    }

    /// Adds one weight per edge, `[E]`.
    ///
    /// # Errors
    /// If there is not one per edge.
    pub fn with_edge_weight(mut self, weight: Tensor<1>) -> Result<Self, GraphError> {
        expect_rows("edge_weight", weight.dims(), &[self.num_edges()])?;
        self.edge_weight = Some(weight);
        Ok(self)
    }

    /// Adds several features an edge, `[E, D]`.
    ///
    /// # Errors
    /// If there is not one row per edge.
    pub fn with_edge_attr(mut self, attr: Tensor<2>) -> Result<Self, GraphError> {
        expect_rows("edge_attr", attr.dims(), &[self.num_edges()])?;
        self.edge_attr = Some(attr);
        Ok(self)
    }

    /// Adds the class of each node, `[N]`, or of the whole graph, `[1]`.
    ///
    /// # Errors
    /// If there are neither `N` nor one.
    pub fn with_y(mut self, y: Tensor<1, Int>) -> Result<Self, GraphError> {
        expect_rows("y", y.dims(), &[self.num_nodes(), 1])?;
        self.y = Some(y);
        Ok(self)
    }

    /// Adds the nodes to train on, `[N]`.
    ///
    /// # Errors
    /// If there is not one entry per node.
    pub fn with_train_mask(mut self, mask: Tensor<1, Bool>) -> Result<Self, GraphError> {
        expect_rows("train_mask", mask.dims(), &[self.num_nodes()])?;
        self.train_mask = Some(mask);
        Ok(self)
    }

    /// Adds the nodes to choose a model by, `[N]`.
    ///
    /// # Errors
    /// If there is not one entry per node.
    pub fn with_val_mask(mut self, mask: Tensor<1, Bool>) -> Result<Self, GraphError> {
        expect_rows("val_mask", mask.dims(), &[self.num_nodes()])?;
        self.val_mask = Some(mask);
        Ok(self)
    }

    /// Adds the nodes to report accuracy of, `[N]`.
    ///
    /// # Errors
    /// If there is not one entry per node.
    pub fn with_test_mask(mut self, mask: Tensor<1, Bool>) -> Result<Self, GraphError> {
        expect_rows("test_mask", mask.dims(), &[self.num_nodes()])?;
        self.test_mask = Some(mask);
        Ok(self)
    }

    /// Features of the nodes, `[N, F]`.
    pub fn x(&self) -> Tensor<2> {
        self.x.clone()
    }

    /// The edges.
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

    /// Class of each node, `[N]`, or of the whole graph, `[1]`.
    pub fn y(&self) -> Option<Tensor<1, Int>> {
        self.y.clone()
    }

    /// The nodes to train on, `[N]`.
    pub fn train_mask(&self) -> Option<Tensor<1, Bool>> {
        self.train_mask.clone()
    }

    /// The nodes to choose a model by, `[N]`.
    pub fn val_mask(&self) -> Option<Tensor<1, Bool>> {
        self.val_mask.clone()
    }

    /// The nodes to report accuracy of, `[N]`.
    pub fn test_mask(&self) -> Option<Tensor<1, Bool>> {
        self.test_mask.clone()
    }

    /// Number of nodes, `N`.
    pub fn num_nodes(&self) -> usize {
        self.x.dims()[0]
    }

    /// Number of edges, `E`; each direction counts.
    pub fn num_edges(&self) -> usize {
        self.edges.num_edges()
    }

    /// Number of features of a node, `F`.
    pub fn num_features(&self) -> usize {
        self.x.dims()[1]
    }

    /// Number of features of an edge, `D`; 0 without `edge_attr`.
    pub fn num_edge_features(&self) -> usize {
        self.edge_attr.as_ref().map_or(0, |attr| attr.dims()[1])
    }

    /// Number of classes: the highest label and one, 0 without labels. Reads `y`.
    pub fn num_classes(&self) -> usize {
        let Some(y) = self.y() else { return 0 };
        let highest = y.into_data().iter::<i64>().max();
        highest
            .and_then(|label| usize::try_from(label).ok())
            .map_or(0, |label| label + 1)
    }

    /// Whether an edge leads from a node to itself. Reads the edges.
    pub fn has_self_loops(&self) -> bool {
        self.pairs().iter().any(|(src, dst)| src == dst)
    }

    /// Whether a node has no edge, self loops aside. Reads the edges.
    pub fn has_isolated_nodes(&self) -> bool {
        let mut touched = vec![false; self.num_nodes()];
        let mut touch = |node: i64| {
            if let Some(flag) = usize::try_from(node)
                .ok()
                .and_then(|node| touched.get_mut(node))
            {
                *flag = true;
            }
        };
        for (src, dst) in self.pairs() {
            if src != dst {
                touch(src);
                touch(dst);
            }
        }
        touched.contains(&false)
    }

    /// Whether every edge has its opposite, with the same `edge_attr` where there is one. Reads
    /// the edges and their features.
    pub fn is_undirected(&self) -> bool {
        let pairs = self.pairs();
        let mut forth: Vec<usize> = (0..pairs.len()).collect();
        let mut back = forth.clone();
        forth.sort_by_key(|&edge| pairs[edge]);
        back.sort_by_key(|&edge| (pairs[edge].1, pairs[edge].0));
        let opposite = |(&one, &other): (&usize, &usize)| {
            pairs[one].0 == pairs[other].1 && pairs[one].1 == pairs[other].0
        };
        if !forth.iter().zip(&back).all(opposite) {
            return false;
        }
        let (Some(attr), width @ 1..) = (self.edge_attr(), self.num_edge_features()) else {
            return true;
        };
        let attr: Vec<f64> = attr.into_data().iter::<f64>().collect();
        let bits = |edge: usize| {
            attr[edge * width..][..width]
                .iter()
                .map(|value| value.to_bits())
        };
        forth
            .iter()
            .zip(&back)
            .all(|(&one, &other)| bits(one).eq(bits(other)))
    }

    /// Where the graph is.
    pub fn device(&self) -> Device {
        self.x.device()
    }

    /// The same graph on another device. As with Burn's tensors, autodiff stays as it is: data need
    /// none, they are constants beside parameters that have it.
    pub fn to_device(self, device: &Device) -> Self {
        Self {
            x: self.x.to_device(device),
            edges: self.edges.to_device(device),
            edge_weight: self.edge_weight.map(|tensor| tensor.to_device(device)),
            edge_attr: self.edge_attr.map(|tensor| tensor.to_device(device)),
            y: self.y.map(|tensor| tensor.to_device(device)),
            train_mask: self.train_mask.map(|tensor| tensor.to_device(device)),
            val_mask: self.val_mask.map(|tensor| tensor.to_device(device)),
            test_mask: self.test_mask.map(|tensor| tensor.to_device(device)),
        }
    }

    fn pairs(&self) -> Vec<(i64, i64)> {
        let indices: Vec<i64> = self.edges.tensor().into_data().iter::<i64>().collect();
        let (src, dst) = indices.split_at(indices.len() / 2);
        src.iter().copied().zip(dst.iter().copied()).collect()
    }
}

/// Checks the length of axis 0 against the lengths that are allowed.
fn expect_rows<const D: usize>(
    tensor: &'static str,
    got: [usize; D],
    allowed: &[usize],
) -> Result<(), GraphError> {
    if allowed.contains(&got[0]) {
        return Ok(());
    }
    let rest = if D > 1 { ", D" } else { "" };
    let expected: Vec<String> = allowed
        .iter()
        .map(|rows| format!("[{rows}{rest}]"))
        .collect();
    Err(GraphError::Shape {
        tensor,
        expected: expected.join(" or "),
        got: got.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(pairs: &[(i64, i64)], nodes: usize) -> Graph {
        let device = Device::flex();
        let edges = EdgeIndex::from_pairs(pairs, nodes, &device).unwrap();
        Graph::new(Tensor::ones([nodes, 2], &device), edges).unwrap()
    }

    fn text(result: Result<Graph, GraphError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn numbers_of_nodes_must_agree() {
        let device = Device::flex();
        let x = Tensor::<2>::ones([4, 2], &device);
        let edges = EdgeIndex::from_pairs(&[(0, 1)], 3, &device).unwrap();
        assert_eq!(
            text(Graph::new(x.clone(), edges)),
            "`x` has shape [4, 2], expected [3, F]"
        );
        let edges = EdgeIndex::from_arrays(&[0], &[0], 4, 2, &device).unwrap();
        assert_eq!(
            text(Graph::new(x, edges)),
            "`x` has shape [4, 2], expected one node set, not 4 sources and 2 targets"
        );
    }

    #[test]
    fn every_part_is_checked() {
        let device = Device::flex();
        let graph = graph(&[(0, 1), (1, 0)], 3);
        let clone = || graph.clone();
        let mask = || Tensor::<1, Bool>::from_data([true, false], &device);
        assert_eq!(
            text(clone().with_edge_weight(Tensor::ones([3], &device))),
            "`edge_weight` has shape [3], expected [2]"
        );
        assert_eq!(
            text(clone().with_edge_attr(Tensor::ones([3, 5], &device))),
            "`edge_attr` has shape [3, 5], expected [2, D]"
        );
        assert_eq!(
            text(clone().with_y(Tensor::ones([2], &device))),
            "`y` has shape [2], expected [3] or [1]"
        );
        assert!(text(clone().with_train_mask(mask())).contains("`train_mask`"));
        assert!(text(clone().with_val_mask(mask())).contains("`val_mask`"));
        assert!(text(clone().with_test_mask(mask())).contains("`test_mask`"));
    }

    #[test]
    fn structure_is_recognised() {
        let path = graph(&[(0, 1), (1, 0), (1, 2), (2, 1)], 3);
        assert!(path.is_undirected() && !path.has_self_loops() && !path.has_isolated_nodes());
        let arrow = graph(&[(0, 1), (2, 2)], 3);
        assert!(!arrow.is_undirected() && arrow.has_self_loops() && arrow.has_isolated_nodes());
        let cycle = graph(&[(0, 1), (1, 2), (2, 0)], 3);
        assert!(!cycle.is_undirected());
        let nothing = graph(&[], 0);
        assert!(nothing.is_undirected() && !nothing.has_isolated_nodes());
    }

    #[test]
    fn features_of_both_directions_must_agree() {
        let pair = graph(&[(0, 1), (1, 0)], 2);
        let attr = |values| Tensor::<2>::from_floats(values, &Device::flex());
        assert!(
            pair.clone()
                .with_edge_attr(attr([[1.0], [1.0]]))
                .unwrap()
                .is_undirected()
        );
        assert!(
            !pair
                .with_edge_attr(attr([[1.0], [2.0]]))
                .unwrap()
                .is_undirected()
        );
    }

    #[test]
    fn classes_are_counted() {
        let device = Device::flex();
        let graph = graph(&[], 3);
        assert_eq!(graph.num_classes(), 0);
        let graph = graph.with_y(Tensor::from_ints([0, 4, 1], &device)).unwrap();
        assert_eq!(graph.num_classes(), 5);
    }

    #[test]
    fn a_graph_moves_whole() {
        let device = Device::flex();
        let mask = || Tensor::<1, Bool>::from_data([true, false], &device);
        let graph = graph(&[(0, 1)], 2)
            .with_edge_weight(Tensor::ones([1], &device))
            .and_then(|graph| graph.with_edge_attr(Tensor::ones([1, 3], &device)))
            .and_then(|graph| graph.with_y(Tensor::from_ints([1, 0], &device)))
            .and_then(|graph| graph.with_train_mask(mask()))
            .and_then(|graph| graph.with_val_mask(mask()))
            .and_then(|graph| graph.with_test_mask(mask()))
            .unwrap()
            .to_device(&device);
        assert_eq!(graph.device(), device);
        assert_eq!(graph.num_edge_features(), 3);
        assert!(graph.edge_weight().is_some() && graph.test_mask().is_some());
        assert!(graph.val_mask().is_some() && graph.train_mask().is_some());
    }
}
