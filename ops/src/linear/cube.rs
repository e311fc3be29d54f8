//! Linear maps on GPUs.
//!
//! Small products of single precision are computed as they stand: units of the device multiply
//! faster than its tensor cores are set up. How large ones are computed depends on the
//! [precision](kiln_core::precision) of the device. At the highest, units multiply too, by a kernel
//! here (`tiled`) or by those of `cubek` that never round a factor. At others, tensor cores for
//! single precision are taken where there are any: by the kernels of `cubek` without a trial where
//! the device copies tiles by itself (TMA) and rows are aligned for it, and otherwise as Burn
//! chooses; where there are none, tensor cores for `bf16` (`tiled`).
//!
//! The gradient of weights `xᵀ g` is cut in ranges of rows, as many as keep the device busy, one
//! product each in a batch; the last range has the rows that are left. Sums of rows, of the ranges'
//! results and for biases, go in stages of a fixed order, so results repeat bit by bit.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

mod chain;
mod narrow;
mod sum;
mod tiled;

use core::ops::Range;

use burn::backend::{
    DispatchDevice, Shape, cubecl::dtype_to_storage_type, ops::FloatTensorOps as _,
};
use burn::tensor::{DType, Device};
use burn_cubecl::{
    CubeBackend,
    kernel::{
        into_contiguous,
        matmul::{MatmulStrategy, matmul as burn_matmul},
    },
    tensor::CubeTensor,
};
use cubecl::{
    cube,
    ir::{FloatKind, features::Tma},
    prelude::*,
    zspace::metadata::Metadata,
};
use cubek::{
    matmul::{
        definition::{MatmulElems, MatmulGlobalElems, MatmulSetupError},
        launch::launch_ref,
        multi_level::{
            Strategy,
            routines::{
                TileSizeSelection,
                batch::{simple::SimpleArgs, simple_unit::SimpleUnitSelectionArgs},
            },
        },
        routine::BlueprintStrategy,
    },
    std::InputBinding,
};
use kiln_core::{MatmulPrecision, matmul_precision};

use self::{
    chain::{CHAIN, narrowed},
    sum::{Addend, DOUBLE},
    tiled::By,
};
use super::product_shape;
use crate::rows::{
    cube::{address_type, empty, launch_dims, padded_rows, vector_size},
    lanes::{sum_type, zeros},
};

/// Multiplications from which a product is large.
const LARGE: usize = 1 << 22;
/// Bytes that rows must be a multiple of to be copied in tiles.
const ALIGNMENT: usize = 16;
/// Rows and columns of a tile of the result.
const TILE: usize = 128;
/// Tiles that keep a device busy.
const TILES: usize = 264;
/// A range has at least as many rows.
const MIN_RANGE: usize = 512;
/// A range has at most as many, where a unit adds up its products one after the other.
const MAX_RANGE: usize = 1 << 12;
/// Units that keep a device busy.
const BUSY: usize = 1 << 17;
/// Rows that a unit adds up at least.
const MIN_CHUNK: usize = 64;
/// Rows that are read at once, and added up by halves.
const STEP: usize = 8;
/// How many times, before another sum begins.
const STEPS: u32 = 16;

/// See [`crate::GraphOps::linear_map`].
pub(crate) fn linear_map(
    x: CubeTensor,
    weight: CubeTensor,
    term: Option<CubeTensor>,
    relu: bool,
) -> CubeTensor {
    debug_assert!(term.is_some() || !relu, "ReLU comes with a bias");
    let shape = Shape::new([x.meta.shape()[0], weight.meta.shape()[1]]);
    let term = term.map(into_contiguous);
    let addend = term.as_ref().map(|term| Addend { term, relu });
    let (out, added) = if x.meta.num_elements() * weight.meta.num_elements() == 0 {
        (zeros(&x, shape, x.dtype), false)
    } else if let Some(out) = narrow::product(&x, &weight) {
        (out, false)
    } else {
        let out = empty(&x, shape, x.dtype);
        let added = product(x, weight, &out, Use::Forward(addend));
        (out, added)
    };
    if let Some(addend) = addend.filter(|_| !added) {
        sum::add(&out, addend);
    }
    out
}

/// See [`crate::GraphOps::linear_map_weight`].
pub(crate) fn linear_map_weight(x: CubeTensor, grad: CubeTensor) -> CubeTensor {
    let (rows, k, m) = (x.meta.shape()[0], x.meta.shape()[1], grad.meta.shape()[1]);
    let shape = Shape::new([k, m]);
    if rows * k * m == 0 {
        return zeros(&x, shape, x.dtype);
    }
    let ((x, pitch), grad) = (padded_rows(x), into_contiguous(grad));
    let range = range_of(rows, [k, m], pitch, &x);
    if range >= rows {
        let out = empty(&x, shape, x.dtype);
        let x = CubeBackend::float_swap_dims(x, 0, 1);
        product(x, grad, &out, Use::Forward(None));
        return out;
    }
    if let Some(by) = tiles(&x, rows * k * m) {
        let range = match by {
            By::Units => range.min(MAX_RANGE),
            By::Planes { .. } => range,
        };
        let ranges = rows.div_ceil(range);
        let out = empty(&x, Shape::new([ranges, k, m]), sum_type(x.dtype));
        if tiled::ranges(&x, &grad, &out, range, by) {
            return sum_rows(out, ranges, shape, x.dtype);
        }
    }
    let (ranges, left) = (rows / range, rows % range);
    // Ranges of rows, without a copy.
    let part = |tensor: &CubeTensor, row: usize, [count, rows, pitch]: [usize; 3]| {
        let bytes = row * pitch * tensor.dtype.size();
        let shape = Shape::new([count, rows, tensor.meta.shape()[1]]);
        CubeTensor::new(
            tensor.client.clone(),
            tensor.handle.clone().offset_start(bytes as u64),
            Metadata::new(shape, [rows * pitch, pitch, 1]),
            tensor.device.clone(),
            tensor.dtype,
        )
    };
    let multiply = |row: usize, count: usize, rows: usize| {
        let out = empty(&x, Shape::new([count, k, m]), sum_type(x.dtype));
        let transposed = CubeBackend::float_swap_dims(part(&x, row, [count, rows, pitch]), 1, 2);
        product(
            transposed,
            part(&grad, row, [count, rows, m]),
            &out,
            Use::Ranges,
        );
        if count == 1 && out.dtype == x.dtype {
            return CubeBackend::float_reshape(out, shape.clone());
        }
        sum_rows(out, count, shape.clone(), x.dtype)
    };
    let whole = multiply(0, ranges, range);
    if left == 0 {
        return whole;
    }
    CubeBackend::float_add(whole, multiply(ranges * range, 1, left))
}

/// Rows of a range of `x`, whose rows are `pitch` apart: so many that about [`TILES`] tiles are
/// computed at once, and that few rows are left behind the last range.
fn range_of(rows: usize, [k, m]: [usize; 2], pitch: usize, x: &CubeTensor) -> usize {
    let tiles = k.div_ceil(TILE) * m.div_ceil(TILE);
    let most = (TILES.div_ceil(tiles)).min(rows / MIN_RANGE);
    if most < 2 {
        return rows;
    }
    // Ranges start where the device can bind a buffer.
    let alignment = x
        .client
        .properties()
        .memory
        .alignment
        .try_into()
        .unwrap_or(1);
    let step = (1..=alignment)
        .find(|step| {
            [pitch, m]
                .iter()
                .all(|width| (step * width * x.dtype.size()).is_multiple_of(alignment))
        })
        .unwrap_or(1);
    let range = |ranges: usize| rows / ranges / step * step;
    let least = most - most / 4;
    (least.max(1)..=most)
        .map(range)
        .filter(|&range| range > 0)
        .min_by_key(|range| rows % range)
        .unwrap_or(rows)
}

/// See [`crate::GraphOps::column_sum`].
pub(crate) fn column_sum(x: CubeTensor) -> CubeTensor {
    let (rows, width, dtype) = (x.meta.shape()[0], x.meta.shape()[1], x.dtype);
    sum_rows(into_contiguous(x), rows, Shape::new([width]), dtype)
}

/// What a product is for.
#[derive(Clone, Copy)]
enum Use<'a> {
    /// One product of a tall matrix, and what is added to it.
    Forward(Option<Addend<'a>>),
    /// A batch of products with small results.
    Ranges,
}

/// The precision of products that a tensor takes part in.
fn precision_of(tensor: &CubeTensor) -> MatmulPrecision {
    matmul_precision(&Device::new(DispatchDevice::Cube(tensor.device.clone())))
}

/// How the kernels here compute a product of as many multiplications on the device of `like`, if it
/// is a large one of single precision for which they are the best way to the device's precision.
fn tiles(like: &CubeTensor, work: usize) -> Option<By> {
    if like.dtype != DType::F32 || work < LARGE {
        return None;
    }
    let precision = precision_of(like);
    let by = By::at(precision, like);
    let has_others = match precision {
        MatmulPrecision::Highest => false,
        MatmulPrecision::High => has_matrix_units(like),
        // One term of `bf16` is less work than one of TF32.
        MatmulPrecision::Medium => has_matrix_units(like) && matches!(by, By::Units),
    };
    (!has_others).then_some(by)
}

/// Writes `lhs · rhs` to `out`: whether with what is added to it.
fn product(lhs: CubeTensor, rhs: CubeTensor, out: &CubeTensor, by: Use<'_>) -> bool {
    let work = work(&lhs, out.meta.shape());
    let is_single = lhs.dtype == DType::F32;
    if is_single && work < LARGE {
        units_product(&lhs, &rhs, out);
        return false;
    }
    let addend = match by {
        Use::Forward(addend) => addend,
        Use::Ranges => None,
    };
    if let Some(by) = tiles(&lhs, work) {
        // The weights, seldom more, are copied if they lie across.
        let rhs = into_contiguous(rhs.clone());
        if tiled::product(&lhs, &rhs, addend, out, by) {
            return addend.is_some();
        }
    }
    if is_single && precision_of(out) == MatmulPrecision::Highest {
        units_product(&lhs, &rhs, out);
        return false;
    }
    if copies_tiles([&lhs, &rhs], out.meta.shape()) {
        let strategy = match by {
            Use::Forward(Some(addend))
                if is_aligned(addend.term) && sum::product([&lhs, &rhs, out], addend).is_ok() =>
            {
                return true;
            }
            Use::Forward(_) => Strategy::DoubleTmaMma(BlueprintStrategy::Inferred(DOUBLE)),
            Use::Ranges => Strategy::SimpleTmaMma(BlueprintStrategy::Inferred(SimpleArgs {
                multi_rows: true,
                tile_matmul: DOUBLE.tile_matmul,
            })),
        };
        if launch(strategy, &lhs, &rhs, out).is_ok() {
            return false;
        }
    }
    let (dims, result) = (
        [lhs.meta.shape().clone(), rhs.meta.shape().clone()],
        burn_matmul(
            lhs,
            rhs,
            Some(out.clone()),
            MatmulStrategy::default(),
            out.dtype,
        ),
    );
    if let Err(error) = result {
        panic!("linear: no kernel for a product of {dims:?}: {error:?}");
    }
    false
}

/// Multiplications of a product of `lhs` with a result of `shape`.
fn work(lhs: &CubeTensor, shape: &Shape) -> usize {
    let inner = lhs.meta.shape().iter().last().copied().unwrap_or(1);
    shape.num_elements() * inner
}

/// Writes `lhs · rhs`, or a batch of them, to `out`, by units that multiply factors as they are.
///
/// # Panics
/// If no kernel can.
fn units_product(lhs: &CubeTensor, rhs: &CubeTensor, out: &CubeTensor) {
    let rank = lhs.meta.shape().num_dims();
    let inner = lhs.meta.shape()[rank - 1];
    let tile_size = TileSizeSelection::MinTileSize;
    let units = Strategy::SimpleUnit(BlueprintStrategy::Inferred(SimpleUnitSelectionArgs {
        tile_size,
    }));
    let multiply = |range: Range<usize>, out: &CubeTensor| {
        let [lhs, rhs] = [
            narrowed(lhs, rank - 1, range.clone()),
            narrowed(rhs, rank - 2, range),
        ];
        let result = launch(units.clone(), &lhs, &rhs, out)
            .or_else(|_| launch(Strategy::Naive, &lhs, &rhs, out));
        if let Err(error) = result {
            let dims = [lhs, rhs].map(|factor| factor.meta.shape().clone());
            panic!("linear: no kernel for a product of {dims:?}: {error:?}");
        }
    };
    multiply(0..inner.min(CHAIN), out);
    for start in (CHAIN..inner).step_by(CHAIN) {
        let term = empty(out, out.meta.shape().clone(), out.dtype);
        multiply(start..inner.min(start + CHAIN), &term);
        let addend = Addend {
            term: &term,
            relu: false,
        };
        sum::add(out, addend);
    }
}

/// See [`crate::GraphOps::matmul`].
pub(crate) fn matmul(lhs: CubeTensor, rhs: CubeTensor) -> CubeTensor {
    if lhs.dtype != DType::F32 || precision_of(&lhs) != MatmulPrecision::Highest {
        return CubeBackend::float_matmul(lhs, rhs);
    }
    let shape = product_shape([lhs.meta.shape(), rhs.meta.shape()]);
    if lhs.meta.num_elements() * rhs.meta.num_elements() == 0 {
        return zeros(&lhs, shape, lhs.dtype);
    }
    let out = empty(&lhs, shape, lhs.dtype);
    units_product(&lhs, &rhs, &out);
    out
}

/// Whether a product with a result of `shape` is large, and its factors can be copied in tiles.
fn copies_tiles(factors: [&CubeTensor; 2], shape: &Shape) -> bool {
    let [lhs, _] = factors;
    work(lhs, shape) >= LARGE
        && lhs.client.properties().features.tma.contains(Tma::Base)
        && matches!(lhs.dtype, DType::F32 | DType::F16 | DType::BF16)
        && factors.into_iter().all(is_aligned)
}

/// Whether the device multiplies matrices of single precision as such, rounded to TF32 or not.
fn has_matrix_units(like: &CubeTensor) -> bool {
    let features = &like.client.properties().features.matmul;
    let known = [FloatKind::TF32, FloatKind::F32].map(ElemType::Float);
    let mut configs = features.cmma.iter().chain(&features.mma);
    configs.any(|config| known.contains(&config.a_type))
}

/// Launches the kernel of a strategy, if it can compute the product.
fn launch(
    strategy: Strategy,
    lhs: &CubeTensor,
    rhs: &CubeTensor,
    out: &CubeTensor,
) -> Result<(), MatmulSetupError> {
    let [left, right, result] = [lhs, rhs, out].map(|tensor| dtype_to_storage_type(tensor.dtype));
    let mut elems = MatmulElems::from_globals(&MatmulGlobalElems {
        lhs: left,
        rhs: right,
        out: result,
    });
    launch_ref(
        &strategy.into(),
        &out.client,
        InputBinding::new(lhs.clone().binding(), left),
        InputBinding::new(rhs.clone().binding(), right),
        out.clone().binding(),
        &mut elems,
    )
}

/// Whether rows, or columns if those are contiguous, can be copied in tiles.
fn is_aligned(tensor: &CubeTensor) -> bool {
    let size = tensor.dtype.size();
    let offset = tensor.handle.offset_start.unwrap_or(0);
    let mut strides = tensor.meta.strides().iter();
    let aligned = |&stride: &usize| stride == 1 || (stride * size).is_multiple_of(ALIGNMENT);
    offset.is_multiple_of(ALIGNMENT as u64) && strides.all(aligned)
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn sum_rows_kernel<F: Float, A: Float, O: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    out: &mut Tensor<Vector<O, N>>,
    rows: usize,
    width: usize,
    parts: usize,
    chunk: usize,
    #[define(F, A, O)] _dtypes: [ElemType; 3],
) {
    if ABSOLUTE_POS >= parts * width {
        terminate!();
    }
    let column = ABSOLUTE_POS % width;
    let mut row = ABSOLUTE_POS / width * chunk;
    let end = min(row + chunk, rows);
    let zero = Vector::<A, N>::new(A::new(0.0_f32));
    let mut sum = zero;
    let mut total = zero;
    let mut steps = 0u32;
    while row < end {
        let mut values = Array::<Vector<A, N>>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            let at = min(row + step, end - 1) * width + column;
            let value = Vector::<A, N>::cast_from(x[at]);
            values[step] = select(row + step < end, value, zero);
        }
        #[unroll]
        for halving in 0..comptime!(STEP.ilog2()) {
            let half = comptime!(STEP >> (halving + 1));
            #[unroll]
            for step in 0..half {
                values[step] = values[step] + values[step + half];
            }
        }
        sum += values[0usize];
        row += STEP;
        steps += 1u32;
        if steps % STEPS == 0u32 {
            total += sum;
            sum = zero;
        }
    }
    out[ABSOLUTE_POS] = Vector::<O, N>::cast_from(total + sum);
}

/// Adds up `rows` rows of a contiguous tensor, each of which has the elements of `shape`.
fn sum_rows(x: CubeTensor, rows: usize, shape: Shape, dtype: DType) -> CubeTensor {
    let features = shape.num_elements();
    if rows * features == 0 {
        return zeros(&x, shape, dtype);
    }
    let sum = sum_type(x.dtype);
    let (mut x, mut rows) = (x, rows);
    loop {
        let vector = vector_size(&x, features).min(16 / sum.size());
        let width = features / vector;
        let parts = (BUSY / width).clamp(1, (rows / MIN_CHUNK).max(1));
        let chunk = rows.div_ceil(parts);
        let parts = rows.div_ceil(chunk);
        let (shape, result) = if parts == 1 {
            (shape.clone(), dtype)
        } else {
            (Shape::new([parts, features]), sum)
        };
        let out = empty(&x, shape, result);
        let (cubes, dim) = launch_dims(&x, parts * width);
        let dtypes = [x.dtype, sum, result].map(dtype_to_storage_type);
        // SAFETY: a unit below `parts · width` writes its own vector of `out`, and reads its column
        // of rows below `rows`, which `x` has; no part is empty.
        unsafe {
            sum_rows_kernel::launch_unchecked(
                &out.client,
                cubes,
                dim,
                address_type([Some(&x), Some(&out)]),
                vector,
                x.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                rows,
                width,
                parts,
                chunk,
                dtypes,
            );
        }
        if parts == 1 {
            return out;
        }
        (x, rows) = (out, parts);
    }
}
