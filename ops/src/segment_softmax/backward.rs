//! The gradient of the softmax among the rows of a destination: that of the softmax along sorted
//! edges.

use burn::backend::{
    AutodiffBackend as _,
    autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy},
    tensor::{FloatTensor, IntTensor},
};

use crate::{GraphOps, edge_softmax, scatter::backward::entries};

/// [`crate::segment_softmax`] with its gradient.
pub(crate) fn segment_softmax<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    index: IntTensor<B>,
    size: usize,
) -> FloatTensor<Autodiff<B, C>> {
    if !x.is_tracked() {
        let x = Autodiff::<B, C>::inner(x);
        return Autodiff::<B, C>::from_inner(B::segment_softmax(x, index, size));
    }
    let csr = entries::<B>(index, size, ["segment_softmax", "index", "index"]);
    edge_softmax::backward::edge_softmax::<B, C>(x, csr)
}
