//! Softmax along sorted edges on GPUs: a group of units for each row, whose units take entries in turn
//! with all heads, or as many as a vector has.
//!
//! A group takes what it needs of its row in one walk, and writes its entries in a second. Units hold
//! their first entries between the two; more are read again, from a cache:
//!
//! ```text
//! forward    m = max x     l = Σ exp(x - m) + 1e-16      out = exp(x - m) / l
//! gradient   s = Σ out · grad                            dx = out · (grad - s)
//! ```
//!
//! Units join what they have by operations of planes; on a device without those a group is one unit.
//! Long rows are cut in pieces. Their groups write what they have, `(m, l)` or `s`, to a row of
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
        cube::{address_type, empty, row_width},
        lanes::{
            Lanes, PIECE, PIECES, Sorted, Walk, cast, find_walk, group, lane, sum_type, zeros,
        },
    },
};

/// A number below any score.
const LOWEST: f32 = -1e30;

/// Entries of a unit that are read at once.
const HELD: usize = 4;

/// Some entries of one unit: every `lanes`-th from the first on.
#[derive(CubeType)]
struct Entries<A: Float, N: Size> {
    /// Where they are in `x`.
    at: Array<usize>,
    /// What they are: in `x`, and in `grad`.
    x: Array<Vector<A, N>>,
    grad: Array<Vector<A, N>>,
    /// The first. Those at the walk's end and behind it are not entries.
    first: usize,
}

/// Reads entries, all at a time.
#[cube]
fn entries<A: Float, N: Size>(
    x: &Tensor<Vector<A, N>>,
    grad: &Tensor<Vector<A, N>>,
    edge: &Tensor<i32>,
    end: usize,
    first: usize,
    vector: usize,
    vectors: usize,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
) -> Entries<A, N> {
    let mut at = Array::<usize>::new(HELD);
    let mut values = Array::<Vector<A, N>>::new(HELD);
    let mut grads = Array::<Vector<A, N>>::new(HELD);
    #[unroll]
    for entry in 0..HELD {
        // Those behind the end are read where the last one is.
        let k = min(first + entry * lanes, max(end, 1) - 1);
        at[entry] = usize::cast_from(edge[k]) * vectors + vector;
    }
    #[unroll]
    for entry in 0..HELD {
        values[entry] = x[at[entry]];
        if comptime!(backward) {
            grads[entry] = grad[at[entry]];
        }
    }
    Entries::<A, N> {
        at,
        x: values,
        grad: grads,
        first,
    }
}

/// The largest or the sum of the vectors of a group's units, in all of them.
#[cube]
fn over_lanes<A: Float, N: Size>(
    vector: Vector<A, N>,
    #[comptime] lanes: usize,
    #[comptime] largest: bool,
) -> Vector<A, N> {
    let mut all = vector;
    #[unroll]
    for bit in 0..comptime!(lanes.ilog2()) {
        let mut other = all;
        #[unroll]
        for element in 0..other.vector_size() {
            let one = plane_shuffle_xor(all.extract(element), comptime!(1u32 << bit));
            other.insert(element, one);
        }
        if comptime!(largest) {
            all = max(all, other);
        } else {
            all += other;
        }
    }
    all
}

/// What a row has in common: the largest score and the sum of exponentials, or a sum and nothing.
#[derive(CubeType, Clone, Copy)]
struct Summary<A: Float, N: Size> {
    first: Vector<A, N>,
    second: Vector<A, N>,
}

/// Adds some entries to the summary of one unit.
#[cube]
fn add<A: Float, N: Size>(
    summary: &mut Summary<A, N>,
    entries: &Entries<A, N>,
    end: usize,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
) {
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    if comptime!(backward) {
        #[unroll]
        for entry in 0..HELD {
            let any = entries.first + entry * lanes < end;
            summary.first += select(any, entries.x[entry] * entries.grad[entry], zero);
        }
    } else {
        let lowest = Vector::<A, N>::new(A::new(LOWEST));
        let mut largest = summary.first;
        #[unroll]
        for entry in 0..HELD {
            let any = entries.first + entry * lanes < end;
            largest = max(largest, select(any, entries.x[entry], lowest));
        }
        // What is there is relative to what was the largest before.
        summary.second *= (summary.first - largest).exp();
        summary.first = largest;
        #[unroll]
        for entry in 0..HELD {
            let any = entries.first + entry * lanes < end;
            summary.second += select(any, (entries.x[entry] - largest).exp(), zero);
        }
    }
}

/// What the entries of a walk have in summary, in all units of the group.
#[cube]
fn read<A: Float, N: Size>(
    x: &Tensor<Vector<A, N>>,
    grad: &Tensor<Vector<A, N>>,
    edge: &Tensor<i32>,
    walk: &Walk,
    own: &Entries<A, N>,
    vector: usize,
    vectors: usize,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
) -> Summary<A, N> {
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut summary = Summary::<A, N> {
        first: zero,
        second: zero,
    };
    if comptime!(!backward) {
        summary.first = Vector::<A, N>::new(A::new(LOWEST));
    }
    add::<A, N>(&mut summary, own, walk.end, lanes, backward);
    let mut k = own.first + HELD * lanes;
    while k < walk.end {
        let more = entries::<A, N>(x, grad, edge, walk.end, k, vector, vectors, lanes, backward);
        add::<A, N>(&mut summary, &more, walk.end, lanes, backward);
        k += HELD * lanes;
    }
    if comptime!(backward) {
        summary.first = over_lanes::<A, N>(summary.first, lanes, false);
    } else {
        let largest = over_lanes::<A, N>(summary.first, lanes, true);
        let sum = summary.second * (summary.first - largest).exp();
        summary.second = over_lanes::<A, N>(sum, lanes, false);
        summary.first = largest;
    }
    summary
}

/// Writes some entries; `share` is one over the sum.
#[cube]
fn write_entries<A: Float, N: Size>(
    out: &mut Tensor<Vector<A, N>>,
    entries: &Entries<A, N>,
    end: usize,
    first: Vector<A, N>,
    share: Vector<A, N>,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
) {
    #[unroll]
    for entry in 0..HELD {
        if entries.first + entry * lanes < end {
            if comptime!(backward) {
                out[entries.at[entry]] = entries.x[entry] * (entries.grad[entry] - first);
            } else {
                out[entries.at[entry]] = (entries.x[entry] - first).exp() * share;
            }
        }
    }
}

/// Writes the entries of a walk.
#[cube]
fn write<A: Float, N: Size>(
    x: &Tensor<Vector<A, N>>,
    grad: &Tensor<Vector<A, N>>,
    edge: &Tensor<i32>,
    out: &mut Tensor<Vector<A, N>>,
    walk: &Walk,
    own: &Entries<A, N>,
    vector: usize,
    vectors: usize,
    summary: &Summary<A, N>,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
) {
    let one = Vector::<A, N>::new(A::new(1.0_f32));
    let share = one / (summary.second + Vector::<A, N>::new(A::new(1e-16_f32)));
    let first = summary.first;
    write_entries::<A, N>(out, own, walk.end, first, share, lanes, backward);
    let mut k = own.first + HELD * lanes;
    while k < walk.end {
        let more = entries::<A, N>(x, grad, edge, walk.end, k, vector, vectors, lanes, backward);
        write_entries::<A, N>(out, &more, walk.end, first, share, lanes, backward);
        k += HELD * lanes;
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn rows_kernel<A: Float, N: Size>(
    x: &Tensor<Vector<A, N>>,
    grad: &Tensor<Vector<A, N>>,
    ptr: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    out: &mut Tensor<Vector<A, N>>,
    partial: &mut Tensor<Vector<A, N>>,
    pieces: usize,
    rows: usize,
    vectors: usize,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
    #[define(A)] _dtype: ElemType,
) {
    // Units of a plane stay together until they have joined what they have.
    let task = group(lanes);
    let number = task / vectors;
    let vector = task % vectors;
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    let first = walk.start + lane(lanes);
    let own = entries::<A, N>(
        x, grad, edge, walk.end, first, vector, vectors, lanes, backward,
    );
    let summary = read::<A, N>(x, grad, edge, &walk, &own, vector, vectors, lanes, backward);
    if walk.active && number < pieces {
        if lane(lanes) == 0 {
            partial[task * 2] = summary.first;
            partial[task * 2 + 1] = summary.second;
        }
    } else if walk.active {
        write::<A, N>(
            x, grad, edge, out, &walk, &own, vector, vectors, &summary, lanes, backward,
        );
    }
}

/// Joins what the pieces of a long row have: one group for each row and vector, whose units take pieces
/// in turn. The result is where the first piece's was.
#[cube(launch_unchecked, address_type = "dynamic")]
fn join_kernel<A: Float, N: Size>(
    ptr: &Tensor<i32>,
    hub: &Tensor<i32>,
    partial: &mut Tensor<Vector<A, N>>,
    hubs: usize,
    vectors: usize,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
    #[define(A)] _dtype: ElemType,
) {
    // Groups behind the last row have no pieces.
    let task = group(lanes);
    let number = min(task / vectors, hubs - 1);
    let row = usize::cast_from(hub[number * 2]);
    let entries = usize::cast_from(ptr[row + 1]) - usize::cast_from(ptr[row]);
    let count = select(task < hubs * vectors, entries.div_ceil(PIECE), 0usize);
    let piece = usize::cast_from(hub[number * 2 + 1]) * PIECES;
    let start = (piece * vectors + task % vectors) * 2;
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut first = zero;
    let mut second = zero;
    if comptime!(backward) {
        let mut piece = lane(lanes);
        while piece < count {
            first += partial[start + piece * vectors * 2];
            piece += lanes;
        }
        first = over_lanes::<A, N>(first, lanes, false);
    } else {
        first = Vector::<A, N>::new(A::new(LOWEST));
        let mut piece = lane(lanes);
        while piece < count {
            first = max(first, partial[start + piece * vectors * 2]);
            piece += lanes;
        }
        first = over_lanes::<A, N>(first, lanes, true);
        piece = lane(lanes);
        while piece < count {
            let at = start + piece * vectors * 2;
            second += partial[at + 1] * (partial[at] - first).exp();
            piece += lanes;
        }
        second = over_lanes::<A, N>(second, lanes, false);
    }
    if count > 0 && lane(lanes) == 0 {
        partial[start] = first;
        partial[start + 1] = second;
    }
}

/// Writes the entries of long rows: one group for each piece and vector.
#[cube(launch_unchecked, address_type = "dynamic")]
fn pieces_kernel<A: Float, N: Size>(
    x: &Tensor<Vector<A, N>>,
    grad: &Tensor<Vector<A, N>>,
    ptr: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    partial: &Tensor<Vector<A, N>>,
    out: &mut Tensor<Vector<A, N>>,
    pieces: usize,
    vectors: usize,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
    #[define(A)] _dtype: ElemType,
) {
    let task = group(lanes);
    let number = task / vectors;
    let vector = task % vectors;
    let walk = find_walk(ptr, chunk, number, pieces, 0usize);
    if !walk.active {
        terminate!();
    }
    // What the row has in common is in the place of its first piece.
    let first = number - (walk.start - usize::cast_from(ptr[walk.row])) / PIECE;
    let at = (first * vectors + vector) * 2;
    let summary = Summary::<A, N> {
        first: partial[at],
        second: partial[at + 1],
    };
    let first = walk.start + lane(lanes);
    let own = entries::<A, N>(
        x, grad, edge, walk.end, first, vector, vectors, lanes, backward,
    );
    write::<A, N>(
        x, grad, edge, out, &walk, &own, vector, vectors, &summary, lanes, backward,
    );
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
    let storage = dtype_to_storage_type(sum);
    let lanes = Lanes::for_entries(&x, heads, csr.edges / csr.rows.max(1), HELD / 2);
    // A vector at least, as the kernel is promised one.
    let places = (csr.pieces * heads * 2).max(lanes.vector);
    let partial = empty(&x, Shape::new([places]), sum);
    let address = address_type([&x, &csr.edge, &csr.ptr, &out, &partial].map(Some));
    let (cubes, dim) = lanes.launch_dims(&x, csr.walks() * lanes.width);
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of edges,
    // and each edge, which belongs to one row, has a row of `x`, `grad` and `out`. A group writes its own
    // vector of its row's entries, or its own place in `partial`.
    unsafe {
        rows_kernel::launch_unchecked(
            &x.client,
            cubes,
            dim,
            address,
            lanes.vector,
            x.clone().into_tensor_arg(),
            grad.clone().into_tensor_arg(),
            csr.ptr.clone().into_tensor_arg(),
            csr.edge.clone().into_tensor_arg(),
            csr.chunk.clone().into_tensor_arg(),
            out.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            lanes.width,
            lanes.units,
            backward,
            storage,
        );
    }
    if csr.hubs > 0 {
        let (cubes, dim) = lanes.launch_dims(&x, csr.hubs * lanes.width);
        // SAFETY: a group below `hubs · vectors` reads its row's pieces, which `partial` has, and writes the
        // place of the first; others read the last row and have no pieces.
        unsafe {
            join_kernel::launch_unchecked(
                &x.client,
                cubes,
                dim,
                address,
                lanes.vector,
                csr.ptr.clone().into_tensor_arg(),
                csr.hub.into_tensor_arg(),
                partial.clone().into_tensor_arg(),
                csr.hubs,
                lanes.width,
                lanes.units,
                backward,
                storage,
            );
        }
        let (cubes, dim) = lanes.launch_dims(&x, csr.pieces * lanes.width);
        // SAFETY: as for the first launch; groups behind the last piece have no entries.
        unsafe {
            pieces_kernel::launch_unchecked(
                &x.client.clone(),
                cubes,
                dim,
                address,
                lanes.vector,
                x.into_tensor_arg(),
                grad.into_tensor_arg(),
                csr.ptr.into_tensor_arg(),
                csr.edge.into_tensor_arg(),
                csr.chunk.into_tensor_arg(),
                partial.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                csr.pieces,
                lanes.width,
                lanes.units,
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
