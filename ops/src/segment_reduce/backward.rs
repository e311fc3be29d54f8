//! The gradients of segment reduction. Those of sums, means and products are those of
//! [`scatter`](crate::scatter), those of maxima and minima those of [`aggregate`](crate::aggregate)
//! along the rows.

use burn::backend::{
    AutodiffBackend as _, TensorMetadata as _,
    autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy},
    tensor::{FloatTensor, IntTensor},
};

use crate::{
    GraphOps, Reduce, Terms,
    aggregate::backward::aggregate,
    rows::backward::{Rows, product, read_back},
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
