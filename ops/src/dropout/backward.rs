//! Dropout where gradients are tracked: a product with a random mask, whose gradient Burn knows.

use burn::backend::{
    Backend, TensorMetadata as _,
    autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy},
    ops::FloatTensorOps as _,
    tensor::FloatTensor,
};
use burn::tensor::Distribution;

/// [`crate::dropout`] while training.
pub(crate) fn dropout<B: Backend, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    prob: f64,
) -> FloatTensor<Autodiff<B, C>> {
    let keep = 1.0 - prob;
    if keep >= 1.0 || x.shape().num_elements() == 0 {
        return x;
    }
    if keep <= 0.0 {
        return Autodiff::<B, C>::float_mul_scalar(x, 0.0.into());
    }
    let mask = Autodiff::<B, C>::float_random(
        x.shape(),
        Distribution::Bernoulli(keep),
        &x.device(),
        x.dtype().into(),
    );
    let kept = Autodiff::<B, C>::float_mul(x, mask);
    Autodiff::<B, C>::float_mul_scalar(kept, keep.recip().into())
}
