//! Sparse products on GPUs: row reduction that reads features through the edges' sources.

use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};

use crate::{
    Reduce,
    csr::cube::{Sorted, sort_by_row},
    rows::cube::{Rows, reduce_rows},
};

/// See [`crate::spmm`]; edges with an index out of range do not count.
pub(crate) fn spmm(
    x: CubeTensor,
    src: CubeTensor,
    dst: CubeTensor,
    weight: Option<CubeTensor>,
    size: usize,
    reduce: Reduce,
) -> CubeTensor {
    let Sorted { ptr, perm } = sort_by_row(dst, size);
    let entries = src.meta.shape()[0];
    let rows = Rows {
        ptr,
        perm: Some(perm),
        source: Some(into_contiguous(src)),
        weight: weight.map(into_contiguous),
        entries,
    };
    reduce_rows(x, rows, reduce)
}

/// See [`crate::spmm_csr`]; entries with an index out of range do not count.
pub(crate) fn spmm_csr(
    x: CubeTensor,
    rowptr: CubeTensor,
    col: CubeTensor,
    value: Option<CubeTensor>,
    reduce: Reduce,
) -> CubeTensor {
    let entries = col.meta.shape()[0];
    let rows = Rows {
        ptr: into_contiguous(rowptr),
        perm: None,
        source: Some(into_contiguous(col)),
        weight: value.map(into_contiguous),
        entries,
    };
    reduce_rows(x, rows, reduce)
}
