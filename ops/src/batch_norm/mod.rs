//! Batch normalisation by the statistics of the batch.

pub(crate) mod backward;
pub(crate) mod composed;

use burn::{
    backend::Dispatch,
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
