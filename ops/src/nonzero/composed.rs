//! Positions of true values by operations that every backend has.

use burn::{
    backend::{
        Backend, Shape, TensorMetadata as _, get_or_init_device_settings,
        tensor::{BoolTensor, IntTensor},
    },
    tensor::{TensorData, try_read_sync},
};
use kiln_core::int_dtype;

/// The positions, found where Burn finds them: on the CPU, after a read back on GPUs.
pub(crate) fn read_back<B: Backend>(mask: BoolTensor<B>) -> IntTensor<B> {
    let dtype = get_or_init_device_settings::<B>(&mask.device()).int_dtype;
    let dtype = int_dtype(dtype.into(), mask.shape()[0]).into();
    let positions = try_read_sync(B::bool_argwhere(mask, dtype))
        .expect("nonzero needs a backend that can be read from synchronously");
    let length = positions.shape()[0];
    if length == 0 {
        // From the host: on GPUs Burn would join an operation without elements with later ones.
        let none = TensorData::new(Vec::<i32>::new(), [0]).convert_dtype(dtype.into());
        return B::int_from_data(none, &positions.device());
    }
    B::int_reshape(positions, Shape::new([length]))
}
