//! Row kernels on the CPU: element types, checked indices, sorting by row and the reduction loop.

use core::ops::Range;

use burn::backend::Shape;
use burn_flex::FlexTensor;
use kiln_core::HUB;
use rayon::prelude::*;

use super::stored::Real;
use crate::Reduce;

/// Work (entries times features) below which threads cost more than they bring.
const PARALLEL_WORK: usize = 1 << 15;

/// Chunks a thread gets on average: more than one, because rows differ in length.
const CHUNKS_PER_THREAD: usize = 16;

/// An index element.
pub(crate) trait Id: Copy + Send + Sync {
    /// The value, if not negative.
    fn to_usize(self) -> Option<usize>;
    /// The value for messages.
    fn to_i64(self) -> i64;
    /// The nearest value; panics where it does not fit.
    fn from_usize(value: usize) -> Self;
}

macro_rules! impl_id {
    ($($T:ty),*) => {$(
        impl Id for $T {
            fn to_usize(self) -> Option<usize> {
                usize::try_from(self).ok()
            }

            fn to_i64(self) -> i64 {
                i64::from(self)
            }

            fn from_usize(value: usize) -> Self {
                Self::try_from(value).unwrap_or_else(|_| {
                    panic!("{value} does not fit the index type {}", stringify!($T))
                })
            }
        }
    )*};
}
impl_id!(i32, i64);

/// Runs `$body` with `$T` the element type of a float tensor.
macro_rules! with_real {
    ($tensor:expr, $T:ident => $body:expr) => {
        match $tensor.dtype() {
            burn::backend::DType::F32 => {
                type $T = f32;
                $body
            }
            burn::backend::DType::F64 => {
                type $T = f64;
                $body
            }
            dtype => panic!("expected a tensor of f32 or f64, got {dtype:?}"),
        }
    };
}
pub(crate) use with_real;

/// Runs `$body` with `$I` the element type of an index tensor.
macro_rules! with_id {
    ($tensor:expr, $I:ident => $body:expr) => {
        match $tensor.dtype() {
            burn::backend::DType::I32 => {
                type $I = i32;
                $body
            }
            burn::backend::DType::I64 => {
                type $I = i64;
                $body
            }
            dtype => panic!("expected indices of i32 or i64, got {dtype:?}"),
        }
    };
}
pub(crate) use with_id;

/// The elements of a contiguous tensor.
macro_rules! elements {
    ($tensor:expr, $T:ty) => {
        $tensor
            .as_slice::<$T>()
            .expect("a contiguous tensor of the matched type")
    };
}
pub(crate) use elements;

/// The elements of a contiguous tensor, to be changed; copied first if another tensor has them too.
macro_rules! elements_mut {
    ($tensor:expr, $T:ty) => {{
        let offsets = $tensor.layout().contiguous_offsets();
        let (start, end) = offsets.expect("a contiguous tensor");
        &mut $tensor.storage_mut::<$T>()[start..end]
    }};
}
pub(crate) use elements_mut;

/// Index `value` as a position below `size`; panics with the operation's name otherwise.
#[inline]
#[track_caller]
pub(crate) fn checked<I: Id>(value: I, size: usize, op: &str, name: &str) -> usize {
    match value.to_usize() {
        Some(value) if value < size => value,
        _ => panic!(
            "{op}: index {} in `{name}` is outside 0..{size}",
            value.to_i64()
        ),
    }
}

/// Row pointers as positions; panics unless they start at 0, do not decrease and end at `entries`.
pub(crate) fn checked_ptr<I: Id>(ptr: &[I], entries: usize, op: &str, name: &str) -> Vec<usize> {
    let mut last = 0;
    let positions: Vec<usize> = ptr
        .iter()
        .map(|&value| match value.to_usize() {
            Some(position) if position >= last && position <= entries => {
                last = position;
                position
            }
            _ => panic!(
                "{op}: `{name}` has {} after {last}, expected values that do not decrease and end \
                 at {entries}",
                value.to_i64()
            ),
        })
        .collect();
    assert!(
        positions.first() == Some(&0) && last == entries,
        "{op}: expected `{name}` from 0 to {entries}, got {:?} to {last}",
        positions.first()
    );
    positions
}

/// Entries sorted by row: row `i` holds the entries `perm[ptr[i]] .. perm[ptr[i + 1] - 1]`.
pub(crate) struct Sorted {
    /// Where each row starts, and the end of the last: `rows + 1` values.
    pub(crate) ptr: Vec<usize>,
    /// Entry numbers; those of one row increase.
    pub(crate) perm: Vec<usize>,
}

/// Sorts entries by row with a counting sort, `O(E + rows)`.
pub(crate) fn sort_by_row<I: Id>(index: &[I], rows: usize, op: &str, name: &str) -> Sorted {
    let mut ptr = vec![0_usize; rows + 1];
    for &row in index {
        ptr[checked(row, rows, op, name) + 1] += 1;
    }
    for i in 0..rows {
        ptr[i + 1] += ptr[i];
    }
    let mut next = ptr.clone();
    let mut perm = vec![0_usize; index.len()];
    for (entry, &row) in index.iter().enumerate() {
        let slot = &mut next[checked(row, rows, op, name)];
        perm[*slot] = entry;
        *slot += 1;
    }
    Sorted { ptr, perm }
}

/// Calls `f(row, out_row)` for each row of `out`, on several threads if `work` is large.
pub(crate) fn for_each_row<T: Send>(
    out: &mut [T],
    width: usize,
    work: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if width == 0 || out.is_empty() {
        return;
    }
    if work < PARALLEL_WORK {
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            f(row, out);
        }
        return;
    }
    let chunks = rayon::current_num_threads() * CHUNKS_PER_THREAD;
    let rows = (out.len() / width).div_ceil(chunks).max(1);
    out.par_chunks_mut(rows * width)
        .enumerate()
        .for_each(|(chunk, out)| {
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                f(chunk * rows + row, out);
            }
        });
}

/// Reduces each row's entries; see the [module](super) for `source` and `weight`.
pub(crate) fn reduce_rows<T: Real>(
    x: &[T],
    width: usize,
    ptr: &[usize],
    reduce: Reduce,
    source: impl Fn(usize) -> usize + Sync,
    weight: Option<&(dyn Fn(usize) -> T + Sync)>,
) -> Vec<T> {
    let rows = ptr.len() - 1;
    let empty = if reduce == Reduce::Mul {
        T::ONE
    } else {
        T::ZERO
    };
    let mut out = vec![empty; rows * width];
    let work = ptr[rows] * width;
    for_each_row(&mut out, width, work, |row, out| {
        let entries = ptr[row]..ptr[row + 1];
        let count = entries.len();
        match reduce {
            Reduce::Sum => fold(out, x, entries, &source, weight, |a, b| a + b),
            Reduce::Mul if count > HUB => multiply(out, x, entries, &source, weight),
            Reduce::Mul => fold(out, x, entries, &source, weight, |a, b| a * b),
            Reduce::Max => {
                fold(out, x, entries, &source, weight, |a, b| {
                    if b > a || b.is_nan() { b } else { a }
                });
            }
            Reduce::Min => {
                fold(out, x, entries, &source, weight, |a, b| {
                    if b < a || b.is_nan() { b } else { a }
                });
            }
            Reduce::Mean => {
                fold(out, x, entries, &source, weight, |a, b| a + b);
                if count > 1 {
                    let count = T::from_count(count);
                    for value in out {
                        *value = *value / count;
                    }
                }
            }
        }
    });
    out
}

/// Combines the entries of one row, in order, in pieces of [`HUB`], and pieces by as many again;
/// leaves `out` as it is if there are none.
#[inline]
fn fold<T: Real>(
    out: &mut [T],
    x: &[T],
    entries: Range<usize>,
    source: &impl Fn(usize) -> usize,
    weight: Option<&(dyn Fn(usize) -> T + Sync)>,
    combine: impl Fn(T, T) -> T,
) {
    fn into<T: Copy>(out: &mut [T], values: &[T], combine: impl Fn(T, T) -> T) {
        for (out, &value) in out.iter_mut().zip(values) {
            *out = combine(*out, value);
        }
    }
    let (mut values, mut pieces) = (Vec::new(), Vec::new());
    let mut fold_pieces = |out: &mut [T], entries: Range<usize>| {
        let first = entries.start..entries.end.min(entries.start + HUB);
        let mut start = first.end;
        fold_piece(out, x, first, source, weight, &combine);
        while start < entries.end {
            let piece = start..entries.end.min(start + HUB);
            start = piece.end;
            values.resize(out.len(), T::ZERO);
            fold_piece(&mut values, x, piece, source, weight, &combine);
            into(out, &values, &combine);
        }
    };
    let first = entries.start..entries.end.min(entries.start + HUB * HUB);
    let mut start = first.end;
    fold_pieces(out, first);
    while start < entries.end {
        let range = start..entries.end.min(start + HUB * HUB);
        start = range.end;
        pieces.resize(out.len(), T::ZERO);
        fold_pieces(&mut pieces, range);
        into(out, &pieces, &combine);
    }
}

/// The same for up to [`HUB`] entries.
#[inline]
fn fold_piece<T: Real>(
    out: &mut [T],
    x: &[T],
    mut entries: Range<usize>,
    source: &impl Fn(usize) -> usize,
    weight: Option<&(dyn Fn(usize) -> T + Sync)>,
    combine: impl Fn(T, T) -> T,
) {
    let width = out.len();
    let features = |k: usize| &x[source(k) * width..][..width];
    let Some(first) = entries.next() else { return };
    match weight {
        None => {
            out.copy_from_slice(features(first));
            for k in entries {
                for (out, &x) in out.iter_mut().zip(features(k)) {
                    *out = combine(*out, x);
                }
            }
        }
        Some(weight) => {
            let w = weight(first);
            for (out, &x) in out.iter_mut().zip(features(first)) {
                *out = w * x;
            }
            for k in entries {
                let w = weight(k);
                for (out, &x) in out.iter_mut().zip(features(k)) {
                    *out = combine(*out, w * x);
                }
            }
        }
    }
}

/// Multiplies the entries of a long row, in `f64`: pieces would not help, since the rounding of
/// each factor stays in the product.
fn multiply<T: Real>(
    out: &mut [T],
    x: &[T],
    entries: Range<usize>,
    source: &impl Fn(usize) -> usize,
    weight: Option<&(dyn Fn(usize) -> T + Sync)>,
) {
    let width = out.len();
    let mut products = vec![1.0; width];
    for k in entries {
        let weight = weight.map_or(1.0, |weight| weight(k).to_f64());
        for (product, x) in products.iter_mut().zip(&x[source(k) * width..]) {
            *product *= weight * x.to_f64();
        }
    }
    for (out, product) in out.iter_mut().zip(products) {
        *out = T::from_f64(product);
    }
}

/// Number of elements in one row (along axis 0) of a shape.
pub(crate) fn row_width(shape: &Shape) -> usize {
    shape.iter().skip(1).product()
}

/// `shape` with another number of rows.
pub(crate) fn with_rows(shape: &Shape, rows: usize) -> Shape {
    let mut shape = shape.clone();
    shape[0] = rows;
    shape
}

/// A tensor from its elements in row-major order.
pub(crate) fn tensor<E: burn::tensor::Element>(data: Vec<E>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(burn::tensor::TensorData::new(data, shape))
}

/// A tensor of one axis from its elements.
pub(crate) fn vector<E: burn::tensor::Element>(data: Vec<E>) -> FlexTensor {
    let shape = Shape::new([data.len()]);
    tensor(data, shape)
}

/// Indices in 32 bits, if all fit.
#[expect(clippy::cast_possible_truncation, reason = "what is cut is noticed")]
pub(crate) fn narrow(index: &FlexTensor) -> Option<FlexTensor> {
    let index = index.to_contiguous();
    let mut fit = true;
    let narrow = elements!(index, i64).iter().map(|&id| {
        let narrow = id as i32;
        fit &= i64::from(narrow) == id;
        narrow
    });
    let narrow: Vec<i32> = narrow.collect();
    fit.then(|| tensor(narrow, index.layout().shape().clone()))
}
