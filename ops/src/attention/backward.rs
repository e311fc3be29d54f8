//! The gradients of attention.
//!
//! With `g` the gradient at the output and `keep` what dropout multiplied a weight with:
//!
//! ```text
//! dx_j  = Σ_i α_ji keep_ji g_i
//! ds_ji = α_ji (keep_ji ⟨g_i, x_j⟩ - ⟨g_i, out_i⟩)
//! ```
//!
//! `ds`, through the leaky ReLU, is summed over each sender's and each receiver's edges.

use burn::backend::{
    AutodiffBackend as _, Backend,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::AttentionOptions;
use crate::{GraphOps, backend::CsrTensors};

#[derive(Debug)]
struct Attention;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    x: FloatTensor<B>,
    score_src: FloatTensor<B>,
    score_dst: FloatTensor<B>,
    out: FloatTensor<B>,
    lse: FloatTensor<B>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
    options: AttentionOptions,
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
        let grad = grads.consume::<B>(&ops.node);
        let (dx, dsrc, ddst) = B::edge_attention_backward(
            state.x,
            state.score_src,
            state.score_dst,
            state.out,
            state.lse,
            grad,
            state.csr,
            state.transposed,
            state.options,
        );
        for (node, gradient) in ops.parents.into_iter().zip([dx, dsrc, ddst]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// [`crate::edge_attention`] with its gradients; the second result has none.
#[expect(clippy::type_complexity, reason = "two tensors")]
pub(crate) fn attention<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    score_src: FloatTensor<Autodiff<B, C>>,
    score_dst: FloatTensor<Autodiff<B, C>>,
    csr: CsrTensors<B>,
    transposed: CsrTensors<B>,
    options: AttentionOptions,
) -> (FloatTensor<Autodiff<B, C>>, FloatTensor<Autodiff<B, C>>) {
    let (x, x_node) = x.into_parts();
    let (score_src, src_node) = score_src.into_parts();
    let (score_dst, dst_node) = score_dst.into_parts();
    let (out, lse) = B::edge_attention(
        x.clone(),
        score_src.clone(),
        score_dst.clone(),
        csr.clone(),
        transposed.clone(),
        options,
    );
    let prepared = Attention
        .prepare::<C>([x_node, src_node, dst_node])
        .compute_bound()
        .stateful();
    let tracked = match prepared {
        OpsKind::Tracked(prep) => {
            let state = State {
                x,
                score_src,
                score_dst,
                out: out.clone(),
                lse: lse.clone(),
                csr,
                transposed,
                options,
            };
            prep.finish(state, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    (tracked, Autodiff::<B, C>::from_inner(lse))
}
