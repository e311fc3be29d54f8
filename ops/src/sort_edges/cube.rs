//! Sorting of edges on GPUs.

use burn::backend::{ops::IntTensorOps as _, tensor::IntTensor};
use burn::tensor::IntDType;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use crate::csr;

/// See [`crate::GraphOps::sort_edges`].
pub(crate) fn sort_edges(
    row: CubeTensor,
    col: CubeTensor,
    size: usize,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let narrow = |tensor: IntTensor<CubeBackend>| {
        if tensor.dtype == burn::tensor::DType::I32 {
            tensor
        } else {
            CubeBackend::int_cast(tensor, IntDType::I32)
        }
    };
    let (ptr, edge) = csr::cube::coo_to_csr(narrow(row), size);
    let col = CubeBackend::int_select(narrow(col), 0, edge.clone());
    (ptr, col, edge)
}
