//! What layers on batches of dense graphs share.

use burn::tensor::{Bool, Tensor};
use kiln_ops::{arange, clamp};

/// A map of the features of each node by itself: `[B, N, F]` gives `[B, N, F']`.
pub(super) fn by_rows(x: Tensor<3>, map: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<3> {
    let [graphs, nodes, width] = x.dims();
    let out = map(x.reshape([graphs * nodes, width]));
    let [_, width] = out.dims();
    out.reshape([graphs, nodes, width])
}

/// The same with the results of nodes that are not there times 0.
pub(super) fn masked(x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Tensor<3> {
    match mask {
        Some(mask) => {
            let weight = weight(mask, &x);
            x * weight
        }
        None => x,
    }
}

/// A mask as numbers of the type of `like`, `[B, N, 1]`.
pub(super) fn weight(mask: Tensor<2, Bool>, like: &Tensor<3>) -> Tensor<3> {
    let [graphs, nodes] = mask.dims();
    let weight = mask.float().cast(like.dtype());
    weight.reshape([graphs, nodes, 1])
}

/// Matrices with the same number on all of their diagonals.
pub(super) fn with_diagonal(x: Tensor<3>, value: f64) -> Tensor<3> {
    let diagonal = diagonal(&x);
    x.mask_fill(diagonal, value)
}

/// Whether an entry is on the diagonal. `x: [B, K, K]`
fn diagonal(x: &Tensor<3>) -> Tensor<3, Bool> {
    let [graphs, rows, columns] = x.dims();
    let place = |axis: usize| {
        let count = if axis == 0 { rows } else { columns };
        let place = arange(0..count, &x.device()).unsqueeze_dim::<2>(1 - axis);
        place.expand([rows, columns])
    };
    let is_diagonal = place(0).equal(place(1));
    is_diagonal
        .unsqueeze_dim::<3>(0)
        .expand([graphs, rows, columns])
}

/// The sum of each matrix's diagonal, `[B, 1, 1]`; other entries are not read.
pub(super) fn trace(x: Tensor<3>) -> Tensor<3> {
    let others = diagonal(&x).bool_not();
    x.mask_fill(others, 0.0).sum_dim(2).sum_dim(1)
}

/// The sum of each row, at least 1. `[B, N, 1]`
pub(super) fn degree(adj: Tensor<3>) -> Tensor<3> {
    clamp(adj.sum_dim(2), Some(1.0), None)
}

/// The root of a number, whose gradient at 0 is 0.
pub(super) fn root<const D: usize>(square: Tensor<D>) -> Tensor<D> {
    let is_zero = square.clone().equal_elem(0.0);
    let positive = square.mask_fill(is_zero.clone(), 1.0);
    positive.sqrt().mask_fill(is_zero, 0.0)
}

/// The root of the sum of squares of each matrix, `[B, 1, 1]`.
pub(super) fn frobenius(x: Tensor<3>) -> Tensor<3> {
    root((x.clone() * x).sum_dim(2).sum_dim(1))
}

/// Transposed matrices.
pub(super) fn transposed(x: Tensor<3>) -> Tensor<3> {
    x.swap_dims(1, 2)
}

/// `‖ S^T S / ‖S^T S‖ - I / √K ‖`, the mean over the batch, `[1]`.
pub(super) fn orthogonality_loss(s: Tensor<3>) -> Tensor<1> {
    let square = kiln_ops::matmul(transposed(s.clone()), s);
    let identity = with_diagonal(square.zeros_like(), 1.0);
    let scaled = |x: Tensor<3>| x.clone() / frobenius(x);
    frobenius(scaled(square) - scaled(identity)).mean()
}

/// The products of all pairs of numbers, `[B, K, 1]` to `[B, K, K]`. As a matrix, since GPUs lose a
/// sum of rows that is transposed in one kernel with what it is the sum of.
pub(super) fn products(x: Tensor<3>) -> Tensor<3> {
    kiln_ops::matmul(x.clone(), transposed(x))
}

/// Matrices without diagonals, entries divided by the roots of the sums of both rows.
pub(super) fn normalized(x: Tensor<3>) -> Tensor<3> {
    let x = with_diagonal(x, 0.0);
    let root = x.clone().sum_dim(2).sqrt().add_scalar(EPSILON);
    x / products(root)
}

/// What keeps PyG's divisors and logarithms away from 0.
pub(super) const EPSILON: f64 = 1e-15;
