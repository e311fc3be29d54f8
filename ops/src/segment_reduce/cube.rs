//! Segment reduction on GPUs: the entries are already sorted.

use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};

use crate::{
    Reduce,
    rows::cube::{Rows, reduce_rows},
};

/// See [`crate::segment_reduce`].
pub(crate) fn segment_reduce(x: CubeTensor, ptr: CubeTensor, reduce: Reduce) -> CubeTensor {
    let entries = x.meta.shape()[0];
    let ptr = into_contiguous(ptr);
    reduce_rows(
        x,
        Rows {
            ptr,
            perm: None,
            source: None,
            weight: None,
            entries,
        },
        reduce,
    )
}
