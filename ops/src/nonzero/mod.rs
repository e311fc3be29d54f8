//! Positions of true values: the one operation whose output length depends on values.

use burn::backend::{
    Backend, Shape, TensorMetadata as _, get_or_init_device_settings,
    tensor::{BoolTensor, IntTensor},
};
use burn::tensor::{Bool, Int, Tensor, try_read_sync};

use kiln_core::int_dtype;

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

/// The positions, found where Burn finds them: on the CPU, after a read back on GPUs.
pub(crate) fn read_back<B: Backend>(mask: BoolTensor<B>) -> IntTensor<B> {
    let dtype = get_or_init_device_settings::<B>(&mask.device()).int_dtype;
    let dtype = int_dtype(dtype.into(), mask.shape()[0]).into();
    let positions = try_read_sync(B::bool_argwhere(mask, dtype))
        .expect("nonzero needs a backend that can be read from synchronously");
    let length = positions.shape()[0];
    B::int_reshape(positions, Shape::new([length]))
}
