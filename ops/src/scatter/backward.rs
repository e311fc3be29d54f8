//! The gradients of scatter. Those of sums and means are read back by row, those of maxima and
//! minima are those of [`aggregate`](crate::aggregate) along sorted entries.

use burn::backend::{
    AutodiffBackend as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    tensor::{FloatTensor, IntTensor},
};

use crate::{
    CsrTensors, GraphOps, Reduce, Terms,
    aggregate::backward::{aggregate, divide_by_lengths},
    segment_reduce::backward::{Rows, product},
    sort_edges,
};

/// [`crate::scatter`] with its gradient.
pub(crate) fn scatter<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    index: IntTensor<B>,
    size: usize,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    if !x.is_tracked() {
        let x = Autodiff::<B, C>::inner(x);
        return Autodiff::<B, C>::from_inner(B::scatter(x, index, size, reduce));
    }
    if reduce == Reduce::Sum {
        let forward = |x| B::scatter(x, index.clone(), size, reduce);
        return read_back::<B, C>(x, forward, index.clone(), None);
    }
    if reduce == Reduce::Mul {
        return product::<B, C>(x, index, Rows::Anywhere(size));
    }
    let csr = entries::<B>(index.clone(), size, ["scatter", "index", "index"]);
    if reduce == Reduce::Mean {
        let forward = |x| B::aggregate(x, Terms::Ones, csr.clone(), csr.clone(), reduce);
        return read_back::<B, C>(x, forward, index, Some(csr.ptr.clone()));
    }
    let transposed = sort_edges::one_each::<B>(index, size);
    aggregate::<B, C>(x, Terms::Ones, csr, transposed, reduce)
}

/// Entries sorted by `index`, each its own column.
pub(crate) fn entries<B: GraphOps>(
    index: IntTensor<B>,
    size: usize,
    names: [&'static str; 3],
) -> CsrTensors<B> {
    let (ptr, _, edge) = B::sort_edges(index.clone(), index, [size; 2], names);
    sort_edges::unscheduled::<B>((ptr, edge.clone(), edge))
}

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
