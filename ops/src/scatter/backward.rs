//! The gradients of scatter. Those of sums and means are read back by row, those of maxima and
//! minima are those of [`aggregate`](crate::aggregate) along sorted entries.

use burn::backend::{
    AutodiffBackend as _,
    autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy},
    tensor::{FloatTensor, IntTensor},
};

use crate::{
    CsrTensors, GraphOps, Reduce, Terms,
    aggregate::backward::aggregate,
    rows::backward::{Rows, product, read_back},
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
