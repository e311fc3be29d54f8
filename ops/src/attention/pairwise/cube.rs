//! Attention that compares rows, on GPUs: a group of units for each row and head.
//!
//! A group holds the target's features of one head. For each entry it reads the source's, whose
//! product with its own, summed over the group's units by operations of planes, is the score. All
//! units then know it, and the source's features, still in registers, are added as in
//! [`cube`](crate::attention::gat::cube). On a device without operations of planes a group is one
//! unit.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

mod gradient;

pub(crate) use gradient::{dot_attention_backward, edge_attention_v2_backward};

use burn::backend::{Shape, cubecl::dtype_to_storage_type};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes,
    attention::gat::cube::parts::{
        Options, PARTS, Place, count_entries, find_entry, keep, merge, push, read_seed,
        write_output,
    },
    rows::{
        cube::{address_type, empty, with_rows},
        lanes::{
            Lanes, STEP, Sorted, cast, common, find_walk, group, lane, sum_elements, sum_lanes,
            sum_type, zeros,
        },
    },
};

/// Features of a unit that are read at once, over several entries.
const AT_ONCE: usize = 4 * STEP;

/// Features to compare and to add up, contiguous and of one type.
#[derive(Clone)]
struct Features {
    /// The targets' rows.
    query: CubeTensor,
    /// The sources' rows that are added up.
    value: CubeTensor,
    /// The sources' rows that are compared, if they are others.
    key: Option<CubeTensor>,
    /// What is learned, if rows are compared by their sum and not by their product.
    att: Option<CubeTensor>,
}

impl Features {
    fn joint([x_src, x_dst, att]: [CubeTensor; 3]) -> Self {
        let dtype = x_src.dtype;
        Self {
            query: cast(x_dst, dtype),
            value: cast(x_src, dtype),
            key: None,
            att: Some(cast(att, dtype)),
        }
    }

    fn dot([query, key, value]: [CubeTensor; 3]) -> Self {
        let dtype = query.dtype;
        Self {
            query: cast(query, dtype),
            value: cast(value, dtype),
            key: Some(cast(key, dtype)),
            att: None,
        }
    }
}

/// Entries that are taken at once.
fn steps(lanes: &Lanes) -> usize {
    (AT_ONCE / (lanes.slots * lanes.vector)).clamp(1, STEP)
}

/// The derivative of the leaky rectifier.
#[cube]
fn steepness<A: Float, N: Size>(value: Vector<A, N>, slope: f32) -> Vector<A, N> {
    let one = Vector::<A, N>::new(A::new(1.0_f32));
    let slope = Vector::<A, N>::new(A::cast_from(slope));
    let positive = value.greater_than(&Vector::<A, N>::new(A::new(0.0_f32)));
    select_many(positive, one, slope)
}

/// What features of two rows add to their score: with a weight where they are joined, else their
/// product.
#[cube]
fn part<A: Float, N: Size>(
    key: Vector<A, N>,
    query: Vector<A, N>,
    weight: Vector<A, N>,
    slope: f32,
    #[comptime] joint: bool,
) -> Vector<A, N> {
    let mut result = key * query;
    if comptime!(joint) {
        let sum = key + query;
        result = sum * steepness::<A, N>(sum, slope) * weight;
    }
    result
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn attention_kernel<F: Float, A: Float, N: Size>(
    query: &Tensor<Vector<F, N>>,
    value: &Tensor<Vector<F, N>>,
    key: ComptimeOption<&Tensor<Vector<F, N>>>,
    att: ComptimeOption<&Tensor<Vector<F, N>>>,
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
    let task = group(lanes);
    let number = task / heads;
    let head = task % heads;
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut own = Array::<Vector<A, N>>::new(slots);
    let mut weight = Array::<Vector<A, N>>::new(slots);
    let mut sums = Array::<Vector<A, N>>::new(slots);
    #[unroll(slots <= 4)]
    for slot in 0..slots {
        // Units behind the end of a row read its last vector, and add nothing to a score.
        let feature = lane(lanes) + slot * lanes;
        let at = min(feature, width - 1);
        let mut features = Vector::<A, N>::cast_from(query[(walk.row * heads + head) * width + at]);
        #[comptime]
        match &att {
            ComptimeOption::Some(att) => {
                let learned = Vector::<A, N>::cast_from(att[head * width + at]);
                weight[slot] = select(feature < width, learned, zero);
            }
            ComptimeOption::None => {
                features *= Vector::<A, N>::new(A::cast_from(factor));
                weight[slot] = zero;
            }
        }
        own[slot] = select(feature < width, features, zero);
        sums[slot] = zero;
    }
    let mut largest = A::min_value();
    let mut total = A::new(0.0_f32);
    let mut any = A::new(0.0_f32);
    let count = count_entries(ptr, &walk, loops);
    let most = common(count.div_ceil(steps), lanes) * steps;
    let mut k = 0;
    while k < most {
        let mut from = Array::<usize>::new(steps);
        let mut by = Array::<u32>::new(steps);
        let mut counts = Array::<u32>::new(steps);
        let mut scores = Array::<A>::new(steps);
        #[unroll]
        for step in 0..steps {
            let at = k + step;
            let entry = find_entry(col, edge, &walk, at, count, edges, has_loops, has_dropout);
            from[step] = (entry.node * heads + head) * width;
            by[step] = entry.name;
            counts[step] = select(entry.counts, 1u32, 0u32);
        }
        let mut values = Array::<Vector<A, N>>::new(comptime!(steps * slots));
        let mut keys = Array::<Vector<A, N>>::new(comptime!(steps * slots));
        #[unroll]
        for step in 0..steps {
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                let feature = lane(lanes) + slot * lanes;
                let at = from[step] + min(feature, width - 1);
                // What does not count has weight 0, and is 0 itself, since it may not be finite.
                let any = feature < width && counts[step] == 1u32;
                let features = select(any, Vector::<A, N>::cast_from(value[at]), zero);
                values[step * slots + slot] = features;
                #[comptime]
                match &key {
                    ComptimeOption::Some(key) => {
                        let features = Vector::<A, N>::cast_from(key[at]);
                        keys[step * slots + slot] = select(any, features, zero);
                    }
                    ComptimeOption::None => keys[step * slots + slot] = features,
                }
            }
        }
        #[unroll]
        for step in 0..steps {
            let mut products = zero;
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                let features = keys[step * slots + slot];
                let joint = comptime!(att.is_some());
                products += part::<A, N>(features, own[slot], weight[slot], factor, joint);
            }
            scores[step] = sum_lanes::<A>(sum_elements::<A, N>(products), lanes);
        }
        let softmax = push::<A>(&mut scores, &counts, largest, total, any, steps);
        largest = softmax.largest;
        total = softmax.total;
        any = softmax.any;
        #[unroll(slots <= 4)]
        for slot in 0..slots {
            sums[slot] *= Vector::<A, N>::new(softmax.shrink);
        }
        #[unroll]
        for step in 0..steps {
            let mut share = scores[step];
            if comptime!(has_dropout) {
                let name = by[step] * u32::cast_from(heads) + u32::cast_from(head);
                share *= keep::<A>(name, drawn, threshold, scale);
            }
            #[unroll(slots <= 4)]
            for slot in 0..slots {
                sums[slot] += values[step * slots + slot] * Vector::<A, N>::new(share);
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
        write_output::<F, A, N>(
            &sums, largest, total, any, &place, out, lse, partial, width, heads, lanes, slots,
        );
    }
}

/// The output, and the logarithms of the sums of exponentials, which are of the type of sums.
fn attend(
    features: Features,
    csr: CsrTensors<CubeBackend>,
    options: Options,
) -> (CubeTensor, CubeTensor) {
    let Features {
        query,
        value,
        key,
        att,
    } = features;
    let csr = Sorted::from(csr);
    let (heads, width) = (value.meta.shape()[1], value.meta.shape()[2]);
    let shape = with_rows(value.meta.shape(), csr.rows);
    let lse_shape = Shape::new([csr.rows, heads]);
    let sum = sum_type(value.dtype);
    if csr.rows * heads * width * (csr.edges + options.loops) == 0 {
        return (
            zeros(&value, shape, value.dtype),
            zeros(&value, lse_shape, sum),
        );
    }
    let lanes = Lanes::within_plane(&value, width);
    let out = empty(&value, shape, value.dtype);
    let lse = empty(&value, lse_shape, sum);
    let partial = csr.partial(heads * (width + PARTS), sum);
    let (cubes, dim) = lanes.launch_dims(&value, csr.walks() * heads);
    let address = address_type([&query, &value, &csr.edge, &out, &lse, &partial].map(Some));
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, a row of the edges is one of `query` and `out`, `col` one of `value` and `key`, and a
    // loop is both. A group writes its own row and head of `out` and `lse`, or of `partial`, a unit
    // vectors below `width`. What groups behind the last walk read is there, and they write
    // nothing.
    unsafe {
        attention_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address,
            lanes.vector,
            query.into_tensor_arg(),
            value.into_tensor_arg(),
            key.map(CubeTensor::into_tensor_arg).into(),
            att.map(CubeTensor::into_tensor_arg).into(),
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
            steps(&lanes),
            options.has_loops,
            [out.dtype, sum].map(dtype_to_storage_type),
        );
    }
    merge(&csr, partial, &out, &lse);
    (out, lse)
}

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn edge_attention_v2(
    inputs: [CubeTensor; 3],
    seed: CubeTensor,
    csr: CsrTensors<CubeBackend>,
    options: AttentionAttributes,
) -> (CubeTensor, CubeTensor) {
    attend(Features::joint(inputs), csr, Options::of(options, seed))
}

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn dot_attention(
    inputs: [CubeTensor; 3],
    seed: CubeTensor,
    csr: CsrTensors<CubeBackend>,
    options: DotAttentionAttributes,
) -> (CubeTensor, CubeTensor) {
    attend(Features::dot(inputs), csr, Options::of_dot(options, seed))
}
