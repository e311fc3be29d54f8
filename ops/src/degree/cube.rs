//! Counting on GPUs: integer atomics, whose sums do not depend on the order.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::{Shape, cubecl::dtype_to_storage_type, ops::IntTensorOps as _};
use burn::tensor::{DType, FloatDType};
use burn_cubecl::{
    CubeBackend, kernel::into_contiguous, ops::numeric::zeros_client, tensor::CubeTensor,
};
use cubecl::{cube, prelude::*};

use crate::rows::cube::{address_type, empty, launch_dims};

#[cube(launch_unchecked, address_type = "dynamic")]
fn degree_kernel<I: Int>(
    index: &Tensor<I>,
    counts: &Tensor<Atomic<u32>>,
    entries: usize,
    size: usize,
    #[define(I)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= entries {
        terminate!();
    }
    let i = usize::cast_from(index[ABSOLUTE_POS]);
    if i < size {
        counts[i].fetch_add(1u32);
    }
}

/// See [`crate::degree`]; an index out of range does not count.
pub(crate) fn degree(index: CubeTensor, size: usize, dtype: FloatDType) -> CubeTensor {
    let index = into_contiguous(index);
    let entries = index.meta.shape()[0];
    let shape = Shape::new([size]);
    if size == 0 {
        return empty(&index, shape, dtype.into());
    }
    let counts = zeros_client(
        index.client.clone(),
        index.device.clone(),
        shape,
        DType::U32,
    );
    if entries > 0 {
        let (cubes, dim) = launch_dims(&index, entries);
        let index_type = dtype_to_storage_type(index.dtype);
        // SAFETY: units below `entries` read their own index; counts below `size` are changed.
        unsafe {
            degree_kernel::launch_unchecked(
                &counts.client,
                cubes,
                dim,
                address_type([Some(&index), Some(&counts)]),
                index.into_tensor_arg(),
                counts.clone().into_tensor_arg(),
                entries,
                size,
                index_type,
            );
        }
    }
    CubeBackend::int_into_float(counts, dtype)
}
