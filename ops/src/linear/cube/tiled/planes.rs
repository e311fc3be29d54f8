//! Products of single precision by tensor cores for `bf16`.
//!
//! A factor is split in *terms* of `bf16`: the number nearest to it, the one nearest to the
//! difference, and so on; each has 8 bits more. Products of terms are added up in single precision;
//! products below the last bit of the terms are left out:
//!
//! | terms | products | largest error of a factor |
//! |---|---|---|
//! | 1 | 1 | 2⁻⁹ |
//! | 2 | 3 of 4 | 2⁻¹⁷ |
//!
//! Two terms are nearer than TF32, which keeps a factor up to 2⁻¹¹, and have the range of single
//! precision. Differences of infinite numbers are none, so what comes out as infinite or as no
//! number is computed anew from the factors as they are.
//!
//! Each plane of a cube computes [`PLANE_ROWS`] x [`PLANE_COLUMNS`] of the result, in squares of
//! [`SQUARE`].

use burn::tensor::bf16;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{
    cmma::{self, MatrixIdent, MatrixLayout},
    cube,
    ir::FloatKind,
    prelude::*,
};

use super::matrices::{Matrices, Stored, VECTOR, read, size, term_at};
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
/// The exponent of single precision: all of its bits are set in what is infinite or not a number.
const EXPONENT: u32 = 0x7f80_0000;
/// Padding of rows in shared memory, in vectors: elements of a column then lie in different banks.
const GAP: usize = 8 / VECTOR;

/// Splits what a unit carries of rows in `of_row` vectors in `terms`, and writes those to shared
/// memory, all first terms before all second ones.
#[cube]
fn split<N: Size>(
    carried: Array<Vector<f32, N>>,
    shared: &mut [Vector<bf16, N>],
    unit: usize,
    #[comptime] rows: usize,
    #[comptime] of_row: usize,
    #[comptime] terms: usize,
) {
    #[unroll]
    for i in 0..comptime!(rows * of_row / UNITS) {
        let at = i * UNITS + unit;
        let place = at / of_row * comptime!(of_row + GAP) + at % of_row;
        let mut rest = carried[i];
        #[unroll]
        for term in 0..terms {
            // The nearest, whichever way the device converts; what is no number has no nearest.
            let bits = Vector::<u32, N>::reinterpret(rest);
            let nearest = (bits + Vector::new(HALF)) & Vector::new(UPPER);
            let is_number = (bits & Vector::new(EXPONENT)).less_than(&Vector::new(EXPONENT));
            let nearest = select_many(is_number, nearest, bits);
            let nearest = Vector::<f32, N>::reinterpret(nearest);
            shared[comptime!(term * rows * (of_row + GAP)) + place] =
                Vector::<bf16, N>::cast_from(nearest);
            rest -= nearest;
        }
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
    addend: ComptimeOption<&Tensor<Vector<f32, N>>>,
    out: &mut Tensor<Vector<f32, N>>,
    rows: usize,
    range: usize,
    inner_of_all: usize,
    columns: usize,
    lhs_stride: usize,
    lhs_matrix: usize,
    addend_stride: usize,
    #[comptime] transposed: bool,
    #[comptime] relu: bool,
    #[comptime] terms: usize,
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
    let mut left_tile = Shared::<[Vector<bf16, N>]>::new_slice(comptime!(terms * left_length));
    let mut right_tile = Shared::<[Vector<bf16, N>]>::new_slice(comptime!(terms * right_length));
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
            &mut left_tile,
            unit,
            left_rows,
            left_width,
            terms,
        );
        split(
            right_carried,
            &mut right_tile,
            unit,
            DEPTH,
            right_width,
            terms,
        );
        sync_cube();
        #[unroll]
        for depth in 0..comptime!(DEPTH / SQUARE) {
            let mut right_squares = Sequence::<cmma::Matrix<bf16>>::new();
            #[unroll]
            for j in 0..across {
                let start =
                    comptime!(depth * SQUARE * (right_width + GAP) + j * SQUARE / VECTOR) + x;
                #[unroll]
                for term in 0..terms {
                    right_squares.push(square(
                        &right_tile,
                        comptime!(term * right_length) + start,
                        MatrixIdent::B,
                        MatrixLayout::RowMajor,
                        right_width,
                    ));
                }
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
                let mut left_squares = Sequence::<cmma::Matrix<bf16>>::new();
                #[unroll]
                for term in 0..terms {
                    left_squares.push(square(
                        &left_tile,
                        comptime!(term * left_length) + start,
                        MatrixIdent::A,
                        layout,
                        left_width,
                    ));
                }
                #[unroll]
                for j in 0..across {
                    let sum = sums.index(comptime!(i * across + j));
                    // Smallest products first: their terms have the highest numbers.
                    #[unroll]
                    for smaller in 0..terms {
                        let both = comptime!(terms - 1 - smaller);
                        #[unroll]
                        for term in 0..comptime!(both + 1) {
                            cmma::execute(
                                left_squares.index(comptime!(both - term)),
                                right_squares.index(comptime!(j * terms + term)),
                                sum,
                                sum,
                            );
                        }
                    }
                }
            }
        }
        step += 1;
    }
    // By way of shared memory, so that units beside each other write what lies beside each other.
    // Addends are read before it, many at once: behind a barrier each would be waited for.
    let (start, length) = (plane * VECTORS, bounce.len());
    let each = comptime!(VECTORS / PLANE);
    let mut largest = 0u32;
    #[unroll]
    for i in 0..down {
        let line = row + y + comptime!(i * SQUARE);
        let mut addends = Array::<Vector<f32, N>>::new(comptime!(across * each));
        #[unroll]
        for at in 0..comptime!(across * each) {
            let (line, vector) = place(
                line,
                column + x,
                unit,
                comptime!(at / each),
                comptime!(at % each),
            );
            let at_term = min(line, rows - 1) * addend_stride + min(vector, columns - 1);
            addends[at] = term_at::<f32, N>(&addend, at_term);
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
                let addend = addends[comptime!(j * each + k)];
                if line < rows && vector < columns {
                    largest = max(largest, largest_exponent(sum));
                    out[(batch * rows + line) * columns + vector] =
                        rectified::<f32, N>(sum + addend, relu);
                }
            }
        }
    }
    // Seldom needed, and so after all the rest: in the loops above it would take their registers.
    if largest >= EXPONENT {
        for at in 0..comptime!(down * across * each) {
            let (i, square) = (at / comptime!(across * each), at % comptime!(across * each));
            let (line, vector) = place(
                row + y + i * SQUARE,
                column + x,
                unit,
                square / each,
                square % each,
            );
            if line < rows && vector < columns {
                let written = (batch * rows + line) * columns + vector;
                if largest_exponent(out[written]) >= EXPONENT {
                    let sum =
                        exact_sum::<N>(lhs, rhs, &left, &right, line, vector, inner, transposed);
                    let addend = term_at::<f32, N>(&addend, line * addend_stride + vector);
                    out[written] = rectified::<f32, N>(sum + addend, relu);
                }
            }
        }
    }
}

/// The largest exponent of some values, in its place.
#[cube]
fn largest_exponent<N: Size>(values: Vector<f32, N>) -> u32 {
    let bits = Vector::<u32, N>::reinterpret(values) & Vector::new(EXPONENT);
    let mut largest = 0u32;
    #[unroll]
    for i in 0..VECTOR {
        largest = max(largest, bits.extract(i));
    }
    largest
}

/// A vector of the result, from the factors as they are.
#[cube]
fn exact_sum<N: Size>(
    lhs: &Tensor<Vector<f32, N>>,
    rhs: &Tensor<Vector<f32, N>>,
    left: &Stored,
    right: &Stored,
    row: usize,
    column: usize,
    inner: usize,
    #[comptime] transposed: bool,
) -> Vector<f32, N> {
    let mut sum = Vector::<f32, N>::new(0.0_f32);
    for k in 0..inner {
        let (line, position) = if comptime!(transposed) {
            (k, row)
        } else {
            (row, k)
        };
        let values = lhs[left.start + line * left.stride + position / VECTOR];
        let mut value = values.extract(0usize);
        #[unroll]
        for i in 1..VECTOR {
            value = select(position % VECTOR == i, values.extract(i), value);
        }
        let factors = rhs[right.start + k * right.stride + column];
        sum = fma(factors, Vector::new(value), sum);
    }
    sum
}

/// The row and the vector that a unit writes: the `k`-th of its vectors in the `j`-th square from a
/// row and a vector on.
#[cube]
fn place(row: usize, column: usize, unit: usize, j: usize, k: usize) -> (usize, usize) {
    let at = k * PLANE + unit % PLANE;
    let (line, vector) = (
        at / comptime!(SQUARE / VECTOR),
        at % comptime!(SQUARE / VECTOR),
    );
    (row + line, column + j * comptime!(SQUARE / VECTOR) + vector)
}

/// Whether the device has planes that multiply squares of `bf16`, and memory for a tile of `terms`.
pub(super) fn are_on(out: &CubeTensor, terms: usize) -> bool {
    let shared = {
        let (left, right) = (
            ROWS * (DEPTH / VECTOR + GAP),
            DEPTH * (COLUMNS / VECTOR + GAP),
        );
        let bounce = UNITS / PLANE * VECTORS * size_of::<f32>();
        (terms * (left + right) * size_of::<bf16>() + bounce) * VECTOR
    };
    let properties = out.client.properties();
    let [single, short] = [FloatKind::F32, FloatKind::BF16].map(ElemType::Float);
    let hardware = &properties.hardware;
    let planes = [hardware.plane_size_min, hardware.plane_size_max].map(usize::try_from);
    planes == [Ok(PLANE); 2]
        && hardware.max_shared_memory_size >= shared
        && properties.features.matmul.cmma.iter().any(|config| {
            [config.a_type, config.b_type, config.cd_type] == [short, short, single]
                && [config.m, config.n, config.k].map(usize::try_from) == [Ok(SQUARE); 3]
        })
}

/// Writes `lhs · rhs` of factors in `terms` and what is added to `out`, if the device runs as many
/// cubes: whether it did.
pub(super) fn product(
    [lhs, rhs, out]: [&CubeTensor; 3],
    addend: Option<Addend<'_>>,
    matrices: Matrices,
    terms: usize,
) -> bool {
    let Some(cubes) = matrices.cubes([ROWS, COLUMNS / VECTOR], out) else {
        return false;
    };
    // SAFETY: reads are limited to the rows and vectors of `lhs` and `rhs`, which have as many
    // matrices as `out`. Planes write their tile where it lies within `out`, and a unit reads again
    // only what it has written. The addend has the shape of `out`, or of one of its rows.
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
            terms,
        );
    }
    true
}
