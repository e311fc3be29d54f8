//! Checks at the edge of the crate: a wrong shape is a programming error and panics here, with the
//! operation and both shapes in the message, before any kernel sees the tensors.

use burn::tensor::Shape;

/// Requires `shape` to have exactly one axis.
#[track_caller]
pub(crate) fn vector(op: &str, name: &str, shape: &Shape) {
    assert!(
        shape.num_dims() == 1,
        "{op}: expected `{name}` of rank 1, got shape {shape:?}"
    );
}

/// Requires `shape` to have exactly two axes.
#[track_caller]
pub(crate) fn matrix(op: &str, name: &str, shape: &Shape) {
    assert!(
        shape.num_dims() == 2,
        "{op}: expected `{name}` of rank 2, got shape {shape:?}"
    );
}

/// Requires two matrices, or two batches of them, that can be multiplied.
#[track_caller]
pub(crate) fn matrices(op: &str, lhs: &Shape, rhs: &Shape) {
    let fits = |(&left, &right): (&usize, &usize)| left == right || left == 1 || right == 1;
    let agrees = lhs.num_dims() == rhs.num_dims()
        && lhs.num_dims().checked_sub(2).is_some_and(|batch| {
            lhs[batch + 1] == rhs[batch] && lhs.iter().zip(rhs.iter()).take(batch).all(fits)
        });
    assert!(
        agrees,
        "{op}: expected as many columns of `lhs` as rows of `rhs`, in batches of the same shape, got shapes \
         {lhs:?} and {rhs:?}"
    );
}

/// Requires `shape` to have at least one axis.
#[track_caller]
pub(crate) fn rows(op: &str, name: &str, shape: &Shape) {
    assert!(
        shape.num_dims() >= 1,
        "{op}: expected `{name}` of rank 1 or more, got a scalar"
    );
}

/// Requires one entry of `name` an edge.
#[track_caller]
pub(crate) fn length(op: &str, name: &str, got: usize, expected: usize) {
    assert!(
        got == expected,
        "{op}: expected {expected} entries in `{name}`, got {got}"
    );
}

/// Requires a pointer vector: rank 1, at least one entry.
#[track_caller]
pub(crate) fn pointer(op: &str, name: &str, shape: &Shape) {
    vector(op, name, shape);
    assert!(
        shape[0] >= 1,
        "{op}: expected at least one entry in `{name}`, got none"
    );
}

/// Requires a probability that leaves something: `0 <= prob <= 1`.
#[track_caller]
pub(crate) fn probability(op: &str, prob: f64) {
    assert!(
        (0.0..=1.0).contains(&prob),
        "{op}: expected a probability between 0 and 1, got {prob}"
    );
}
