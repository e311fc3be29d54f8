//! The gradients that [`scatter`](crate::scatter) and [`segment_reduce`](crate::segment_reduce)
//! share: of sums and means, read back by row, and of products.
//!
//! With `g` the gradient at the output and `i` the segment of row `e`:
//!
//! ```text
//! mul       dx[e] = g[i] · Π { x[k] : k in segment i, k ≠ e }
//! ```
//!
//! The product without one factor is `out / x` where no row is zero. Where exactly one is, only
//! that row has a gradient: the product of the others. Both come from the product of the non-zero
//! rows and the number of zeros.

use burn::backend::{
    Backend, TensorMetadata as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    get_or_init_device_settings,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use crate::{GraphOps, Reduce, aggregate::backward::divide_by_lengths};

#[derive(Debug)]
struct ReadBack;

impl<B: GraphOps> Backward<B, 1> for ReadBack {
    /// The destination of each row, and where the rows of each begin if they were averaged.
    type State = (IntTensor<B>, Option<IntTensor<B>>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (index, ptr) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            let grad = match ptr {
                Some(ptr) => divide_by_lengths::<B>(grad, &ptr),
                None => grad,
            };
            B::gather(grad, index)
        });
    }
}

/// The sum of rows that `forward` makes, by destination, or the mean, for which `ptr` bounds them.
pub(crate) fn read_back<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    forward: impl FnOnce(FloatTensor<B>) -> FloatTensor<B>,
    index: IntTensor<B>,
    ptr: Option<IntTensor<B>>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    let out = forward(x);
    match ReadBack.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((index, ptr), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

/// Where rows lie that have one destination.
#[derive(Clone, Debug)]
pub(crate) enum Rows<B: Backend> {
    /// Anywhere; the number of destinations.
    Anywhere(usize),
    /// Between these pointers.
    Segments(IntTensor<B>),
}

#[derive(Debug)]
struct Product;

/// Rows, their product, and the destination of each.
#[derive(Clone, Debug)]
struct State<B: Backend> {
    x: FloatTensor<B>,
    out: FloatTensor<B>,
    index: IntTensor<B>,
    rows: Rows<B>,
}

fn reduced<B: GraphOps>(
    x: FloatTensor<B>,
    index: &IntTensor<B>,
    rows: &Rows<B>,
    reduce: Reduce,
) -> FloatTensor<B> {
    match rows {
        Rows::Anywhere(size) => B::scatter(x, index.clone(), *size, reduce),
        Rows::Segments(ptr) => B::segment_reduce(x, ptr.clone(), reduce),
    }
}

impl<B: GraphOps> Backward<B, 1> for Product {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let State {
            x,
            out,
            index,
            rows,
        } = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            if x.shape().num_elements() == 0 || grad.shape().num_elements() == 0 {
                return B::gather(grad, index);
            }
            let is_zero = is_zero::<B>(x.clone());
            let zero = B::bool_into_float(is_zero.clone(), x.dtype().into());
            let nonzero = B::float_mask_fill(x, is_zero, 1.0.into());
            let rest = reduced::<B>(nonzero.clone(), &index, &rows, Reduce::Mul);
            let zeros = reduced::<B>(zero.clone(), &index, &rows, Reduce::Sum);
            let others = B::float_sub(B::gather(zeros, index.clone()), zero);
            let full = B::gather(B::float_mul(grad.clone(), rest), index.clone());
            let full = B::float_div(full, nonzero.clone());
            // Next to a zero it is 0, unless the product is not a number.
            let product = B::gather(B::float_mul(grad, out), index);
            let product = B::float_div(product, nonzero);
            B::float_mask_where(full, not_zero::<B>(others), product)
        });
    }
}

/// The product of the rows that have one destination, `index`, with its gradient.
pub(crate) fn product<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    index: IntTensor<B>,
    rows: Rows<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    let out = reduced::<B>(x.clone(), &index, &rows, Reduce::Mul);
    match Product.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let state = State {
                x,
                out: out.clone(),
                index,
                rows,
            };
            prep.finish(state, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

fn is_zero<B: Backend>(x: FloatTensor<B>) -> BoolTensor<B> {
    let mask = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    B::float_equal_elem(x, 0.0.into(), mask)
}

fn not_zero<B: Backend>(x: FloatTensor<B>) -> BoolTensor<B> {
    let mask = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    B::float_not_equal_elem(x, 0.0.into(), mask)
}
