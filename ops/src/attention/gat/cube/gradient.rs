//! The gradient of attention along sorted edges on GPUs.
//!
//! Sources walk their edges, so that what they add up is their own. A group holds the source's row
//! of one head, reads the targets' rows of the gradient `g`, and with them and the stored
//! logarithms computes the weights again:
//!
//! ```text
//! delta_i = ⟨g_i, out_i⟩                             a kernel before: one number for a target
//! α       = exp(s - lse_i)
//! ds      = α · (keep · ⟨g_i, x_j⟩ - delta_i) · (s's slope)
//! dx_j    = Σ α · keep · g_i        dscore_src_j = Σ ds        dscore_dst_i = Σ ds, by target
//! ```
//!
//! `ds` is stored by edge and head, and targets add it up afterwards. Inner products are sums
//! over a group's units, by operations of planes; on a device without those a group is one unit.

use burn::backend::{Shape, cubecl::dtype_to_storage_type};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use super::parts::{Options, Place, count_entries, find_entry, keep, leaky, read_seed, write_sums};
use crate::{
    AttentionAttributes, CsrTensors, Reduce,
    aggregate::{Terms, cube::aggregate},
    attention::SavedAttention,
    rows::{
        cube::{address_type, empty, launch_dims},
        lanes::{
            Lanes, STEP, Sorted, cast, common, find_walk, group, lane, sum_elements, sum_lanes,
            sum_type, zeros,
        },
    },
};

/// Numbers that are kept together for a target and head: score, logarithm, `delta`, and nothing.
pub(crate) const PER_TARGET: usize = 4;

/// Gathers what sources need of a target and head next to each other.
#[cube(launch_unchecked, address_type = "dynamic")]
fn of_targets_kernel<F: Float, A: Float, N: Size, M: Size>(
    grad: &Tensor<Vector<F, N>>,
    out: &Tensor<Vector<F, N>>,
    score_dst: ComptimeOption<&Tensor<A>>,
    lse: &Tensor<A>,
    per_target: &mut Tensor<Vector<A, M>>,
    tasks: usize,
    width: usize,
    #[comptime] lanes: usize,
    #[comptime] slots: usize,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let task = group(lanes);
    let row = min(task, tasks - 1);
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut products = zero;
    #[unroll(slots <= 4)]
    for slot in 0..slots {
        let feature = lane(lanes) + slot * lanes;
        let at = row * width + min(feature, width - 1);
        let product = Vector::<A, N>::cast_from(grad[at]) * Vector::<A, N>::cast_from(out[at]);
        products += select(feature < width, product, zero);
    }
    let delta = sum_lanes::<A>(sum_elements::<A, N>(products), lanes);
    if task < tasks && lane(lanes) == 0 {
        let mut numbers = Vector::<A, M>::new(A::new(0.0_f32));
        #[comptime]
        if let ComptimeOption::Some(score_dst) = &score_dst {
            numbers.insert(0usize, score_dst[row]);
        }
        numbers.insert(1usize, lse[row]);
        numbers.insert(2usize, delta);
        per_target[row] = numbers;
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn gradient_kernel<F: Float, A: Float, N: Size, M: Size>(
    x: &Tensor<Vector<F, N>>,
    score_src: &Tensor<A>,
    per_target: &Tensor<Vector<A, M>>,
    grad: &Tensor<Vector<F, N>>,
    ptr: &Tensor<i32>,
    col: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    seed: ComptimeOption<&Tensor<i32>>,
    dx: &mut Tensor<Vector<F, N>>,
    dscore_src: &mut Tensor<A>,
    dscore: &mut Tensor<A>,
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
    #[comptime] steps: usize,
    #[comptime] has_loops: bool,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let has_dropout = comptime!(seed.is_some());
    let drawn = read_seed(&seed);
    // Units of a plane stay together to the end, since they add up together.
    let task = group(lanes);
    let number = task / heads;
    let head = task % heads;
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    let row = walk.row;
    let own_row = row * heads + head;
    let own_score = score_src[own_row];
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut own = Array::<Vector<A, N>>::new(slots);
    let mut sums = Array::<Vector<A, N>>::new(slots);
    #[unroll(slots <= 4)]
    for slot in 0..slots {
        let feature = lane(lanes) + slot * lanes;
        let value = Vector::<A, N>::cast_from(x[own_row * width + min(feature, width - 1)]);
        own[slot] = select(feature < width, value, zero);
        sums[slot] = zero;
    }
    let mut sum = A::new(0.0_f32);
    let count = count_entries(ptr, &walk, loops);
    let most = common(count.div_ceil(steps), lanes) * steps;
    let mut k = 0;
    while k < most {
        let mut from = Array::<usize>::new(steps);
        let mut by = Array::<u32>::new(steps);
        let mut counts = Array::<u32>::new(steps);
        #[unroll]
        for step in 0..steps {
            let at = k + step;
            let entry = find_entry(col, edge, &walk, at, count, edges, has_loops, true);
            from[step] = entry.node;
            by[step] = entry.name;
            counts[step] = select(entry.counts, 1u32, 0u32);
        }
        let mut values = Array::<Vector<A, N>>::new(comptime!(steps * slots));
        #[unroll]
        for step in 0..steps {
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                let feature = lane(lanes) + slot * lanes;
                let at = (from[step] * heads + head) * width + min(feature, width - 1);
                let value = Vector::<A, N>::cast_from(grad[at]);
                // What does not count has weight 0, and is 0 itself, since it may not be finite.
                let any = feature < width && counts[step] == 1u32;
                values[step * slots + slot] = select(any, value, zero);
            }
        }
        #[unroll]
        for step in 0..steps {
            let mut products = zero;
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                products += values[step * slots + slot] * own[slot];
            }
            let dot = sum_lanes::<A>(sum_elements::<A, N>(products), lanes);
            let known = per_target[from[step] * heads + head];
            let score = own_score + known.extract(0usize);
            let any = counts[step] == 1u32;
            let alpha = (leaky::<A>(score, slope) - known.extract(1usize)).exp();
            let alpha = select(any, alpha, A::new(0.0_f32));
            let mut kept = A::new(1.0_f32);
            if comptime!(has_dropout) {
                let name = by[step] * u32::cast_from(heads) + u32::cast_from(head);
                kept = keep::<A>(name, drawn, threshold, scale);
            }
            let share = alpha * kept;
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                sums[slot] += values[step * slots + slot] * Vector::<A, N>::new(share);
            }
            let steep = select(
                score > A::new(0.0_f32),
                A::new(1.0_f32),
                A::cast_from(slope),
            );
            let change = alpha * (kept * dot - known.extract(2usize)) * steep;
            let change = select(any, change, A::new(0.0_f32));
            sum += change;
            if k + step < count && lane(lanes) == 0 {
                dscore[by[step] as usize * heads + head] = change;
            }
        }
        k += steps;
    }
    if walk.active {
        let features = heads * width * x.vector_size();
        let stride = features + heads;
        let place = Place {
            row,
            head,
            first: lane(lanes),
            piece: number,
            is_piece: number < pieces,
        };
        write_sums::<F, A, N>(
            &sums, &place, dx, partial, 0, stride, width, heads, lanes, slots,
        );
        if lane(lanes) == 0 {
            if place.is_piece {
                partial[number * stride + features + head] = sum;
            } else {
                dscore_src[own_row] = sum;
            }
        }
    }
}

/// Adds the parts of loops: row `i` of `dscore` behind the edges belongs to row `i` of `out`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn add_loops_kernel<A: Float>(
    dscore: &Tensor<A>,
    out: &mut Tensor<A>,
    start: usize,
    count: usize,
    #[define(A)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    out[ABSOLUTE_POS] += dscore[start + ABSOLUTE_POS];
}

/// What sources need of targets, [`PER_TARGET`] numbers per target and head. `lse` and scores are
/// of the type of sums, the others contiguous and of one type.
pub(crate) fn of_targets(
    grad: &CubeTensor,
    out: CubeTensor,
    score_dst: Option<CubeTensor>,
    lse: CubeTensor,
    lanes: &Lanes,
) -> CubeTensor {
    let (targets, heads) = (grad.meta.shape()[0], grad.meta.shape()[1]);
    let dtypes = [grad.dtype, lse.dtype].map(dtype_to_storage_type);
    let per_target = empty(grad, Shape::new([targets, heads, PER_TARGET]), lse.dtype);
    let (cubes, dim) = lanes.launch_dims(grad, targets * heads);
    // SAFETY: groups read their row of `grad` and `out`, those behind the end the last row, and
    // write their own row of `per_target` unless they are behind its end.
    unsafe {
        of_targets_kernel::launch_unchecked(
            &grad.client,
            cubes,
            dim,
            address_type([grad, &out, &per_target].map(Some)),
            lanes.vector,
            PER_TARGET,
            grad.clone().into_tensor_arg(),
            out.into_tensor_arg(),
            score_dst.map(CubeTensor::into_tensor_arg).into(),
            lse.into_tensor_arg(),
            per_target.clone().into_tensor_arg(),
            targets * heads,
            lanes.width,
            lanes.units,
            lanes.slots,
            dtypes,
        );
    }
    per_target
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn attention_backward(
    [x, score_src, score_dst]: [CubeTensor; 3],
    saved: SavedAttention<CubeBackend>,
    [csr, transposed]: [CsrTensors<CubeBackend>; 2],
    options: AttentionAttributes,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let SavedAttention {
        out,
        lse,
        grad,
        seed,
    } = saved;
    let (dtype, sum) = (x.dtype, sum_type(x.dtype));
    let types = [score_src.dtype, score_dst.dtype];
    let [x, out, grad] = [x, out, grad].map(|tensor| cast(tensor, dtype));
    let [score_src, score_dst, lse] = [score_src, score_dst, lse].map(|score| cast(score, sum));
    let sorted = Sorted::from(transposed);
    let (heads, width) = (x.meta.shape()[1], x.meta.shape()[2]);
    let (sources, targets) = (sorted.rows, lse.meta.shape()[0]);
    let options = Options::of(options, seed);
    let (edges, loops) = (sorted.edges, options.loops);
    if sources * targets * heads * width * (edges + loops) == 0 {
        let scores = |rows: usize, dtype| zeros(&x, Shape::new([rows, heads]), dtype);
        let (dsrc, ddst) = (scores(sources, types[0]), scores(targets, types[1]));
        return (zeros(&x, x.meta.shape().clone(), dtype), dsrc, ddst);
    }
    let lanes = Lanes::within_plane(&x, width);
    let dtypes = [dtype, sum].map(dtype_to_storage_type);

    let per_target = of_targets(&grad, out, Some(score_dst), lse, &lanes);
    let dx = empty(&x, x.meta.shape().clone(), dtype);
    let dsrc = empty(&x, Shape::new([sources, heads]), sum);
    let dscore = empty(&x, Shape::new([edges + loops, heads]), sum);
    let features = heads * width;
    let partial = sorted.partial(features + heads, sum);
    let (cubes, dim) = lanes.launch_dims(&x, sorted.walks() * heads);
    let address = address_type([&x, &grad, &per_target, &dscore, &partial, &sorted.edge].map(Some));
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, `col` is a row of `grad` and `per_target`, and so is a loop; each edge and each loop
    // has a row of `dscore`, which its group alone writes. A group writes its own row and head of
    // `dx` and `dsrc`, or of `partial`. What groups behind the last walk read is there, and they
    // write nothing.
    unsafe {
        gradient_kernel::launch_unchecked(
            &x.client.clone(),
            cubes,
            dim,
            address,
            lanes.vector,
            PER_TARGET,
            x.into_tensor_arg(),
            score_src.into_tensor_arg(),
            per_target.into_tensor_arg(),
            grad.into_tensor_arg(),
            sorted.ptr.clone().into_tensor_arg(),
            sorted.col.clone().into_tensor_arg(),
            sorted.edge.clone().into_tensor_arg(),
            sorted.chunk.clone().into_tensor_arg(),
            options.seed.map(CubeTensor::into_tensor_arg).into(),
            dx.clone().into_tensor_arg(),
            dsrc.clone().into_tensor_arg(),
            dscore.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            sorted.pieces,
            sorted.rows,
            lanes.width,
            edges,
            loops,
            options.factor,
            options.threshold,
            options.scale,
            heads,
            lanes.units,
            lanes.slots,
            if lanes.slots <= 2 { STEP } else { 1 },
            options.has_loops,
            dtypes,
        );
    }
    let stride = features + heads;
    sorted.merge(&partial, [stride, 0, features], &dx, Reduce::Sum);
    sorted.merge(&partial, [stride, features, heads], &dsrc, Reduce::Sum);

    // Targets add up what their edges' rows hold.
    let by_edge = CsrTensors {
        col: csr.edge.clone(),
        ..csr
    };
    let ddst = aggregate(dscore.clone(), Terms::Ones, by_edge, Reduce::Sum);
    if loops > 0 {
        let (cubes, dim) = launch_dims(&ddst, loops * heads);
        // SAFETY: a unit below `loops · heads` changes its own position of `ddst`, which has as
        // many rows as loops at least, and `dscore` has a row for each loop behind those of the
        // edges.
        unsafe {
            add_loops_kernel::launch_unchecked(
                &ddst.client,
                cubes,
                dim,
                address,
                dscore.into_tensor_arg(),
                ddst.clone().into_tensor_arg(),
                edges * heads,
                loops * heads,
                dtype_to_storage_type(sum),
            );
        }
    }
    (dx, cast(dsrc, types[0]), cast(ddst, types[1]))
}
