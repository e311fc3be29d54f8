//! The gradient of segment reduction: that of scatter, with the destinations written out.

use burn::backend::{
    TensorMetadata as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    tensor::{FloatTensor, IntTensor},
};

use crate::{GraphOps, Reduce, rows::backward::State};

#[derive(Debug)]
struct SegmentReduce;

impl<B: GraphOps> Backward<B, 1> for SegmentReduce {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            state.input_gradient(grad)
        });
    }
}

/// [`crate::segment_reduce`] with its gradient.
pub(crate) fn segment_reduce<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    ptr: IntTensor<B>,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    match SegmentReduce
        .prepare::<C>([node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let (rows, entries) = (ptr.shape()[0] - 1, x.shape()[0]);
            let out = B::segment_reduce(x.clone(), ptr.clone(), reduce);
            let index = B::ptr_to_index(ptr, entries);
            prep.finish(State::new(x, out.clone(), index, rows, reduce), out)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::segment_reduce(x, ptr, reduce)),
    }
}
