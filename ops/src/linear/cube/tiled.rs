//! Products in single precision on GPUs that have no tensor cores for it, as Vulkan shows them.
//!
//! A cube computes a tile of [`ROWS`] rows and [`COLUMNS`] columns. Step by step its units carry [`DEPTH`]
//! columns of the left matrix and rows of the right one to shared memory, and each adds up the products of 8
//! rows and 8 columns in registers. Several cubes share a multiprocessor, so that one multiplies while
//! another waits for memory.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{cube, prelude::*};

use crate::rows::cube::address_type;

/// Values of a vector.
const VECTOR: usize = 4;
/// Rows of a tile of the result.
const ROWS: usize = 128;
/// Columns of a tile of the result.
const COLUMNS: usize = 64;
/// Columns of the left matrix, and rows of the right one, of a step.
const DEPTH: usize = 16;
/// Units of a cube.
const UNITS: usize = 128;
/// Vectors of the rows of a tile.
const LEFT: usize = ROWS / VECTOR;
/// Vectors of its columns.
const RIGHT: usize = COLUMNS / VECTOR;

/// A matrix in memory, in vectors: where its first row begins, how far rows are apart, how many rows and
/// vectors of a row there are.
#[derive(CubeType, Clone, Copy)]
struct Stored {
    start: usize,
    stride: usize,
    rows: usize,
    width: usize,
}

/// What a unit carries of [`DEPTH`] rows from `row` on, in the vectors from `column` on; zeros behind the
/// last row.
#[cube]
fn read<F: Float, N: Size>(
    matrix: &Tensor<Vector<F, N>>,
    stored: &Stored,
    row: usize,
    column: usize,
    unit: usize,
    carried: &mut Array<Vector<F, N>>,
    #[comptime] of_row: usize,
) {
    #[unroll]
    for i in 0..comptime!(DEPTH * of_row / UNITS) {
        let at = i * UNITS + unit;
        let line = row + at / of_row;
        let vector = min(column + at % of_row, stored.width - 1);
        let value = matrix[stored.start + min(line, stored.rows - 1) * stored.stride + vector];
        carried[i] = select(line < stored.rows, value, Vector::new(F::new(0.0_f32)));
    }
}

/// The same of [`DEPTH`] columns from vector `column` on, in the rows from `row` on: the four rows and four
/// columns of a unit.
#[cube]
fn read_across<F: Float, N: Size>(
    matrix: &Tensor<Vector<F, N>>,
    stored: &Stored,
    row: usize,
    column: usize,
    unit: usize,
    carried: &mut Array<Vector<F, N>>,
) {
    let vector = column + across(unit);
    #[unroll]
    for i in 0..VECTOR {
        let line = min(row + along(unit) * VECTOR + i, stored.rows - 1);
        let value = matrix[stored.start + line * stored.stride + min(vector, stored.width - 1)];
        carried[i] = select(vector < stored.width, value, Vector::new(F::new(0.0_f32)));
    }
}

/// Which vector of a step's columns is a unit's, and which four rows: units beside each other read what lies
/// beside each other, and write to different banks.
#[cube]
fn across(unit: usize) -> usize {
    unit % 2 + unit / 64 * 2
}

#[cube]
fn along(unit: usize) -> usize {
    unit / 2 % LEFT
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn tiled_kernel<F: Float, N: Size>(
    lhs: &Tensor<Vector<F, N>>,
    rhs: &Tensor<Vector<F, N>>,
    out: &mut Tensor<Vector<F, N>>,
    rows: usize,
    inner: usize,
    columns: usize,
    lhs_stride: usize,
    lhs_matrix: usize,
    #[comptime] transposed: bool,
    #[define(F)] _dtype: ElemType,
) {
    let zero = Vector::<F, N>::new(F::new(0.0_f32));
    let unit = UNIT_POS as usize;
    let tiles = columns.div_ceil(RIGHT);
    let (row, column) = (
        CUBE_POS_X as usize / tiles * ROWS,
        CUBE_POS_X as usize % tiles * RIGHT,
    );
    let batch = CUBE_POS_Y as usize;
    let left = Stored {
        start: batch * lhs_matrix,
        stride: lhs_stride,
        rows: if comptime!(transposed) { inner } else { rows },
        width: if comptime!(transposed) {
            rows / VECTOR
        } else {
            inner / VECTOR
        },
    };
    let right = Stored {
        start: batch * inner * columns,
        stride: columns,
        rows: inner,
        width: columns,
    };
    let mut left_tile = Shared::<[Vector<F, N>]>::new_slice(comptime!(DEPTH * LEFT));
    let mut right_tile = Shared::<[Vector<F, N>]>::new_slice(comptime!(DEPTH * RIGHT));
    let mut left_carried = Array::<Vector<F, N>>::new(comptime!(DEPTH * LEFT / UNITS));
    let mut right_carried = Array::<Vector<F, N>>::new(comptime!(DEPTH * RIGHT / UNITS));
    let mut sums = Array::<Vector<F, N>>::new(comptime!(4 * VECTOR));
    #[unroll]
    for i in 0..comptime!(4 * VECTOR) {
        sums[i] = zero;
    }
    let (y, x) = (unit / 8, unit % 8);
    let steps = inner.div_ceil(DEPTH);
    let mut step = 0usize;
    while step < steps {
        let first = step * DEPTH;
        if comptime!(transposed) {
            read(
                lhs,
                &left,
                first,
                row / VECTOR,
                unit,
                &mut left_carried,
                LEFT,
            );
        } else {
            read_across(lhs, &left, row, first / VECTOR, unit, &mut left_carried);
        }
        read(rhs, &right, first, column, unit, &mut right_carried, RIGHT);
        sync_cube();
        if comptime!(transposed) {
            #[unroll]
            for i in 0..comptime!(DEPTH * LEFT / UNITS) {
                left_tile[i * UNITS + unit] = left_carried[i];
            }
        } else {
            #[unroll]
            for i in 0..VECTOR {
                let mut vector = zero;
                #[unroll]
                for j in 0..VECTOR {
                    vector.insert(j, left_carried[j].extract(i));
                }
                left_tile[(across(unit) * VECTOR + i) * LEFT + along(unit)] = vector;
            }
        }
        #[unroll]
        for i in 0..comptime!(DEPTH * RIGHT / UNITS) {
            right_tile[i * UNITS + unit] = right_carried[i];
        }
        sync_cube();
        #[unroll]
        for depth in 0..DEPTH {
            let mut factors = Array::<Vector<F, N>>::new(2usize);
            factors[0usize] = right_tile[depth * RIGHT + x];
            factors[1usize] = right_tile[depth * RIGHT + comptime!(RIGHT / 2) + x];
            #[unroll]
            for half in 0..2usize {
                let values = left_tile[depth * LEFT + half * comptime!(LEFT / 2) + y];
                #[unroll]
                for i in 0..VECTOR {
                    let value = Vector::<F, N>::new(values.extract(i));
                    #[unroll]
                    for j in 0..2usize {
                        let at = comptime!((half * VECTOR + i) * 2 + j);
                        sums[at] = fma(factors[j], value, sums[at]);
                    }
                }
            }
        }
        step += 1;
    }
    #[unroll]
    for half in 0..2usize {
        #[unroll]
        for i in 0..VECTOR {
            let at = row + (half * comptime!(LEFT / 2) + y) * VECTOR + i;
            #[unroll]
            for j in 0..2usize {
                let vector = column + j * comptime!(RIGHT / 2) + x;
                if at < rows && vector < columns {
                    out[(batch * rows + at) * columns + vector] = sums[(half * VECTOR + i) * 2 + j];
                }
            }
        }
    }
}

/// Writes `lhs · rhs` to `out`, matrices or batches of them, if this kernel can: whether it did.
pub(super) fn product(lhs: &CubeTensor, rhs: &CubeTensor, out: &CubeTensor) -> bool {
    let rank = out.meta.shape().num_dims();
    let last = |tensor: &CubeTensor| -> ([usize; 2], [usize; 2]) {
        let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
        (
            [shape[rank - 2], shape[rank - 1]],
            [strides[rank - 2], strides[rank - 1]],
        )
    };
    let (([rows, inner], lhs_strides), ([_, columns], rhs_strides)) = (last(lhs), last(rhs));
    let batch = if rank == 3 { out.meta.shape()[0] } else { 1 };
    let matrix = if rank == 3 { lhs.meta.strides()[0] } else { 0 };
    let transposed = lhs_strides[0] == 1;
    let (stride, width) = if transposed {
        (lhs_strides[1], rows)
    } else {
        (lhs_strides[0], inner)
    };
    let tiles = rows.div_ceil(ROWS) * columns.div_ceil(COLUMNS);
    let properties = out.client.properties();
    let [most, most_batches] = {
        let (x, y, _) = properties.hardware.max_cube_count;
        [x, y].map(|count| usize::try_from(count).unwrap_or(usize::MAX))
    };
    let aligned = |tensor: &CubeTensor| {
        let offset = tensor.handle.offset_start.unwrap_or(0);
        offset.is_multiple_of((VECTOR * size_of::<f32>()) as u64)
    };
    let fits = [lhs, rhs, out].map(|tensor| tensor.dtype) == [DType::F32; 3]
        && (transposed || lhs_strides[1] == 1)
        && rhs_strides == [columns, 1]
        && [stride, width, columns, matrix]
            .iter()
            .all(|size| size.is_multiple_of(VECTOR))
        && [lhs, rhs, out].into_iter().all(aligned)
        && tiles <= most
        && batch <= most_batches;
    if !fits {
        return false;
    }
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    // SAFETY: rows and vectors that are read are limited to those of `lhs` and `rhs`, whose matrices are in
    // batches of as many as `out` has; units write the entries of their tile that `out` has, once.
    unsafe {
        tiled_kernel::launch_unchecked(
            &out.client,
            CubeCount::Static(count(tiles), count(batch), 1),
            CubeDim::new_1d(count(UNITS)),
            address_type([lhs, rhs, out].map(Some)),
            VECTOR,
            lhs.clone().into_tensor_arg(),
            rhs.clone().into_tensor_arg(),
            out.clone().into_tensor_arg(),
            rows,
            inner,
            columns / VECTOR,
            stride / VECTOR,
            matrix / VECTOR,
            transposed,
            dtype_to_storage_type(DType::F32),
        );
    }
    true
}
