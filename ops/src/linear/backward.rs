//! The gradients of linear maps: `dx = g Wᵀ`, `dW = xᵀ g`, and `db` the sum of the rows of `g`.

use burn::backend::{
    Backend,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use crate::GraphOps;

/// `x W`.
#[derive(Debug)]
struct Linear;

impl<B: GraphOps> Backward<B, 2> for Linear {
    /// `x` for the weights' gradient, and the weights for that of `x`.
    type State = (Option<FloatTensor<B>>, Option<FloatTensor<B>>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (x, weight) = ops.state;
        let [x_node, weight_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let (Some(node), Some(x)) = (weight_node, x) {
            grads.register::<B>(node.id, B::linear_map_weight(x, grad.clone()));
        }
        if let (Some(node), Some(weight)) = (x_node, weight) {
            let transposed = B::float_swap_dims(weight, 0, 1);
            grads.register::<B>(node.id, B::linear_map(grad, transposed));
        }
    }
}

/// `x + b`.
#[derive(Debug)]
struct Bias;

impl<B: GraphOps> Backward<B, 2> for Bias {
    type State = ();

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [x_node, bias_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, B::column_sum(grad.clone()));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, grad);
        }
    }
}

/// [`GraphOps::linear_map`] with its gradients.
pub(crate) fn linear_map<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let needed = [x.is_tracked(), weight.is_tracked()];
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    match Linear
        .prepare::<C>([x_node, weight_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let state = (
                needed[1].then(|| x.clone()),
                needed[0].then(|| weight.clone()),
            );
            prep.finish(state, B::linear_map(x, weight))
        }
        OpsKind::UnTracked(prep) => prep.finish(B::linear_map(x, weight)),
    }
}

/// [`GraphOps::add_bias`] with its gradients.
pub(crate) fn add_bias<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    bias: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, x_node) = x.into_parts();
    let (bias, bias_node) = bias.into_parts();
    let out = B::add_bias(x, bias);
    match Bias
        .prepare::<C>([x_node, bias_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

/// [`GraphOps::add_bias`] by Burn's own addition.
pub(crate) fn broadcast_sum<B: Backend>(x: FloatTensor<B>, bias: FloatTensor<B>) -> FloatTensor<B> {
    use burn::backend::{Shape, TensorMetadata as _};
    let width = bias.shape()[0];
    B::float_add(x, B::float_reshape(bias, Shape::new([1, width])))
}
