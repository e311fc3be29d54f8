//! Products by multiplications of units: each adds up the products of 8 rows and 8 columns, of
//! factors as they are.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{cube, prelude::*};

use super::matrices::{Matrices, Stored, VECTOR, read, size, term_at};
use crate::{
    linear::cube::sum::{Addend, rectified},
    rows::cube::address_type,
};

/// Rows of a tile of the result.
const ROWS: usize = 128;
/// Vectors of columns that a unit multiplies.
const PARTS: usize = 2;
/// Columns of a tile of the result.
const COLUMNS: usize = 8 * PARTS * VECTOR;
/// Columns of the left matrix, and rows of the right one, of a step.
const DEPTH: usize = 16;
/// Units of a cube.
const UNITS: usize = 128;
/// Vectors of the rows of a tile.
const LEFT: usize = ROWS / VECTOR;
/// Vectors of its columns.
const RIGHT: usize = COLUMNS / VECTOR;

/// What a unit carries of [`DEPTH`] columns from vector `column` on, in the rows from `row` on: the
/// four rows and four columns of a unit.
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

/// Which vector of a step's columns is a unit's, and which four rows: units beside each other read
/// what lies beside each other, and write to different banks.
#[cube]
fn across(unit: usize) -> usize {
    unit % 2 + unit / 64 * 2
}

#[cube]
fn along(unit: usize) -> usize {
    unit / 2 % LEFT
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn units_kernel<F: Float, N: Size>(
    lhs: &Tensor<Vector<F, N>>,
    rhs: &Tensor<Vector<F, N>>,
    term: ComptimeOption<&Tensor<Vector<F, N>>>,
    out: &mut Tensor<Vector<F, N>>,
    rows: usize,
    range: usize,
    inner_of_all: usize,
    columns: usize,
    lhs_stride: usize,
    lhs_matrix: usize,
    term_stride: usize,
    #[comptime] transposed: bool,
    #[comptime] relu: bool,
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
    let mut left_tile = Shared::<[Vector<F, N>]>::new_slice(comptime!(DEPTH * LEFT));
    let mut right_tile = Shared::<[Vector<F, N>]>::new_slice(comptime!(DEPTH * RIGHT));
    let mut left_carried = Array::<Vector<F, N>>::new(comptime!(DEPTH * LEFT / UNITS));
    let mut right_carried = Array::<Vector<F, N>>::new(comptime!(DEPTH * RIGHT / UNITS));
    let mut sums = Array::<Vector<F, N>>::new(comptime!(2 * VECTOR * PARTS));
    #[unroll]
    for i in 0..comptime!(2 * VECTOR * PARTS) {
        sums[i] = zero;
    }
    // Units beside each other read the same of the right tile, and every other one the same of the
    // left: shared memory serves both at once.
    let (y, x) = (unit % 2 + unit / 16 * 2, unit / 2 % 8);
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
                DEPTH,
                LEFT,
                UNITS,
            );
        } else {
            read_across(lhs, &left, row, first / VECTOR, unit, &mut left_carried);
        }
        read(
            rhs,
            &right,
            first,
            column,
            unit,
            &mut right_carried,
            DEPTH,
            RIGHT,
            UNITS,
        );
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
            let mut factors = Array::<Vector<F, N>>::new(PARTS);
            #[unroll]
            for j in 0..PARTS {
                factors[j] = right_tile[depth * RIGHT + j * comptime!(RIGHT / PARTS) + x];
            }
            #[unroll]
            for half in 0..2usize {
                let values = left_tile[depth * LEFT + half * comptime!(LEFT / 2) + y];
                #[unroll]
                for i in 0..VECTOR {
                    let value = Vector::<F, N>::new(values.extract(i));
                    #[unroll]
                    for j in 0..PARTS {
                        let at = comptime!((half * VECTOR + i) * PARTS + j);
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
            for j in 0..PARTS {
                let vector = column + j * comptime!(RIGHT / PARTS) + x;
                if at < rows && vector < columns {
                    let term = term_at::<F, N>(&term, at * term_stride + vector);
                    out[(batch * rows + at) * columns + vector] =
                        rectified::<F, N>(sums[(half * VECTOR + i) * PARTS + j] + term, relu);
                }
            }
        }
    }
}

/// Writes `lhs · rhs` and what is added to `out`, if the device runs as many cubes: whether it did.
pub(super) fn product(
    [lhs, rhs, out]: [&CubeTensor; 3],
    addend: Option<Addend<'_>>,
    matrices: Matrices,
) -> bool {
    let Some(cubes) = matrices.cubes([ROWS, RIGHT], out) else {
        return false;
    };
    // SAFETY: rows and vectors that are read are limited to those of `lhs` and `rhs`, whose
    // matrices are in batches of as many as `out` has; units write the entries of their tile that
    // `out` has, once, and read the same of the term, or those of its row.
    unsafe {
        units_kernel::launch_unchecked(
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
            dtype_to_storage_type(DType::F32),
        );
    }
    true
}
