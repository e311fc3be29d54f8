//! Products with few columns on GPUs: `x [N, K] · W [K, M]` with `M` a power of two up to 32.
//!
//! Such a result is too small to be cut in tiles for a whole device where `N` is some thousands,
//! and its time is that of reading `x` where there are more. A plane takes a few rows. Its units
//! share the `K` columns of `x`, so that what they read is contiguous, hold all `M` sums, and add
//! up in the end. Where there are many columns and few rows, the planes of a cube share them, and
//! add up in shared memory.

use burn::backend::{Shape, cubecl::dtype_to_storage_type};
use burn::tensor::DType;
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{cube, prelude::*};

use crate::rows::{
    cube::{address_type, empty, padded_rows, vector_size},
    lanes::{Lanes, group, lane, sum_type},
};

/// Most columns of the result.
const MAX_WIDTH: usize = 32;
/// Least columns of `x`, so that most units of a plane have some.
const MIN_INNER: usize = 64;
/// Columns of `x` that a unit reads at once.
const STEP: usize = 2;
/// Sums of a unit, in vectors.
const SUMS: usize = 16;
/// Rows above which there are planes enough without sharing rows.
const MANY_ROWS: usize = 1 << 15;

#[cube(launch_unchecked, address_type = "dynamic")]
fn narrow_kernel<F: Float, A: Float, N: Size>(
    x: &Tensor<F>,
    weight: &Tensor<Vector<F, N>>,
    out: &mut Tensor<F>,
    rows: usize,
    inner: usize,
    stride: usize,
    #[comptime] vectors: usize,
    #[comptime] size: usize,
    #[comptime] lanes: usize,
    #[comptime] planes: usize,
    #[comptime] taken: usize,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    // Units of a plane stay together to the end, since they add up together; `planes` of them share
    // rows.
    let plane = group(lanes) % planes;
    let first = group(lanes) / planes * taken;
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut start = Array::<usize>::new(taken);
    let mut sums = Array::<Vector<A, N>>::new(comptime!(taken * vectors));
    #[unroll]
    for row in 0..taken {
        // Planes behind the end read the last row, and write nothing.
        start[row] = min(first + row, rows - 1) * stride;
        #[unroll]
        for vector in 0..vectors {
            sums[row * vectors + vector] = zero;
        }
    }
    let turns = inner.div_ceil(comptime!(lanes * STEP * planes));
    for turn in 0..turns {
        let mut factors = Array::<Vector<A, N>>::new(comptime!(STEP * vectors));
        let mut values = Array::<A>::new(comptime!(STEP * taken));
        #[unroll]
        for step in 0..STEP {
            let column = ((turn * planes + plane) * STEP + step) * lanes + lane(lanes);
            let at = min(column, inner - 1);
            // Units behind the last column multiply zeros: its numbers need not be finite.
            #[unroll]
            for vector in 0..vectors {
                let factor = Vector::<A, N>::cast_from(weight[at * vectors + vector]);
                factors[step * vectors + vector] = select(column < inner, factor, zero);
            }
            #[unroll]
            for row in 0..taken {
                let value = A::cast_from(x[start[row] + at]);
                values[step * taken + row] = select(column < inner, value, A::new(0.0_f32));
            }
        }
        #[unroll]
        for step in 0..STEP {
            #[unroll]
            for row in 0..taken {
                let value = Vector::<A, N>::new(values[step * taken + row]);
                #[unroll]
                for vector in 0..vectors {
                    sums[row * vectors + vector] += factors[step * vectors + vector] * value;
                }
            }
        }
    }
    // All sums of a row group in one list; each halving leaves half of them to each half of the
    // units.
    let mut list = Array::<A>::new(comptime!(taken * vectors * size));
    #[unroll]
    for vector in 0..comptime!(taken * vectors) {
        #[unroll]
        for element in 0..size {
            list[vector * size + element] = sums[vector].extract(element);
        }
    }
    let mut at = 0;
    #[unroll]
    for halving in 0..comptime!(lanes.ilog2()) {
        let bit = comptime!(1u32 << (lanes.ilog2() - halving - 1));
        let held = comptime!(held(taken * vectors * size, halving));
        let half = comptime!(held / 2);
        let upper = lane(lanes) & comptime!(bit as usize) != 0;
        if comptime!(half == 0) {
            let own = list[0usize];
            list[0usize] = own + plane_shuffle_xor(own, bit);
        } else {
            #[unroll]
            for value in 0..half {
                let low = list[value];
                let high = list[value + half];
                let given = select(upper, low, high);
                list[value] = select(upper, high, low) + plane_shuffle_xor(given, bit);
            }
            at += select(upper, half, 0usize);
        }
    }
    let left = comptime!(held(taken * vectors * size, lanes.ilog2()));
    let width = comptime!(vectors * size);
    // Where there are fewer sums than units, several units have the same; all write it.
    if comptime!(planes > 1) {
        let mut shared = Shared::<[A]>::new_slice(comptime!(planes * taken * vectors * size));
        #[unroll]
        for value in 0..left {
            shared[plane * comptime!(taken * vectors * size) + at + value] = list[value];
        }
        sync_cube();
        let at = UNIT_POS as usize;
        if at < comptime!(taken * vectors * size) && first + at / width < rows {
            let mut sum = A::new(0.0_f32);
            #[unroll]
            for plane in 0..planes {
                sum += shared[plane * comptime!(taken * vectors * size) + at];
            }
            out[first * width + at] = F::cast_from(sum);
        }
    } else {
        #[unroll]
        for value in 0..left {
            let place = at + value;
            if first + place / width < rows {
                out[first * width + place] = F::cast_from(list[value]);
            }
        }
    }
}

/// How many of `count` sums, a power of two, a unit holds after some halvings.
fn held(count: usize, halvings: u32) -> usize {
    (count >> halvings).max(1)
}

/// The product, if it is one for this kernel and the device has planes.
pub(super) fn product(x: &CubeTensor, weight: &CubeTensor) -> Option<CubeTensor> {
    let (shape, width) = (x.meta.shape(), weight.meta.shape()[1]);
    let (rows, inner) = (shape[0], shape[1]);
    let is_known = matches!(x.dtype, DType::F32 | DType::F16 | DType::BF16);
    // Sums are halved among units, so their number is a power of two.
    let is_narrow = width <= MAX_WIDTH && width.is_power_of_two();
    if !is_narrow || inner < MIN_INNER || !is_known || x.dtype != weight.dtype {
        return None;
    }
    // A whole plane, whatever the number of columns.
    let lanes = Lanes::within_plane(x, 1 << 10);
    if lanes.units == 1 {
        return None;
    }
    let (x, stride) = padded_rows(x.clone());
    let weight = into_contiguous(weight.clone());
    let sum = sum_type(x.dtype);
    let vector = vector_size(&weight, width).min(16 / sum.size());
    let vectors = width / vector;
    let taken = (SUMS / vectors).clamp(1, 4);
    let out = empty(&x, Shape::new([rows, width]), x.dtype);
    let (_, dim) = lanes.launch_dims(&x, 1);
    // All planes of a cube share rows, or none do.
    let all = dim.num_elems() as usize / lanes.units;
    let shares = rows < MANY_ROWS && inner >= lanes.units * STEP * all / 2;
    let planes = if shares { all } else { 1 };
    let (cubes, dim) = lanes.launch_dims(&x, rows.div_ceil(taken) * planes);
    let dtypes = [x.dtype, sum].map(dtype_to_storage_type);
    let address = address_type([&x, &weight, &out].map(Some));
    // SAFETY: rows and columns that are read are limited to those of `x` and `weight`; a plane
    // writes its own rows of `out`, none behind its end.
    unsafe {
        narrow_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address,
            vector,
            x.into_tensor_arg(),
            weight.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            rows,
            inner,
            stride,
            vectors,
            vector,
            lanes.units,
            planes,
            taken,
            dtypes,
        );
    }
    Some(out)
}
