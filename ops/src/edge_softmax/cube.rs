//! Softmax along sorted edges on GPUs: one unit for each row and head.
//!
//! A unit takes what it needs of its row in one walk, and writes its entries in a second, when they
//! are in a cache:
//!
//! ```text
//! forward    m = max x     l = Σ exp(x - m) + 1e-16      out = exp(x - m) / l
//! gradient   s = Σ out · grad                            dx = out · (grad - s)
//! ```
//!
//! Long rows are cut in pieces. Their units write what they have, `(m, l)` or `s`, to a row of
//! `partial`. Others join that in the order of the pieces, and a third launch writes the entries.

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
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::{
    CsrTensors,
    rows::{
        cube::{address_type, empty, launch_dims, row_width},
        lanes::{PIECE, PIECES, STEP, Sorted, Walk, cast, find_walk, sum_type, zeros},
    },
};

/// A number below any score.
const LOWEST: f32 = -1e30;

/// What a row has in common: the largest score and the sum of exponentials, or a sum and nothing.
#[derive(CubeType, Clone, Copy)]
struct Summary<A: Float> {
    first: A,
    second: A,
}

/// What the entries of a walk have in summary.
#[cube]
fn read<A: Float>(
    x: &Tensor<A>,
    grad: &Tensor<A>,
    edge: &Tensor<i32>,
    walk: &Walk,
    head: usize,
    heads: usize,
    #[comptime] backward: bool,
) -> Summary<A> {
    let mut first = A::new(0.0_f32);
    let mut second = A::new(0.0_f32);
    if comptime!(!backward) {
        first = A::new(LOWEST);
    }
    let mut k = walk.start;
    while k < walk.end {
        let mut values = Array::<A>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            let entry = min(k + step, walk.end - 1);
            let at = usize::cast_from(edge[entry]) * heads + head;
            if comptime!(backward) {
                values[step] = x[at] * grad[at];
            } else {
                values[step] = x[at];
            }
        }
        if comptime!(backward) {
            #[unroll]
            for step in 0..STEP {
                first = select(k + step < walk.end, first + values[step], first);
            }
        } else {
            let mut next = first;
            #[unroll]
            for step in 0..STEP {
                next = max(next, values[step]);
            }
            second *= (first - next).exp();
            #[unroll]
            for step in 0..STEP {
                let share = (values[step] - next).exp();
                second = select(k + step < walk.end, second + share, second);
            }
            first = next;
        }
        k += STEP;
    }
    Summary::<A> { first, second }
}

/// Writes the entries of a walk.
#[cube]
fn write<A: Float>(
    x: &Tensor<A>,
    grad: &Tensor<A>,
    edge: &Tensor<i32>,
    out: &mut Tensor<A>,
    walk: &Walk,
    head: usize,
    heads: usize,
    summary: Summary<A>,
    #[comptime] backward: bool,
) {
    let divisor = summary.second + A::new(1e-16_f32);
    let mut k = walk.start;
    while k < walk.end {
        let at = usize::cast_from(edge[k]) * heads + head;
        if comptime!(backward) {
            out[at] = x[at] * (grad[at] - summary.first);
        } else {
            out[at] = (x[at] - summary.first).exp() / divisor;
        }
        k += 1;
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn rows_kernel<A: Float>(
    x: &Tensor<A>,
    grad: &Tensor<A>,
    ptr: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    out: &mut Tensor<A>,
    partial: &mut Tensor<A>,
    pieces: usize,
    rows: usize,
    heads: usize,
    #[comptime] backward: bool,
    #[define(A)] _dtype: ElemType,
) {
    let number = ABSOLUTE_POS / heads;
    let head = ABSOLUTE_POS % heads;
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    if !walk.active {
        terminate!();
    }
    let summary = read::<A>(x, grad, edge, &walk, head, heads, backward);
    if number < pieces {
        partial[ABSOLUTE_POS * 2] = summary.first;
        partial[ABSOLUTE_POS * 2 + 1] = summary.second;
    } else {
        write::<A>(x, grad, edge, out, &walk, head, heads, summary, backward);
    }
}

/// Joins what the pieces of a long row have: one unit for each row and head. The result is where the
/// first piece's was.
#[cube(launch_unchecked, address_type = "dynamic")]
fn join_kernel<A: Float>(
    ptr: &Tensor<i32>,
    hub: &Tensor<i32>,
    partial: &mut Tensor<A>,
    hubs: usize,
    heads: usize,
    #[comptime] backward: bool,
    #[define(A)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= hubs * heads {
        terminate!();
    }
    let number = ABSOLUTE_POS / heads;
    let head = ABSOLUTE_POS % heads;
    let row = usize::cast_from(hub[number * 2]);
    let entries = usize::cast_from(ptr[row + 1]) - usize::cast_from(ptr[row]);
    let start = (usize::cast_from(hub[number * 2 + 1]) * PIECES * heads + head) * 2;
    let end = start + entries.div_ceil(PIECE) * heads * 2;
    let mut first = partial[start];
    let mut second = partial[start + 1];
    let mut at = start + heads * 2;
    while at < end {
        if comptime!(backward) {
            first += partial[at];
        } else {
            let next = max(first, partial[at]);
            second = second * (first - next).exp() + partial[at + 1] * (partial[at] - next).exp();
            first = next;
        }
        at += heads * 2;
    }
    partial[start] = first;
    partial[start + 1] = second;
}

/// Writes the entries of long rows: one unit for each piece and head.
#[cube(launch_unchecked, address_type = "dynamic")]
fn pieces_kernel<A: Float>(
    x: &Tensor<A>,
    grad: &Tensor<A>,
    ptr: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    partial: &Tensor<A>,
    out: &mut Tensor<A>,
    pieces: usize,
    heads: usize,
    #[comptime] backward: bool,
    #[define(A)] _dtype: ElemType,
) {
    let number = ABSOLUTE_POS / heads;
    let head = ABSOLUTE_POS % heads;
    let walk = find_walk(ptr, chunk, number, pieces, 0usize);
    if !walk.active {
        terminate!();
    }
    // What the row has in common is in the place of its first piece.
    let first = number - (walk.start - usize::cast_from(ptr[walk.row])) / PIECE;
    let at = (first * heads + head) * 2;
    let summary = Summary::<A> {
        first: partial[at],
        second: partial[at + 1],
    };
    write::<A>(x, grad, edge, out, &walk, head, heads, summary, backward);
}

fn run(x: CubeTensor, grad: Option<CubeTensor>, csr: CsrTensors<CubeBackend>) -> CubeTensor {
    let csr = Sorted::from(csr);
    let (dtype, shape) = (x.dtype, x.meta.shape().clone());
    let heads = row_width(&shape);
    if csr.edges * heads == 0 {
        return zeros(&x, shape, dtype);
    }
    let sum: DType = sum_type(dtype);
    let backward = grad.is_some();
    let x = cast(x, sum);
    let grad = grad.map_or_else(|| x.clone(), |grad| cast(grad, sum));
    let out = empty(&x, shape, sum);
    let partial = empty(&x, Shape::new([(csr.pieces * heads * 2).max(1)]), sum);
    let address = address_type([&x, &csr.edge, &csr.ptr, &out, &partial].map(Some));
    let storage = dtype_to_storage_type(sum);
    let (cubes, dim) = launch_dims(&x, csr.walks() * heads);
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of edges,
    // and each edge, which belongs to one row, has a row of `x`, `grad` and `out`. A unit writes its own
    // head of its row's entries, or its own place in `partial`.
    unsafe {
        rows_kernel::launch_unchecked(
            &x.client,
            cubes,
            dim,
            address,
            x.clone().into_tensor_arg(),
            grad.clone().into_tensor_arg(),
            csr.ptr.clone().into_tensor_arg(),
            csr.edge.clone().into_tensor_arg(),
            csr.chunk.clone().into_tensor_arg(),
            out.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            heads,
            backward,
            storage,
        );
    }
    if csr.hubs > 0 {
        let (cubes, dim) = launch_dims(&x, csr.hubs * heads);
        // SAFETY: a unit below `hubs · heads` reads its row's pieces, which `partial` has, and writes the
        // place of the first.
        unsafe {
            join_kernel::launch_unchecked(
                &x.client,
                cubes,
                dim,
                address,
                csr.ptr.clone().into_tensor_arg(),
                csr.hub.into_tensor_arg(),
                partial.clone().into_tensor_arg(),
                csr.hubs,
                heads,
                backward,
                storage,
            );
        }
        let (cubes, dim) = launch_dims(&x, csr.pieces * heads);
        // SAFETY: as for the first launch; units behind the last piece have no entries.
        unsafe {
            pieces_kernel::launch_unchecked(
                &x.client.clone(),
                cubes,
                dim,
                address,
                x.into_tensor_arg(),
                grad.into_tensor_arg(),
                csr.ptr.into_tensor_arg(),
                csr.edge.into_tensor_arg(),
                csr.chunk.into_tensor_arg(),
                partial.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                csr.pieces,
                heads,
                backward,
                storage,
            );
        }
    }
    cast(out, dtype)
}

/// See [`crate::GraphOps::edge_softmax`].
pub(crate) fn edge_softmax(x: CubeTensor, csr: CsrTensors<CubeBackend>) -> CubeTensor {
    run(x, None, csr)
}

/// See [`crate::GraphOps::edge_softmax_backward`].
pub(crate) fn edge_softmax_backward(
    out: CubeTensor,
    grad: CubeTensor,
    csr: CsrTensors<CubeBackend>,
) -> CubeTensor {
    run(out, Some(grad), csr)
}
