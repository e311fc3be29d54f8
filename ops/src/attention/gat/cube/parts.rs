//! What the kernels of attention have in common: entries, dropout, the softmax in one pass, and
//! joining the pieces of long rows.

use burn::backend::{cubecl::dtype_to_storage_type, ops::IntTensorOps as _};
use burn::tensor::IntDType;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::{
    AttentionAttributes, DotAttentionAttributes,
    attention::dropout_threshold,
    rows::{
        cube::{address_type, launch_dims},
        lanes::{PIECE, PIECES, Sorted, Walk},
    },
};

/// Numbers of the softmax that a piece of a long row has for each head: the largest score, the sum
/// of exponentials, and whether there is any score.
pub(crate) const PARTS: usize = 3;

/// Options in the form that kernels take.
#[derive(Clone)]
pub(crate) struct Options {
    /// Slope of the leaky ReLU, or scale of inner products.
    pub(crate) factor: f32,
    /// Number of loops, 0 if edges from a node to itself count.
    pub(crate) loops: usize,
    /// Of the dropout, if there is any.
    pub(crate) seed: Option<CubeTensor>,
    pub(crate) threshold: u32,
    pub(crate) scale: f32,
    pub(crate) has_loops: bool,
}

impl Options {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "kernels compute with single precision"
    )]
    fn new(factor: f64, loops: Option<usize>, dropout: Option<f64>, seed: CubeTensor) -> Self {
        let probability = dropout.unwrap_or_default();
        Self {
            factor: factor as f32,
            loops: loops.unwrap_or_default(),
            seed: dropout.map(|_| CubeBackend::int_cast(seed, IntDType::I32)),
            threshold: dropout_threshold(probability),
            scale: if probability < 1.0 {
                (1.0 / (1.0 - probability)) as f32
            } else {
                0.0
            },
            has_loops: loops.is_some(),
        }
    }

    pub(crate) fn of(options: AttentionAttributes, seed: CubeTensor) -> Self {
        Self::new(options.negative_slope, options.loops, options.dropout, seed)
    }

    pub(crate) fn of_dot(options: DotAttentionAttributes, seed: CubeTensor) -> Self {
        Self::new(options.scale, options.loops, options.dropout, seed)
    }
}

/// A hash of a number: the finaliser of MurmurHash3.
#[cube]
fn mix(number: u32) -> u32 {
    let mut h = number;
    h ^= h >> 16u32;
    h *= 0x85eb_ca6b_u32;
    h ^= h >> 13u32;
    h *= 0xc2b2_ae35_u32;
    h ^ (h >> 16u32)
}

/// The seed of a dropout; 0 without one.
#[cube]
pub(crate) fn read_seed(seed: &ComptimeOption<&Tensor<i32>>) -> u32 {
    let mut drawn = 0u32;
    #[comptime]
    if let ComptimeOption::Some(seed) = seed {
        drawn = u32::reinterpret(seed[0]);
    }
    drawn
}

/// What a dropped or kept weight is multiplied with.
#[cube]
pub(crate) fn keep<A: Float>(number: u32, seed: u32, threshold: u32, scale: f32) -> A {
    let dropped = mix(mix(number) ^ seed) < threshold;
    select(dropped, A::new(0.0_f32), A::cast_from(scale))
}

/// The leaky rectifier.
#[cube]
pub(crate) fn leaky<A: Float>(score: A, slope: f32) -> A {
    select(score > A::new(0.0_f32), score, score * A::cast_from(slope))
}

/// An entry of a walk: an edge, or a loop, which is one more entry of its row, behind the others.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Entry {
    /// The node at the other end.
    pub(crate) node: usize,
    /// Number of the edge; loops are numbered behind the edges.
    pub(crate) name: u32,
    /// Whether it is there, and not an edge that gives way to a loop.
    pub(crate) counts: bool,
}

/// Number of entries of a walk with the loop that it ends with.
#[cube]
pub(crate) fn count_entries(ptr: &Tensor<i32>, walk: &Walk, loops: usize) -> usize {
    let mut count = walk.end - walk.start;
    if walk.active && walk.row < loops && walk.end == usize::cast_from(ptr[walk.row + 1]) {
        count += 1;
    }
    count
}

/// Entry `at` of a walk with `count` of them; some other that does not count if there are fewer.
/// Its number is read if `named`.
#[cube]
pub(crate) fn find_entry(
    col: &Tensor<i32>,
    edge: &Tensor<i32>,
    walk: &Walk,
    at: usize,
    count: usize,
    edges: usize,
    #[comptime] has_loops: bool,
    #[comptime] named: bool,
) -> Entry {
    let entry = min(walk.start + at, max(walk.end, 1) - 1);
    let mut node = usize::cast_from(col[entry]);
    let mut name = 0u32;
    if comptime!(named) {
        name = u32::cast_from(edge[entry]);
    }
    let mut counts = at < count;
    if comptime!(has_loops) {
        // An edge from a node to itself gives way to the loop.
        let looped = counts && at == walk.end - walk.start;
        counts = counts && (looped || node != walk.row);
        node = select(looped, walk.row, node);
        if comptime!(named) {
            name = select(looped, u32::cast_from(edges + walk.row), name);
        }
    }
    Entry { node, name, counts }
}

/// A softmax as far as scores have been seen.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Softmax<A: Float> {
    /// The largest score that is finite, the least number before there is one.
    pub(crate) largest: A,
    /// The sum of exponentials, relative to the largest score.
    pub(crate) total: A,
    /// 1 if there is any score, 0 before.
    pub(crate) any: A,
    /// What earlier sums are multiplied with.
    pub(crate) shrink: A,
}

/// Adds the scores that count to a softmax, and replaces them by weights relative to the largest so
/// far, the others by 0.
#[cube]
pub(crate) fn push<A: Float>(
    scores: &mut Array<A>,
    counts: &Array<u32>,
    largest: A,
    total: A,
    any: A,
    #[comptime] steps: usize,
) -> Softmax<A> {
    let mut next = largest;
    let mut any = any;
    #[unroll]
    for step in 0..steps {
        next = select(counts[step] == 1u32, max(next, scores[step]), next);
        any = select(counts[step] == 1u32, A::new(1.0_f32), any);
    }
    let shrink = (largest - next).exp();
    let mut sum = total * shrink;
    #[unroll]
    for step in 0..steps {
        let share = (scores[step] - next).exp();
        let share = select(counts[step] == 1u32, share, A::new(0.0_f32));
        scores[step] = share;
        sum += share;
    }
    Softmax::<A> {
        largest: next,
        total: sum,
        any,
        shrink,
    }
}

/// What sums are divided by. The largest score counts 1, unless all are minus infinity: then it is
/// not a number.
#[cube]
fn divisor<A: Float>(total: A, any: A) -> A {
    let zero = A::new(0.0_f32);
    let is_nan = any > zero && total == zero;
    select(is_nan, total / total, total + A::new(1e-16_f32))
}

/// The logarithm of the sum of exponentials, 0 without scores.
#[cube]
fn logarithm<A: Float>(largest: A, divisor: A, any: A) -> A {
    let zero = A::new(0.0_f32);
    select(any > zero, largest + divisor.ln(), zero)
}

/// Where a group writes: to the row of its own, or if it walks a piece to a row of `partial`.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) row: usize,
    pub(crate) head: usize,
    /// The first vector of this unit.
    pub(crate) first: usize,
    /// Number of the walk, if it is a piece.
    pub(crate) piece: usize,
    pub(crate) is_piece: bool,
}

/// Writes the sums of a head, or what a piece has of them, `stride` numbers per piece.
#[cube]
pub(crate) fn write_sums<F: Float, A: Float, N: Size>(
    sums: &Array<Vector<A, N>>,
    place: &Place,
    out: &mut Tensor<Vector<F, N>>,
    partial: &mut Tensor<A>,
    offset: usize,
    stride: usize,
    width: usize,
    #[comptime] heads: usize,
    #[comptime] lanes: usize,
    #[comptime] slots: usize,
) {
    #[unroll(slots <= 4)]
    for slot in 0..slots {
        let at = place.first + slot * lanes;
        if at < width {
            let result = sums[slot];
            if place.is_piece {
                let size = result.vector_size();
                let to = place.piece * stride + offset + (place.head * width + at) * size;
                #[unroll]
                for element in 0..size {
                    partial[to + element] = result.extract(element);
                }
            } else {
                out[(place.row * heads + place.head) * width + at] =
                    Vector::<F, N>::cast_from(result);
            }
        }
    }
}

/// Writes the output of a head and its logarithm, or what a piece has of them.
#[cube]
pub(crate) fn write_output<F: Float, A: Float, N: Size>(
    sums: &Array<Vector<A, N>>,
    largest: A,
    total: A,
    any: A,
    place: &Place,
    out: &mut Tensor<Vector<F, N>>,
    lse: &mut Tensor<A>,
    partial: &mut Tensor<A>,
    width: usize,
    #[comptime] heads: usize,
    #[comptime] lanes: usize,
    #[comptime] slots: usize,
) {
    let features = heads * width * out.vector_size();
    let stride = features + comptime!(PARTS * heads);
    let sum = divisor::<A>(total, any);
    let by = select(place.is_piece, A::new(1.0_f32), sum);
    let mut results = Array::<Vector<A, N>>::new(slots);
    #[unroll(slots <= 4)]
    for slot in 0..slots {
        results[slot] = sums[slot] / Vector::<A, N>::new(by);
    }
    write_sums::<F, A, N>(
        &results, place, out, partial, 0, stride, width, heads, lanes, slots,
    );
    if place.first == 0 {
        if place.is_piece {
            let to = place.piece * stride + features + PARTS * place.head;
            partial[to] = largest;
            partial[to + 1] = total;
            partial[to + 2] = any;
        } else {
            lse[place.row * heads + place.head] = logarithm::<A>(largest, sum, any);
        }
    }
}

/// Joins the pieces of long rows: one unit for each row and feature.
#[cube(launch_unchecked, address_type = "dynamic")]
fn merge_kernel<F: Float, A: Float>(
    partial: &Tensor<A>,
    ptr: &Tensor<i32>,
    hub: &Tensor<i32>,
    out: &mut Tensor<F>,
    lse: &mut Tensor<A>,
    hubs: usize,
    heads: usize,
    width: usize,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let features = heads * width;
    if ABSOLUTE_POS >= hubs * features {
        terminate!();
    }
    let number = ABSOLUTE_POS / features;
    let feature = ABSOLUTE_POS % features;
    let head = feature / width;
    let stride = features + PARTS * heads;
    let row = usize::cast_from(hub[number * 2]);
    let entries = usize::cast_from(ptr[row + 1]) - usize::cast_from(ptr[row]);
    let mut at = usize::cast_from(hub[number * 2 + 1]) * PIECES * stride;
    let end = at + entries.div_ceil(PIECE) * stride;
    let mut largest = A::min_value();
    let mut total = A::new(0.0_f32);
    let mut any = A::new(0.0_f32);
    let mut sum = A::new(0.0_f32);
    while at < end {
        let part = at + features + PARTS * head;
        let score = partial[part];
        let next = max(largest, score);
        let before = (largest - next).exp();
        let share = (score - next).exp();
        total = total * before + partial[part + 1] * share;
        any = max(any, partial[part + 2]);
        sum = sum * before + partial[at + feature] * share;
        largest = next;
        at += stride;
    }
    let by = divisor::<A>(total, any);
    out[row * features + feature] = F::cast_from(sum / by);
    if feature == head * width {
        lse[row * heads + head] = logarithm::<A>(largest, by, any);
    }
}

/// Joins what the pieces of long rows have, numbers as [`write_output`] leaves them.
pub(crate) fn merge(csr: &Sorted, partial: CubeTensor, out: &CubeTensor, lse: &CubeTensor) {
    if csr.hubs == 0 {
        return;
    }
    let (heads, width) = (out.meta.shape()[1], out.meta.shape()[2]);
    let (cubes, dim) = launch_dims(out, csr.hubs * heads * width);
    let address = address_type([&partial, out, lse, &csr.ptr].map(Some));
    // SAFETY: a unit below `hubs · heads · width` writes its own feature of its own row, and reads
    // the pieces of that row from `partial`.
    unsafe {
        merge_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address,
            partial.into_tensor_arg(),
            csr.ptr.clone().into_tensor_arg(),
            csr.hub.clone().into_tensor_arg(),
            out.clone().into_tensor_arg(),
            lse.clone().into_tensor_arg(),
            csr.hubs,
            heads,
            width,
            [out.dtype, lse.dtype].map(dtype_to_storage_type),
        );
    }
}
