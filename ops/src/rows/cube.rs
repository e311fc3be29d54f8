//! Row kernels on GPUs: one unit for each row and vector of features walks the row's entries.
//!
//! Neighbouring units read neighbouring features of the same entry, so reads of `x` coalesce and
//! the ids of an entry are one broadcast. Neither planes nor atomics are needed. Entries are taken
//! in order, so a result does not depend on how units are scheduled. A sum of more than [`HUB`]
//! entries is one of sums, and of more sums one of those: the sum of millions does not hold the
//! last bits of one.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::{Shape, cubecl::dtype_to_storage_type, ops::FloatTensorOps as _};
use burn::tensor::{DType, FloatDType};
use burn_cubecl::{
    CubeBackend,
    kernel::into_contiguous,
    ops::numeric::{empty_device_contiguous_dtype, ones_client, zeros_client},
    tensor::CubeTensor,
};
use cubecl::{calculate_cube_count_elemwise, cube, prelude::*};
use kiln_core::HUB;

use crate::Reduce;

/// Runs `f` on tensors of a type the kernels know, and converts the result back: sums of 16 bits
/// lose them.
pub(crate) fn widened<const N: usize>(
    x: [CubeTensor; N],
    f: impl FnOnce([CubeTensor; N]) -> CubeTensor,
) -> CubeTensor {
    match x[0].dtype {
        dtype @ (DType::F16 | DType::BF16 | DType::Flex32) => {
            let x = x.map(|x| CubeBackend::float_cast(x, FloatDType::F32));
            CubeBackend::float_cast(f(x), dtype.into())
        }
        _ => f(x),
    }
}

/// Where the entries of rows come from; see the [module](super).
pub(crate) struct Rows {
    /// Where each row starts, and the end of the last.
    pub(crate) ptr: CubeTensor,
    /// Entry numbers by row, `u32`; in order if absent.
    pub(crate) perm: Option<CubeTensor>,
    /// The row of `x` an entry reads; the entry's own number if absent.
    pub(crate) source: Option<CubeTensor>,
    /// What an entry is multiplied with; 1 if absent.
    pub(crate) weight: Option<CubeTensor>,
    /// Number of entries.
    pub(crate) entries: usize,
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn reduce_rows_kernel<F: Float, N: Size, P: Int, S: Int>(
    x: &Tensor<Vector<F, N>>,
    ptr: &Tensor<P>,
    perm: ComptimeOption<&Tensor<u32>>,
    source: ComptimeOption<&Tensor<S>>,
    weight: ComptimeOption<&Tensor<F>>,
    out: &mut Tensor<Vector<F, N>>,
    rows: usize,
    width: usize,
    entries: usize,
    sources: usize,
    #[comptime] reduce: Reduce,
    #[define(F, P, S)] _dtypes: [ElemType; 3],
) {
    if ABSOLUTE_POS >= rows * width {
        terminate!();
    }
    let row = ABSOLUTE_POS / width;
    let feature = ABSOLUTE_POS % width;
    let is_sum = comptime!(matches!(reduce, Reduce::Sum | Reduce::Mean));
    let mut k = min(usize::cast_from(ptr[row]), entries);
    let end = min(usize::cast_from(ptr[row + 1]), entries);
    let mut result = Vector::<F, N>::new(F::new(0.0_f32));
    if comptime!(reduce == Reduce::Mul) {
        result = Vector::<F, N>::new(F::new(1.0_f32));
    }
    let mut total = result;
    let mut totals = result;
    let mut count = 0u32;
    let mut pieces = 0u32;
    while k < end {
        let stop = min(k + HUB, end);
        while k < stop {
            #[comptime]
            let entry = match &perm {
                ComptimeOption::Some(perm) => usize::cast_from(perm[k]),
                ComptimeOption::None => k,
            };
            #[comptime]
            let from = match &source {
                ComptimeOption::Some(source) => usize::cast_from(source[entry]),
                ComptimeOption::None => entry,
            };
            if from < sources {
                #[comptime]
                let value = match &weight {
                    ComptimeOption::Some(weight) => {
                        x[from * width + feature] * Vector::<F, N>::new(weight[entry])
                    }
                    ComptimeOption::None => x[from * width + feature],
                };
                if comptime!(is_sum) {
                    result += value;
                } else if comptime!(reduce == Reduce::Mul) {
                    result *= value;
                } else if count == 0u32 {
                    result = value;
                } else if comptime!(reduce == Reduce::Max) {
                    result = max_nan(result, value);
                } else {
                    result = min_nan(result, value);
                }
                count += 1u32;
            }
            k += 1;
        }
        if comptime!(is_sum) {
            total += result;
            result = Vector::<F, N>::new(F::new(0.0_f32));
            pieces += 1u32;
            if pieces % comptime!(HUB as u32) == 0u32 {
                totals += total;
                total = result;
            }
        }
    }
    if comptime!(is_sum) {
        result = total + totals;
    }
    if comptime!(reduce == Reduce::Mean) {
        result /= Vector::<F, N>::new(F::cast_from(max(count, 1u32)));
    }
    out[ABSOLUTE_POS] = result;
}

/// Reduces each row's entries.
pub(crate) fn reduce_rows(x: CubeTensor, mut from: Rows, reduce: Reduce) -> CubeTensor {
    match from.weight.take() {
        Some(weight) => widened([x, weight], |[x, weight]| {
            from.weight = Some(weight);
            reduced(x, from, reduce)
        }),
        None => widened([x], |[x]| reduced(x, from, reduce)),
    }
}

fn reduced(x: CubeTensor, from: Rows, reduce: Reduce) -> CubeTensor {
    let x = into_contiguous(x);
    let rows = from.ptr.meta.shape()[0] - 1;
    let (sources, width) = (x.meta.shape()[0], row_width(x.meta.shape()));
    let shape = with_rows(x.meta.shape(), rows);
    if rows * width == 0 {
        return empty(&x, shape, x.dtype);
    }
    if from.entries == 0 || sources == 0 {
        let fill = if reduce == Reduce::Mul {
            ones_client
        } else {
            zeros_client
        };
        return fill(x.client.clone(), x.device.clone(), shape, x.dtype);
    }
    let out = empty(&x, shape, x.dtype);
    let vector = vector_size(&x, width);
    let units = rows * width / vector;
    let (cubes, dim) = launch_dims(&x, units);
    let source_type = from
        .source
        .as_ref()
        .map_or(DType::I32, |source| source.dtype);
    let dtypes = [x.dtype, from.ptr.dtype, source_type].map(dtype_to_storage_type);
    let address = address_type([
        Some(&x),
        Some(&out),
        Some(&from.ptr),
        from.perm.as_ref(),
        from.source.as_ref(),
        from.weight.as_ref(),
    ]);
    // SAFETY: a unit below `rows · vectors per row` writes only its own position of `out`; it reads
    // entries below `entries`, which is the length of `perm`, `source` and `weight`, and rows of
    // `x` below `sources`. Values of `ptr` and `source` are limited to those before they are used.
    unsafe {
        reduce_rows_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address,
            vector,
            x.into_tensor_arg(),
            from.ptr.into_tensor_arg(),
            from.perm.map(CubeTensor::into_tensor_arg).into(),
            from.source.map(CubeTensor::into_tensor_arg).into(),
            from.weight.map(CubeTensor::into_tensor_arg).into(),
            out.clone().into_tensor_arg(),
            rows,
            width / vector,
            from.entries,
            sources,
            reduce,
            dtypes,
        );
    }
    out
}

/// A contiguous tensor on the device of `like`, not initialised.
pub(crate) fn empty(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, dtype)
}

/// Launch dimensions for `units` independent units.
pub(crate) fn launch_dims(like: &CubeTensor, units: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&like.client, units);
    (calculate_cube_count_elemwise(&like.client, units, dim), dim)
}

/// The address type that reaches every element of every tensor.
pub(crate) fn address_type<'a>(
    tensors: impl IntoIterator<Item = Option<&'a CubeTensor>>,
) -> AddressType {
    let types = tensors
        .into_iter()
        .flatten()
        .map(CubeTensor::required_address_type);
    types.max().unwrap_or_default()
}

/// The widest vector of features that divides a row.
pub(crate) fn vector_size(x: &CubeTensor, width: usize) -> usize {
    let sizes = x.client.io_optimized_vector_sizes(x.dtype.size());
    sizes
        .filter(|size| width.is_multiple_of(*size))
        .max()
        .unwrap_or(1)
}

/// A tensor whose rows (along axis 0) are contiguous, and the number of elements from one to the
/// next: `x` as it is where rows are padded, as they are in what was copied to some devices, or
/// otherwise a contiguous one. Each row starts where a vector of [`vector_size`] can.
pub(crate) fn padded_rows(x: CubeTensor) -> (CubeTensor, usize) {
    let width = row_width(x.meta.shape());
    let vector = vector_size(&x, width);
    let bytes = (vector * x.dtype.size()) as u64;
    let starts = x.handle.offset_start.unwrap_or(0);
    let is_aligned = |stride: usize| stride.is_multiple_of(vector) && starts.is_multiple_of(bytes);
    match x.meta.strides()[..] {
        [stride, 1] if stride >= width && is_aligned(stride) => (x, stride),
        _ => (into_contiguous(x), width),
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
