//! Linear maps on the CPU: products of blocks of rows, by the `gemm` crate.
//!
//! A block is written once: what is added to the product stands there before, and the product is
//! added up on top of it while the block is in the cache. How rows are cut in blocks depends on
//! their number alone, so results do not depend on the number of threads.

use core::ops::Range;

use burn::backend::{
    Flex, TensorMetadata as _,
    ops::{ActivationOps as _, FloatTensorOps as _, ModuleOps as _},
};
use burn::tensor::{DType, Shape};
use burn_flex::FlexTensor;
use gemm::Parallelism;
use rayon::prelude::*;

use super::composed;
use crate::rows::{
    flex::{elements, elements_mut, tensor, vector, with_real},
    stored::Real,
    stored::Stored as _,
    walk::{Part, Unfilled, cut, for_ranges},
};

/// Multiplications below which one thread is faster.
const PARALLEL_WORK: usize = 1 << 18;
/// The fewest and the most rows of a block.
const BLOCK: [usize; 2] = [64, 512];
/// Blocks that there are at least, where each has more than the fewest rows.
const BLOCKS: usize = 64;
/// Rows below which threads share a product in another way, as `gemm` does it.
const MANY: usize = 1 << 10;
/// Partial sums of a sum over rows, each as large as the result.
const PARTS: usize = 32;
/// The fewest rows of a part.
const PART: usize = 2048;
/// Rows that are added up one after the other: a sum of very many does not hold the last bits of
/// one.
const SUMMED: usize = 32;
/// The largest result that may have several parts.
const LARGEST: usize = 1 << 18;

/// A matrix in memory.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    values: &'a [T],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a, T: Real + 'static> Matrix<'a, T> {
    /// Some rows of a matrix whose rows have `width` values.
    fn new(values: &'a [T], rows: Range<usize>, width: usize) -> Self {
        Self {
            values: &values[rows.start * width..rows.end * width],
            shape: [rows.len(), width],
            strides: [width, 1],
        }
    }

    fn transposed(self) -> Self {
        let ([rows, columns], [row, column]) = (self.shape, self.strides);
        Self {
            values: self.values,
            shape: [columns, rows],
            strides: [column, row],
        }
    }

    /// Adds the product with another matrix to `out`, which has the rows of this one and the
    /// columns of the other.
    #[expect(unsafe_code, reason = "`gemm` takes pointers")]
    fn add_product(self, other: Matrix<'_, T>, out: &mut [T], threads: Parallelism) {
        let ([rows, depth], [same, columns]) = (self.shape, other.shape);
        assert!(depth == same && out.len() == rows * columns, "shapes agree");
        let [row, column] = self.strides.map(usize::cast_signed);
        let [other_row, other_column] = other.strides.map(usize::cast_signed);
        // SAFETY: `new` and `transposed` make matrices whose places are all in `values`, and `out`
        // has a place for each entry, which nothing else refers to.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                depth,
                out.as_mut_ptr(),
                1,
                columns.cast_signed(),
                true,
                self.values.as_ptr(),
                column,
                row,
                other.values.as_ptr(),
                other_column,
                other_row,
                T::ONE,
                T::ONE,
                false,
                false,
                false,
                threads,
            );
        }
    }
}

/// See [`crate::GraphOps::linear_map`].
pub(crate) fn linear_map(
    x: &FlexTensor,
    weight: &FlexTensor,
    term: Option<FlexTensor>,
    relu: bool,
) -> FlexTensor {
    if !is_real(x) {
        let product = Flex::float_matmul(x.clone(), weight.clone());
        let sum = match term {
            Some(term) => Flex::float_add(product, term),
            None => product,
        };
        return if relu { Flex::relu(sum) } else { sum };
    }
    let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
    let [[rows, depth], [_, width]] = [&x, &weight].map(|tensor| tensor.shape().dims());
    let ranges = blocks(rows, rows * depth * width);
    let threads = threads(ranges.len(), rows * depth * width);
    with_real!(x, T => {
        let (x, weight) = (elements!(x, T), Matrix::new(elements!(weight, T), 0..depth, width));
        let add_product = |rows: Range<usize>, out: &mut [T]| {
            Matrix::new(x, rows, depth).add_product(weight, out, threads);
            if relu {
                for value in out {
                    *value = if *value > T::ZERO || value.is_nan() { *value } else { T::ZERO };
                }
            }
        };
        match term {
            Some(term) if term.shape()[0] == rows => {
                let mut out = contiguous(term);
                let parts = cut(elements_mut!(out, T), width, &ranges);
                for_ranges(ranges, parts, add_product);
                out
            }
            term => {
                let row = term.map(contiguous);
                let row = row.as_ref().map(|row| elements!(row, T));
                let mut out = Unfilled::new(rows * width);
                let parts = out.cut(width, &ranges);
                for_ranges(ranges, parts, |rows, mut part: Part<'_, T>| {
                    if let Some(row) = row {
                        rows.clone().for_each(|_| part.copy(row));
                    }
                    add_product(rows, part.fill_rest(T::ZERO));
                });
                tensor(out.into_vec(), Shape::new([rows, width]))
            }
        }
    })
}

/// See [`crate::GraphOps::add_bias`].
pub(crate) fn add_bias(x: FlexTensor, bias: &FlexTensor) -> FlexTensor {
    if !is_real(&x) {
        return composed::add_bias::<Flex>(x, bias.clone());
    }
    let bias = bias.to_contiguous();
    let [rows, width] = x.shape().dims();
    let ranges = blocks(rows, rows * width);
    let mut out = contiguous(x);
    with_real!(out, T => {
        let bias = elements!(bias, T);
        let parts = cut(elements_mut!(out, T), width, &ranges);
        for_ranges(ranges, parts, |_, out: &mut [T]| add_to_rows(out, bias));
    });
    out
}

/// Makes the tensor contiguous; only a copy if it is not.
fn contiguous(x: FlexTensor) -> FlexTensor {
    if x.is_contiguous() {
        x
    } else {
        x.to_contiguous()
    }
}

/// See [`crate::GraphOps::linear_map_weight`].
pub(crate) fn linear_map_weight(x: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
    if !is_real(x) {
        return Flex::linear_weight_backward(x.clone(), grad.clone());
    }
    let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
    let [[rows, depth], [_, width]] = [&x, &grad].map(|tensor| tensor.shape().dims());
    let shape = Shape::new([depth, width]);
    let size = depth * width;
    with_real!(x, T => {
        let (x, grad) = (elements!(x, T), elements!(grad, T));
        let product = |rows: Range<usize>, threads| {
            let mut out = vec![T::ZERO; size];
            let x = Matrix::new(x, rows.clone(), depth).transposed();
            x.add_product(Matrix::new(grad, rows, width), &mut out, threads);
            out
        };
        let parts = if size > LARGEST { 1 } else { (rows / PART).clamp(1, PARTS) };
        let threads = threads(parts, rows * size);
        if parts == 1 {
            return tensor(product(0..rows, threads), shape);
        }
        let part = |part: usize| rows * part / parts..rows * (part + 1) / parts;
        let parts = (0..parts).into_par_iter().map(|at| product(part(at), threads));
        tensor(total(&parts.collect::<Vec<_>>(), size), shape)
    })
}

/// See [`crate::GraphOps::column_sum`].
pub(crate) fn column_sum(x: &FlexTensor) -> FlexTensor {
    if !is_real(x) {
        return Flex::linear_bias_backward(x.clone());
    }
    let x = x.to_contiguous();
    let [rows, width] = x.shape().dims();
    let ranges = blocks(rows, rows * width);
    with_real!(x, T => {
        let x = elements!(x, T);
        let mut sums = vec![T::ZERO; ranges.len() * width];
        let parts = sums.chunks_exact_mut(width.max(1)).collect();
        for_ranges(ranges, parts, |rows, sum: &mut [T]| {
            let mut part = vec![T::ZERO; width];
            let rows = &x[rows.start * width..rows.end * width];
            for rows in rows.chunks(SUMMED * width.max(1)) {
                part.fill(T::ZERO);
                for row in rows.chunks_exact(width.max(1)) {
                    add_to_rows(&mut part, row);
                }
                add_to_rows(sum, &part);
            }
        });
        let sums: Vec<_> = sums.chunks_exact(width.max(1)).map(<[T]>::to_vec).collect();
        vector(total(&sums, width))
    })
}

/// Whether kernels compute with the elements as they are.
fn is_real(x: &FlexTensor) -> bool {
    matches!(x.dtype(), DType::F32 | DType::F64)
}

/// Threads of one of several products, of as many multiplications.
fn threads(products: usize, work: usize) -> Parallelism {
    if products > 1 || work < PARALLEL_WORK {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    }
}

/// Ranges of rows, one if there is little work, or there are few.
fn blocks(rows: usize, work: usize) -> Vec<Range<usize>> {
    let [fewest, most] = BLOCK;
    let block = if work < PARALLEL_WORK || rows < MANY {
        rows.max(1)
    } else {
        rows.div_ceil(BLOCKS).clamp(fewest, most)
    };
    let starts = (0..rows).step_by(block);
    starts.map(|start| start..rows.min(start + block)).collect()
}

/// Adds `values` to each row.
#[inline(always)]
fn add_to_rows<T: Real>(rows: &mut [T], values: &[T]) {
    for row in rows.chunks_exact_mut(values.len().max(1)) {
        for (entry, &value) in row.iter_mut().zip(values) {
            *entry = *entry + value;
        }
    }
}

/// The sum of vectors of `length`: of [`SUMMED`] in order each, then of their sums.
fn total<T: Real>(vectors: &[Vec<T>], length: usize) -> Vec<T> {
    if vectors.len() > SUMMED {
        let sums = vectors.chunks(SUMMED).map(|part| total(part, length));
        return total(&sums.collect::<Vec<_>>(), length);
    }
    let mut sum = vec![T::ZERO; length];
    for vector in vectors {
        add_to_rows(&mut sum, vector);
    }
    sum
}
