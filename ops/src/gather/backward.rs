//! The gradient of gather: rows are added back to where they came from.

use burn::backend::{
    Backend, TensorMetadata as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    tensor::{FloatTensor, IntTensor},
};

use crate::{GraphOps, Reduce};

#[derive(Debug)]
struct Gather;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    index: IntTensor<B>,
    rows: usize,
}

impl<B: GraphOps> Backward<B, 1> for Gather {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let State { index, rows } = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::scatter(grad, index, rows, Reduce::Sum)
        });
    }
}

/// [`crate::gather`] with its gradient.
pub(crate) fn gather<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    index: IntTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    let rows = x.shape()[0];
    match Gather.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let out = B::gather(x, index.clone());
            prep.finish(State { index, rows }, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::gather(x, index)),
    }
}
