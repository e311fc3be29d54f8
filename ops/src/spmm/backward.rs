//! The gradients of sparse products: those of [`aggregate`](crate::aggregate), along edges sorted
//! both ways.

use burn::backend::{
    AutodiffBackend as _, TensorMetadata as _,
    autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy},
    tensor::{FloatTensor, IntTensor},
};

use crate::{
    GraphOps, Reduce, Terms,
    aggregate::backward::{aggregate, walks_back},
    sort_edges,
};

/// [`crate::spmm`] with its gradients.
pub(crate) fn spmm<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    src: IntTensor<B>,
    dst: IntTensor<B>,
    weight: Option<FloatTensor<Autodiff<B, C>>>,
    size: usize,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    if !is_tracked::<B, C>(&x, weight.as_ref()) {
        let (x, weight) = inner::<B, C>(x, weight);
        let out = B::spmm(x, src, dst, weight.into(), size, reduce);
        return Autodiff::<B, C>::from_inner(out);
    }
    let (cols, names) = (x.shape()[0], ["spmm", "dst", "src"]);
    let csr =
        sort_edges::unscheduled::<B>(B::sort_edges(dst.clone(), src.clone(), [size, cols], names));
    let transposed = if walks_back(weight.is_some(), reduce) {
        let names = ["spmm", "src", "dst"];
        sort_edges::unscheduled::<B>(B::sort_edges(src, dst, [cols, size], names))
    } else {
        csr.clone()
    };
    aggregate::<B, C>(x, Terms::of_edges(weight), csr, transposed, reduce)
}

/// [`crate::spmm_csr`] with its gradients.
pub(crate) fn spmm_csr<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    rowptr: IntTensor<B>,
    col: IntTensor<B>,
    value: Option<FloatTensor<Autodiff<B, C>>>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    if !is_tracked::<B, C>(&x, value.as_ref()) {
        let (x, value) = inner::<B, C>(x, value);
        let out = B::spmm_csr(x, rowptr, col, value.into(), reduce);
        return Autodiff::<B, C>::from_inner(out);
    }
    let (rows, entries, cols) = (rowptr.shape()[0] - 1, col.shape()[0], x.shape()[0]);
    // These check the pointers and the columns.
    let row = B::ptr_to_index(rowptr.clone(), entries);
    let names = ["spmm_csr", "col", "rowptr"];
    let transposed = B::sort_edges(col.clone(), row, [cols, rows], names);
    let transposed = sort_edges::unscheduled::<B>(transposed);
    let csr = sort_edges::unscheduled::<B>((
        sort_edges::positions_below::<B>(rowptr, entries + 1),
        sort_edges::positions_below::<B>(col.clone(), cols),
        sort_edges::positions::<B>(entries, &col.device()),
    ));
    aggregate::<B, C>(x, Terms::of_edges(value), csr, transposed, reduce)
}

fn is_tracked<B: GraphOps, C: CheckpointStrategy>(
    x: &FloatTensor<Autodiff<B, C>>,
    weight: Option<&FloatTensor<Autodiff<B, C>>>,
) -> bool {
    x.is_tracked() || weight.is_some_and(FloatTensor::<Autodiff<B, C>>::is_tracked)
}

/// The same on the backend below.
fn inner<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: Option<FloatTensor<Autodiff<B, C>>>,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let inner = Autodiff::<B, C>::inner;
    (inner(x), weight.map(inner))
}
