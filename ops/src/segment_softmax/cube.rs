//! Softmax among edges on GPUs: one unit for each destination and head walks the edges three times,
//! for the maximum, the sum and the quotients. The scores of one row stay in cache.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::cubecl::dtype_to_storage_type;
use burn_cubecl::{kernel::into_contiguous, ops::numeric::zeros_client, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::{
    csr::cube::{Sorted, sort_by_row},
    rows::cube::{address_type, empty, launch_dims, row_width, widened},
};

#[cube(launch_unchecked, address_type = "dynamic")]
fn softmax_kernel<F: Float>(
    x: &Tensor<F>,
    ptr: &Tensor<u32>,
    perm: &Tensor<u32>,
    out: &mut Tensor<F>,
    rows: usize,
    width: usize,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= rows * width {
        terminate!();
    }
    let row = ABSOLUTE_POS / width;
    let feature = ABSOLUTE_POS % width;
    let start = usize::cast_from(ptr[row]);
    let end = usize::cast_from(ptr[row + 1]);
    if start >= end {
        terminate!();
    }
    let mut largest = x[usize::cast_from(perm[start]) * width + feature];
    let mut k = start + 1;
    while k < end {
        largest = max(largest, x[usize::cast_from(perm[k]) * width + feature]);
        k += 1;
    }
    let mut sum = F::new(0.0_f32);
    k = start;
    while k < end {
        let at = usize::cast_from(perm[k]) * width + feature;
        let value = (x[at] - largest).exp();
        out[at] = value;
        sum += value;
        k += 1;
    }
    sum += F::new(1e-16_f32);
    k = start;
    while k < end {
        let at = usize::cast_from(perm[k]) * width + feature;
        out[at] /= sum;
        k += 1;
    }
}

/// See [`crate::segment_softmax`]; edges with an index out of range are 0.
pub(crate) fn segment_softmax(x: CubeTensor, index: CubeTensor, size: usize) -> CubeTensor {
    widened([x], |[x]| softmax(x, index, size))
}

fn softmax(x: CubeTensor, index: CubeTensor, size: usize) -> CubeTensor {
    let x = into_contiguous(x);
    let width = row_width(x.meta.shape());
    let shape = x.meta.shape().clone();
    if size * width * shape[0] == 0 {
        return empty(&x, shape, x.dtype);
    }
    let Sorted { ptr, perm } = sort_by_row(index, size);
    // Zeros stay where an edge has no destination; the kernel needs rows without gaps.
    let out = zeros_client(x.client.clone(), x.device.clone(), shape, x.dtype);
    let out = into_contiguous(out);
    let (cubes, dim) = launch_dims(&x, size * width);
    let dtype = dtype_to_storage_type(x.dtype);
    // SAFETY: `ptr` and `perm` are the kernels' own: positions below the number of edges. Rows
    // share no entry, so a unit writes only what no other reads.
    unsafe {
        softmax_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address_type([Some(&x), Some(&ptr), Some(&perm), Some(&out)]),
            x.into_tensor_arg(),
            ptr.into_tensor_arg(),
            perm.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            size,
            width,
            dtype,
        );
    }
    out
}
