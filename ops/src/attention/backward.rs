//! The gradients of attention.
//!
//! With `g` the gradient at the output and `keep` what dropout multiplied a weight with:
//!
//! ```text
//! dx_j  = Σ_i α_ji keep_ji g_i
//! ds_ji = α_ji (keep_ji ⟨g_i, x_j⟩ - ⟨g_i, out_i⟩)
//! ```
//!
//! `ds`, times the derivative of the score, is summed over each source's and each target's edges.

use burn::backend::{
    AutodiffBackend as _, Backend,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::{FloatTensor, IntTensor},
};

use super::score::{SavedAttention, Score};
use crate::{GraphOps, backend::CsrTensors};

#[derive(Debug)]
struct Attention;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    score: Score,
    inputs: [FloatTensor<B>; 3],
    out: FloatTensor<B>,
    lse: FloatTensor<B>,
    seed: IntTensor<B>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
}

impl<B: GraphOps> Backward<B, 3> for Attention {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let saved = SavedAttention {
            out: state.out,
            lse: state.lse,
            grad: grads.consume::<B>(&ops.node),
            seed: state.seed,
        };
        let [a, b, c] = state.inputs;
        let (csr, transposed) = (state.csr, state.transposed);
        let (a, b, c) = B::edge_attention_backward(a, b, c, saved, csr, transposed, state.score);
        for (node, gradient) in ops.parents.into_iter().zip([a, b, c]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// [`GraphOps::edge_attention`] with its gradients; the second result has none.
#[expect(clippy::type_complexity, reason = "two tensors")]
pub(crate) fn edge_attention<B: GraphOps, C: CheckpointStrategy>(
    first: FloatTensor<Autodiff<B, C>>,
    second: FloatTensor<Autodiff<B, C>>,
    third: FloatTensor<Autodiff<B, C>>,
    seed: IntTensor<B>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
    score: Score,
) -> (FloatTensor<Autodiff<B, C>>, FloatTensor<Autodiff<B, C>>) {
    let ((a, a_node), (b, b_node)) = (first.into_parts(), second.into_parts());
    let (c, c_node) = third.into_parts();
    let inputs = [a.clone(), b.clone(), c.clone()];
    let csrs = (csr.clone(), transposed.clone());
    let (out, lse) = B::edge_attention(a, b, c, seed.clone(), csr, transposed, score);
    let prepared = Attention
        .prepare::<C>([a_node, b_node, c_node])
        .compute_bound()
        .stateful();
    let tracked = match prepared {
        OpsKind::Tracked(prep) => {
            let (csr, transposed) = csrs;
            let state = State {
                score,
                inputs,
                out: out.clone(),
                lse: lse.clone(),
                seed,
                csr,
                transposed,
            };
            prep.finish(state, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    (tracked, Autodiff::<B, C>::from_inner(lse))
}
