//! The gradient of the softmax among edges: `dx = a · (g - Σ a · g)`, the sum over the target's
//! edges.

use burn::backend::{
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    tensor::FloatTensor,
};

use crate::{GraphOps, backend::CsrTensors};

#[derive(Debug)]
struct EdgeSoftmax;

impl<B: GraphOps> Backward<B, 1> for EdgeSoftmax {
    type State = (FloatTensor<B>, CsrTensors<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (out, csr) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::edge_softmax_backward(out, grad, csr)
        });
    }
}

/// [`crate::Endpoints::softmax`] with its gradient.
pub(crate) fn edge_softmax<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    csr: CsrTensors<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    match EdgeSoftmax.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let out = B::edge_softmax(x, csr.clone());
            prep.finish((out.clone(), csr), out)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::edge_softmax(x, csr)),
    }
}
