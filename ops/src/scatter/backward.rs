//! The gradient of scatter; formulas in `rows/backward.rs`.

use burn::backend::{
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
struct Scatter;

impl<B: GraphOps> Backward<B, 1> for Scatter {
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

/// [`crate::scatter`] with its gradient.
pub(crate) fn scatter<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    index: IntTensor<B>,
    size: usize,
    reduce: Reduce,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    match Scatter.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let out = B::scatter(x.clone(), index.clone(), size, reduce);
            prep.finish(State::new(x, out.clone(), index, size, reduce), out)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::scatter(x, index, size, reduce)),
    }
}
