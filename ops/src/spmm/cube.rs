//! Sparse products on GPUs: row reduction that reads features through the edges' sources, and the
//! two kernels of its gradients.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::{Shape, cubecl::dtype_to_storage_type};
use burn_cubecl::{kernel::into_contiguous, ops::numeric::zeros_client, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::{
    Reduce,
    csr::cube::{Sorted, sort_by_row},
    rows::cube::{
        Rows, address_type, empty, launch_dims, reduce_rows, row_width, vector_size, widened,
    },
};

/// See [`crate::spmm`]; edges with an index out of range do not count.
pub(crate) fn spmm(
    x: CubeTensor,
    src: CubeTensor,
    dst: CubeTensor,
    weight: Option<CubeTensor>,
    size: usize,
    reduce: Reduce,
) -> CubeTensor {
    let Sorted { ptr, perm } = sort_by_row(dst, size);
    let entries = src.meta.shape()[0];
    let rows = Rows {
        ptr,
        perm: Some(perm),
        source: Some(into_contiguous(src)),
        weight: weight.map(into_contiguous),
        entries,
    };
    reduce_rows(x, rows, reduce)
}

/// See [`crate::spmm_csr`]; entries with an index out of range do not count.
pub(crate) fn spmm_csr(
    x: CubeTensor,
    rowptr: CubeTensor,
    col: CubeTensor,
    value: Option<CubeTensor>,
    reduce: Reduce,
) -> CubeTensor {
    let entries = col.meta.shape()[0];
    let rows = Rows {
        ptr: into_contiguous(rowptr),
        perm: None,
        source: Some(into_contiguous(col)),
        weight: value.map(into_contiguous),
        entries,
    };
    reduce_rows(x, rows, reduce)
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn edge_dot_kernel<F: Float, N: Size, I: Int, J: Int>(
    a: &Tensor<Vector<F, N>>,
    b: &Tensor<Vector<F, N>>,
    row: &Tensor<I>,
    col: &Tensor<J>,
    out: &mut Tensor<F>,
    edges: usize,
    width: usize,
    rows: usize,
    cols: usize,
    #[define(F, I, J)] _dtypes: [ElemType; 3],
) {
    if ABSOLUTE_POS >= edges {
        terminate!();
    }
    let i = usize::cast_from(row[ABSOLUTE_POS]);
    let j = usize::cast_from(col[ABSOLUTE_POS]);
    let mut sums = Vector::<F, N>::new(F::new(0.0_f32));
    if i < rows && j < cols {
        for f in 0..width {
            sums += a[i * width + f] * b[j * width + f];
        }
    }
    let mut sum = F::new(0.0_f32);
    #[unroll]
    for lane in 0..a.vector_size() {
        sum += sums.extract(lane);
    }
    out[ABSOLUTE_POS] = sum;
}

/// See [`crate::GraphOps::edge_dot`]: one unit per edge.
pub(crate) fn edge_dot(
    a: CubeTensor,
    b: CubeTensor,
    row: CubeTensor,
    col: CubeTensor,
) -> CubeTensor {
    widened([a, b], |[a, b]| dot(a, b, row, col))
}

fn dot(a: CubeTensor, b: CubeTensor, row: CubeTensor, col: CubeTensor) -> CubeTensor {
    let (a, b) = (into_contiguous(a), into_contiguous(b));
    let (row, col) = (into_contiguous(row), into_contiguous(col));
    let (rows, cols) = (a.meta.shape()[0], b.meta.shape()[0]);
    let (edges, width) = (row.meta.shape()[0], row_width(a.meta.shape()));
    let shape = Shape::new([edges]);
    if edges == 0 {
        return empty(&a, shape, a.dtype);
    }
    if rows * cols * width == 0 {
        return zeros_client(a.client.clone(), a.device.clone(), shape, a.dtype);
    }
    let out = empty(&a, shape, a.dtype);
    let vector = vector_size(&a, width);
    let (cubes, dim) = launch_dims(&a, edges);
    let dtypes = [a.dtype, row.dtype, col.dtype].map(dtype_to_storage_type);
    // SAFETY: units below `edges` read their own edge and write its result; rows of `a` and `b` are
    // read only below their numbers.
    unsafe {
        edge_dot_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address_type([Some(&a), Some(&b), Some(&row), Some(&col), Some(&out)]),
            vector,
            a.into_tensor_arg(),
            b.into_tensor_arg(),
            row.into_tensor_arg(),
            col.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            edges,
            width / vector,
            rows,
            cols,
            dtypes,
        );
    }
    out
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn match_sum_kernel<F: Float, I: Int>(
    a: &Tensor<F>,
    b: &Tensor<F>,
    v: &Tensor<F>,
    ptr: &Tensor<u32>,
    perm: &Tensor<u32>,
    col: &Tensor<I>,
    out: &mut Tensor<F>,
    rows: usize,
    width: usize,
    cols: usize,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    if ABSOLUTE_POS >= rows * width {
        terminate!();
    }
    let row = ABSOLUTE_POS / width;
    let feature = ABSOLUTE_POS % width;
    let own = a[ABSOLUTE_POS];
    let mut k = usize::cast_from(ptr[row]);
    let end = usize::cast_from(ptr[row + 1]);
    let mut sum = F::new(0.0_f32);
    while k < end {
        let j = usize::cast_from(col[usize::cast_from(perm[k])]);
        if j < cols {
            let at = j * width + feature;
            let other = b[at];
            if other == own {
                sum += v[at];
            } else if !(own < other || own > other) {
                // One is not a number.
                sum += own + other;
            }
        }
        k += 1;
    }
    out[ABSOLUTE_POS] = sum;
}

/// See [`crate::GraphOps::match_sum`]: one unit for each row and feature.
pub(crate) fn match_sum(
    a: CubeTensor,
    b: CubeTensor,
    v: CubeTensor,
    row: CubeTensor,
    col: CubeTensor,
) -> CubeTensor {
    widened([a, b, v], |inputs| matches(inputs, row, col))
}

fn matches([a, b, v]: [CubeTensor; 3], row: CubeTensor, col: CubeTensor) -> CubeTensor {
    let [a, b, v, col] = [a, b, v, col].map(into_contiguous);
    let (rows, cols, width) = (
        a.meta.shape()[0],
        b.meta.shape()[0],
        row_width(a.meta.shape()),
    );
    let shape = a.meta.shape().clone();
    if rows * width == 0 {
        return empty(&a, shape, a.dtype);
    }
    if cols == 0 || col.meta.shape()[0] == 0 {
        return zeros_client(a.client.clone(), a.device.clone(), shape, a.dtype);
    }
    let out = empty(&a, shape, a.dtype);
    let Sorted { ptr, perm } = sort_by_row(row, rows);
    let (cubes, dim) = launch_dims(&a, rows * width);
    let dtypes = [a.dtype, col.dtype].map(dtype_to_storage_type);
    let address = address_type([&a, &b, &v, &ptr, &perm, &col, &out].map(Some));
    // SAFETY: a unit below `rows · width` writes its own position; `ptr` and `perm` are the
    // kernels' own, rows of `b` and `v` are read only below `cols`.
    unsafe {
        match_sum_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address,
            a.into_tensor_arg(),
            b.into_tensor_arg(),
            v.into_tensor_arg(),
            ptr.into_tensor_arg(),
            perm.into_tensor_arg(),
            col.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            rows,
            width,
            cols,
            dtypes,
        );
    }
    out
}
