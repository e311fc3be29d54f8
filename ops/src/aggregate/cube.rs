//! Aggregation along sorted edges on GPUs: a group of units for each row, whose units hold its
//! features; see [`lanes`](crate::rows::lanes).

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::collapsible_if,
    reason = "the kernel macro has no chains of conditions"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::cubecl::dtype_to_storage_type;
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{cube, prelude::*};
use kiln_core::HUB;

use crate::{
    CsrTensors, Reduce, Terms,
    rows::{
        cube::{address_type, empty, padded_rows, row_width, with_rows},
        lanes::{Lanes, STEP, Sorted, cast, find_walk, group, lane, sum_splits, sum_type, zeros},
    },
};

/// Most vectors of a unit. Two of four steps of 16 bytes are enough to hide memory's latency.
const SLOTS: usize = 2;

/// Vectors of a group below which it takes twice as many entries at once: it has few reads of its
/// own.
const NARROW: usize = 16;

/// What a row's sum is made of, beside the rows of its entries.
#[derive(Clone, Debug, Default)]
struct Factors {
    /// A factor of each entry, by edge and head.
    weight: Option<CubeTensor>,
    /// A factor of each entry, by column.
    scale: Option<CubeTensor>,
    /// Row pointers, by column: each entry is divided by the length of its column's row.
    counts: Option<CubeTensor>,
    /// The weight of the row's own features: one number, or one for each row.
    own: Option<CubeTensor>,
    /// Whether rows have the factors `scale` too.
    normalized: bool,
    /// The weight of a normalised row's own features.
    self_loop: Option<f64>,
    /// Whether edges from a node to itself do not count.
    replaces_loops: bool,
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn aggregate_kernel<F: Float, A: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    weight: ComptimeOption<&Tensor<A>>,
    scale: ComptimeOption<&Tensor<A>>,
    counts: ComptimeOption<&Tensor<i32>>,
    own: ComptimeOption<&Tensor<A>>,
    ptr: &Tensor<i32>,
    col: &Tensor<i32>,
    edge: &Tensor<i32>,
    chunk: &Tensor<i32>,
    out: &mut Tensor<Vector<F, N>>,
    partial: &mut Tensor<A>,
    pieces: usize,
    rows: usize,
    width: usize,
    pitch: usize,
    self_loop: f32,
    #[comptime] heads: usize,
    #[comptime] lanes: usize,
    #[comptime] slots: usize,
    #[comptime] blocks: usize,
    #[comptime] steps: usize,
    #[comptime] splits: usize,
    #[comptime] normalized: bool,
    #[comptime] has_loops: bool,
    #[comptime] replaces_loops: bool,
    #[comptime] own_of_row: bool,
    #[comptime] in_pieces: bool,
    #[comptime] reduce: Reduce,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let task = group(comptime!(lanes * splits));
    let number = task / blocks;
    let walk = find_walk(ptr, chunk, number, pieces, rows);
    // Groups that share a row stay together to the end, since they add up together.
    if comptime!(splits == 1) && !walk.active {
        terminate!();
    }
    let split = lane(comptime!(lanes * splits)) / lanes;
    let first = task % blocks * comptime!(lanes * slots) + lane(lanes);
    let mut feature = Array::<usize>::new(slots);
    let mut head = Array::<usize>::new(slots);
    let mut sums = Array::<Vector<A, N>>::new(slots);
    #[unroll]
    for slot in 0..slots {
        // Units behind the end of a row read its last vector, and write nothing.
        feature[slot] = min(first + slot * lanes, width - 1);
        head[slot] = feature[slot] / (width / heads);
        sums[slot] = Vector::<A, N>::new(A::new(0.0_f32));
    }
    // Sums of pieces, and sums of as many of those.
    let mut parts = Array::<Vector<A, N>>::new(comptime!(if in_pieces { slots } else { 1 }));
    let mut totals = Array::<Vector<A, N>>::new(comptime!(if in_pieces { slots } else { 1 }));
    let mut taken = 0u32;
    if comptime!(in_pieces) {
        #[unroll]
        for slot in 0..slots {
            parts[slot] = sums[slot];
            totals[slot] = sums[slot];
        }
    }
    let mut k = walk.start + split * steps;
    while k < walk.end {
        let mut from = Array::<usize>::new(steps);
        let mut by = Array::<usize>::new(steps);
        let mut factor = Array::<A>::new(steps);
        let mut stays = Array::<u32>::new(steps);
        #[unroll]
        for step in 0..steps {
            let entry = min(k + step, walk.end - 1);
            let node = usize::cast_from(col[entry]);
            from[step] = node * pitch;
            if comptime!(replaces_loops) {
                stays[step] = select(node == walk.row, 0u32, 1u32);
            }
            if comptime!(weight.is_some()) {
                by[step] = usize::cast_from(edge[entry]) * heads;
            }
            #[comptime]
            if let ComptimeOption::Some(scale) = &scale {
                factor[step] = scale[node];
            }
            #[comptime]
            if let ComptimeOption::Some(counts) = &counts {
                let count = max(counts[node + 1] - counts[node], 1i32);
                factor[step] = A::new(1.0_f32) / A::cast_from(count);
            }
        }
        let mut values = Array::<Vector<A, N>>::new(comptime!(steps * slots));
        #[unroll]
        for step in 0..steps {
            #[unroll]
            for slot in 0..slots {
                let value = Vector::<A, N>::cast_from(x[from[step] + feature[slot]]);
                #[comptime]
                let value = match &weight {
                    ComptimeOption::Some(weight) => {
                        value * Vector::<A, N>::new(weight[by[step] + head[slot]])
                    }
                    ComptimeOption::None => value,
                };
                let mut value = value;
                if comptime!(scale.is_some() || counts.is_some()) {
                    value *= Vector::<A, N>::new(factor[step]);
                }
                values[step * slots + slot] = value;
            }
        }
        #[unroll]
        for step in 0..steps {
            #[unroll]
            for slot in 0..slots {
                let value = values[step * slots + slot];
                let before = sums[slot];
                // Repeated entries change no maximum, but they change a sum.
                if comptime!(reduce == Reduce::Max) {
                    sums[slot] = select(k + step == walk.start, value, max_nan(before, value));
                } else if comptime!(reduce == Reduce::Min) {
                    sums[slot] = select(k + step == walk.start, value, min_nan(before, value));
                } else if comptime!(replaces_loops) {
                    // Left out and not multiplied by 0, which would show where it is not finite.
                    let any = k + step < walk.end && stays[step] == 1u32;
                    sums[slot] = select(any, before + value, before);
                } else {
                    sums[slot] = select(k + step < walk.end, before + value, before);
                }
            }
        }
        k += comptime!(steps * splits);
        if comptime!(in_pieces) {
            taken += comptime!(steps as u32);
            if taken % comptime!(HUB as u32) == 0u32 {
                let zero = Vector::<A, N>::new(A::new(0.0_f32));
                #[unroll]
                for slot in 0..slots {
                    parts[slot] += sums[slot];
                    sums[slot] = zero;
                }
                if taken % comptime!((HUB * HUB) as u32) == 0u32 {
                    #[unroll]
                    for slot in 0..slots {
                        totals[slot] += parts[slot];
                        parts[slot] = zero;
                    }
                }
            }
        }
    }
    if comptime!(in_pieces) {
        #[unroll]
        for slot in 0..slots {
            sums[slot] += parts[slot] + totals[slot];
        }
    }
    #[unroll]
    for slot in 0..slots {
        let at = first + slot * lanes;
        if comptime!(splits > 1) {
            sums[slot] = sum_splits::<A, N>(sums[slot], lanes, splits);
        }
        if at < width && walk.active && split == 0 {
            let mut result = sums[slot];
            // Pieces of a long row add up, so each has its part of a product, and the last one has
            // what the row adds of its own.
            let is_last = walk.end == usize::cast_from(ptr[walk.row + 1]);
            #[comptime]
            if let ComptimeOption::Some(own) = &own {
                if is_last {
                    let own = own[select(comptime!(own_of_row), walk.row, 0usize)];
                    let own = Vector::<A, N>::new(own);
                    result += Vector::<A, N>::cast_from(x[walk.row * pitch + at]) * own;
                }
            }
            #[comptime]
            if let ComptimeOption::Some(scale) = &scale {
                if comptime!(normalized) {
                    let own = scale[walk.row];
                    if comptime!(has_loops) && is_last {
                        let own = Vector::<A, N>::new(own * A::cast_from(self_loop));
                        result += Vector::<A, N>::cast_from(x[walk.row * pitch + at]) * own;
                    }
                    // A row without entries stays 0, whatever its factor.
                    let any = comptime!(has_loops) || walk.start < walk.end;
                    result = select(any, result * Vector::<A, N>::new(own), result);
                }
            }
            if number < pieces {
                let to = (number * width + at) * result.vector_size();
                #[unroll]
                for element in 0..result.vector_size() {
                    partial[to + element] = result.extract(element);
                }
            } else {
                if comptime!(reduce == Reduce::Mean) {
                    let count = max(u32::cast_from(walk.end - walk.start), 1u32);
                    result /= Vector::<A, N>::new(A::cast_from(count));
                }
                out[walk.row * width + at] = Vector::<F, N>::cast_from(result);
            }
        }
    }
}

impl From<Terms<CubeBackend>> for Factors {
    fn from(terms: Terms<CubeBackend>) -> Self {
        let none = Self::default();
        match terms {
            Terms::Ones => none,
            Terms::Edges(weight) => Self {
                weight: Some(weight),
                ..none
            },
            Terms::Nodes { scale, self_loop } => Self {
                scale: Some(scale),
                normalized: true,
                self_loop,
                replaces_loops: self_loop.is_some(),
                ..none
            },
            Terms::Loops { weight, self_loop } => Self {
                weight: Some(weight),
                own: Some(self_loop),
                replaces_loops: true,
                ..none
            },
            Terms::Own(weight) => Self {
                own: Some(weight),
                ..none
            },
            Terms::Shares(ptr) => Self {
                counts: Some(into_contiguous(ptr)),
                ..none
            },
        }
    }
}

/// See [`crate::GraphOps::aggregate`].
#[expect(clippy::cast_possible_truncation, reason = "the weight of a loop")]
pub(crate) fn aggregate(
    x: CubeTensor,
    terms: Terms<CubeBackend>,
    csr: CsrTensors<CubeBackend>,
    reduce: Reduce,
) -> CubeTensor {
    assert!(reduce != Reduce::Mul, "products do not walk sorted edges");
    let terms = Factors::from(terms);
    let ((x, pitch), csr) = (padded_rows(x), Sorted::from(csr));
    let features = row_width(x.meta.shape());
    let shape = with_rows(x.meta.shape(), csr.rows);
    let has_loops = terms.self_loop.is_some();
    if csr.rows * features == 0 || (csr.edges == 0 && !has_loops && terms.own.is_none()) {
        return zeros(&x, shape, x.dtype);
    }
    let heads = match &terms.weight {
        Some(weight) => row_width(weight.meta.shape()),
        None => 1,
    };
    let sum = sum_type(x.dtype);
    let [weight, scale, own] =
        [terms.weight, terms.scale, terms.own].map(|term| term.map(|term| cast(term, sum)));
    let self_loop = terms.self_loop.unwrap_or_default() as f32;
    let own_of_row = own.as_ref().is_some_and(|own| own.meta.num_elements() > 1);
    let lanes = Lanes::new(&x, heads, features / heads, SLOTS);
    let out = empty(&x, shape, x.dtype);
    let partial = csr.partial(features, sum);
    let is_sum = matches!(reduce, Reduce::Sum | Reduce::Mean);
    let tasks = csr.walks() * lanes.blocks;
    let splits = if is_sum { lanes.splits(&x, tasks) } else { 1 };
    let (cubes, dim) = lanes.launch_dims(&x, tasks * splits);
    let address = address_type([
        Some(&x),
        weight.as_ref(),
        Some(&csr.edge),
        Some(&out),
        Some(&partial),
    ]);
    let dtypes = [x.dtype, sum].map(dtype_to_storage_type);
    // SAFETY: sorted edges are right by construction: entries of a row are below the number of
    // edges, `col` is a row of `x` and `scale`, `edge` a row of `weight`. Where there is a scale,
    // rows and columns are the same nodes, as where there is a term of the row's own; `counts` has
    // a row for each column and one more. A group writes its own row of `out` or `partial`, a unit
    // vectors below `width`.
    unsafe {
        aggregate_kernel::launch_unchecked(
            &x.client.clone(),
            cubes,
            dim,
            address,
            lanes.vector,
            x.into_tensor_arg(),
            weight.map(CubeTensor::into_tensor_arg).into(),
            scale.map(CubeTensor::into_tensor_arg).into(),
            terms.counts.map(CubeTensor::into_tensor_arg).into(),
            own.map(CubeTensor::into_tensor_arg).into(),
            csr.ptr.clone().into_tensor_arg(),
            csr.col.clone().into_tensor_arg(),
            csr.edge.clone().into_tensor_arg(),
            csr.chunk.clone().into_tensor_arg(),
            out.clone().into_tensor_arg(),
            partial.clone().into_tensor_arg(),
            csr.pieces,
            csr.rows,
            lanes.width,
            pitch / lanes.vector,
            self_loop,
            heads,
            lanes.units,
            lanes.slots,
            lanes.blocks,
            if lanes.units * lanes.slots < NARROW {
                2 * STEP
            } else {
                STEP
            },
            splits,
            terms.normalized,
            has_loops,
            terms.replaces_loops,
            own_of_row,
            csr.whole && is_sum,
            reduce,
            dtypes,
        );
    }
    csr.merge(&partial, [features, 0, features], &out, reduce);
    out
}
