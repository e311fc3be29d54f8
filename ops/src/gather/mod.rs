//! Rows by index: how edges read the features of their end points.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::tensor::{Int, Tensor};

use crate::dispatch;

/// Copies rows of `x` by index.
///
/// ```text
/// out[e, ..] = x[index[e], ..]
/// ```
///
/// The gradient adds the rows back: `dx[i] = Σ { dout[e] : index[e] = i }`. Same as
/// `x.select(0, index)`, with a gradient that runs in parallel on GPUs.
///
/// # Shapes
/// x: `[N, ..]` float · index: `[E]` int, values in `0..N` · output: `[E, ..]` of the type of `x`
///
/// # Panics
/// On the CPU, if an index is outside `0..N`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<1>::from_floats([1.0, 2.0, 3.0], &device);
/// let index = Tensor::<1, Int>::from_ints([2, 0, 2], &device);
/// let out = kiln_ops::gather(x, index).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [3.0, 1.0, 3.0]);
/// ```
pub fn gather<const D: usize>(x: Tensor<D>, index: Tensor<1, Int>) -> Tensor<D> {
    Tensor::from_dispatch(dispatch::gather(x.into_dispatch(), index.into_dispatch()))
}
