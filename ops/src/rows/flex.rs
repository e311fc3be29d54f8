//! What kernels by rows share on the CPU: element types, checked indices, threads.

use burn::backend::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

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
    /// The value; panics where it does not fit.
    fn from_usize(value: usize) -> Self;
    /// The value in as many bits, without a sign: [`position`](super::walk::position) reads it.
    /// Panics where it does not fit.
    fn from_position(value: usize) -> Self;
}

macro_rules! impl_id {
    ($($T:ty, $Unsigned:ty;)*) => {$(
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

            #[inline]
            fn from_position(value: usize) -> Self {
                match <$Unsigned>::try_from(value) {
                    Ok(value) => value.cast_signed(),
                    Err(_) => panic!("{value} does not fit {} bits", <$Unsigned>::BITS),
                }
            }
        }
    )*};
}
impl_id! {
    i32, u32;
    i64, u64;
}

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
