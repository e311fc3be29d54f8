//! Products of single precision by tensor cores for `bf16`.
//!
//! A factor is split in two numbers of `bf16`, the one nearest to it and one for the difference, up to 2⁻¹⁷ of
//! it; of their four products the three largest are added up in single precision. So results are nearer than
//! those in TF32, which keeps a factor up to 2⁻¹¹, and have the range of single precision. Infinite factors
//! give NaN.
//!
//! Each plane of a cube computes [`PLANE_ROWS`] x [`PLANE_COLUMNS`] of the result, in squares of [`SQUARE`].

use burn::tensor::bf16;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{
    cmma::{self, MatrixIdent, MatrixLayout},
    cube,
    ir::FloatKind,
    prelude::*,
};

use super::{Matrices, Stored, VECTOR, read, size, term_at};
use crate::{
    linear::cube::sum::{Addend, rectified},
    rows::cube::address_type,
};

/// Rows, columns and depth of what a plane multiplies at once.
const SQUARE: usize = 16;
/// Vectors of such a square.
const VECTORS: usize = SQUARE * SQUARE / VECTOR;
/// Units of a plane.
const PLANE: usize = 32;
/// Rows of the result that a plane computes.
const PLANE_ROWS: usize = 64;
/// Columns of the result that a plane computes.
const PLANE_COLUMNS: usize = 32;
/// Planes above each other.
const DOWN: usize = 2;
/// Planes beside each other.
const ACROSS: usize = 4;
/// Units of a cube.
const UNITS: usize = PLANE * DOWN * ACROSS;
/// Rows of a tile of the result.
const ROWS: usize = PLANE_ROWS * DOWN;
/// Columns of a tile of the result.
const COLUMNS: usize = PLANE_COLUMNS * ACROSS;
/// Columns of the left matrix, and rows of the right one, of a step.
const DEPTH: usize = 32;
/// The half of single precision that `bf16` keeps.
const UPPER: u32 = 0xffff_0000;
/// Half of the last bit of it.
const HALF: u32 = 0x8000;
/// Vectors that rows in shared memory are longer, so that those below each other lie in other banks.
const GAP: usize = 8 / VECTOR;

/// Splits what a unit carries of rows in `of_row` vectors, and writes it to shared memory.
#[cube]
fn split<N: Size>(
    carried: Array<Vector<f32, N>>,
    high: &mut [Vector<bf16, N>],
    low: &mut [Vector<bf16, N>],
    unit: usize,
    #[comptime] rows: usize,
    #[comptime] of_row: usize,
) {
    #[unroll]
    for i in 0..comptime!(rows * of_row / UNITS) {
        let at = i * UNITS + unit;
        let place = at / of_row * comptime!(of_row + GAP) + at % of_row;
        let value = carried[i];
        // The nearest, whichever way the device converts.
        let bits = Vector::<u32, N>::reinterpret(value) + Vector::new(HALF);
        let nearest = Vector::<f32, N>::reinterpret(bits & Vector::new(UPPER));
        high[place] = Vector::<bf16, N>::cast_from(nearest);
        low[place] = Vector::<bf16, N>::cast_from(value - nearest);
    }
}

/// A square of a matrix in shared memory.
#[cube]
fn square<N: Size>(
    shared: &[Vector<bf16, N>],
    start: usize,
    #[comptime] ident: MatrixIdent,
    #[comptime] layout: MatrixLayout,
    #[comptime] of_row: usize,
) -> cmma::Matrix<bf16> {
    let length = shared.len();
    // SAFETY: it is loaded before anything reads it.
    let mut matrix =
        unsafe { cmma::Matrix::<bf16>::uninitialized(ident, SQUARE, SQUARE, SQUARE, layout) };
    cmma::load(
        &mut matrix,
        &shared[start..length],
        comptime!(size((of_row + GAP) * VECTOR)),
    );
    matrix
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn planes_kernel<N: Size>(
    lhs: &Tensor<Vector<f32, N>>,
    rhs: &Tensor<Vector<f32, N>>,
    term: ComptimeOption<&Tensor<Vector<f32, N>>>,
    out: &mut Tensor<Vector<f32, N>>,
    rows: usize,
    range: usize,
    inner_of_all: usize,
    columns: usize,
    lhs_stride: usize,
    lhs_matrix: usize,
    term_stride: usize,
    #[comptime] transposed: bool,
    #[comptime] relu: bool,
) {
    let unit = UNIT_POS as usize;
    let tiles = columns.div_ceil(comptime!(COLUMNS / VECTOR));
    let (row, column) = (
        CUBE_POS_X as usize / tiles * ROWS,
        CUBE_POS_X as usize % tiles * comptime!(COLUMNS / VECTOR),
    );
    let batch = CUBE_POS_Y as usize;
    let inner = min(range, inner_of_all - batch * range);
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
        start: batch * range * columns,
        stride: columns,
        rows: inner,
        width: columns,
    };
    // Rows of the left tile as they lie in memory, and vectors of each.
    let (left_rows, left_width) = comptime!(if transposed {
        (DEPTH, ROWS / VECTOR)
    } else {
        (ROWS, DEPTH / VECTOR)
    });
    let right_width = comptime!(COLUMNS / VECTOR);
    let left_length = comptime!(left_rows * (left_width + GAP));
    let right_length = comptime!(DEPTH * (right_width + GAP));
    let mut left_high = Shared::<[Vector<bf16, N>]>::new_slice(left_length);
    let mut left_low = Shared::<[Vector<bf16, N>]>::new_slice(left_length);
    let mut right_high = Shared::<[Vector<bf16, N>]>::new_slice(right_length);
    let mut right_low = Shared::<[Vector<bf16, N>]>::new_slice(right_length);
    let mut bounce = Shared::<[Vector<f32, N>]>::new_slice(comptime!(UNITS / PLANE * VECTORS));
    let mut left_carried = Array::<Vector<f32, N>>::new(comptime!(ROWS * DEPTH / VECTOR / UNITS));
    let mut right_carried =
        Array::<Vector<f32, N>>::new(comptime!(COLUMNS * DEPTH / VECTOR / UNITS));
    let plane = unit / PLANE;
    let (y, x) = (
        plane / ACROSS * PLANE_ROWS,
        plane % ACROSS * comptime!(PLANE_COLUMNS / VECTOR),
    );
    let down = comptime!(PLANE_ROWS / SQUARE);
    let across = comptime!(PLANE_COLUMNS / SQUARE);
    let mut sums = Sequence::<cmma::Matrix<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(down * across) {
        sums.push(cmma::Matrix::<f32>::from_value(
            MatrixIdent::Accumulator,
            SQUARE,
            SQUARE,
            SQUARE,
            MatrixLayout::Undefined,
            0.0_f32,
        ));
    }
    let layout = comptime!(if transposed {
        MatrixLayout::ColMajor
    } else {
        MatrixLayout::RowMajor
    });
    let steps = inner.div_ceil(DEPTH);
    let mut step = 0usize;
    while step < steps {
        let first = step * DEPTH;
        let (left_row, left_column) = if comptime!(transposed) {
            (first, row / VECTOR)
        } else {
            (row, first / VECTOR)
        };
        read(
            lhs,
            &left,
            left_row,
            left_column,
            unit,
            &mut left_carried,
            left_rows,
            left_width,
            UNITS,
        );
        read(
            rhs,
            &right,
            first,
            column,
            unit,
            &mut right_carried,
            DEPTH,
            right_width,
            UNITS,
        );
        sync_cube();
        split(
            left_carried,
            &mut left_high,
            &mut left_low,
            unit,
            left_rows,
            left_width,
        );
        split(
            right_carried,
            &mut right_high,
            &mut right_low,
            unit,
            DEPTH,
            right_width,
        );
        sync_cube();
        #[unroll]
        for depth in 0..comptime!(DEPTH / SQUARE) {
            let mut highs = Sequence::<cmma::Matrix<bf16>>::new();
            let mut lows = Sequence::<cmma::Matrix<bf16>>::new();
            #[unroll]
            for j in 0..across {
                let start =
                    comptime!(depth * SQUARE * (right_width + GAP) + j * SQUARE / VECTOR) + x;
                highs.push(square(
                    &right_high,
                    start,
                    MatrixIdent::B,
                    MatrixLayout::RowMajor,
                    right_width,
                ));
                lows.push(square(
                    &right_low,
                    start,
                    MatrixIdent::B,
                    MatrixLayout::RowMajor,
                    right_width,
                ));
            }
            #[unroll]
            for i in 0..down {
                let start = if comptime!(transposed) {
                    comptime!(depth * SQUARE * (left_width + GAP))
                        + (y + comptime!(i * SQUARE)) / VECTOR
                } else {
                    (y + comptime!(i * SQUARE)) * comptime!(left_width + GAP)
                        + comptime!(depth * SQUARE / VECTOR)
                };
                let high = square(&left_high, start, MatrixIdent::A, layout, left_width);
                let low = square(&left_low, start, MatrixIdent::A, layout, left_width);
                #[unroll]
                for j in 0..across {
                    let sum = sums.index(comptime!(i * across + j));
                    cmma::execute(&low, highs.index(j), sum, sum);
                    cmma::execute(&high, lows.index(j), sum, sum);
                    cmma::execute(&high, highs.index(j), sum, sum);
                }
            }
        }
        step += 1;
    }
    // By way of shared memory, so that units beside each other write what lies beside each other. Terms are
    // read before it, many at once: behind a barrier each would be waited for.
    let (start, length) = (plane * VECTORS, bounce.len());
    let each = comptime!(VECTORS / PLANE);
    #[unroll]
    for i in 0..down {
        let line = row + y + comptime!(i * SQUARE);
        let mut terms = Array::<Vector<f32, N>>::new(comptime!(across * each));
        #[unroll]
        for at in 0..comptime!(across * each) {
            let (line, vector) = place(
                line,
                column + x,
                unit,
                comptime!(at / each),
                comptime!(at % each),
            );
            let at_term = min(line, rows - 1) * term_stride + min(vector, columns - 1);
            terms[at] = term_at::<f32, N>(&term, at_term);
        }
        #[unroll]
        for j in 0..across {
            sync_plane();
            cmma::store(
                &mut bounce[start..length],
                sums.index(comptime!(i * across + j)),
                comptime!(size(SQUARE)),
                MatrixLayout::RowMajor,
            );
            sync_plane();
            #[unroll]
            for k in 0..each {
                let (line, vector) = place(line, column + x, unit, j, k);
                let sum = bounce[start + comptime!(k * PLANE) + unit % PLANE];
                let term = terms[comptime!(j * each + k)];
                if line < rows && vector < columns {
                    out[(batch * rows + line) * columns + vector] =
                        rectified::<f32, N>(sum + term, relu);
                }
            }
        }
    }
}

/// The row and the vector that a unit writes: the `k`-th of its vectors in the `j`-th square from a row and a
/// vector on.
#[cube]
fn place(
    row: usize,
    column: usize,
    unit: usize,
    #[comptime] j: usize,
    #[comptime] k: usize,
) -> (usize, usize) {
    let at = comptime!(k * PLANE) + unit % PLANE;
    let (line, vector) = (
        at / comptime!(SQUARE / VECTOR),
        at % comptime!(SQUARE / VECTOR),
    );
    (row + line, column + comptime!(j * SQUARE / VECTOR) + vector)
}

/// Whether the device has planes that multiply squares of `bf16`, and memory for a tile.
pub(super) fn are_on(out: &CubeTensor) -> bool {
    const SHARED: usize = {
        let (left, right) = (
            ROWS * (DEPTH / VECTOR + GAP),
            DEPTH * (COLUMNS / VECTOR + GAP),
        );
        let bounce = UNITS / PLANE * VECTORS * size_of::<f32>();
        (2 * (left + right) * size_of::<bf16>() + bounce) * VECTOR
    };
    let properties = out.client.properties();
    let [single, short] = [FloatKind::F32, FloatKind::BF16].map(ElemType::Float);
    let hardware = &properties.hardware;
    let planes = [hardware.plane_size_min, hardware.plane_size_max].map(usize::try_from);
    planes == [Ok(PLANE); 2]
        && hardware.max_shared_memory_size >= SHARED
        && properties.features.matmul.cmma.iter().any(|config| {
            [config.a_type, config.b_type, config.cd_type] == [short, short, single]
                && [config.m, config.n, config.k].map(usize::try_from) == [Ok(SQUARE); 3]
        })
}

/// Writes `lhs · rhs` and what is added to `out`, if the device runs as many cubes: whether it did.
pub(super) fn product(
    [lhs, rhs, out]: [&CubeTensor; 3],
    addend: Option<Addend<'_>>,
    matrices: Matrices,
) -> bool {
    let Some(cubes) = matrices.cubes([ROWS, COLUMNS / VECTOR], out) else {
        return false;
    };
    // SAFETY: rows and vectors that are read are limited to those of `lhs` and `rhs`, whose matrices are in
    // batches of as many as `out` has; planes write the entries of their tile that `out` has, once, and
    // read the same of the term, or those of its row.
    unsafe {
        planes_kernel::launch_unchecked(
            &out.client,
            cubes,
            CubeDim::new_1d(size(UNITS)),
            address_type([
                Some(lhs),
                Some(rhs),
                addend.map(|addend| addend.term),
                Some(out),
            ]),
            VECTOR,
            lhs.clone().into_tensor_arg(),
            rhs.clone().into_tensor_arg(),
            addend
                .map(|addend| addend.term.clone().into_tensor_arg())
                .into(),
            out.clone().into_tensor_arg(),
            matrices.rows,
            matrices.inner,
            matrices.inner_of_all,
            matrices.columns,
            matrices.stride,
            matrices.matrix,
            addend.map_or(0, |addend| addend.stride(out) / VECTOR),
            matrices.transposed,
            addend.is_some_and(|addend| addend.relu),
        );
    }
    true
}
