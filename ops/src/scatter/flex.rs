//! Scatter on the CPU: sort the entries by destination, then reduce rows.

use burn::backend::TensorMetadata as _;
use burn_flex::FlexTensor;

use crate::{
    Reduce,
    rows::{
        flex::{
            elements, reduce_rows, row_width, sort_by_row, tensor, with_id, with_real, with_rows,
        },
        stored::widened,
    },
};

/// See [`crate::scatter`].
pub(crate) fn scatter(
    x: &FlexTensor,
    index: &FlexTensor,
    size: usize,
    reduce: Reduce,
) -> FlexTensor {
    let index = index.to_contiguous();
    let shape = x.shape();
    let sorted = with_id!(index, I => sort_by_row(elements!(index, I), size, "scatter", "index"));
    widened([x], |[x]| {
        with_real!(x, T => {
            let source = |k: usize| sorted.perm[k];
            let out = reduce_rows(elements!(x, T), row_width(&shape), &sorted.ptr, reduce, source, None);
            tensor(out, with_rows(&shape, size))
        })
    })
}
