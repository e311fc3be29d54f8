//! The positions below an integer by operations that every backend has.

use burn::{
    backend::{Backend, TensorMetadata as _, get_or_init_device_settings, tensor::IntTensor},
    tensor::try_read_sync,
};
use kiln_core::int_dtype;

use crate::arange::signed;

/// The positions, once the integer has been read back.
pub(crate) fn read_back<B: Backend>(size: IntTensor<B>) -> IntTensor<B> {
    let device = size.device();
    let data = try_read_sync(B::int_into_data(size))
        .expect("size_of needs a backend that can be read from synchronously")
        .unwrap_or_else(|error| panic!("size_of: cannot read the size: {error}"));
    let size = data.iter::<i64>().next().unwrap_or_default();
    let size = usize::try_from(size)
        .unwrap_or_else(|_| panic!("size_of: expected a size of at least 0, got {size}"));
    let dtype = get_or_init_device_settings::<B>(&device).int_dtype;
    B::int_arange(
        signed(0..size),
        &device,
        int_dtype(dtype.into(), size).into(),
    )
}
