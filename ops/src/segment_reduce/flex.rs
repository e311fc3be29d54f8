//! Segment reduction on the CPU: the entries are already sorted.

use burn::backend::TensorMetadata as _;
use burn_flex::FlexTensor;

use crate::{
    Reduce,
    rows::{
        flex::{
            checked_ptr, elements, reduce_rows, row_width, tensor, with_id, with_real, with_rows,
        },
        stored::widened,
    },
};

/// See [`crate::segment_reduce`].
pub(crate) fn segment_reduce(x: &FlexTensor, ptr: &FlexTensor, reduce: Reduce) -> FlexTensor {
    let ptr = ptr.to_contiguous();
    let shape = x.shape();
    let ptr = with_id!(ptr, I => {
        checked_ptr(elements!(ptr, I), shape[0], "segment_reduce", "ptr")
    });
    widened([x], |[x]| {
        with_real!(x, T => {
            let out = reduce_rows(elements!(x, T), row_width(&shape), &ptr, reduce, |k| k, None);
            tensor(out, with_rows(&shape, ptr.len() - 1))
        })
    })
}
