//! The gradients of [`aggregate`](crate::aggregate): those of [`crate::spmm`], along sorted edges.

use burn::backend::{
    AutodiffBackend as _, Backend, Shape, TensorMetadata as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    ops::FloatTensorOps as _,
    tensor::{FloatTensor, IntTensor},
};

use crate::{GraphOps, Reduce, Terms, backend::CsrTensors};

/// The edges both ways.
#[derive(Clone, Debug)]
struct Walks<B: Backend> {
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
    reduce: Reduce,
}

impl<B: GraphOps> Walks<B> {
    /// The gradient before a mean's division.
    fn undo_mean(&self, grad: FloatTensor<B>) -> FloatTensor<B> {
        if self.reduce == Reduce::Mean {
            divide_by_lengths::<B>(grad, &self.csr.ptr)
        } else {
            grad
        }
    }
}

/// Rows divided by the lengths of those that `ptr` bounds.
pub(crate) fn divide_by_lengths<B: GraphOps>(
    grad: FloatTensor<B>,
    ptr: &IntTensor<B>,
) -> FloatTensor<B> {
    if grad.shape().num_elements() == 0 {
        return grad;
    }
    let rows = ptr.shape()[0] - 1;
    let bound = |start: usize| {
        let range = burn::tensor::Slice::from(start..start + rows);
        B::int_slice(ptr.clone(), &[range])
    };
    let count = B::int_sub(bound(1), bound(0));
    let count = B::int_clamp_min(count, 1.into());
    let count = B::int_into_float(count, grad.dtype().into());
    let shape = grad.shape();
    B::float_div(grad, per_row::<B>(count, &shape))
}

/// A vector `[n]` as `[n, 1, ..]`, to meet a tensor of shape `like`.
fn per_row<B: Backend>(vector: FloatTensor<B>, like: &Shape) -> FloatTensor<B> {
    let mut shape = vector.shape();
    while shape.num_dims() < like.num_dims() {
        shape.push(1);
    }
    B::float_reshape(vector, shape)
}

/// `Aᵀ g` without weights.
#[derive(Debug)]
struct Linear;

impl<B: GraphOps> Backward<B, 1> for Linear {
    type State = Walks<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let Walks {
            csr,
            transposed,
            reduce,
        } = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| match reduce {
            Reduce::Mean => {
                let terms = Terms::Shares(csr.ptr.clone());
                B::aggregate(grad, terms, transposed, csr, Reduce::Sum)
            }
            _ => B::aggregate(grad, Terms::Ones, transposed, csr, Reduce::Sum),
        });
    }
}

/// `(Aᵀ + w I) g`, and the inner product of `g` and `x` for `w`.
#[derive(Debug)]
struct WithSelf;

impl<B: GraphOps> Backward<B, 2> for WithSelf {
    /// The edges both ways, the weight, and `x` if the gradient of the weight is asked for.
    type State = (
        CsrTensors<B>,
        CsrTensors<B>,
        FloatTensor<B>,
        Option<FloatTensor<B>>,
    );

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (csr, transposed, weight, x) = ops.state;
        let [x_node, weight_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let (Some(node), Some(x)) = (weight_node, x) {
            // By columns first, and by the same kernels in each run: the bits repeat.
            let columns = B::column_sum(B::float_mul(grad.clone(), x));
            let width = columns.shape()[0];
            let columns = B::float_reshape(columns, Shape::new([width, 1]));
            grads.register::<B>(node.id, B::column_sum(columns));
        }
        if let Some(node) = x_node {
            let dx = B::aggregate(grad, Terms::Own(weight), transposed, csr, Reduce::Sum);
            grads.register::<B>(node.id, dx);
        }
    }
}

/// `S (Aᵀ + w I) S g` with the diagonal of factors `S`.
#[derive(Debug)]
struct Normalized;

impl<B: GraphOps> Backward<B, 1> for Normalized {
    type State = (CsrTensors<B>, CsrTensors<B>, FloatTensor<B>, Option<f64>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (csr, transposed, scale, self_loop) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            let terms = Terms::Nodes { scale, self_loop };
            B::aggregate(grad, terms, transposed, csr, Reduce::Sum)
        });
    }
}

/// `(Aᵀ + L) g` with the diagonal of loops `L`, and the inner products for the weights of edges and
/// loops.
#[derive(Debug)]
struct WithLoops;

impl<B: GraphOps> Backward<B, 3> for WithLoops {
    /// `x`, the weights and the loops, and the edges both ways.
    type State = ([FloatTensor<B>; 3], [CsrTensors<B>; 2]);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let ([x, weight, self_loop], [csr, transposed]) = ops.state;
        let [x_node, weight_node, loop_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = loop_node {
            let products = B::float_mul(grad.clone(), x.clone());
            let shape = self_loop.shape();
            let dot = B::float_reshape(B::float_sum_dim(products, 1), shape);
            grads.register::<B>(node.id, dot);
        }
        if let Some(node) = weight_node {
            let (csr, transposed) = (csr.clone(), transposed.clone());
            let dot = B::edge_dot_csr(grad.clone(), x, csr, transposed);
            grads.register::<B>(node.id, dot);
        }
        if let Some(node) = x_node {
            let terms = Terms::Loops { weight, self_loop };
            let dx = B::aggregate(grad, terms, transposed, csr, Reduce::Sum);
            grads.register::<B>(node.id, dx);
        }
    }
}

/// `Aᵀ g`, and the inner products for the weights.
#[derive(Debug)]
struct Weighted;

impl<B: GraphOps> Backward<B, 2> for Weighted {
    type State = (Walks<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (walks, x, weight) = ops.state;
        let [x_node, weight_node] = ops.parents;
        let grad = walks.undo_mean(grads.consume::<B>(&ops.node));
        let Walks {
            csr, transposed, ..
        } = walks;
        if let Some(node) = weight_node {
            let (csr, transposed) = (csr.clone(), transposed.clone());
            let dot = B::edge_dot_csr(grad.clone(), x, csr, transposed);
            grads.register::<B>(node.id, dot);
        }
        if let Some(node) = x_node {
            let dx = B::aggregate(grad, Terms::Edges(weight), transposed, csr, Reduce::Sum);
            grads.register::<B>(node.id, dx);
        }
    }
}

/// Ties of maxima and minima.
#[derive(Debug)]
struct Extremum;

impl<B: GraphOps> Backward<B, 1> for Extremum {
    type State = (Walks<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (walks, x, out) = ops.state;
        let Walks {
            csr, transposed, ..
        } = walks;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            if grad.shape().num_elements() == 0 {
                return B::match_sum_csr(x, out, grad, transposed);
            }
            let ones = B::float_ones(x.shape(), &x.device(), x.dtype().into());
            let ties = B::match_sum_csr(out.clone(), x.clone(), ones, csr);
            let share = B::float_div(grad, B::float_clamp_min(ties, 1.0.into()));
            B::match_sum_csr(x, out, share, transposed)
        });
    }
}

/// Whether gradients walk the edges the other way. Products, and weighted maxima and minima, are
/// composed of messages, whose gradients are known.
pub(crate) fn walks_back(weighted: bool, reduce: Reduce) -> bool {
    match reduce {
        Reduce::Sum | Reduce::Mean => true,
        Reduce::Max | Reduce::Min => !weighted,
        Reduce::Mul => false,
    }
}

/// [`GraphOps::aggregate`] with its gradients.
pub(crate) fn aggregate<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    terms: Terms<Autodiff<B, C>>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    match terms {
        Terms::Ones => unweighted::<B, C>(x, csr, transposed, reduce),
        Terms::Edges(weight) => weighted::<B, C>(x, weight, csr, transposed, reduce),
        Terms::Nodes { scale, self_loop } => {
            let scale = Autodiff::<B, C>::inner(scale);
            normalized::<B, C>(x, scale, csr, transposed, self_loop)
        }
        Terms::Loops { weight, self_loop } => {
            with_loops::<B, C>([x, weight, self_loop], csr, transposed)
        }
        Terms::Own(weight) => with_own::<B, C>(x, weight, csr, transposed),
        Terms::Shares(ptr) => {
            let (x, terms) = (Autodiff::<B, C>::inner(x), Terms::Shares(ptr));
            Autodiff::<B, C>::from_inner(B::aggregate(x, terms, csr, transposed, reduce))
        }
    }
}

/// [`crate::aggregate`] without weights, with its gradient.
fn unweighted<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    if !walks_back(false, reduce) {
        return composed::<B, C>(x, None, csr, reduce);
    }
    let (x, node) = x.into_parts();
    let walks = Walks {
        csr: csr.clone(),
        transposed: transposed.clone(),
        reduce,
    };
    if matches!(reduce, Reduce::Max | Reduce::Min) {
        return match Extremum.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let out = B::aggregate(x.clone(), Terms::Ones, csr, transposed, reduce);
                prep.finish((walks, x, out.clone()), out)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::aggregate(x, Terms::Ones, csr, transposed, reduce))
            }
        };
    }
    match Linear.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            prep.finish(walks, B::aggregate(x, Terms::Ones, csr, transposed, reduce))
        }
        OpsKind::UnTracked(prep) => {
            prep.finish(B::aggregate(x, Terms::Ones, csr, transposed, reduce))
        }
    }
}

/// [`crate::aggregate_self`] with its gradients.
fn with_own<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let needs_x = weight.is_tracked();
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let (terms, csrs) = (
        Terms::Own(weight.clone()),
        (csr.clone(), transposed.clone()),
    );
    let out = B::aggregate(x.clone(), terms, csr, transposed, Reduce::Sum);
    match WithSelf
        .prepare::<C>([x_node, weight_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((csrs.0, csrs.1, weight, needs_x.then_some(x)), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

/// [`crate::aggregate_normalized`] with its gradient.
fn normalized<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    scale: FloatTensor<B>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
    self_loop: Option<f64>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    let terms = Terms::Nodes {
        scale: scale.clone(),
        self_loop,
    };
    let out = B::aggregate(x, terms, csr.clone(), transposed.clone(), Reduce::Sum);
    match Normalized.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((csr, transposed, scale, self_loop), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

/// [`crate::aggregate_with_loops`] with its gradients.
fn with_loops<B: GraphOps, C: CheckpointStrategy>(
    [x, weight, self_loop]: [FloatTensor<Autodiff<B, C>>; 3],
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let (self_loop, loop_node) = self_loop.into_parts();
    let inputs = [x.clone(), weight.clone(), self_loop.clone()];
    let csrs = [csr.clone(), transposed.clone()];
    let terms = Terms::Loops { weight, self_loop };
    let out = B::aggregate(x, terms, csr, transposed, Reduce::Sum);
    match WithLoops
        .prepare::<C>([x_node, weight_node, loop_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((inputs, csrs), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

/// [`crate::aggregate`] with weights, with its gradients.
fn weighted<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    if !walks_back(true, reduce) {
        return composed::<B, C>(x, Some(weight), csr, reduce);
    }
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    match Weighted
        .prepare::<C>([x_node, weight_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let walks = Walks {
                csr: csr.clone(),
                transposed: transposed.clone(),
                reduce,
            };
            let terms = Terms::Edges(weight.clone());
            let out = B::aggregate(x.clone(), terms, csr, transposed, reduce);
            prep.finish((walks, x, weight), out)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::aggregate(
            x,
            Terms::Edges(weight),
            csr,
            transposed,
            reduce,
        )),
    }
}

fn composed<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: Option<FloatTensor<Autodiff<B, C>>>,
    csr: CsrTensors<B>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    let mut messages = <Autodiff<B, C> as GraphOps>::gather(x, csr.col);
    if let Some(weight) = weight {
        let weight = <Autodiff<B, C> as GraphOps>::gather(weight, csr.edge);
        let weight = per_row::<Autodiff<B, C>>(weight, &messages.shape());
        messages = Autodiff::<B, C>::float_mul(messages, weight);
    }
    <Autodiff<B, C> as GraphOps>::segment_reduce(messages, csr.ptr, reduce)
}
