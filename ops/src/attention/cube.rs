//! Attention along sorted edges on GPUs: a group of units for each row and head, whose units hold the
//! head's features; see [`lanes`](crate::rows::lanes).
//!
//! Every unit computes the scores of its head itself, so units of a group say nothing to each other.
//! The softmax is taken in one pass. With `m` the largest score so far, `l` the sum of exponentials and
//! `a` the weighted sum of rows, both relative to `m`, scores `s` with rows `x` are added by
//!
//! ```text
//! m' = max(m, s)
//! l' = l · exp(m - m') + Σ exp(s - m')
//! a' = a · exp(m - m') + Σ exp(s - m') · keep · x
//! ```
//!
//! and in the end `out = a / l`. Pieces of a long row are joined by the same rule.
//!
//! A loop is one more entry of its row, behind the others.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

mod gradient;

use burn::backend::{Shape, cubecl::dtype_to_storage_type};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

pub(crate) use gradient::attention_backward;

use super::{AttentionOptions, dropout_threshold};
use crate::{
    CsrTensors,
    rows::{
        cube::{address_type, empty, launch_dims, with_rows},
        lanes::{
            Lanes, PIECE, PIECES, STEP, Sorted, cast, find_walk, group, lane, sum_type, zeros,
        },
    },
};

/// Most vectors of a unit.
const SLOTS: usize = 2;
/// The score of what is no entry: below any other.
const LOWEST: f32 = -1e30;

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

/// What a dropped or kept weight is multiplied with.
#[cube]
fn keep<A: Float>(number: u32, seed: u32, threshold: u32, scale: f32) -> A {
    let dropped = mix(mix(number) ^ seed) < threshold;
    select(dropped, A::new(0.0_f32), A::cast_from(scale))
}

/// The leaky rectifier.
#[cube]
fn leaky<A: Float>(score: A, slope: f32) -> A {
    select(score > A::new(0.0_f32), score, score * A::cast_from(slope))
}

/// Options in the form that kernels take.
struct Options {
    slope: f32,
    /// Number of loops, 0 if edges from a node to itself count.
    loops: usize,
    seed: u32,
    threshold: u32,
    scale: f32,
    has_loops: bool,
    has_dropout: bool,
}

impl From<AttentionOptions> for Options {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "kernels compute with single precision"
    )]
    fn from(options: AttentionOptions) -> Self {
        let (probability, seed) = options.dropout.unwrap_or_default();
        Self {
            slope: options.negative_slope as f32,
            loops: options.loops.unwrap_or_default(),
            seed,
            threshold: dropout_threshold(probability),
            scale: if probability < 1.0 {
                (1.0 / (1.0 - probability)) as f32
            } else {
                0.0
            },
            has_loops: options.loops.is_some(),
            has_dropout: options.dropout.is_some(),
        }
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn attention_kernel<F: Float, A: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    score_src: &Tensor<A>,
    score_dst: &Tensor<A>,
    ptr: &Tensor<i32>,
    col: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    out: &mut Tensor<Vector<F, N>>,
    lse: &mut Tensor<A>,
    partial: &mut Tensor<A>,
    pieces: usize,
    rows: usize,
    width: usize,
    edges: usize,
    loops: usize,
    slope: f32,
    seed: u32,
    threshold: u32,
    scale: f32,
    #[comptime] heads: usize,
    #[comptime] lanes: usize,
    #[comptime] slots: usize,
    #[comptime] blocks: usize,
    #[comptime] has_loops: bool,
    #[comptime] has_dropout: bool,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let task = group(lanes);
    let number = task / comptime!(heads * blocks);
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    if !walk.active {
        terminate!();
    }
    let row = walk.row;
    let head = task / blocks % heads;
    let block = task % blocks;
    let first = block * comptime!(lanes * slots) + lane(lanes);
    let mut feature = Array::<usize>::new(slots);
    let mut sums = Array::<Vector<A, N>>::new(slots);
    #[unroll]
    for slot in 0..slots {
        // Units behind the end of a row read its last vector, and write nothing.
        feature[slot] = min(first + slot * lanes, width - 1);
        sums[slot] = Vector::<A, N>::new(A::new(0.0_f32));
    }
    let own = score_dst[row * heads + head];
    let mut largest = A::new(LOWEST);
    let mut total = A::new(0.0_f32);
    let count = walk.end - walk.start;
    let mut all = count;
    if row < loops && walk.end == usize::cast_from(ptr[row + 1]) {
        all += 1;
    }
    let last = max(walk.end, 1) - 1;
    let mut k = 0;
    while k < all {
        let mut from = Array::<usize>::new(STEP);
        let mut by = Array::<u32>::new(STEP);
        let mut scores = Array::<A>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            let at = k + step;
            let entry = min(walk.start + at, last);
            let other = usize::cast_from(col[entry]);
            let mut node = other;
            let mut counts = at < all;
            if comptime!(has_loops) {
                // An edge from a node to itself gives way to the loop.
                let looped = at == count && at < all;
                counts = counts && (looped || other != row);
                node = select(looped, row, other);
            }
            if comptime!(has_dropout) {
                let mut name = u32::cast_from(edge[entry]);
                if comptime!(has_loops) {
                    name = select(at == count, u32::cast_from(edges + row), name);
                }
                by[step] = name;
            }
            from[step] = node;
            scores[step] = select(counts, A::new(0.0_f32), A::new(LOWEST));
        }
        let mut values = Array::<Vector<A, N>>::new(comptime!(STEP * slots));
        #[unroll]
        for step in 0..STEP {
            let at = from[step] * heads + head;
            let score = leaky::<A>(score_src[at] + own, slope);
            scores[step] = select(scores[step] < A::new(0.0_f32), scores[step], score);
            #[unroll]
            for slot in 0..slots {
                values[step * slots + slot] =
                    Vector::<A, N>::cast_from(x[at * width + feature[slot]]);
            }
        }
        let mut next = largest;
        #[unroll]
        for step in 0..STEP {
            next = max(next, scores[step]);
        }
        let shrink = (largest - next).exp();
        total *= shrink;
        #[unroll]
        for slot in 0..slots {
            sums[slot] *= Vector::<A, N>::new(shrink);
        }
        #[unroll]
        for step in 0..STEP {
            let share = (scores[step] - next).exp();
            let mut share = select(scores[step] <= A::new(LOWEST), A::new(0.0_f32), share);
            total += share;
            if comptime!(has_dropout) {
                let name = by[step] * u32::cast_from(heads) + u32::cast_from(head);
                share *= keep::<A>(name, seed, threshold, scale);
            }
            #[unroll]
            for slot in 0..slots {
                sums[slot] += values[step * slots + slot] * Vector::<A, N>::new(share);
            }
        }
        largest = next;
        k += STEP;
    }
    let size = x.vector_size();
    let features = heads * width * size;
    let stride = features + 2 * heads;
    let sum = total + A::new(1e-16_f32);
    #[unroll]
    for slot in 0..slots {
        let at = first + slot * lanes;
        if at < width {
            let result = sums[slot];
            if number < pieces {
                let to = number * stride + (head * width + at) * size;
                #[unroll]
                for element in 0..size {
                    partial[to + element] = result.extract(element);
                }
            } else {
                out[(row * heads + head) * width + at] =
                    Vector::<F, N>::cast_from(result / Vector::<A, N>::new(sum));
            }
        }
    }
    if first == 0 {
        if number < pieces {
            let to = number * stride + features + 2 * head;
            partial[to] = largest;
            partial[to + 1] = total;
        } else {
            let value = select(total > A::new(0.0_f32), largest + sum.ln(), total);
            lse[row * heads + head] = value;
        }
    }
}

/// Joins the pieces of long rows: one unit for each row and feature.
#[cube(launch_unchecked, address_type = "dynamic")]
fn merge_attention_kernel<F: Float, A: Float>(
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
    let stride = features + 2 * heads;
    let row = usize::cast_from(hub[number * 2]);
    let entries = usize::cast_from(ptr[row + 1]) - usize::cast_from(ptr[row]);
    let mut at = usize::cast_from(hub[number * 2 + 1]) * PIECES * stride;
    let end = at + entries.div_ceil(PIECE) * stride;
    let mut largest = A::new(LOWEST);
    let mut total = A::new(0.0_f32);
    let mut sum = A::new(0.0_f32);
    while at < end {
        let score = partial[at + features + 2 * head];
        let next = max(largest, score);
        let before = (largest - next).exp();
        let share = (score - next).exp();
        total = total * before + partial[at + features + 2 * head + 1] * share;
        sum = sum * before + partial[at + feature] * share;
        largest = next;
        at += stride;
    }
    let divisor = total + A::new(1e-16_f32);
    out[row * features + feature] = F::cast_from(sum / divisor);
    if feature == head * width {
        let value = select(total > A::new(0.0_f32), largest + divisor.ln(), total);
        lse[row * heads + head] = value;
    }
}

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn attention(
    x: CubeTensor,
    score_src: CubeTensor,
    score_dst: CubeTensor,
    csr: CsrTensors<CubeBackend>,
    options: AttentionOptions,
) -> (CubeTensor, CubeTensor) {
    let (x, csr) = (into_contiguous(x), Sorted::from(csr));
    let (heads, width) = (x.meta.shape()[1], x.meta.shape()[2]);
    let shape = with_rows(x.meta.shape(), csr.rows);
    let (sum, score_type) = (sum_type(x.dtype), score_dst.dtype);
    let options = Options::from(options);
    if csr.rows * heads * width * (csr.edges + options.loops) == 0 {
        let lse = zeros(&x, Shape::new([csr.rows, heads]), score_type);
        return (zeros(&x, shape, x.dtype), lse);
    }
    let [score_src, score_dst] = [score_src, score_dst].map(|score| cast(score, sum));
    let lanes = Lanes::new(&x, 1, width, SLOTS);
    let out = empty(&x, shape, x.dtype);
    let lse = empty(&x, Shape::new([csr.rows, heads]), sum);
    let partial = csr.partial(heads * (width + 2), sum);
    let (cubes, dim) = lanes.launch_dims(&x, csr.walks() * heads * lanes.blocks);
    let address = address_type([&x, &score_src, &csr.edge, &out, &lse, &partial].map(Some));
    let dtypes = [x.dtype, sum].map(dtype_to_storage_type);
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of edges,
    // `col` is a row of `x` and `score_src`, and so is a loop. A group writes its own row and head of
    // `out` and `lse`, or of `partial`, a unit vectors below `width`.
    unsafe {
        attention_kernel::launch_unchecked(
            &x.client.clone(),
            cubes,
            dim,
            address,
            lanes.vector,
            x.into_tensor_arg(),
            score_src.into_tensor_arg(),
            score_dst.into_tensor_arg(),
            csr.ptr.clone().into_tensor_arg(),
            csr.col.clone().into_tensor_arg(),
            csr.edge.clone().into_tensor_arg(),
            csr.chunk.clone().into_tensor_arg(),
            out.clone().into_tensor_arg(),
            lse.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            lanes.width,
            csr.edges,
            options.loops,
            options.slope,
            options.seed,
            options.threshold,
            options.scale,
            heads,
            lanes.units,
            lanes.slots,
            lanes.blocks,
            options.has_loops,
            options.has_dropout,
            dtypes,
        );
    }
    if csr.hubs > 0 {
        let (cubes, dim) = launch_dims(&out, csr.hubs * heads * width);
        // SAFETY: a unit below `hubs · heads · width` writes its own feature of its own row, and reads
        // the pieces of that row, which `partial` has.
        unsafe {
            merge_attention_kernel::launch_unchecked(
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
                dtypes,
            );
        }
    }
    (out, cast(lse, score_type))
}
