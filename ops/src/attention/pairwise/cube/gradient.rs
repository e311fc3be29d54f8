//! The gradient of attention that compares rows, on GPUs.
//!
//! Sources walk their edges first. A group holds the source's features of one head, reads the
//! targets' features and their gradient `g`, and with them and the stored logarithms computes the
//! weights again:
//!
//! ```text
//! delta_i = ⟨g_i, out_i⟩                           a kernel before: one number for a target
//! α       = exp(s - lse_i)
//! ds      = α · (keep · ⟨g_i, v_j⟩ - delta_i)
//! dv_j    = Σ α · keep · g_i        dk_j = Σ ds · ∂s/∂k
//! ```
//!
//! `ds` is stored by edge and head. Where rows are multiplied, `dq_i` is the sum of the sources'
//! rows with these weights, which is [`aggregate`]. Where they are joined, targets walk their
//! edges and read the sources' features again:
//!
//! ```text
//! u = k_j + q_i        dq_i = att · Σ ds · LeakyReLU'(u)        datt = Σ_i Σ ds · LeakyReLU(u)
//! ```
//!
//! The second sum has a row for each walk; they are added up by [`column_sum`].

use burn::backend::{Shape, cubecl::dtype_to_storage_type, ops::FloatTensorOps as _};
use burn::tensor::Slice;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use super::{Features, part, steepness, steps};
use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes, Reduce,
    aggregate::{Terms, cube::aggregate},
    attention::{
        SavedAttention,
        gat::cube::{
            PER_TARGET, of_targets,
            parts::{Options, Place, count_entries, find_entry, keep, read_seed, write_sums},
        },
    },
    linear::cube::column_sum,
    rows::{
        cube::{address_type, empty},
        lanes::{
            Lanes, STEP, Sorted, cast, common, find_walk, group, lane, sum_elements, sum_lanes,
            sum_type, zeros,
        },
    },
};

/// Most vectors of a unit where targets walk.
const SLOTS: usize = 2;

#[cube(launch_unchecked, address_type = "dynamic")]
fn source_kernel<F: Float, A: Float, N: Size, M: Size>(
    query: &Tensor<Vector<F, N>>,
    value: &Tensor<Vector<F, N>>,
    key: ComptimeOption<&Tensor<Vector<F, N>>>,
    att: ComptimeOption<&Tensor<Vector<F, N>>>,
    grad: &Tensor<Vector<F, N>>,
    per_target: &Tensor<Vector<A, M>>,
    ptr: &Tensor<i32>,
    col: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    seed: ComptimeOption<&Tensor<i32>>,
    dvalue: &mut Tensor<Vector<F, N>>,
    dkey: ComptimeOption<&mut Tensor<Vector<F, N>>>,
    dscore: &mut Tensor<A>,
    partial: &mut Tensor<A>,
    pieces: usize,
    rows: usize,
    width: usize,
    edges: usize,
    loops: usize,
    factor: f32,
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
    let joint = comptime!(att.is_some());
    let task = group(lanes);
    let number = task / heads;
    let head = task % heads;
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut own_value = Array::<Vector<A, N>>::new(slots);
    let mut own_key = Array::<Vector<A, N>>::new(slots);
    let mut weight = Array::<Vector<A, N>>::new(slots);
    let mut values = Array::<Vector<A, N>>::new(slots);
    let mut keys = Array::<Vector<A, N>>::new(slots);
    #[unroll(slots <= 4)]
    for slot in 0..slots {
        // Units behind the end of a row read its last vector, and add nothing to a product.
        let feature = lane(lanes) + slot * lanes;
        let at = min(feature, width - 1);
        let from = (walk.row * heads + head) * width + at;
        let features = Vector::<A, N>::cast_from(value[from]);
        let features = select(feature < width, features, zero);
        own_value[slot] = features;
        #[comptime]
        match &key {
            ComptimeOption::Some(key) => {
                let features = Vector::<A, N>::cast_from(key[from]);
                own_key[slot] = select(feature < width, features, zero);
            }
            ComptimeOption::None => own_key[slot] = features,
        }
        #[comptime]
        match &att {
            ComptimeOption::Some(att) => {
                let learned = Vector::<A, N>::cast_from(att[head * width + at]);
                weight[slot] = select(feature < width, learned, zero);
            }
            ComptimeOption::None => weight[slot] = zero,
        }
        values[slot] = zero;
        keys[slot] = zero;
    }
    let count = count_entries(ptr, &walk, loops);
    let most = common(count.div_ceil(steps), lanes) * steps;
    let mut any = 0u32;
    let mut k = 0;
    while k < most {
        let mut from = Array::<usize>::new(steps);
        let mut by = Array::<u32>::new(steps);
        let mut counts = Array::<u32>::new(steps);
        #[unroll]
        for step in 0..steps {
            let at = k + step;
            let entry = find_entry(col, edge, &walk, at, count, edges, has_loops, true);
            from[step] = entry.node * heads + head;
            by[step] = entry.name;
            counts[step] = select(entry.counts, 1u32, 0u32);
            any = select(entry.counts, 1u32, any);
        }
        let mut queries = Array::<Vector<A, N>>::new(comptime!(steps * slots));
        let mut grads = Array::<Vector<A, N>>::new(comptime!(steps * slots));
        #[unroll]
        for step in 0..steps {
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                let feature = lane(lanes) + slot * lanes;
                let at = from[step] * width + min(feature, width - 1);
                // What does not count has weight 0, and is 0 itself, since it may not be finite.
                let is_read = feature < width && counts[step] == 1u32;
                let features = Vector::<A, N>::cast_from(query[at]);
                queries[step * slots + slot] = select(is_read, features, zero);
                let gradient = Vector::<A, N>::cast_from(grad[at]);
                grads[step * slots + slot] = select(is_read, gradient, zero);
            }
        }
        #[unroll]
        for step in 0..steps {
            let mut parts = zero;
            let mut products = zero;
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                let features = queries[step * slots + slot];
                parts += part::<A, N>(own_key[slot], features, weight[slot], factor, joint);
                products += grads[step * slots + slot] * own_value[slot];
            }
            let mut score = sum_lanes::<A>(sum_elements::<A, N>(parts), lanes);
            let dot = sum_lanes::<A>(sum_elements::<A, N>(products), lanes);
            if comptime!(!joint) {
                score *= A::cast_from(factor);
            }
            let known = per_target[from[step]];
            let alpha = (score - known.extract(1usize)).exp();
            let alpha = select(counts[step] == 1u32, alpha, A::new(0.0_f32));
            let mut kept = A::new(1.0_f32);
            if comptime!(has_dropout) {
                let name = by[step] * u32::cast_from(heads) + u32::cast_from(head);
                kept = keep::<A>(name, drawn, threshold, scale);
            }
            let mut change = alpha * (kept * dot - known.extract(2usize));
            if comptime!(!joint) {
                change *= A::cast_from(factor);
            }
            let change = select(counts[step] == 1u32, change, A::new(0.0_f32));
            let share = Vector::<A, N>::new(alpha * kept);
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                let features = queries[step * slots + slot];
                let mut derivative = features;
                if comptime!(joint) {
                    derivative = steepness::<A, N>(own_key[slot] + features, factor);
                }
                values[slot] += grads[step * slots + slot] * share;
                keys[slot] += derivative * Vector::<A, N>::new(change);
            }
            if k + step < count && lane(lanes) == 0 {
                dscore[by[step] as usize * heads + head] = change;
            }
        }
        k += steps;
    }
    if walk.active {
        let place = Place {
            row: walk.row,
            head,
            first: lane(lanes),
            piece: number,
            is_piece: number < pieces,
        };
        let features = heads * width * value.vector_size();
        let mut stride = features;
        if comptime!(joint) {
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                let own = keys[slot] * weight[slot];
                values[slot] += select(any == 1u32, own, zero);
            }
        } else {
            stride = 2 * features;
        }
        write_sums::<F, A, N>(
            &values, &place, dvalue, partial, 0, stride, width, heads, lanes, slots,
        );
        #[comptime]
        if let ComptimeOption::Some(dkey) = dkey {
            write_sums::<F, A, N>(
                &keys, &place, dkey, partial, features, stride, width, heads, lanes, slots,
            );
        }
    }
}

/// What [`by_source`] computes.
struct BySource {
    dvalue: CubeTensor,
    dkey: Option<CubeTensor>,
    /// By edge and head, of the type of sums; with a factor, if rows are multiplied.
    dscore: CubeTensor,
}

/// The gradients of values and keys, and of scores.
fn by_source(
    features: Features,
    saved: SavedAttention<CubeBackend>,
    sorted: &Sorted,
    options: &Options,
) -> BySource {
    let Features {
        query,
        value,
        key,
        att,
    } = features;
    let (dtype, sum) = (value.dtype, sum_type(value.dtype));
    let grad = cast(saved.grad, dtype);
    let (heads, width) = (value.meta.shape()[1], value.meta.shape()[2]);
    let (edges, loops) = (sorted.edges, options.loops);
    let lanes = Lanes::within_plane(&value, width);
    let out = cast(saved.out, dtype);
    let per_target = of_targets(&grad, out, None, cast(saved.lse, sum), &lanes);
    let dvalue = empty(&value, value.meta.shape().clone(), dtype);
    let dkey = key
        .is_some()
        .then(|| empty(&value, value.meta.shape().clone(), dtype));
    let dscore = empty(&value, Shape::new([edges + loops, heads]), sum);
    let row = heads * width;
    let stride = if dkey.is_some() { 2 * row } else { row };
    let partial = sorted.partial(stride, sum);
    let (cubes, dim) = lanes.launch_dims(&value, sorted.walks() * heads);
    let tensors = [&query, &value, &per_target, &dscore, &partial, &sorted.edge];
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, a row of the edges is one of `value` and `key`, `col` one of `query`, `grad` and
    // `per_target`, and a loop is both; each edge and each loop has a row of `dscore`, which its
    // group alone writes. A group writes its own row and head of `dvalue` and `dkey`, or of
    // `partial`, a unit vectors below `width`. What groups behind the last walk read is there, and
    // they write nothing.
    unsafe {
        source_kernel::launch_unchecked(
            &value.client.clone(),
            cubes,
            dim,
            address_type(tensors.map(Some)),
            lanes.vector,
            PER_TARGET,
            query.into_tensor_arg(),
            value.into_tensor_arg(),
            key.map(CubeTensor::into_tensor_arg).into(),
            att.map(CubeTensor::into_tensor_arg).into(),
            grad.into_tensor_arg(),
            per_target.into_tensor_arg(),
            sorted.ptr.clone().into_tensor_arg(),
            sorted.col.clone().into_tensor_arg(),
            sorted.edge.clone().into_tensor_arg(),
            sorted.chunk.clone().into_tensor_arg(),
            options.seed.clone().map(CubeTensor::into_tensor_arg).into(),
            dvalue.clone().into_tensor_arg(),
            dkey.clone().map(CubeTensor::into_tensor_arg).into(),
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
            steps(&lanes),
            options.has_loops,
            [dtype, sum].map(dtype_to_storage_type),
        );
    }
    sorted.merge(&partial, [stride, 0, row], &dvalue, Reduce::Sum);
    if let Some(dkey) = &dkey {
        sorted.merge(&partial, [stride, row, row], dkey, Reduce::Sum);
    }
    BySource {
        dvalue,
        dkey,
        dscore,
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn target_kernel<F: Float, A: Float, N: Size>(
    query: &Tensor<Vector<F, N>>,
    value: &Tensor<Vector<F, N>>,
    att: &Tensor<Vector<F, N>>,
    dscore: &Tensor<A>,
    ptr: &Tensor<i32>,
    col: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    dquery: &mut Tensor<Vector<F, N>>,
    learned: &mut Tensor<A>,
    partial: &mut Tensor<A>,
    pieces: usize,
    rows: usize,
    width: usize,
    edges: usize,
    loops: usize,
    slope: f32,
    #[comptime] heads: usize,
    #[comptime] lanes: usize,
    #[comptime] slots: usize,
    #[comptime] blocks: usize,
    #[comptime] has_loops: bool,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let task = group(lanes);
    let number = task / comptime!(heads * blocks);
    if number >= pieces + rows {
        terminate!();
    }
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    let head = task / blocks % heads;
    let first = task % blocks * comptime!(lanes * slots) + lane(lanes);
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut feature = Array::<usize>::new(slots);
    let mut own = Array::<Vector<A, N>>::new(slots);
    let mut slopes = Array::<Vector<A, N>>::new(slots);
    let mut actives = Array::<Vector<A, N>>::new(slots);
    #[unroll]
    for slot in 0..slots {
        // Units behind the end of a row read its last vector, and write nothing.
        feature[slot] = min(first + slot * lanes, width - 1);
        let at = (walk.row * heads + head) * width + feature[slot];
        own[slot] = Vector::<A, N>::cast_from(query[at]);
        slopes[slot] = zero;
        actives[slot] = zero;
    }
    let count = count_entries(ptr, &walk, loops);
    let mut any = 0u32;
    let mut k = 0;
    while k < count {
        let mut from = Array::<usize>::new(STEP);
        let mut change = Array::<A>::new(STEP);
        let mut counts = Array::<u32>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            let at = k + step;
            let entry = find_entry(col, edge, &walk, at, count, edges, has_loops, true);
            from[step] = (entry.node * heads + head) * width;
            let by = dscore[entry.name as usize * heads + head];
            change[step] = select(entry.counts, by, A::new(0.0_f32));
            counts[step] = select(entry.counts, 1u32, 0u32);
            any = select(entry.counts, 1u32, any);
        }
        let mut values = Array::<Vector<A, N>>::new(comptime!(STEP * slots));
        #[unroll]
        for step in 0..STEP {
            #[unroll]
            for slot in 0..slots {
                values[step * slots + slot] =
                    Vector::<A, N>::cast_from(value[from[step] + feature[slot]]);
            }
        }
        #[unroll]
        for step in 0..STEP {
            #[unroll]
            for slot in 0..slots {
                let sum = values[step * slots + slot] + own[slot];
                let steep = steepness::<A, N>(sum, slope) * Vector::<A, N>::new(change[step]);
                slopes[slot] += steep;
                actives[slot] += select(counts[step] == 1u32, steep * sum, zero);
            }
        }
        k += STEP;
    }
    let size = query.vector_size();
    #[unroll]
    for slot in 0..slots {
        let learned_by = Vector::<A, N>::cast_from(att[head * width + feature[slot]]);
        slopes[slot] = select(any == 1u32, slopes[slot] * learned_by, zero);
        let at = first + slot * lanes;
        if at < width {
            // Walks without entries of their own write zeros.
            let active = actives[slot];
            let to = ((number * heads + head) * width + at) * size;
            #[unroll]
            for element in 0..size {
                learned[to + element] = active.extract(element);
            }
        }
    }
    if walk.active {
        let place = Place {
            row: walk.row,
            head,
            first,
            piece: number,
            is_piece: number < pieces,
        };
        let stride = heads * width * size;
        write_sums::<F, A, N>(
            &slopes, &place, dquery, partial, 0, stride, width, heads, lanes, slots,
        );
    }
}

/// The gradients of `x_dst` and `att` from those of the scores.
fn by_target(
    [x_src, x_dst, att]: [CubeTensor; 3],
    dscore: CubeTensor,
    csr: &Sorted,
    options: &Options,
) -> [CubeTensor; 2] {
    let (dtype, sum) = (x_src.dtype, dscore.dtype);
    let (heads, width) = (x_src.meta.shape()[1], x_src.meta.shape()[2]);
    let row = heads * width;
    let lanes = Lanes::new(&x_src, 1, width, SLOTS);
    let ddst = empty(&x_dst, x_dst.meta.shape().clone(), dtype);
    let learned = empty(&x_src, Shape::new([csr.walks(), row]), sum);
    let partial = csr.partial(row, sum);
    let (cubes, dim) = lanes.launch_dims(&x_src, csr.walks() * heads * lanes.blocks);
    let (att_shape, tensors) = (
        att.meta.shape().clone(),
        [&x_src, &x_dst, &dscore, &learned],
    );
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, a row of the edges is one of `x_dst`, `col` one of `x_src`, and a loop is both;
    // `dscore` has a row for each edge and each loop. A group writes its own head of its walk's row
    // of `learned`, and of its own row of `ddst` or `partial`, a unit vectors below `width`.
    unsafe {
        target_kernel::launch_unchecked(
            &ddst.client,
            cubes,
            dim,
            address_type(tensors.map(Some)),
            lanes.vector,
            x_dst.into_tensor_arg(),
            x_src.into_tensor_arg(),
            att.into_tensor_arg(),
            dscore.into_tensor_arg(),
            csr.ptr.clone().into_tensor_arg(),
            csr.col.clone().into_tensor_arg(),
            csr.edge.clone().into_tensor_arg(),
            csr.chunk.clone().into_tensor_arg(),
            ddst.clone().into_tensor_arg(),
            learned.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            lanes.width,
            csr.edges,
            options.loops,
            options.factor,
            heads,
            lanes.units,
            lanes.slots,
            lanes.blocks,
            options.has_loops,
            [dtype, sum].map(dtype_to_storage_type),
        );
    }
    csr.merge(&partial, [row, 0, row], &ddst, Reduce::Sum);
    let datt = CubeBackend::float_reshape(column_sum(learned), att_shape);
    [ddst, datt]
}

/// Adds to targets' rows the sources' of the same numbers times what the scores of loops change by,
/// which stands behind that of the edges.
fn add_loops(
    dquery: CubeTensor,
    key: CubeTensor,
    dscore: CubeTensor,
    edges: usize,
    loops: usize,
) -> CubeTensor {
    let dtype = key.dtype;
    let (heads, width) = (key.meta.shape()[1], key.meta.shape()[2]);
    let entries = [Slice::from(edges..edges + loops), Slice::from(0..heads)];
    let change = cast(CubeBackend::float_slice(dscore, &entries), dtype);
    let change = CubeBackend::float_reshape(change, Shape::new([loops, heads, 1]));
    let rows = [loops, heads, width].map(|size| Slice::from(0..size));
    let own = CubeBackend::float_mul(CubeBackend::float_slice(key, &rows), change);
    let sum = CubeBackend::float_add(CubeBackend::float_slice(dquery.clone(), &rows), own);
    CubeBackend::float_slice_assign(dquery, &rows, sum)
}

/// Whether a gradient is zero since there is nothing to walk.
fn is_empty(like: &Features, csr: &Sorted, options: &Options) -> bool {
    like.query.meta.num_elements() * like.value.meta.num_elements() * (csr.edges + options.loops)
        == 0
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn edge_attention_v2_backward(
    inputs: [CubeTensor; 3],
    saved: SavedAttention<CubeBackend>,
    [csr, transposed]: [CsrTensors<CubeBackend>; 2],
    options: AttentionAttributes,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let types = inputs.each_ref().map(|input| input.dtype);
    let (features, options) = (
        Features::joint(inputs.clone()),
        Options::of(options, saved.seed.clone()),
    );
    let (csr, transposed) = (Sorted::from(csr), Sorted::from(transposed));
    let gradients = if is_empty(&features, &csr, &options) {
        inputs.map(|input| zeros(&input, input.meta.shape().clone(), input.dtype))
    } else {
        let dtype = features.value.dtype;
        let inputs = inputs.map(|input| cast(input, dtype));
        let BySource { dvalue, dscore, .. } = by_source(features, saved, &transposed, &options);
        let [ddst, datt] = by_target(inputs, dscore, &csr, &options);
        [dvalue, ddst, datt]
    };
    let [dsrc, ddst, datt] = gradients;
    (
        cast(dsrc, types[0]),
        cast(ddst, types[1]),
        cast(datt, types[2]),
    )
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn dot_attention_backward(
    inputs: [CubeTensor; 3],
    saved: SavedAttention<CubeBackend>,
    [csr, transposed]: [CsrTensors<CubeBackend>; 2],
    options: DotAttentionAttributes,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let types = inputs.each_ref().map(|input| input.dtype);
    let (features, options) = (
        Features::dot(inputs.clone()),
        Options::of_dot(options, saved.seed.clone()),
    );
    let transposed = Sorted::from(transposed);
    let gradients = if is_empty(&features, &transposed, &options) {
        inputs.map(|input| zeros(&input, input.meta.shape().clone(), input.dtype))
    } else {
        let [_, key, _] = inputs;
        let key = cast(key, features.value.dtype);
        let by_source = by_source(features, saved, &transposed, &options);
        let dscore = by_source.dscore;
        let (of_key, of_score) = (key.clone(), dscore.clone());
        let dquery = aggregate(key, Terms::Edges(dscore), csr, Reduce::Sum);
        let dquery = match options.loops {
            0 => dquery,
            loops => add_loops(dquery, of_key, of_score, transposed.edges, loops),
        };
        let dkey = by_source.dkey.expect("keys are rows of their own");
        [dquery, dkey, by_source.dvalue]
    };
    let [dquery, dkey, dvalue] = gradients;
    (
        cast(dquery, types[0]),
        cast(dkey, types[1]),
        cast(dvalue, types[2]),
    )
}
