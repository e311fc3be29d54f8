//! Edges in COO or CSR form with their weights or features: the argument of layers.

use burn::tensor::{Device, Int, Tensor};

use crate::{Adjacency, EdgeIndex, Flow, Nodes, any_tensor::AnyTensor, leaves::Leaves};

/// The end points of edges: COO or CSR (PyG's `Adj = Union[Tensor, SparseTensor]`).
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved a few times per layer; a box would allocate"
)]
pub enum EdgeForm {
    /// Coordinate form.
    Coo(EdgeIndex),
    /// Compressed form, sorted by target.
    Csr(Adjacency),
}

/// The edges that a layer takes: their end points, what each carries, and which way messages run.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_core::{EdgeIndex, Edges, Flow};
///
/// let device = Device::flex();
/// let index = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let edges = Edges::from(&index)
///     .with_weight(Tensor::ones([2], &device))
///     .with_flow(Flow::TargetToSource);
/// assert_eq!(edges.num_edges(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Edges {
    form: EdgeForm,
    weight: Option<Tensor<1>>,
    attr: Option<Tensor<2>>,
    ty: Option<Tensor<1, Int>>,
    flow: Flow,
}

impl Edges {
    /// PyG's names of what edges carry: weights, features and types.
    pub const CARRIED: [&'static str; 3] = ["edge_weight", "edge_attr", "edge_type"];

    fn new(form: EdgeForm) -> Self {
        Self {
            form,
            weight: None,
            attr: None,
            ty: None,
            flow: Flow::default(),
        }
    }

    /// The same edges with a weight each, `[E]`. An adjacency gets them as its values.
    ///
    /// # Panics
    /// If there is not one weight per edge.
    pub fn with_weight(mut self, weight: impl Into<Option<Tensor<1>>>) -> Self {
        let weight = weight.into();
        if let Some(weight) = &weight {
            let (edges, got) = (self.num_edges(), weight.dims()[0]);
            assert!(
                got == edges,
                "expected one weight for each of {edges} edges, got {got} weights"
            );
        }
        match self.form {
            EdgeForm::Coo(_) => self.weight = weight,
            EdgeForm::Csr(adjacency) => {
                self.form = EdgeForm::Csr(adjacency.with_value(weight));
            }
        }
        self
    }

    /// The same edges with features, `[E, D]`.
    ///
    /// # Panics
    /// If there is not one row per edge.
    pub fn with_attr(mut self, attr: impl Into<Option<Tensor<2>>>) -> Self {
        self.attr = attr.into();
        if let Some(attr) = &self.attr {
            let (edges, got) = (self.num_edges(), attr.dims()[0]);
            assert!(
                got == edges,
                "expected one row of features for each of {edges} edges, got {got} rows"
            );
        }
        self
    }

    /// The same edges with a type each, `[E]`: the number of a relation.
    ///
    /// # Panics
    /// If there is not one type per edge.
    pub fn with_type(mut self, edge_type: impl Into<Option<Tensor<1, Int>>>) -> Self {
        self.ty = edge_type.into();
        if let Some(ty) = &self.ty {
            let (edges, got) = (self.num_edges(), ty.dims()[0]);
            assert!(
                got == edges,
                "expected one type for each of {edges} edges, got {got} types"
            );
        }
        self
    }

    /// The same edges with messages that run the given way.
    pub fn with_flow(mut self, flow: Flow) -> Self {
        self.flow = flow;
        self
    }

    /// The same end points and flow, without weights, features and types.
    pub fn bare(&self) -> Self {
        Self {
            weight: None,
            attr: None,
            ty: None,
            ..self.clone()
        }
    }

    /// The end points.
    pub fn form(&self) -> &EdgeForm {
        &self.form
    }

    /// Weight of each edge, `[E]`: of an adjacency its values.
    pub fn weight(&self) -> Option<Tensor<1>> {
        match &self.form {
            EdgeForm::Coo(_) => self.weight.clone(),
            EdgeForm::Csr(adjacency) => adjacency.value(),
        }
    }

    /// Features of each edge, `[E, D]`.
    pub fn attr(&self) -> Option<Tensor<2>> {
        self.attr.clone()
    }

    /// Type of each edge, `[E]`.
    pub fn edge_type(&self) -> Option<Tensor<1, Int>> {
        self.ty.clone()
    }

    /// Which way messages run.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// The features at both ends of messages: `x_j` where they start, and `x_i`, which may be
    /// absent, where they arrive.
    ///
    /// # Panics
    /// If messages run from target to source and a pair lacks the targets' features.
    pub fn ends(&self, x: Nodes) -> (Tensor<2>, Option<Tensor<2>>) {
        self.flow.ends(x)
    }

    /// Whether the edges are in compressed form.
    pub fn is_csr(&self) -> bool {
        matches!(self.form, EdgeForm::Csr(_))
    }

    /// Number of source nodes.
    pub fn num_src(&self) -> usize {
        match &self.form {
            EdgeForm::Coo(edges) => edges.num_src(),
            EdgeForm::Csr(edges) => edges.num_src(),
        }
    }

    /// Number of target nodes.
    pub fn num_dst(&self) -> usize {
        match &self.form {
            EdgeForm::Coo(edges) => edges.num_dst(),
            EdgeForm::Csr(edges) => edges.num_dst(),
        }
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        match &self.form {
            EdgeForm::Coo(edges) => edges.num_edges(),
            EdgeForm::Csr(edges) => edges.num_edges(),
        }
    }

    /// Where the edges are.
    pub fn device(&self) -> Device {
        match &self.form {
            EdgeForm::Coo(edges) => edges.device(),
            EdgeForm::Csr(edges) => edges.device(),
        }
    }
}

impl From<EdgeForm> for Edges {
    fn from(form: EdgeForm) -> Self {
        Self::new(form)
    }
}

impl From<EdgeIndex> for Edges {
    fn from(edges: EdgeIndex) -> Self {
        Self::new(EdgeForm::Coo(edges))
    }
}

impl From<&EdgeIndex> for Edges {
    fn from(edges: &EdgeIndex) -> Self {
        edges.clone().into()
    }
}

impl From<Adjacency> for Edges {
    fn from(edges: Adjacency) -> Self {
        Self::new(EdgeForm::Csr(edges))
    }
}

impl From<&Adjacency> for Edges {
    fn from(edges: &Adjacency) -> Self {
        edges.clone().into()
    }
}

impl From<&Edges> for Edges {
    fn from(edges: &Edges) -> Self {
        edges.clone()
    }
}

/// The end points under the name given, then `edge_weight`, `edge_attr` and `edge_type` where edges
/// have them.
impl Leaves for Edges {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            form: match self.form {
                EdgeForm::Coo(edges) => EdgeForm::Coo(edges.map_leaves(name, f)),
                EdgeForm::Csr(edges) => EdgeForm::Csr(edges.map_leaves(name, f)),
            },
            weight: self.weight.map_leaves("edge_weight", f),
            attr: self.attr.map_leaves("edge_attr", f),
            ty: self.ty.map_leaves("edge_type", f),
            flow: self.flow,
        }
    }
}
