//! The gradients of segment reduction: those of [`scatter`](crate::scatter), and of a product.
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
    AutodiffBackend as _, Backend, TensorMetadata as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    get_or_init_device_settings,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use crate::{
    GraphOps, Reduce, Terms, aggregate::backward::aggregate, scatter::backward::read_back,
    sort_edges,
};

/// [`crate::segment_reduce`] with its gradient.
pub(crate) fn segment_reduce<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    ptr: IntTensor<B>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    if !x.is_tracked() {
        let x = Autodiff::<B, C>::inner(x);
        return Autodiff::<B, C>::from_inner(B::segment_reduce(x, ptr, reduce));
    }
    let (rows, entries) = (ptr.shape()[0] - 1, x.shape()[0]);
    // This checks the pointers.
    let index = B::ptr_to_index(ptr.clone(), entries);
    if reduce == Reduce::Mul {
        return product::<B, C>(x, index, Rows::Segments(ptr));
    }
    if matches!(reduce, Reduce::Sum | Reduce::Mean) {
        let forward = |x| B::segment_reduce(x, ptr.clone(), reduce);
        let bounds = (reduce == Reduce::Mean).then(|| ptr.clone());
        return read_back::<B, C>(x, forward, index, bounds);
    }
    let ptr = sort_edges::positions_below::<B>(ptr, entries + 1);
    let entry = sort_edges::positions::<B>(entries, &ptr.device());
    let csr = sort_edges::unscheduled::<B>((ptr, entry.clone(), entry));
    let transposed = sort_edges::one_each::<B>(index, rows);
    aggregate::<B, C>(x, Terms::Ones, csr, transposed, reduce)
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
