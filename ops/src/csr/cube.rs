//! Sorting edges by row on GPUs, stable and without atomics.
//!
//! A radix sort of the row numbers, four bits at a time from the lowest. Each unit owns 64
//! consecutive keys; one pass is
//!
//! ```text
//! histogram   each unit counts its keys by digit                counts[digit][unit]
//! scan        exclusive sums of the counts, digit by digit      where each unit's digit starts
//! place       each unit puts its keys at their places, in order
//! ```
//!
//! Order among equal digits is that of the input: the sort is stable, and its result is a function
//! of the input alone. Row pointers are then found by bisection in the sorted keys. Keys out of
//! range become `rows`, sort to the end, and are behind the last pointer.
//!
//! The kernels use neither shared memory nor barriers nor planes, so they run on every device,
//! software renderers included.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::{Shape, cubecl::dtype_to_storage_type, ops::IntTensorOps as _};
use burn::tensor::{DType, IntDType};
use burn_cubecl::{
    CubeBackend, kernel::into_contiguous, ops::numeric::zeros_client, tensor::CubeTensor,
};
use cubecl::{cube, prelude::*};

use crate::rows::cube::{address_type, empty, launch_dims};

/// Consecutive keys, or values of a scan, of one unit.
const ITEMS: usize = 64;
/// Bits of a digit.
const BITS: u32 = 4;
/// Values of a digit.
const BINS: usize = 16;

/// Entries sorted by row: row `i` holds the entries `perm[ptr[i]] .. perm[ptr[i + 1] - 1]`, as
/// `u32`.
pub(crate) struct Sorted {
    /// Where each row starts, and the end of the last: `rows + 1` values.
    pub(crate) ptr: CubeTensor,
    /// Entry numbers; those of one row increase.
    pub(crate) perm: CubeTensor,
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn keys_kernel<I: Int, J: Int>(
    index: &Tensor<I>,
    other: ComptimeOption<&Tensor<J>>,
    keys: &mut Tensor<u32>,
    entries: usize,
    rows: usize,
    others: usize,
    #[define(I, J)] _dtypes: [ElemType; 2],
) {
    if ABSOLUTE_POS >= entries {
        terminate!();
    }
    let mut key = min(usize::cast_from(index[ABSOLUTE_POS]), rows);
    #[comptime]
    if let ComptimeOption::Some(other) = &other {
        if usize::cast_from(other[ABSOLUTE_POS]) >= others {
            key = rows;
        }
    }
    keys[ABSOLUTE_POS] = u32::cast_from(key);
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn histogram_kernel(
    keys: &Tensor<u32>,
    histogram: &mut Tensor<u32>,
    entries: usize,
    units: usize,
    shift: u32,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let mut counts = Array::<u32>::new(BINS);
    for bin in 0..BINS {
        counts[bin] = 0u32;
    }
    let start = ABSOLUTE_POS * ITEMS;
    let end = min(start + ITEMS, entries);
    for at in start..end {
        counts[((keys[at] >> shift) & 15u32) as usize] += 1u32;
    }
    for bin in 0..BINS {
        histogram[bin * units + ABSOLUTE_POS] = counts[bin];
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn place_kernel(
    keys: &Tensor<u32>,
    perm: ComptimeOption<&Tensor<u32>>,
    offsets: &Tensor<u32>,
    keys_out: &mut Tensor<u32>,
    perm_out: &mut Tensor<u32>,
    entries: usize,
    units: usize,
    shift: u32,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let mut places = Array::<u32>::new(BINS);
    for bin in 0..BINS {
        places[bin] = offsets[bin * units + ABSOLUTE_POS];
    }
    let start = ABSOLUTE_POS * ITEMS;
    let end = min(start + ITEMS, entries);
    for at in start..end {
        let key = keys[at];
        let digit = ((key >> shift) & 15u32) as usize;
        let place = places[digit];
        places[digit] = place + 1u32;
        keys_out[place as usize] = key;
        #[comptime]
        let entry = match &perm {
            ComptimeOption::Some(perm) => perm[at],
            ComptimeOption::None => u32::cast_from(at),
        };
        perm_out[place as usize] = entry;
    }
}

/// Replaces each unit's values by their exclusive sums and writes the unit's total.
#[cube(launch_unchecked, address_type = "dynamic")]
fn scan_kernel(values: &mut Tensor<u32>, totals: &mut Tensor<u32>, length: usize, units: usize) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let start = ABSOLUTE_POS * ITEMS;
    let end = min(start + ITEMS, length);
    let mut before = 0u32;
    for at in start..end {
        let value = values[at];
        values[at] = before;
        before += value;
    }
    totals[ABSOLUTE_POS] = before;
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn add_totals_kernel(values: &mut Tensor<u32>, totals: &Tensor<u32>, length: usize) {
    if ABSOLUTE_POS >= length {
        terminate!();
    }
    values[ABSOLUTE_POS] += totals[ABSOLUTE_POS / ITEMS];
}

/// `ptr[i]` = number of keys below `i`, by bisection.
#[cube(launch_unchecked, address_type = "dynamic")]
fn ptr_kernel(keys: &Tensor<u32>, ptr: &mut Tensor<u32>, entries: usize, rows: usize) {
    if ABSOLUTE_POS > rows {
        terminate!();
    }
    let row = u32::cast_from(ABSOLUTE_POS);
    let mut low = 0;
    let mut high = entries;
    while low < high {
        let middle = low + (high - low) / 2;
        if keys[middle] < row {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ptr[ABSOLUTE_POS] = u32::cast_from(low);
}

/// `out[k]` = the last row that starts at or before `k`, by bisection.
#[cube(launch_unchecked, address_type = "dynamic")]
fn ptr_to_index_kernel<I: Int>(
    ptr: &Tensor<I>,
    out: &mut Tensor<I>,
    entries: usize,
    rows: usize,
    #[define(I)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= entries {
        terminate!();
    }
    let mut low = 0;
    let mut high = rows;
    while low < high {
        let middle = low + (high - low) / 2;
        if usize::cast_from(ptr[middle + 1]) <= ABSOLUTE_POS {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    out[ABSOLUTE_POS] = I::cast_from(low);
}

/// Sorts entries by row. Those out of range are in `perm` behind the last row.
pub(crate) fn sort_by_row(index: CubeTensor, rows: usize) -> Sorted {
    sort_by_ends(index, None, rows)
}

/// The same for edges, whose other ends must be below a number too.
pub(crate) fn sort_by_ends(
    index: CubeTensor,
    other: Option<(CubeTensor, usize)>,
    rows: usize,
) -> Sorted {
    let index = into_contiguous(index);
    let (other, others) = match other {
        Some((other, others)) => (Some(into_contiguous(other)), others),
        None => (None, 0),
    };
    let entries = index.meta.shape()[0];
    assert!(
        u32::try_from(entries.max(rows)).is_ok_and(|count| count < u32::MAX),
        "expected fewer than 2^32 - 1 edges and nodes, got {entries} and {rows}"
    );
    if entries == 0 {
        return sort_keys(empty(&index, Shape::new([0]), DType::U32), rows);
    }
    let keys = empty(&index, Shape::new([entries]), DType::U32);
    let (cubes, dim) = launch_dims(&index, entries);
    let other_type = other.as_ref().map_or(index.dtype, |other| other.dtype);
    let dtypes = [index.dtype, other_type].map(dtype_to_storage_type);
    // SAFETY: units below `entries` read and write their own position.
    unsafe {
        keys_kernel::launch_unchecked(
            &keys.client,
            cubes,
            dim,
            address_type([Some(&index), other.as_ref(), Some(&keys)]),
            index.into_tensor_arg(),
            other.map(CubeTensor::into_tensor_arg).into(),
            keys.clone().into_tensor_arg(),
            entries,
            rows,
            others,
            dtypes,
        );
    }
    sort_keys(keys, rows)
}

/// Sorts entries by keys of `u32` between 0 and `rows`, where `rows` stands for "no row".
pub(crate) fn sort_keys(mut keys: CubeTensor, rows: usize) -> Sorted {
    let entries = keys.meta.shape()[0];
    if entries == 0 {
        let shape = Shape::new([rows + 1]);
        let ptr = zeros_client(keys.client.clone(), keys.device.clone(), shape, DType::U32);
        return Sorted { ptr, perm: keys };
    }
    let units = entries.div_ceil(ITEMS);
    let (cubes, dim) = launch_dims(&keys, units);
    let mut perm = None;
    let mut shift = 0;
    loop {
        let histogram = empty(&keys, Shape::new([BINS * units]), DType::U32);
        let sorted_keys = empty(&keys, Shape::new([entries]), DType::U32);
        let sorted_perm = empty(&keys, Shape::new([entries]), DType::U32);
        let address = address_type([Some(&keys), Some(&histogram)]);
        // SAFETY: a unit reads its keys below `entries` and writes its own column of the histogram,
        // whose size is bins times units.
        unsafe {
            histogram_kernel::launch_unchecked(
                &keys.client,
                cubes.clone(),
                dim,
                address,
                keys.clone().into_tensor_arg(),
                histogram.clone().into_tensor_arg(),
                entries,
                units,
                shift,
            );
        }
        scan(&histogram);
        // SAFETY: the scanned histogram gives each key of each unit a place of its own below
        // `entries`, because it counts the same keys.
        unsafe {
            place_kernel::launch_unchecked(
                &sorted_keys.client,
                cubes.clone(),
                dim,
                address,
                keys.into_tensor_arg(),
                perm.map(CubeTensor::into_tensor_arg).into(),
                histogram.into_tensor_arg(),
                sorted_keys.clone().into_tensor_arg(),
                sorted_perm.clone().into_tensor_arg(),
                entries,
                units,
                shift,
            );
        }
        (keys, perm) = (sorted_keys, Some(sorted_perm.clone()));
        shift += BITS;
        if rows.checked_shr(shift).is_none_or(|digits| digits == 0) {
            return Sorted {
                ptr: row_pointers(keys, rows),
                perm: sorted_perm,
            };
        }
    }
}

fn row_pointers(keys: CubeTensor, rows: usize) -> CubeTensor {
    let entries = keys.meta.shape()[0];
    let ptr = empty(&keys, Shape::new([rows + 1]), DType::U32);
    let (cubes, dim) = launch_dims(&keys, rows + 1);
    // SAFETY: units up to `rows` write their own position; bisection stays below `entries`.
    unsafe {
        ptr_kernel::launch_unchecked(
            &ptr.client,
            cubes,
            dim,
            address_type([Some(&keys), Some(&ptr)]),
            keys.into_tensor_arg(),
            ptr.clone().into_tensor_arg(),
            entries,
            rows,
        );
    }
    ptr
}

/// Replaces the values of a vector of `u32` by their exclusive sums.
fn scan(values: &CubeTensor) {
    let length = values.meta.shape()[0];
    let units = length.div_ceil(ITEMS);
    let totals = empty(values, Shape::new([units]), DType::U32);
    let address = address_type([Some(values), Some(&totals)]);
    let (cubes, dim) = launch_dims(values, units);
    // SAFETY: a unit changes its own values below `length` and writes its own total.
    unsafe {
        scan_kernel::launch_unchecked(
            &values.client,
            cubes,
            dim,
            address,
            values.clone().into_tensor_arg(),
            totals.clone().into_tensor_arg(),
            length,
            units,
        );
    }
    if units > 1 {
        scan(&totals);
        let (cubes, dim) = launch_dims(values, length);
        // SAFETY: units below `length` change their own value; each has a total.
        unsafe {
            add_totals_kernel::launch_unchecked(
                &values.client,
                cubes,
                dim,
                address,
                values.clone().into_tensor_arg(),
                totals.into_tensor_arg(),
                length,
            );
        }
    }
}

/// See [`crate::coo_to_csr`].
pub(crate) fn coo_to_csr(index: CubeTensor, size: usize) -> (CubeTensor, CubeTensor) {
    let dtype = index.dtype.into();
    let Sorted { ptr, perm } = sort_by_row(index, size);
    (number_as(ptr, dtype), number_as(perm, dtype))
}

/// Numbers of edges or nodes in another type.
pub(crate) fn number_as(numbers: CubeTensor, dtype: IntDType) -> CubeTensor {
    if numbers.meta.shape()[0] == 0 {
        return empty(&numbers, numbers.meta.shape().clone(), dtype.into());
    }
    if numbers.dtype == DType::U32 && dtype == IntDType::I32 {
        // The same bits.
        return CubeTensor {
            dtype: DType::I32,
            ..numbers
        };
    }
    CubeBackend::int_cast(numbers, dtype)
}

/// See [`crate::ptr_to_index`].
pub(crate) fn ptr_to_index(ptr: CubeTensor, entries: usize) -> CubeTensor {
    let ptr = into_contiguous(ptr);
    let rows = ptr.meta.shape()[0] - 1;
    let out = empty(&ptr, Shape::new([entries]), ptr.dtype);
    if entries == 0 {
        return out;
    }
    let (cubes, dim) = launch_dims(&ptr, entries);
    let dtype = dtype_to_storage_type(ptr.dtype);
    // SAFETY: units below `entries` write their own position; bisection reads `ptr` up to `rows`.
    unsafe {
        ptr_to_index_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address_type([Some(&ptr), Some(&out)]),
            ptr.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            entries,
            rows,
            dtype,
        );
    }
    out
}
