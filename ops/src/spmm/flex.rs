//! Sparse products on the CPU: sort the edges by destination, then walk them.

use burn::backend::TensorMetadata as _;
use burn_flex::FlexTensor;

use crate::{
    Reduce, Terms,
    aggregate::flex::aggregate,
    sort_edges::flex::{of_list, of_rows},
};

/// See [`crate::spmm`].
pub(crate) fn spmm(
    x: &FlexTensor,
    src: &FlexTensor,
    dst: &FlexTensor,
    weight: Option<FlexTensor>,
    size: usize,
    reduce: Reduce,
) -> FlexTensor {
    let csr = of_list(dst, src, [size, x.shape()[0]], ["spmm", "dst", "src"]);
    aggregate(x, &Terms::of_edges(weight), &csr, reduce)
}

/// See [`crate::spmm_csr`].
pub(crate) fn spmm_csr(
    x: &FlexTensor,
    rowptr: &FlexTensor,
    col: &FlexTensor,
    value: Option<FlexTensor>,
    reduce: Reduce,
) -> FlexTensor {
    let entries = col.shape()[0];
    let col = Some((col, x.shape()[0], "col"));
    let csr = of_rows(rowptr, col, entries, ["spmm_csr", "rowptr"]);
    aggregate(x, &Terms::of_edges(value), &csr, reduce)
}
