//! Segment reduction on the CPU: the entries are already sorted.

use burn::backend::TensorMetadata as _;
use burn_flex::FlexTensor;

use crate::{Reduce, Terms, aggregate::flex::aggregate, sort_edges::flex::of_rows};

/// See [`crate::segment_reduce`].
pub(crate) fn segment_reduce(x: &FlexTensor, ptr: &FlexTensor, reduce: Reduce) -> FlexTensor {
    let csr = of_rows(ptr, None, x.shape()[0], ["segment_reduce", "ptr"]);
    aggregate(x, &Terms::Ones, &csr, reduce)
}
