//! Attention along sorted edges on GPUs: a group of units for each row and head, whose units hold
//! the head's features; see [`lanes`](crate::rows::lanes).
//!
//! Every unit computes the scores of its head itself, so units of a group say nothing to each
//! other. The softmax is taken in one pass. With `m` the largest score so far, `l` the sum of
//! exponentials and `a` the weighted sum of rows, both relative to `m`, scores `s` with rows `x`
//! are added by
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
pub(crate) mod parts;

use burn::backend::{Shape, cubecl::dtype_to_storage_type};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

pub(crate) use gradient::attention_backward;
pub(crate) use gradient::{PER_TARGET, of_targets};
use parts::{
    Options, PARTS, Place, count_entries, find_entry, keep, leaky, merge, push, read_seed,
    write_output,
};

use crate::{
    AttentionAttributes, CsrTensors,
    rows::{
        cube::{address_type, empty, with_rows},
        lanes::{Lanes, STEP, Sorted, cast, find_walk, group, lane, sum_type, zeros},
    },
};

/// Most vectors of a unit.
const SLOTS: usize = 2;

#[cube(launch_unchecked, address_type = "dynamic")]
fn attention_kernel<F: Float, A: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    score_src: &Tensor<A>,
    score_dst: &Tensor<A>,
    ptr: &Tensor<i32>,
    col: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    seed: ComptimeOption<&Tensor<i32>>,
    out: &mut Tensor<Vector<F, N>>,
    lse: &mut Tensor<A>,
    partial: &mut Tensor<A>,
    pieces: usize,
    rows: usize,
    width: usize,
    edges: usize,
    loops: usize,
    slope: f32,
    threshold: u32,
    scale: f32,
    #[comptime] heads: usize,
    #[comptime] lanes: usize,
    #[comptime] slots: usize,
    #[comptime] blocks: usize,
    #[comptime] has_loops: bool,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let has_dropout = comptime!(seed.is_some());
    let drawn = read_seed(&seed);
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
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut largest = A::min_value();
    let mut total = A::new(0.0_f32);
    let mut any = A::new(0.0_f32);
    let count = count_entries(ptr, &walk, loops);
    let mut k = 0;
    while k < count {
        let mut from = Array::<usize>::new(STEP);
        let mut by = Array::<u32>::new(STEP);
        let mut counts = Array::<u32>::new(STEP);
        let mut scores = Array::<A>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            let entry = find_entry(
                col,
                edge,
                &walk,
                k + step,
                count,
                edges,
                has_loops,
                has_dropout,
            );
            from[step] = entry.node * heads + head;
            by[step] = entry.name;
            counts[step] = select(entry.counts, 1u32, 0u32);
        }
        let mut values = Array::<Vector<A, N>>::new(comptime!(STEP * slots));
        #[unroll]
        for step in 0..STEP {
            scores[step] = leaky::<A>(score_src[from[step]] + own, slope);
            #[unroll]
            for slot in 0..slots {
                let value = Vector::<A, N>::cast_from(x[from[step] * width + feature[slot]]);
                // What does not count has weight 0, and is 0 itself, since it may not be finite.
                values[step * slots + slot] = select(counts[step] == 1u32, value, zero);
            }
        }
        let softmax = push::<A>(&mut scores, &counts, largest, total, any, STEP);
        largest = softmax.largest;
        total = softmax.total;
        any = softmax.any;
        #[unroll]
        for slot in 0..slots {
            sums[slot] *= Vector::<A, N>::new(softmax.shrink);
        }
        #[unroll]
        for step in 0..STEP {
            let mut share = scores[step];
            if comptime!(has_dropout) {
                let name = by[step] * u32::cast_from(heads) + u32::cast_from(head);
                share *= keep::<A>(name, drawn, threshold, scale);
            }
            #[unroll]
            for slot in 0..slots {
                sums[slot] += values[step * slots + slot] * Vector::<A, N>::new(share);
            }
        }
        k += STEP;
    }
    let place = Place {
        row,
        head,
        first,
        piece: number,
        is_piece: number < pieces,
    };
    write_output::<F, A, N>(
        &sums, largest, total, any, &place, out, lse, partial, width, heads, lanes, slots,
    );
}

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn attention(
    [x, score_src, score_dst]: [CubeTensor; 3],
    seed: CubeTensor,
    csr: CsrTensors<CubeBackend>,
    options: AttentionAttributes,
) -> (CubeTensor, CubeTensor) {
    let (x, csr) = (into_contiguous(x), Sorted::from(csr));
    let (heads, width) = (x.meta.shape()[1], x.meta.shape()[2]);
    let shape = with_rows(x.meta.shape(), csr.rows);
    let (sum, score_type) = (sum_type(x.dtype), score_dst.dtype);
    let options = Options::of(options, seed);
    if csr.rows * heads * width * (csr.edges + options.loops) == 0 {
        let lse = zeros(&x, Shape::new([csr.rows, heads]), score_type);
        return (zeros(&x, shape, x.dtype), lse);
    }
    let [score_src, score_dst] = [score_src, score_dst].map(|score| cast(score, sum));
    let lanes = Lanes::new(&x, 1, width, SLOTS);
    let out = empty(&x, shape, x.dtype);
    let lse = empty(&x, Shape::new([csr.rows, heads]), sum);
    let partial = csr.partial(heads * (width + PARTS), sum);
    let (cubes, dim) = lanes.launch_dims(&x, csr.walks() * heads * lanes.blocks);
    let address = address_type([&x, &score_src, &csr.edge, &out, &lse, &partial].map(Some));
    let dtypes = [x.dtype, sum].map(dtype_to_storage_type);
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, `col` is a row of `x` and `score_src`, and so is a loop. A group writes its own row
    // and head of `out` and `lse`, or of `partial`, a unit vectors below `width`.
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
            options.seed.map(CubeTensor::into_tensor_arg).into(),
            out.clone().into_tensor_arg(),
            lse.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            lanes.width,
            csr.edges,
            options.loops,
            options.factor,
            options.threshold,
            options.scale,
            heads,
            lanes.units,
            lanes.slots,
            lanes.blocks,
            options.has_loops,
            dtypes,
        );
    }
    merge(&csr, partial, &out, &lse);
    (out, cast(lse, score_type))
}
