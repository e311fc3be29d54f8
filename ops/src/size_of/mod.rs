//! Integers that are sizes.

pub(crate) mod composed;

use burn::tensor::{Int, Tensor};

use crate::dispatch;

/// The integer of a tensor as a size, such as the number of rows of the longest group.
///
/// Reads it back to the host, because shapes depend on it. While a forward pass is recorded, the
/// size is a new unknown of the graph.
///
/// # Shapes
/// size: `[1]` int, at least 0
///
/// # Panics
/// If the integer is negative, or the tensor has not one element.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let batch = Tensor::<1, Int>::from_ints([0, 0, 2], &Device::default());
/// assert_eq!(kiln_ops::size_of(batch.max() + 1), 3);
/// ```
pub fn size_of(size: Tensor<1, Int>) -> usize {
    let positions =
        Tensor::<1, Int>::from_dispatch(dispatch::positions_below(size.into_dispatch()));
    positions.dims()[0]
}
