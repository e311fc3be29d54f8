//! Batch normalisation of operations that every backend has.

use burn::backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};

/// The normalised rows, and the mean and the variance of each column.
pub(crate) type Standardized<B> = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>);

/// [`batch_norm`](crate::batch_norm()) of operations that backends have, and `column_sum`.
pub(crate) fn standardize<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
    column_sum: impl Fn(FloatTensor<B>) -> FloatTensor<B>,
) -> Standardized<B> {
    let rows = (x.shape()[0] as u64).into();
    let column_mean = |x| B::float_div_scalar(column_sum(x), rows);
    let mean = column_mean(x.clone());
    let centered = B::float_sub(x, row::<B>(mean.clone()));
    let variance = column_mean(B::float_mul(centered.clone(), centered.clone()));
    let scale = B::float_mul(gamma, inverse_deviation::<B>(variance.clone(), epsilon));
    let scaled = B::float_mul(centered, row::<B>(scale));
    (B::float_add(scaled, row::<B>(beta)), mean, variance)
}

/// `1 / √(variance + ε)`
pub(super) fn inverse_deviation<B: Backend>(
    variance: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    B::float_recip(B::float_sqrt(B::float_add_scalar(variance, epsilon.into())))
}

/// `[F]` as a row.
pub(super) fn row<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let width = x.shape()[0];
    B::float_reshape(x, Shape::new([1, width]))
}
