//! The gradient of the softmax among edges.
//!
//! With `a` the output and `g` its gradient,
//!
//! ```text
//! dx[e] = a[e] · (g[e] - Σ { a[k] · g[k] : index[k] = index[e] })
//! ```
//!
//! exact with the small constant in the denominator too, because the maximum is a constant there.

use burn::backend::{
    Backend,
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
struct SegmentSoftmax;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    out: FloatTensor<B>,
    index: IntTensor<B>,
    size: usize,
}

impl<B: GraphOps> Backward<B, 1> for SegmentSoftmax {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let State { out, index, size } = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            let weighted = B::float_mul(out.clone(), grad.clone());
            let mean = B::scatter(weighted, index.clone(), size, Reduce::Sum);
            B::float_mul(out, B::float_sub(grad, B::gather(mean, index)))
        });
    }
}

/// [`crate::segment_softmax`] with its gradient.
pub(crate) fn segment_softmax<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    index: IntTensor<B>,
    size: usize,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    match SegmentSoftmax
        .prepare::<C>([node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let out = B::segment_softmax(x, index.clone(), size);
            prep.finish(
                State {
                    out: out.clone(),
                    index,
                    size,
                },
                out,
            )
        }
        OpsKind::UnTracked(prep) => prep.finish(B::segment_softmax(x, index, size)),
    }
}
