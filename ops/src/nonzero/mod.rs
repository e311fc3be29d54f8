//! Positions of true values: the one operation whose output length depends on values.

pub(crate) mod composed;

use burn::tensor::{Bool, Int, Tensor};

use crate::dispatch;

/// The positions of the true values of a mask, in increasing order.
///
/// Reads the mask back to the host on GPUs, because the output's length depends on its values.
/// While a forward pass is recorded, the length is a new unknown of the graph.
///
/// # Shapes
/// mask: `[E]` bool · output: `[K]` int, values in `0..E`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let x = Tensor::<1, Int>::from_ints([5, 0, 7], &Device::default());
/// let out = kiln_ops::nonzero(x.greater_elem(0)).into_data();
/// assert_eq!(out.iter::<i64>().collect::<Vec<_>>(), [0, 2]);
/// ```
pub fn nonzero(mask: Tensor<1, Bool>) -> Tensor<1, Int> {
    Tensor::from_dispatch(dispatch::nonzero(mask.into_dispatch()))
}
