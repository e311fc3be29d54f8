//! Matrices in memory, in vectors.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{cube, prelude::*};

/// Values of a vector.
pub(super) const VECTOR: usize = 4;

/// A matrix in memory, in vectors: where its first row begins, how far rows are apart, how many
/// rows and vectors of a row there are.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Stored {
    pub(super) start: usize,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
}

/// What a unit carries of the rows from `row` on, in the `of_row` vectors from `column` on; zeros
/// behind the last row and column, since what they are multiplied with need not be finite. Units
/// beside each other read what lies beside each other.
#[cube]
pub(super) fn read<F: Float, N: Size>(
    matrix: &Tensor<Vector<F, N>>,
    stored: &Stored,
    row: usize,
    column: usize,
    unit: usize,
    carried: &mut Array<Vector<F, N>>,
    #[comptime] rows: usize,
    #[comptime] of_row: usize,
    #[comptime] units: usize,
) {
    #[unroll]
    for i in 0..comptime!(rows * of_row / units) {
        let at = i * units + unit;
        let line = row + at / of_row;
        let vector = column + at % of_row;
        let first = stored.start + min(line, stored.rows - 1) * stored.stride;
        let value = matrix[first + min(vector, stored.width - 1)];
        let is_there = line < stored.rows && vector < stored.width;
        carried[i] = select(is_there, value, Vector::new(F::new(0.0_f32)));
    }
}

/// The term at a place, or zero if there is none.
#[cube]
pub(super) fn term_at<F: Float, N: Size>(
    term: &ComptimeOption<&Tensor<Vector<F, N>>>,
    at: usize,
) -> Vector<F, N> {
    #[comptime]
    match term {
        ComptimeOption::Some(term) => term[at],
        ComptimeOption::None => Vector::new(F::new(0.0_f32)),
    }
}

/// Matrices, or batches of them, that a kernel here can multiply: entries of a row, or of a column
/// of the left one, lie in whole vectors.
#[derive(Clone, Copy)]
pub(super) struct Matrices {
    pub(super) batch: usize,
    pub(super) rows: usize,
    pub(super) inner: usize,
    /// Of all matrices of a batch together; the last may have fewer than `inner`.
    pub(super) inner_of_all: usize,
    /// Vectors.
    pub(super) columns: usize,
    /// Whether columns of the left matrix are contiguous.
    pub(super) transposed: bool,
    /// Vectors between rows, or columns, of the left matrix.
    pub(super) stride: usize,
    /// Vectors between left matrices.
    pub(super) matrix: usize,
}

impl Matrices {
    pub(super) fn of(lhs: &CubeTensor, rhs: &CubeTensor, out: &CubeTensor) -> Option<Self> {
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
        let fits = [lhs, rhs, out].into_iter().all(is_in_vectors)
            && (transposed || lhs_strides[1] == 1)
            && rhs_strides == [columns, 1]
            && [stride, width, columns, matrix]
                .iter()
                .all(|size| size.is_multiple_of(VECTOR));
        fits.then_some(Self {
            batch,
            rows,
            inner,
            inner_of_all: batch * inner,
            columns: columns / VECTOR,
            transposed,
            stride: stride / VECTOR,
            matrix: matrix / VECTOR,
        })
    }

    /// `xᵀ g` in ranges of `range` rows, for a contiguous `g`.
    pub(super) fn of_ranges(
        x: &CubeTensor,
        grad: &CubeTensor,
        out: &CubeTensor,
        range: usize,
    ) -> Option<Self> {
        let [inner_of_all, rows] = x.meta.shape().dims();
        let (columns, stride) = (grad.meta.shape()[1], x.meta.strides()[0]);
        let fits = [x, grad, out].into_iter().all(is_in_vectors)
            && [rows, columns, stride]
                .iter()
                .all(|size| size.is_multiple_of(VECTOR));
        fits.then_some(Self {
            batch: inner_of_all.div_ceil(range),
            rows,
            inner: range,
            inner_of_all,
            columns: columns / VECTOR,
            transposed: true,
            stride: stride / VECTOR,
            matrix: range * stride / VECTOR,
        })
    }

    /// The cubes for tiles of `rows` rows and `columns` vectors, if the device runs as many.
    pub(super) fn cubes(&self, [rows, columns]: [usize; 2], out: &CubeTensor) -> Option<CubeCount> {
        let tiles = self.rows.div_ceil(rows) * self.columns.div_ceil(columns);
        let (most, most_batches, _) = out.client.properties().hardware.max_cube_count;
        let [tiles, batch] = [tiles, self.batch].map(|count| u32::try_from(count).ok());
        let (tiles, batch) = (tiles?, batch?);
        (tiles <= most && batch <= most_batches).then_some(CubeCount::Static(tiles, batch, 1))
    }
}

/// A size of a tile as kernels and launches take it.
pub(super) fn size(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether kernels here take a tensor as it is: single precision that begins at a whole vector.
pub(super) fn is_in_vectors(tensor: &CubeTensor) -> bool {
    let offset = tensor.handle.offset_start.unwrap_or(0);
    tensor.dtype == DType::F32 && offset.is_multiple_of((VECTOR * size_of::<f32>()) as u64)
}
