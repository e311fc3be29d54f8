//! Walks along sorted edges, whatever sorted them.

use burn::backend::{Dispatch, DispatchTensor};
use burn::tensor::Tensor;
use kiln_core::Csr;

use super::Terms;
use crate::{GraphOps, Reduce, backend::CsrTensors};

/// Combines rows of `x` along a walk; the other walk is its reverse, for gradients.
pub(crate) fn along<const D: usize>(x: Tensor<D>, walks: [Csr; 2], reduce: Reduce) -> Tensor<D> {
    let columns = walks[1].ptr.dims()[0] - 1;
    let rows = x.dims()[0];
    assert!(
        !x.device().is_autodiff() || rows == columns,
        "expected {columns} rows, got {rows}"
    );
    let walks = walks.map(CsrTensors::from);
    Tensor::from_dispatch(walk(x.into_dispatch(), None, walks, reduce))
}

pub(super) fn walk(
    x: DispatchTensor,
    weight: Option<DispatchTensor>,
    [csr, transposed]: [CsrTensors<Dispatch>; 2],
    reduce: Reduce,
) -> DispatchTensor {
    let terms = weight.map_or(Terms::Ones, Terms::Edges);
    <Dispatch as GraphOps>::aggregate(x, terms, csr, transposed, reduce)
}
