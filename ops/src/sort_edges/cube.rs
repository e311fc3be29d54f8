//! Sorting of edges on GPUs.

use burn::backend::ops::IntTensorOps as _;
use burn::tensor::IntDType;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use crate::csr::cube::{Sorted, number_as, sort_by_ends};

/// See [`crate::GraphOps::sort_edges`].
pub(crate) fn sort_edges(
    row: CubeTensor,
    col: CubeTensor,
    [rows, cols]: [usize; 2],
    _names: [&str; 3],
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let Sorted { ptr, perm } = sort_by_ends(row, Some((col.clone(), cols)), rows);
    let [ptr, edge] = [ptr, perm].map(|numbers| number_as(numbers, IntDType::I32));
    let col = CubeBackend::int_select(number_as(col, IntDType::I32), 0, edge.clone());
    (ptr, col, edge)
}
