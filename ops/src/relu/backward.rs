//! ReLU where gradients are tracked.

use burn::backend::{
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    tensor::FloatTensor,
};

use crate::GraphOps;

#[derive(Debug)]
struct Rectify;

impl<B: GraphOps> Backward<B, 1> for Rectify {
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        // An element is positive where its positive part is.
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::relu_backward(ops.state, grad)
        });
    }
}

/// [`GraphOps::rectify`] with its gradient.
pub(crate) fn rectify<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    let out = B::rectify(x);
    match Rectify.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(out.clone(), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
