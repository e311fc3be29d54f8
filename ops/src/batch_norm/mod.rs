//! Batch normalisation by the statistics of the batch.

pub(crate) mod backward;

use burn::{
    backend::{Dispatch, Shape, TensorMetadata as _, tensor::FloatTensor},
    tensor::{Tensor, module::BatchNormTrainOutput},
};

use crate::GraphOps;

/// Normalises each column by its own mean and variance, as a layer does while it is trained.
///
/// ```text
/// out = (x - E[x]) / √(Var[x] + ε) · γ + β
/// ```
///
/// The same as Burn's `batch_norm_train`, for matrices that have many more rows than columns: sums
/// of columns are those of [`linear`](crate::linear)'s gradients, and nothing is transposed. Of the
/// forward pass the gradient keeps `x` and three rows.
///
/// Source: Ioffe, Szegedy, Batch Normalization, 2015, arXiv:1502.03167.
///
/// # Shapes
/// x: `[N, F]` float, of at least 32 bits where sums of a column could overflow · gamma, beta:
/// `[F]`
///
/// # Panics
/// If `gamma` or `beta` has another length.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0], [3.0]], &device);
/// let [one, zero] = [Tensor::ones([1], &device), Tensor::zeros([1], &device)];
/// let normalized = kiln_ops::batch_norm(x, one, zero, 0.0);
/// assert_eq!(normalized.output.into_data().as_slice::<f32>().unwrap(), [-1.0, 1.0]);
/// assert_eq!(normalized.mean.into_data().as_slice::<f32>().unwrap(), [2.0]);
/// ```
pub fn batch_norm(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrainOutput<2> {
    let [_, width] = x.dims();
    let [scales, shifts] = [&gamma, &beta].map(|row| row.dims()[0]);
    assert!(
        scales == width && shifts == width,
        "batch_norm: expected `gamma` and `beta` with {width} entries, one for each column of `x`, got \
         {scales} and {shifts}"
    );
    let (output, mean, variance) = <Dispatch as GraphOps>::standardize(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
    );
    BatchNormTrainOutput {
        output: Tensor::from_dispatch(output),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

/// The normalised rows, and the mean and the variance of each column.
type Standardized<B> = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>);

/// [`batch_norm`] of operations that backends have.
pub(crate) fn standardize<B: GraphOps>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> Standardized<B> {
    let mean = column_mean::<B>(x.clone());
    let centered = B::float_sub(x, row::<B>(mean.clone()));
    let variance = column_mean::<B>(B::float_mul(centered.clone(), centered.clone()));
    let scale = B::float_mul(gamma, inverse_deviation::<B>(variance.clone(), epsilon));
    let scaled = B::float_mul(centered, row::<B>(scale));
    (B::float_add(scaled, row::<B>(beta)), mean, variance)
}

/// `1 / √(variance + ε)`
fn inverse_deviation<B: GraphOps>(variance: FloatTensor<B>, epsilon: f64) -> FloatTensor<B> {
    B::float_recip(B::float_sqrt(B::float_add_scalar(variance, epsilon.into())))
}

/// The mean of all rows, `[N, F]` to `[F]`.
fn column_mean<B: GraphOps>(x: FloatTensor<B>) -> FloatTensor<B> {
    let rows = x.shape()[0];
    B::float_div_scalar(B::column_sum(x), (rows as u64).into())
}

/// `[F]` as a row.
fn row<B: GraphOps>(x: FloatTensor<B>) -> FloatTensor<B> {
    let width = x.shape()[0];
    B::float_reshape(x, Shape::new([1, width]))
}
