//! Sums where two rows agree, along sorted edges on GPUs: a group of units for each row, whose
//! units hold its features; see [`lanes`](crate::rows::lanes).

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::cubecl::dtype_to_storage_type;
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::{
    CsrTensors, Reduce,
    rows::{
        cube::{address_type, empty, row_width},
        lanes::{Lanes, STEP, Sorted, cast, find_walk, group, lane, sum_type, zeros},
    },
};

#[cube(launch_unchecked, address_type = "dynamic")]
fn match_sum_kernel<F: Float, A: Float, N: Size>(
    a: &Tensor<Vector<F, N>>,
    b: &Tensor<Vector<F, N>>,
    v: &Tensor<Vector<F, N>>,
    ptr: &Tensor<i32>,
    col: &Tensor<i32>,
    chunk: &Tensor<i32>,
    out: &mut Tensor<Vector<F, N>>,
    partial: &mut Tensor<A>,
    pieces: usize,
    rows: usize,
    width: usize,
    #[comptime] lanes: usize,
    #[comptime] blocks: usize,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let task = group(lanes);
    let number = task / blocks;
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    let feature = task % blocks * lanes + lane(lanes);
    if !walk.active || feature >= width {
        terminate!();
    }
    let own = a[walk.row * width + feature];
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut sum = zero;
    let mut k = walk.start;
    while k < walk.end {
        let mut from = Array::<usize>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            let other = usize::cast_from(col[min(k + step, walk.end - 1)]);
            from[step] = other * width + feature;
        }
        let mut values = Array::<Vector<A, N>>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            let value = Vector::<A, N>::cast_from(v[from[step]]);
            let other = b[from[step]];
            // NaN where either side of the comparison is.
            let apart = select_many(other.is_nan(), Vector::<A, N>::cast_from(other), zero);
            let apart = select_many(own.is_nan(), Vector::<A, N>::cast_from(own), apart);
            values[step] = select_many(own.equal(&other), value, apart);
        }
        #[unroll]
        for step in 0..STEP {
            sum = select(k + step < walk.end, sum + values[step], sum);
        }
        k += STEP;
    }
    if number < pieces {
        let to = (number * width + feature) * sum.vector_size();
        #[unroll]
        for element in 0..sum.vector_size() {
            partial[to + element] = sum.extract(element);
        }
    } else {
        out[walk.row * width + feature] = Vector::<F, N>::cast_from(sum);
    }
}

/// See [`crate::GraphOps::match_sum_csr`].
pub(crate) fn match_sum_csr(
    a: CubeTensor,
    b: CubeTensor,
    v: CubeTensor,
    csr: CsrTensors<CubeBackend>,
) -> CubeTensor {
    let (a, csr) = (into_contiguous(a), Sorted::from(csr));
    let [b, v] = [b, v].map(|tensor| cast(tensor, a.dtype));
    let features = row_width(a.meta.shape());
    let shape = a.meta.shape().clone();
    if csr.rows * csr.edges * features == 0 {
        return zeros(&a, shape, a.dtype);
    }
    let sum = sum_type(a.dtype);
    let out = empty(&a, shape, a.dtype);
    let partial = csr.partial(features, sum);
    let lanes = Lanes::new(&a, 1, features, 1);
    let (cubes, dim) = lanes.launch_dims(&a, csr.walks() * lanes.blocks);
    let address = address_type([&a, &b, &v, &csr.edge, &out, &partial].map(Some));
    let dtypes = [a.dtype, sum].map(dtype_to_storage_type);
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, `col` is a row of `b` and `v`. A group writes its own row of `out` or `partial`, a
    // unit one vector below `width`.
    unsafe {
        match_sum_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address,
            lanes.vector,
            a.into_tensor_arg(),
            b.into_tensor_arg(),
            v.into_tensor_arg(),
            csr.ptr.clone().into_tensor_arg(),
            csr.col.clone().into_tensor_arg(),
            csr.chunk.clone().into_tensor_arg(),
            out.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            lanes.width,
            lanes.units,
            lanes.blocks,
            dtypes,
        );
    }
    csr.merge(&partial, [features, 0, features], &out, Reduce::Sum);
    out
}
