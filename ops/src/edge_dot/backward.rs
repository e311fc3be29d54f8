//! The gradients of inner products along edges: sums weighted by the edges' gradients.

use burn::backend::{
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use crate::{GraphOps, Reduce, Terms, backend::CsrTensors};

#[derive(Debug)]
struct EdgeDot;

impl<B: GraphOps> Backward<B, 2> for EdgeDot {
    type State = (FloatTensor<B>, FloatTensor<B>, [CsrTensors<B>; 2]);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (a, b, [csr, transposed]) = ops.state;
        let [a_node, b_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = a_node {
            let (csr, transposed) = (csr.clone(), transposed.clone());
            let da = B::aggregate(b, Terms::Edges(grad.clone()), csr, transposed, Reduce::Sum);
            grads.register::<B>(node.id, da);
        }
        if let Some(node) = b_node {
            let db = B::aggregate(a, Terms::Edges(grad), transposed, csr, Reduce::Sum);
            grads.register::<B>(node.id, db);
        }
    }
}

/// [`crate::edge_dot()`] with its gradients.
pub(crate) fn edge_dot_csr<B: GraphOps, C: CheckpointStrategy>(
    a: FloatTensor<Autodiff<B, C>>,
    b: FloatTensor<Autodiff<B, C>>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let (a, a_node) = a.into_parts();
    let (b, b_node) = b.into_parts();
    match EdgeDot
        .prepare::<C>([a_node, b_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let csrs = [csr.clone(), transposed.clone()];
            let out = B::edge_dot_csr(a.clone(), b.clone(), csr, transposed);
            prep.finish((a, b, csrs), out)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::edge_dot_csr(a, b, csr, transposed)),
    }
}
