//! The gradient of batch normalisation, `dx = γ / σ · (g - E[g] - x̂ · E[g · x̂])` with the
//! normalised `x̂`.

use burn::backend::{
    AutodiffBackend as _, Backend, TensorMetadata as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::composed::{Standardized, inverse_deviation, row};
use crate::GraphOps;

#[derive(Debug)]
struct Standardize;

/// What the gradients need.
#[derive(Clone, Debug)]
struct Kept<B: Backend> {
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    mean: FloatTensor<B>,
    /// One divided by the standard deviation.
    inverse: FloatTensor<B>,
}

impl<B: GraphOps> Backward<B, 3> for Standardize {
    type State = Kept<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let Kept {
            x,
            gamma,
            mean,
            inverse,
        } = ops.state;
        let [x_node, gamma_node, beta_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let rows = (grad.shape()[0] as u64).into();
        let centered = B::float_sub(x, row::<B>(mean));
        let normalized = B::float_mul(centered, row::<B>(inverse.clone()));
        let dgamma = B::column_sum(B::float_mul(grad.clone(), normalized.clone()));
        let dbeta = B::column_sum(grad.clone());
        if let Some(node) = x_node {
            let means =
                [&dbeta, &dgamma].map(|sum| row::<B>(B::float_div_scalar(sum.clone(), rows)));
            let [mean, along] = means;
            let left = B::float_sub(B::float_sub(grad, mean), B::float_mul(normalized, along));
            let scale = row::<B>(B::float_mul(gamma, inverse));
            grads.register::<B>(node.id, B::float_mul(left, scale));
        }
        if let Some(node) = gamma_node {
            grads.register::<B>(node.id, dgamma);
        }
        if let Some(node) = beta_node {
            grads.register::<B>(node.id, dbeta);
        }
    }
}

/// [`GraphOps::standardize`] with its gradients.
pub(crate) fn standardize<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    gamma: FloatTensor<Autodiff<B, C>>,
    beta: FloatTensor<Autodiff<B, C>>,
    epsilon: f64,
) -> Standardized<Autodiff<B, C>> {
    let (x, x_node) = x.into_parts();
    let (gamma, gamma_node) = gamma.into_parts();
    let (beta, beta_node) = beta.into_parts();
    let (out, mean, variance) = B::standardize(x.clone(), gamma.clone(), beta, epsilon);
    let output = match Standardize
        .prepare::<C>([x_node, gamma_node, beta_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let kept = Kept {
                x,
                gamma,
                mean: mean.clone(),
                inverse: inverse_deviation::<B>(variance.clone(), epsilon),
            };
            prep.finish(kept, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    let [mean, variance] = [mean, variance].map(Autodiff::<B, C>::from_inner);
    (output, mean, variance)
}
