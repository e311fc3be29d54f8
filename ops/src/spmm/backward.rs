//! The gradients of sparse products. None of them holds messages of size `E × F`.
//!
//! With `A` the weighted adjacency matrix, `g` the gradient at the output (for the mean divided by
//! the number of edges of each row):
//!
//! ```text
//! sum, mean   dx = Aᵀ g,    dw[e] = g[dst[e]] · x[src[e]]
//! max, min    ties[i, f] = |{ e : dst[e] = i, x[src[e], f] = out[i, f] }|
//!             dx[j, f]   = Σ { g[i, f] / ties[i, f] : src[e] = j, dst[e] = i, x[j, f] = out[i, f] }
//! ```
//!
//! Weighted maxima and minima, and products, are composed of gather, a product and scatter, whose
//! gradients are known; only these hold messages.

use burn::backend::{
    Backend, TensorMetadata as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    ops::FloatTensorOps as _,
    tensor::{FloatTensor, IntTensor},
};

use crate::{
    GraphOps, OptionalTensor, Reduce,
    rows::backward::{divide_by_degree, per_row},
};

/// Edges as the gradient sees them, whatever form they came in.
#[derive(Clone, Debug)]
struct Edges<B: Backend> {
    src: IntTensor<B>,
    dst: IntTensor<B>,
    num_src: usize,
    num_dst: usize,
    reduce: Reduce,
}

impl<B: GraphOps> Edges<B> {
    /// The gradient before a mean's division.
    fn undo_mean(&self, grad: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduce {
            Reduce::Mean => divide_by_degree::<B>(grad, self.dst.clone(), self.num_dst),
            Reduce::Sum | Reduce::Max | Reduce::Min | Reduce::Mul => grad,
        }
    }
}

/// `Aᵀ g` without weights.
#[derive(Debug)]
struct Linear;

impl<B: GraphOps> Backward<B, 1> for Linear {
    type State = Edges<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let edges = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            let grad = edges.undo_mean(grad);
            B::spmm(
                grad,
                edges.dst,
                edges.src,
                OptionalTensor::None,
                edges.num_src,
                Reduce::Sum,
            )
        });
    }
}

/// `Aᵀ g`, and the inner products for the weights.
#[derive(Debug)]
struct Weighted;

impl<B: GraphOps> Backward<B, 2> for Weighted {
    type State = (Edges<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (edges, x, weight) = ops.state;
        let [x_node, weight_node] = ops.parents;
        let grad = edges.undo_mean(grads.consume::<B>(&ops.node));
        let Edges {
            src, dst, num_src, ..
        } = edges;
        if let Some(node) = weight_node {
            let dot = B::edge_dot(grad.clone(), x, dst.clone(), src.clone());
            grads.register::<B>(node.id, dot);
        }
        if let Some(node) = x_node {
            let dx = B::spmm(
                grad,
                dst,
                src,
                OptionalTensor::Some(weight),
                num_src,
                Reduce::Sum,
            );
            grads.register::<B>(node.id, dx);
        }
    }
}

/// Ties of maxima and minima.
#[derive(Debug)]
struct Extremum;

impl<B: GraphOps> Backward<B, 1> for Extremum {
    type State = (Edges<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (Edges { src, dst, .. }, x, out) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            if grad.shape().num_elements() == 0 {
                return B::match_sum(x, out, grad, src, dst);
            }
            let ones = B::float_ones(x.shape(), &x.device(), x.dtype().into());
            let ties = B::match_sum(out.clone(), x.clone(), ones, dst.clone(), src.clone());
            let share = B::float_div(grad, B::float_clamp_min(ties, 1.0.into()));
            B::match_sum(x, out, share, src, dst)
        });
    }
}

/// The two forms in which edges come.
#[derive(Clone, Debug)]
enum Form<B: Backend> {
    /// A list; `size` destinations.
    Coo {
        /// Source of each edge.
        src: IntTensor<B>,
        /// Destination of each edge.
        dst: IntTensor<B>,
        /// Number of destinations.
        size: usize,
    },
    /// Compressed rows by destination.
    Csr {
        /// Where each row starts.
        rowptr: IntTensor<B>,
        /// Source of each edge.
        col: IntTensor<B>,
    },
}

impl<B: GraphOps> Form<B> {
    fn forward(
        self,
        x: FloatTensor<B>,
        weight: Option<FloatTensor<B>>,
        reduce: Reduce,
    ) -> FloatTensor<B> {
        match self {
            Self::Coo { src, dst, size } => B::spmm(x, src, dst, weight.into(), size, reduce),
            Self::Csr { rowptr, col } => B::spmm_csr(x, rowptr, col, weight.into(), reduce),
        }
    }

    fn edges(self, num_src: usize, reduce: Reduce) -> Edges<B> {
        match self {
            Self::Coo { src, dst, size } => Edges {
                src,
                dst,
                num_src,
                num_dst: size,
                reduce,
            },
            Self::Csr { rowptr, col } => {
                let num_dst = rowptr.shape()[0] - 1;
                let dst = B::ptr_to_index(rowptr, col.shape()[0]);
                Edges {
                    src: col,
                    dst,
                    num_src,
                    num_dst,
                    reduce,
                }
            }
        }
    }

    /// Messages one by one: for reductions whose gradient needs them.
    fn composed<C: CheckpointStrategy>(
        self,
        x: FloatTensor<Autodiff<B, C>>,
        weight: Option<FloatTensor<Autodiff<B, C>>>,
        reduce: Reduce,
    ) -> FloatTensor<Autodiff<B, C>> {
        let src = match &self {
            Self::Coo { src, .. } => src.clone(),
            Self::Csr { col, .. } => col.clone(),
        };
        let mut messages = <Autodiff<B, C> as GraphOps>::gather(x, src);
        if let Some(weight) = weight {
            let weight = per_row::<Autodiff<B, C>>(weight, &messages.shape());
            messages = Autodiff::<B, C>::float_mul(messages, weight);
        }
        match self {
            Self::Coo { dst, size, .. } => {
                <Autodiff<B, C> as GraphOps>::scatter(messages, dst, size, reduce)
            }
            Self::Csr { rowptr, .. } => {
                <Autodiff<B, C> as GraphOps>::segment_reduce(messages, rowptr, reduce)
            }
        }
    }
}

/// [`crate::spmm`] with its gradients.
pub(crate) fn spmm<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    src: IntTensor<B>,
    dst: IntTensor<B>,
    weight: Option<FloatTensor<Autodiff<B, C>>>,
    size: usize,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    product::<B, C>(x, Form::Coo { src, dst, size }, weight, reduce)
}

/// [`crate::spmm_csr`] with its gradients.
pub(crate) fn spmm_csr<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    rowptr: IntTensor<B>,
    col: IntTensor<B>,
    value: Option<FloatTensor<Autodiff<B, C>>>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    product::<B, C>(x, Form::Csr { rowptr, col }, value, reduce)
}

fn product<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    form: Form<B>,
    weight: Option<FloatTensor<Autodiff<B, C>>>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    match (reduce, weight) {
        (Reduce::Sum | Reduce::Mean, Some(weight)) => weighted::<B, C>(x, form, weight, reduce),
        (Reduce::Sum | Reduce::Mean, None) => {
            let (x, node) = x.into_parts();
            match Linear.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let edges = form.clone().edges(x.shape()[0], reduce);
                    prep.finish(edges, form.forward(x, None, reduce))
                }
                OpsKind::UnTracked(prep) => prep.finish(form.forward(x, None, reduce)),
            }
        }
        (Reduce::Max | Reduce::Min, None) => {
            let (x, node) = x.into_parts();
            match Extremum.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let edges = form.clone().edges(x.shape()[0], reduce);
                    let out = form.forward(x.clone(), None, reduce);
                    prep.finish((edges, x, out.clone()), out)
                }
                OpsKind::UnTracked(prep) => prep.finish(form.forward(x, None, reduce)),
            }
        }
        (_, weight) => form.composed::<C>(x, weight, reduce),
    }
}

fn weighted<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    form: Form<B>,
    weight: FloatTensor<Autodiff<B, C>>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    match Weighted
        .prepare::<C>([x_node, weight_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let edges = form.clone().edges(x.shape()[0], reduce);
            let out = form.forward(x.clone(), Some(weight.clone()), reduce);
            prep.finish((edges, x, weight), out)
        }
        OpsKind::UnTracked(prep) => prep.finish(form.forward(x, Some(weight), reduce)),
    }
}

/// The inner product of two rows per edge.
#[derive(Debug)]
struct EdgeDot;

impl<B: GraphOps> Backward<B, 2> for EdgeDot {
    type State = (FloatTensor<B>, FloatTensor<B>, IntTensor<B>, IntTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (a, b, row, col) = ops.state;
        let [a_node, b_node] = ops.parents;
        let (rows, cols) = (a.shape()[0], b.shape()[0]);
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = a_node {
            let (row, col) = (row.clone(), col.clone());
            let da = B::spmm(
                b,
                col,
                row,
                OptionalTensor::Some(grad.clone()),
                rows,
                Reduce::Sum,
            );
            grads.register::<B>(node.id, da);
        }
        if let Some(node) = b_node {
            let db = B::spmm(a, row, col, OptionalTensor::Some(grad), cols, Reduce::Sum);
            grads.register::<B>(node.id, db);
        }
    }
}

/// [`GraphOps::edge_dot`] with its gradients: sparse products with the edges' gradients as weights.
pub(crate) fn edge_dot<B: GraphOps, C: CheckpointStrategy>(
    a: FloatTensor<Autodiff<B, C>>,
    b: FloatTensor<Autodiff<B, C>>,
    row: IntTensor<B>,
    col: IntTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let (a, a_node) = a.into_parts();
    let (b, b_node) = b.into_parts();
    match EdgeDot
        .prepare::<C>([a_node, b_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let out = B::edge_dot(a.clone(), b.clone(), row.clone(), col.clone());
            prep.finish((a, b, row, col), out)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::edge_dot(a, b, row, col)),
    }
}
