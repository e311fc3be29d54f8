//! Inner products along sorted edges on GPUs: a group of units for each row and head adds up by
//! operations of planes. On a device without those a group is one unit.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::{Shape, cubecl::dtype_to_storage_type};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::{
    CsrTensors,
    rows::{
        cube::{address_type, empty, row_width},
        lanes::{
            Lanes, STEP, Sorted, cast, common, find_walk, group, lane, sum_elements, sum_lanes,
            sum_type, zeros,
        },
    },
};

#[cube(launch_unchecked, address_type = "dynamic")]
fn edge_dot_kernel<F: Float, A: Float, N: Size>(
    a: &Tensor<Vector<F, N>>,
    b: &Tensor<Vector<F, N>>,
    ptr: &Tensor<i32>,
    col: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    out: &mut Tensor<F>,
    pieces: usize,
    rows: usize,
    width: usize,
    #[comptime] heads: usize,
    #[comptime] lanes: usize,
    #[comptime] slots: usize,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    // Units of a plane stay together to the end, since they add up together.
    let task = group(lanes);
    let head = task % heads;
    let walk = find_walk(ptr, chunk, task / heads, pieces, rows);
    let own = (walk.row * heads + head) * width;
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let last = max(walk.end, 1) - 1;
    let count = walk.end - walk.start;
    let most = common(count.div_ceil(STEP), lanes) * STEP;
    let mut k = 0;
    while k < most {
        let mut from = Array::<usize>::new(STEP);
        let mut products = Array::<Vector<A, N>>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            let other = usize::cast_from(col[min(walk.start + k + step, last)]);
            from[step] = (other * heads + head) * width;
            products[step] = zero;
        }
        #[unroll(slots <= 4)]
        for slot in 0..slots {
            let feature = lane(lanes) + slot * lanes;
            let at = min(feature, width - 1);
            let left = Vector::<A, N>::cast_from(a[own + at]);
            #[unroll]
            for step in 0..STEP {
                let product = left * Vector::<A, N>::cast_from(b[from[step] + at]);
                products[step] += select(feature < width, product, zero);
            }
        }
        #[unroll]
        for step in 0..STEP {
            let dot = sum_lanes::<A>(sum_elements::<A, N>(products[step]), lanes);
            if k + step < count && lane(lanes) == 0 {
                let number = usize::cast_from(edge[walk.start + k + step]);
                out[number * heads + head] = F::cast_from(dot);
            }
        }
        k += STEP;
    }
}

/// See [`crate::GraphOps::edge_dot_csr`].
pub(crate) fn edge_dot_csr(
    a: CubeTensor,
    b: CubeTensor,
    csr: CsrTensors<CubeBackend>,
) -> CubeTensor {
    let (a, csr) = (into_contiguous(a), Sorted::from(csr));
    let b = cast(b, a.dtype);
    let dims = a.meta.shape();
    let (heads, shape) = match dims.num_dims() {
        3 => (dims[1], Shape::new([csr.edges, dims[1]])),
        _ => (1, Shape::new([csr.edges])),
    };
    let features = row_width(dims);
    if csr.edges * features == 0 {
        return zeros(&a, shape, a.dtype);
    }
    let out = empty(&a, shape, a.dtype);
    let lanes = Lanes::within_plane(&a, features / heads);
    let (cubes, dim) = lanes.launch_dims(&a, csr.walks() * heads);
    let dtypes = [a.dtype, sum_type(a.dtype)].map(dtype_to_storage_type);
    let address = address_type([&a, &b, &csr.edge, &out].map(Some));
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, which `out` has rows for, and `col` is a row of `b`. Each entry belongs to one group.
    // What groups behind the last walk read is there, and they write nothing.
    unsafe {
        edge_dot_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address,
            lanes.vector,
            a.into_tensor_arg(),
            b.into_tensor_arg(),
            csr.ptr.into_tensor_arg(),
            csr.col.into_tensor_arg(),
            csr.edge.into_tensor_arg(),
            csr.chunk.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            lanes.width,
            heads,
            lanes.units,
            lanes.slots,
            dtypes,
        );
    }
    out
}
