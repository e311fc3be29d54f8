//! Random zeros while training.

pub(crate) mod backward;

use burn::tensor::{Device, Distribution, Int, Tensor};

use crate::dispatch;

/// Zeroes each element with probability `prob` and scales the others by `1 / (1 - prob)`.
///
/// Active for tensors of an autodiff device, as Burn's `Dropout` module; the identity otherwise. A
/// recorded forward pass keeps the operation, so the graph can still be trained after export.
///
/// Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
/// JMLR 2014.
///
/// # Shapes
/// x: `[..]` float · output: the same
///
/// # Panics
/// If `prob` is not in `0.0 ..= 1.0`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<1>::from_floats([1.0, 2.0], &Device::default());
/// let out = kiln_ops::dropout(x, 0.5).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [1.0, 2.0]);
/// ```
pub fn dropout<const D: usize>(x: Tensor<D>, prob: f64) -> Tensor<D> {
    Tensor::from_dispatch(dispatch::dropout(x.into_dispatch(), prob))
}

/// A seed for operations that draw their own zeros, such as [`crate::edge_attention`], from the
/// random numbers of the device, where it stays.
///
/// # Shapes
/// output: `[1]`
pub fn dropout_seed(device: &Device) -> Tensor<1, Int> {
    let range = Distribution::Uniform(0.0, f64::from(i32::MAX));
    Tensor::random([1], range, device)
}
