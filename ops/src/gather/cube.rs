//! Gather on GPUs: one unit for each vector of output elements.

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

use crate::rows::cube::{
    address_type, empty, launch_dims, row_width, vector_size, widened, with_rows,
};

#[cube(launch_unchecked, address_type = "dynamic")]
fn gather_kernel<F: Float, N: Size, I: Int>(
    x: &Tensor<Vector<F, N>>,
    index: &Tensor<I>,
    out: &mut Tensor<Vector<F, N>>,
    edges: usize,
    width: usize,
    rows: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    if ABSOLUTE_POS >= edges * width {
        terminate!();
    }
    let mut row = usize::cast_from(index[ABSOLUTE_POS / width]);
    if row >= rows {
        row = 0;
    }
    out[ABSOLUTE_POS] = x[row * width + ABSOLUTE_POS % width];
}

/// See [`crate::gather`]; an index out of range reads row 0.
pub(crate) fn gather(x: CubeTensor, index: CubeTensor) -> CubeTensor {
    widened([x], |[x]| copies(x, index))
}

fn copies(x: CubeTensor, index: CubeTensor) -> CubeTensor {
    let (x, index) = (into_contiguous(x), into_contiguous(index));
    let (rows, width) = (x.meta.shape()[0], row_width(x.meta.shape()));
    let edges = index.meta.shape()[0];
    let shape = with_rows(x.meta.shape(), edges);
    if edges * width == 0 {
        return empty(&x, shape, x.dtype);
    }
    if rows == 0 {
        return zeros_client(x.client.clone(), x.device.clone(), shape, x.dtype);
    }
    let out = empty(&x, shape, x.dtype);
    let vector = vector_size(&x, width);
    let (cubes, dim) = launch_dims(&x, edges * width / vector);
    let dtypes = [x.dtype, index.dtype].map(dtype_to_storage_type);
    // SAFETY: a unit below `edges · vectors per row` writes its own position and reads its own
    // edge; rows of `x` are limited to `rows`.
    unsafe {
        gather_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address_type([Some(&x), Some(&index), Some(&out)]),
            vector,
            x.into_tensor_arg(),
            index.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            edges,
            width / vector,
            rows,
            dtypes,
        );
    }
    out
}
