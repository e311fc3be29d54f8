//! Softmax along sorted edges on GPUs: what rows have in common first, then the entries.
//!
//! Edges come in any order, so that a row's entries lie anywhere. A group of units walks each row
//! for what its entries have in common, all heads or as many as a vector has at a time, and notes
//! for each edge whose it is. Then units take the edges as they lie, which reads and writes them in
//! one piece:
//!
//! ```text
//! forward    m = max x     l = Σ exp(x - m) + 1e-16      out = exp(x - m) / l
//! gradient   s = Σ out · grad                            dx = out · (grad - s)
//! ```
//!
//! Units join what they have by operations of planes; on a device without those a group is one
//! unit. Long rows are cut in pieces. Their groups write what they have to a row of `partial`, and
//! a launch of its own joins that in the order of the pieces.

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
use kiln_core::HUB;

use crate::{
    CsrTensors,
    rows::{
        cube::{address_type, empty, launch_dims, row_width},
        lanes::{
            Lanes, PIECE, PIECES, Sorted, Walk, cast, find_walk, group, lane, sum_type, zeros,
        },
    },
};

/// Entries of a unit that are read at once.
const HELD: usize = 4;

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

/// What entries have in common: the largest score and the sum of exponentials, or a sum and
/// nothing.
#[derive(CubeType, Clone, Copy)]
struct Summary<A: Float, N: Size> {
    first: Vector<A, N>,
    second: Vector<A, N>,
}

/// The summary of no entries.
#[cube]
fn nothing<A: Float, N: Size>(#[comptime] backward: bool) -> Summary<A, N> {
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut first = zero;
    if comptime!(!backward) {
        // Finite, so that scores of minus infinity do not count until all are known.
        first = Vector::<A, N>::new(A::min_value());
    }
    Summary::<A, N> {
        first,
        second: zero,
    }
}

/// The summary of the entries of a walk, in all units of the group. Notes that the row owns them.
#[cube]
fn summarise<A: Float, N: Size>(
    x: &Tensor<Vector<A, N>>,
    grad: &Tensor<Vector<A, N>>,
    edge: &Tensor<i32>,
    owner: &mut Tensor<i32>,
    walk: &Walk,
    vector: usize,
    vectors: usize,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
    #[comptime] in_pieces: bool,
) -> Summary<A, N> {
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut summary = nothing::<A, N>(backward);
    // The sum of pieces.
    let mut total = zero;
    let mut taken = 0u32;
    let mut k = walk.start + lane(lanes);
    while k < walk.end {
        let mut edges = Array::<usize>::new(HELD);
        let mut values = Array::<Vector<A, N>>::new(HELD);
        #[unroll]
        for entry in 0..HELD {
            // Those behind the end are read where the last one is.
            edges[entry] = usize::cast_from(edge[min(k + entry * lanes, walk.end - 1)]);
        }
        #[unroll]
        for entry in 0..HELD {
            let at = edges[entry] * vectors + vector;
            values[entry] = x[at];
            if comptime!(backward) {
                values[entry] *= grad[at];
            }
        }
        if vector == 0 {
            #[unroll]
            for entry in 0..HELD {
                if k + entry * lanes < walk.end {
                    owner[edges[entry]] = i32::cast_from(walk.row);
                }
            }
        }
        if comptime!(backward) {
            #[unroll]
            for entry in 0..HELD {
                let any = k + entry * lanes < walk.end;
                summary.first += select(any, values[entry], zero);
            }
        } else {
            // The last one changes no maximum when it is repeated.
            let mut largest = summary.first;
            #[unroll]
            for entry in 0..HELD {
                largest = max(largest, values[entry]);
            }
            // What is there is relative to what was the largest before.
            summary.second *= (summary.first - largest).exp();
            summary.first = largest;
            #[unroll]
            for entry in 0..HELD {
                let any = k + entry * lanes < walk.end;
                summary.second += select(any, (values[entry] - largest).exp(), zero);
            }
        }
        k += HELD * lanes;
        if comptime!(in_pieces) {
            taken += comptime!(HELD as u32);
            if taken % comptime!(HUB as u32) == 0u32 {
                total += summary.first;
                summary.first = zero;
            }
        }
    }
    if comptime!(in_pieces) {
        summary.first += total;
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

/// Writes what a row has in common, for its entries: the largest score and one over the sum, or the
/// sum.
#[cube]
fn write_common<A: Float, N: Size>(
    common: &mut Tensor<Vector<A, N>>,
    at: usize,
    summary: Summary<A, N>,
    #[comptime] backward: bool,
) {
    if comptime!(backward) {
        common[at] = summary.first;
    } else {
        let one = Vector::<A, N>::new(A::new(1.0_f32));
        let sum = summary.second;
        let share = one / (sum + Vector::<A, N>::new(A::new(1e-16_f32)));
        // The largest score counts 1, unless all are minus infinity: then nothing is a number.
        let is_zero = sum.equal(&Vector::<A, N>::new(A::new(0.0_f32)));
        common[at * 2] = summary.first;
        common[at * 2 + 1] = select_many(is_zero, sum / sum, share);
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn rows_kernel<A: Float, N: Size>(
    x: &Tensor<Vector<A, N>>,
    grad: &Tensor<Vector<A, N>>,
    ptr: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    owner: &mut Tensor<i32>,
    common: &mut Tensor<Vector<A, N>>,
    partial: &mut Tensor<Vector<A, N>>,
    pieces: usize,
    rows: usize,
    vectors: usize,
    #[comptime] lanes: usize,
    #[comptime] backward: bool,
    #[comptime] in_pieces: bool,
    #[define(A)] _dtype: ElemType,
) {
    // Units of a plane stay together until they have joined what they have.
    let task = group(lanes);
    let number = task / vectors;
    let vector = task % vectors;
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    let summary = summarise::<A, N>(
        x, grad, edge, owner, &walk, vector, vectors, lanes, backward, in_pieces,
    );
    if walk.active && lane(lanes) == 0 {
        if number < pieces {
            partial[task * 2] = summary.first;
            partial[task * 2 + 1] = summary.second;
        } else {
            write_common::<A, N>(common, walk.row * vectors + vector, summary, backward);
        }
    }
}

/// Joins what the pieces of a long row have: one group for each row and vector, whose units take
/// pieces in turn.
#[cube(launch_unchecked, address_type = "dynamic")]
fn join_kernel<A: Float, N: Size>(
    ptr: &Tensor<i32>,
    hub: &Tensor<i32>,
    partial: &Tensor<Vector<A, N>>,
    common: &mut Tensor<Vector<A, N>>,
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
    let mut summary = nothing::<A, N>(backward);
    let mut piece = lane(lanes);
    while piece < count {
        let first = partial[start + piece * vectors * 2];
        if comptime!(backward) {
            summary.first += first;
        } else {
            summary.first = max(summary.first, first);
        }
        piece += lanes;
    }
    summary.first = over_lanes::<A, N>(summary.first, lanes, comptime!(!backward));
    if comptime!(!backward) {
        piece = lane(lanes);
        while piece < count {
            let at = start + piece * vectors * 2;
            summary.second += partial[at + 1] * (partial[at] - summary.first).exp();
            piece += lanes;
        }
        summary.second = over_lanes::<A, N>(summary.second, lanes, false);
    }
    if count > 0 && lane(lanes) == 0 {
        write_common::<A, N>(common, row * vectors + task % vectors, summary, backward);
    }
}

/// Writes the entries: one unit for each edge and vector.
#[cube(launch_unchecked, address_type = "dynamic")]
fn entries_kernel<A: Float, N: Size>(
    x: &Tensor<Vector<A, N>>,
    grad: &Tensor<Vector<A, N>>,
    owner: &Tensor<i32>,
    common: &Tensor<Vector<A, N>>,
    out: &mut Tensor<Vector<A, N>>,
    entries: usize,
    rows: usize,
    vectors: usize,
    #[comptime] backward: bool,
    #[define(A)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= entries * vectors {
        terminate!();
    }
    // An edge whose ends are out of range has no row; what it reads instead is not used.
    let row = min(usize::cast_from(owner[ABSOLUTE_POS / vectors]), rows - 1);
    let at = row * vectors + ABSOLUTE_POS % vectors;
    let x = x[ABSOLUTE_POS];
    if comptime!(backward) {
        out[ABSOLUTE_POS] = x * (grad[ABSOLUTE_POS] - common[at]);
    } else {
        out[ABSOLUTE_POS] = (x - common[at * 2]).exp() * common[at * 2 + 1];
    }
}

fn run(x: CubeTensor, grad: Option<CubeTensor>, csr: CsrTensors<CubeBackend>) -> CubeTensor {
    let csr = Sorted::from(csr);
    let (dtype, shape) = (x.dtype, x.meta.shape().clone());
    let heads = row_width(&shape);
    if csr.edges * csr.rows * heads == 0 {
        return zeros(&x, shape, dtype);
    }
    let sum: DType = sum_type(dtype);
    let backward = grad.is_some();
    let x = cast(x, sum);
    let grad = grad.map_or_else(|| x.clone(), |grad| cast(grad, sum));
    let out = empty(&x, shape, sum);
    let storage = dtype_to_storage_type(sum);
    let lanes = Lanes::for_entries(&x, heads, csr.edges / csr.rows.max(1), HELD / 2);
    let owner = empty(&csr.edge, Shape::new([csr.edges]), DType::I32);
    let common = empty(&x, Shape::new([csr.rows * heads * 2]), sum);
    // A vector at least, as the kernel is promised one.
    let places = (csr.pieces * heads * 2).max(lanes.vector);
    let partial = empty(&x, Shape::new([places]), sum);
    let address = address_type([&x, &csr.edge, &csr.ptr, &common, &partial].map(Some));
    let (cubes, dim) = lanes.launch_dims(&x, csr.walks() * lanes.width);
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, and each edge, which belongs to one row, has a row of `x` and `grad` and a place in
    // `owner`. A group writes its own vector of its row in `common`, or its own place in `partial`.
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
            csr.edge.into_tensor_arg(),
            csr.chunk.into_tensor_arg(),
            owner.clone().into_tensor_arg(),
            common.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            lanes.width,
            lanes.units,
            backward,
            csr.whole && backward,
            storage,
        );
    }
    if csr.hubs > 0 {
        let (cubes, dim) = lanes.launch_dims(&x, csr.hubs * lanes.width);
        // SAFETY: a group below `hubs · vectors` reads its row's pieces, which `partial` has, and
        // writes its row in `common`; others read the last row and have no pieces.
        unsafe {
            join_kernel::launch_unchecked(
                &x.client,
                cubes,
                dim,
                address,
                lanes.vector,
                csr.ptr.into_tensor_arg(),
                csr.hub.into_tensor_arg(),
                partial.into_tensor_arg(),
                common.clone().into_tensor_arg(),
                csr.hubs,
                lanes.width,
                lanes.units,
                backward,
                storage,
            );
        }
    }
    let (cubes, dim) = launch_dims(&x, csr.edges * lanes.width);
    // SAFETY: a unit below `edges · vectors` reads and writes its own vector, and reads a row of
    // `common`.
    unsafe {
        entries_kernel::launch_unchecked(
            &x.client.clone(),
            cubes,
            dim,
            address,
            lanes.vector,
            x.into_tensor_arg(),
            grad.into_tensor_arg(),
            owner.into_tensor_arg(),
            common.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            csr.edges,
            csr.rows,
            lanes.width,
            backward,
            storage,
        );
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
