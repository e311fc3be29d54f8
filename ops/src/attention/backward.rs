//! The gradients of attention.
//!
//! With `g` the gradient at the output and `keep` what dropout multiplied a weight with:
//!
//! ```text
//! dx_j  = Σ_i α_ji keep_ji g_i
//! ds_ji = α_ji (keep_ji ⟨g_i, x_j⟩ - ⟨g_i, out_i⟩)
//! ```
//!
//! `ds`, times the derivative of the score, is summed over each sender's and each receiver's edges.

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

use super::{Saved, Score};
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
        let saved = Saved {
            out: state.out,
            lse: state.lse,
            grad: grads.consume::<B>(&ops.node),
            seed: state.seed,
        };
        let gradients =
            (state.score).backward::<B>(state.inputs, saved, state.csr, state.transposed);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// An operation of attention with its gradients; the second result has none.
#[expect(clippy::type_complexity, reason = "two tensors")]
pub(crate) fn attention<B: GraphOps, C: CheckpointStrategy>(
    score: Score,
    inputs: [FloatTensor<Autodiff<B, C>>; 3],
    seed: IntTensor<B>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
) -> (FloatTensor<Autodiff<B, C>>, FloatTensor<Autodiff<B, C>>) {
    let [a, b, c] = inputs;
    let ((a, a_node), (b, b_node)) = (a.into_parts(), b.into_parts());
    let (c, c_node) = c.into_parts();
    let inputs = [a, b, c];
    let (out, lse) = score.forward::<B>(
        inputs.clone(),
        seed.clone(),
        csr.clone(),
        transposed.clone(),
    );
    let prepared = Attention
        .prepare::<C>([a_node, b_node, c_node])
        .compute_bound()
        .stateful();
    let tracked = match prepared {
        OpsKind::Tracked(prep) => {
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

/// The gradients of an operation of attention; they have none themselves.
#[expect(clippy::type_complexity, reason = "three tensors")]
pub(crate) fn gradients<B: GraphOps, C: CheckpointStrategy>(
    score: Score,
    inputs: [FloatTensor<Autodiff<B, C>>; 3],
    saved: Saved<Autodiff<B, C>>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
) -> (
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
) {
    let saved = Saved {
        out: Autodiff::<B, C>::inner(saved.out),
        lse: Autodiff::<B, C>::inner(saved.lse),
        grad: Autodiff::<B, C>::inner(saved.grad),
        seed: saved.seed,
    };
    let inputs = inputs.map(Autodiff::<B, C>::inner);
    let gradients = score.backward::<B>(inputs, saved, csr, transposed);
    gradients.map(Autodiff::<B, C>::from_inner).into()
}
