//! Sorting of edges on GPUs.

use burn::backend::ops::IntTensorOps as _;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use crate::csr;

/// See [`crate::GraphOps::sort_edges`].
pub(crate) fn sort_edges(
    row: CubeTensor,
    col: CubeTensor,
    size: usize,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let (ptr, edge) = csr::cube::coo_to_csr(row, size);
    let col = CubeBackend::int_select(col, 0, edge.clone());
    (ptr, col, edge)
}
