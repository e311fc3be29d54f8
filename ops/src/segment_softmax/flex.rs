//! Softmax among the rows of a destination on the CPU: sort them, then walk them.

use burn_flex::FlexTensor;

use crate::{edge_softmax::flex::edge_softmax, sort_edges::flex::of_entries};

/// See [`crate::segment_softmax`].
pub(crate) fn segment_softmax(x: &FlexTensor, index: &FlexTensor, size: usize) -> FlexTensor {
    edge_softmax(x, &of_entries(index, size, ["segment_softmax", "index"]))
}
