//! Scatter on the CPU: sort the entries by destination, then walk them.

use burn_flex::FlexTensor;

use crate::{Reduce, Terms, aggregate::flex::aggregate, sort_edges::flex::of_entries};

/// See [`crate::scatter`].
pub(crate) fn scatter(
    x: &FlexTensor,
    index: &FlexTensor,
    size: usize,
    reduce: Reduce,
) -> FlexTensor {
    let csr = of_entries(index, size, ["scatter", "index"]);
    aggregate(x, &Terms::Ones, &csr, reduce)
}
