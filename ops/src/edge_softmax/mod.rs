//! Softmax among the edges of a target, along sorted edges: what
//! [`segment_softmax`](crate::segment_softmax) does, without sorting.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use kiln_core::Csr;

use crate::{GraphOps, backend::CsrTensors};

/// See [`crate::Endpoints::softmax`].
pub(crate) fn edge_softmax(scores: Tensor<2>, csr: &Csr) -> Tensor<2> {
    let [edges, got] = [csr.edge.dims()[0], scores.dims()[0]];
    assert!(
        edges == got,
        "softmax: expected scores with {edges} rows, one for each edge, got {got}"
    );
    let csr = CsrTensors::from(csr.clone());
    let scores = scores.into_dispatch();
    Tensor::from_dispatch(<Dispatch as GraphOps>::edge_softmax(scores, csr))
}
