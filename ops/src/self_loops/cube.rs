//! Finding self loops on GPUs: sort the loops by node, take the last of each.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::{Shape, cubecl::dtype_to_storage_type};
use burn::tensor::DType;
use burn_cubecl::{kernel::into_contiguous, ops::numeric::zeros_client, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::{
    csr::cube::{Sorted, sort_keys},
    rows::cube::{address_type, empty, launch_dims},
};

/// A loop's node, or `size` for other edges.
#[cube(launch_unchecked, address_type = "dynamic")]
fn loops_kernel<S: Int, D: Int>(
    src: &Tensor<S>,
    dst: &Tensor<D>,
    keys: &mut Tensor<u32>,
    edges: usize,
    size: usize,
    #[define(S, D)] _dtypes: [ElemType; 2],
) {
    if ABSOLUTE_POS >= edges {
        terminate!();
    }
    let s = usize::cast_from(src[ABSOLUTE_POS]);
    let d = usize::cast_from(dst[ABSOLUTE_POS]);
    let mut key = u32::cast_from(size);
    if s == d && s < size {
        key = u32::cast_from(s);
    }
    keys[ABSOLUTE_POS] = key;
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn last_kernel<I: Int>(
    ptr: &Tensor<u32>,
    perm: &Tensor<u32>,
    out: &mut Tensor<I>,
    edges: usize,
    size: usize,
    #[define(I)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= size {
        terminate!();
    }
    let mut last = u32::cast_from(edges);
    let end = ptr[ABSOLUTE_POS + 1];
    if end > ptr[ABSOLUTE_POS] {
        last = perm[end as usize - 1];
    }
    out[ABSOLUTE_POS] = I::cast_from(last);
}

/// See [`crate::self_loop_position`].
pub(crate) fn self_loop_position(src: CubeTensor, dst: CubeTensor, size: usize) -> CubeTensor {
    let (src, dst) = (into_contiguous(src), into_contiguous(dst));
    let edges = src.meta.shape()[0];
    let shape = Shape::new([size]);
    if size == 0 || edges == 0 {
        // Position E = 0 stands for "no loop".
        return zeros_client(src.client.clone(), src.device.clone(), shape, src.dtype);
    }
    let out = empty(&src, shape, src.dtype);
    let keys = empty(&src, Shape::new([edges]), DType::U32);
    let (cubes, dim) = launch_dims(&src, edges);
    let dtypes = [src.dtype, dst.dtype].map(dtype_to_storage_type);
    // SAFETY: units below `edges` read and write their own position.
    unsafe {
        loops_kernel::launch_unchecked(
            &keys.client,
            cubes,
            dim,
            address_type([Some(&src), Some(&dst), Some(&keys)]),
            src.into_tensor_arg(),
            dst.into_tensor_arg(),
            keys.clone().into_tensor_arg(),
            edges,
            size,
            dtypes,
        );
    }
    let Sorted { ptr, perm } = sort_keys(keys, size);
    let (cubes, dim) = launch_dims(&out, size);
    let dtype = dtype_to_storage_type(out.dtype);
    // SAFETY: units below `size` write their own position; `ptr` holds positions in `perm`.
    unsafe {
        last_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address_type([Some(&ptr), Some(&perm), Some(&out)]),
            ptr.into_tensor_arg(),
            perm.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            edges,
            size,
            dtype,
        );
    }
    out
}
