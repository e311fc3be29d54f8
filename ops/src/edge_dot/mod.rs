//! Inner products along edges: the gradient of [`aggregate`](crate::aggregate) with respect to its
//! weights, and the scores of dot-product attention.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::{Endpoints, GraphOps, aggregate};

/// The inner product of the rows at the two ends of each edge, by heads.
///
/// ```text
/// out[e, h] = Σ_c  a[i, h, c] · b[j, h, c]        edge e = j → i
/// ```
///
/// Gradients: those of `a` and `b` are sums along the edges, weighted by the gradient.
///
/// # Shapes
/// a: `[n, H, C]`, rows of targets · b: `[N, H, C]`, rows of sources · output: `[E, H]`, in the
/// order of the edges
///
/// # Panics
/// If the shapes disagree.
pub fn edge_dot(a: Tensor<3>, b: Tensor<3>, ends: &Endpoints) -> Tensor<2> {
    let ([rows, heads, channels], dims) = (a.dims(), b.dims());
    let expected = [ends.num_sources(), heads, channels];
    assert!(
        rows == ends.num_targets() && dims == expected,
        "edge_dot: expected `a` with {} rows and `b` of shape {expected:?}, got {rows} rows and {dims:?}",
        ends.num_targets()
    );
    if !ends.has_sorted_kernels(&a) {
        return (ends.lift_i(a) * ends.lift_j(b)).sum_dim(2).squeeze_dim(2);
    }
    let [csr, transposed] = aggregate::csrs(ends, &a);
    let (a, b) = (a.into_dispatch(), b.into_dispatch());
    Tensor::from_dispatch(<Dispatch as GraphOps>::edge_dot_csr(a, b, csr, transposed))
}
