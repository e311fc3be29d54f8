//! The edges of one propagation, seen by target and source.

use core::cell::OnceCell;

use burn::tensor::{Bool, DType, Device, Int, Tensor};
use kiln_core::{AnyTensor, Csr, EdgeForm, Edges, Flow, Walk};

use crate::{
    Reduce, aggregate::along::along, degree, edge_softmax, gather, ptr_to_index, scatter, scope,
    segment_reduce, segment_softmax, sort_edges::sorted,
};

/// The edges of one propagation, seen by target (`i`) and source (`j`).
///
/// Operations that take end points walk the edges in sorted order, which the edges keep from their
/// first use on. In a recording they are written down in terms of the plain lists instead, so that
/// a program has no more inputs than the layer.
#[derive(Debug)]
pub struct Endpoints {
    edges: Edges,
    src: OnceCell<Tensor<1, Int>>,
    dst: OnceCell<Tensor<1, Int>>,
}

impl Endpoints {
    /// The end points of edges.
    pub fn of(edges: impl Into<Edges>) -> Self {
        let ends = Self {
            edges: edges.into(),
            src: OnceCell::new(),
            dst: OnceCell::new(),
        };
        ends.settle();
        ends
    }

    /// The end points of edges whose messages run in the direction of `flow`.
    pub fn new(edges: impl Into<Edges>, flow: Flow) -> Self {
        Self::of(edges.into().with_flow(flow))
    }

    /// The edges.
    pub fn edges(&self) -> &Edges {
        &self.edges
    }

    /// Which way messages run.
    pub fn flow(&self) -> Flow {
        self.edges.flow()
    }

    /// First end point of each edge, whatever the flow. `[E]`
    pub fn src(&self) -> Tensor<1, Int> {
        let src = self.src.get_or_init(|| match self.edges.form() {
            EdgeForm::Coo(edges) => edges.src(),
            EdgeForm::Csr(adjacency) => adjacency.col(),
        });
        src.clone()
    }

    /// Second end point of each edge, whatever the flow. `[E]`
    pub fn dst(&self) -> Tensor<1, Int> {
        let dst = self.dst.get_or_init(|| match self.edges.form() {
            EdgeForm::Coo(edges) => edges.dst(),
            EdgeForm::Csr(adjacency) => ptr_to_index(adjacency.rowptr(), adjacency.num_edges()),
        });
        dst.clone()
    }

    /// Source `j` of the message along each edge: [`src`](Self::src), or [`dst`](Self::dst) where
    /// messages run the other way. `[E]`
    pub fn source(&self) -> Tensor<1, Int> {
        match self.edges.flow() {
            Flow::SourceToTarget => self.src(),
            Flow::TargetToSource => self.dst(),
        }
    }

    /// Target `i` of the message along each edge. `[E]`
    pub fn target(&self) -> Tensor<1, Int> {
        match self.edges.flow() {
            Flow::SourceToTarget => self.dst(),
            Flow::TargetToSource => self.src(),
        }
    }

    /// Number of sources, nodes without edges included.
    pub fn num_sources(&self) -> usize {
        match self.edges.flow() {
            Flow::SourceToTarget => self.edges.num_src(),
            Flow::TargetToSource => self.edges.num_dst(),
        }
    }

    /// Number of targets, nodes without edges included.
    pub fn num_targets(&self) -> usize {
        match self.edges.flow() {
            Flow::SourceToTarget => self.edges.num_dst(),
            Flow::TargetToSource => self.edges.num_src(),
        }
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        self.edges.num_edges()
    }

    /// Whether each edge runs from a node to itself. `[E]`
    pub fn is_loop(&self) -> Tensor<1, Bool> {
        self.src().equal(self.dst())
    }

    /// `x: [E, D]` for what is computed of every edge, but not used of edges from a node to itself.
    ///
    /// Where gradients may be asked for, their rows are zeros, since a gradient of zero times what
    /// is not finite is not zero. Elsewhere `x` stays as it is.
    ///
    /// # Panics
    /// If `x` does not have a row for each edge.
    pub fn without_loops(&self, x: Tensor<2>) -> Tensor<2> {
        if x.device().is_autodiff() || scope::is_recorded(&x) {
            cleared(x, self.is_loop())
        } else {
            x
        }
    }

    /// `x: [N, D]` for what is computed of every source, but not used of nodes without messages.
    ///
    /// Where gradients may be asked for, their rows are zeros, since a gradient of zero times what
    /// is not finite is not zero. Elsewhere `x` stays as it is.
    ///
    /// # Panics
    /// If `x` does not have a row for each source.
    pub fn without_idle(&self, x: Tensor<2>) -> Tensor<2> {
        if x.device().is_autodiff() || scope::is_recorded(&x) {
            let sent = degree(self.source(), self.num_sources());
            cleared(x, sent.equal_elem(0.0))
        } else {
            x
        }
    }

    /// The device of the edges.
    pub fn device(&self) -> Device {
        self.edges.device()
    }

    /// `x_j`: for each edge the row of its source. `x: [N, ..]` gives `[E, ..]`.
    ///
    /// # Panics
    /// If `x` does not have a row for each source.
    pub fn lift_j<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.settle();
        if self.has_sorted_kernels(&x) && x.device().is_autodiff() {
            along(
                x,
                [self.to_source(), edges_of(self.by_source())],
                Reduce::Sum,
            )
        } else {
            gather(x, self.source())
        }
    }

    /// `x_i`: for each edge the row of its target. `x: [n, ..]` gives `[E, ..]`.
    ///
    /// # Panics
    /// If `x` does not have a row for each target.
    pub fn lift_i<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.settle();
        if self.has_sorted_kernels(&x) && x.device().is_autodiff() {
            let walks = [self.to_target(), edges_of(self.by_target())];
            along(x, walks, Reduce::Sum)
        } else {
            gather(x, self.target())
        }
    }

    /// Combines the rows of the edges that share a target. `[E, ..]` gives `[n, ..]`; a node
    /// without edges gets 0, or 1 from a product.
    ///
    /// # Panics
    /// If `rows` does not have a row for each edge.
    pub fn collect<const D: usize>(&self, rows: Tensor<D>, reduce: Reduce) -> Tensor<D> {
        self.settle();
        if self.has_sorted_kernels(&rows) && reduce != Reduce::Mul {
            let by_target = edges_of(self.by_target());
            let back = if rows.device().is_autodiff() {
                self.to_target()
            } else {
                by_target.clone()
            };
            return along(rows, [by_target, back], reduce);
        }
        match (self.edges.form(), self.edges.flow()) {
            (EdgeForm::Csr(adjacency), Flow::SourceToTarget) => {
                segment_reduce(rows, adjacency.rowptr(), reduce)
            }
            _ => scatter(rows, self.target(), self.num_targets(), reduce),
        }
    }

    /// Softmax among the edges that share a target. `[E, H]` gives `[E, H]`; see
    /// [`segment_softmax`].
    pub fn softmax(&self, scores: Tensor<2>) -> Tensor<2> {
        self.settle();
        if self.has_sorted_kernels(&scores) {
            edge_softmax::edge_softmax(scores, &self.by_target())
        } else {
            segment_softmax(scores, self.target(), self.num_targets())
        }
    }

    /// Number of messages that each node receives, as floats. `[n]`
    pub fn degree(&self) -> Tensor<1> {
        degree(self.target(), self.num_targets())
    }

    /// Sum of the weights of the messages that each node receives, or their number where edges have
    /// no weights, of the type and on the device of `like`. `[n]`
    pub fn weighted_degree<const D: usize>(&self, like: &Tensor<D>) -> Tensor<1> {
        match self.edges.weight() {
            Some(weight) => self.collect(weight, Reduce::Sum),
            None => self.degree().to_device(&like.device()).cast(like.dtype()),
        }
    }

    /// Executes what waits for execution on the device, if there are no edges.
    ///
    /// Burn 0.22 joins element-wise operations whose shapes broadcast into one kernel on GPUs. One
    /// without elements leaves that kernel without work, and the others are left out. So what is
    /// computed per node, per edge and of the parameters is kept apart.
    fn settle(&self) {
        if self.num_edges() == 0 {
            // What fails is found where it is read.
            let _ = self.device().flush();
        }
    }

    /// The ends of the edges as a recorded operation takes them: sources and targets.
    pub(crate) fn recorded_ends(&self) -> [AnyTensor; 2] {
        [self.source(), self.target()].map(|end| AnyTensor::from(end.inner()))
    }

    /// What a recorded operation takes: rows of the sources, both ends of the edges, and more.
    pub(crate) fn recorded<const D: usize, const R: usize>(
        &self,
        x: Tensor<D>,
        more: impl IntoIterator<Item = Tensor<R>>,
    ) -> Vec<AnyTensor> {
        let mut inputs = vec![AnyTensor::from(x.inner())];
        inputs.extend(self.recorded_ends());
        inputs.extend(more.into_iter().map(|input| AnyTensor::from(input.inner())));
        inputs
    }

    /// Whether kernels along sorted edges take `x`: not in a recording, and not with more edges
    /// than `i32` can number.
    pub(crate) fn has_sorted_kernels<const D: usize>(&self, x: &Tensor<D>) -> bool {
        let numbers = [self.num_edges() + self.num_targets(), self.num_sources()];
        !scope::is_recorded(x)
            && numbers.iter().all(|&number| i32::try_from(number).is_ok())
            && matches!(
                x.dtype(),
                DType::F32 | DType::F64 | DType::F16 | DType::BF16
            )
    }

    /// The edges sorted by target: what sums at targets walk.
    pub(crate) fn by_target(&self) -> Csr {
        self.sorted(match self.edges.flow() {
            Flow::SourceToTarget => Walk::ByDestination,
            Flow::TargetToSource => Walk::BySource,
        })
    }

    /// The edges sorted by source: what gradients of sums walk.
    pub(crate) fn by_source(&self) -> Csr {
        self.sorted(match self.edges.flow() {
            Flow::SourceToTarget => Walk::BySource,
            Flow::TargetToSource => Walk::ByDestination,
        })
    }

    /// Each edge's target.
    fn to_target(&self) -> Csr {
        self.sorted(match self.edges.flow() {
            Flow::SourceToTarget => Walk::ToDestination,
            Flow::TargetToSource => Walk::ToSource,
        })
    }

    /// Each edge's source.
    fn to_source(&self) -> Csr {
        self.sorted(match self.edges.flow() {
            Flow::SourceToTarget => Walk::ToSource,
            Flow::TargetToSource => Walk::ToDestination,
        })
    }

    /// The edges by source if gradients of `x` may be asked for; otherwise those by target, which
    /// are not read.
    pub(crate) fn transposed_for<const D: usize>(&self, x: &Tensor<D>) -> Csr {
        if x.device().is_autodiff() {
            self.by_source()
        } else {
            self.by_target()
        }
    }

    fn sorted(&self, walk: Walk) -> Csr {
        let build = || sorted(&self.edges, walk);
        match self.edges.form() {
            EdgeForm::Coo(edges) => edges.sorted_or_init(walk, build),
            EdgeForm::Csr(adjacency) => adjacency.sorted_or_init(walk, build),
        }
    }
}

/// The same rows with the edges as columns.
fn edges_of(csr: Csr) -> Csr {
    Csr {
        col: csr.edge.clone(),
        ..csr
    }
}

/// `x: [E, D]` with zeros in the rows for which `rows: [E]` is true.
pub(crate) fn cleared(x: Tensor<2>, rows: Tensor<1, Bool>) -> Tensor<2> {
    // As a shape: sizes in an array must not be 0.
    let shape = x.shape();
    x.mask_fill(rows.unsqueeze_dim::<2>(1).expand(shape), 0.0)
}
