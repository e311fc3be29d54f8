//! Scatter on GPUs: sort the entries by destination on the device, then reduce rows. No atomics, so
//! sums repeat bit by bit.

use burn_cubecl::tensor::CubeTensor;

use crate::{
    Reduce,
    csr::cube::{Sorted, sort_by_row},
    rows::cube::{Rows, reduce_rows},
};

/// See [`crate::scatter`].
pub(crate) fn scatter(x: CubeTensor, index: CubeTensor, size: usize, reduce: Reduce) -> CubeTensor {
    let entries = index.meta.shape()[0];
    let Sorted { ptr, perm } = sort_by_row(index, size);
    reduce_rows(
        x,
        Rows {
            ptr,
            perm: Some(perm),
            source: None,
            weight: None,
            entries,
        },
        reduce,
    )
}
