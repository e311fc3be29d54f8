//! The gradient of scatter: that of [`aggregate`](crate::aggregate) along sorted entries.

use burn::backend::{
    AutodiffBackend as _,
    autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy},
    tensor::{FloatTensor, IntTensor},
};

use crate::{CsrTensors, GraphOps, Reduce, Terms, aggregate, sort_edges};

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
    let csr = entries::<B>(index.clone(), size, ["scatter", "index", "index"]);
    let transposed = sort_edges::one_each::<B>(index, size);
    aggregate::backward::aggregate::<B, C>(x, Terms::Ones, csr, transposed, reduce)
}

/// Entries sorted by `index`, each its own column.
pub(crate) fn entries<B: GraphOps>(
    index: IntTensor<B>,
    size: usize,
    names: [&'static str; 3],
) -> CsrTensors<B> {
    let (ptr, _, edge) = B::sort_edges(index.clone(), index, [size; 2], names);
    sort_edges::unscheduled::<B>([ptr, edge.clone(), edge])
}
