//! Large products of single precision on GPUs: as exact as on a processor, or by tensor cores for
//! `bf16`.
//!
//! A cube computes a tile of the result. Step by step its units carry some columns of the left
//! matrix and rows of the right one to shared memory, and add up their products in registers.
//! Several cubes share a multiprocessor, so that one multiplies while another waits for memory.
//!
//! Units multiply factors as they are ([`units`]). At less than the highest precision, factors are
//! split into terms of `bf16` where the device multiplies matrices of `bf16` ([`planes`]).

mod matrices;
mod planes;
mod units;

use burn_cubecl::tensor::CubeTensor;
use kiln_core::MatmulPrecision;

use self::matrices::{Matrices, is_in_vectors};
use super::{
    chain::{CHAIN, narrowed},
    sum::Addend,
};
use crate::rows::cube::empty;

/// How a kernel here multiplies.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// Units multiply factors as they are.
    Units,
    /// Planes multiply factors in so many terms of `bf16`.
    Planes { terms: usize },
}

impl By {
    /// The way to a precision on the device of `out`.
    pub(super) fn at(precision: MatmulPrecision, out: &CubeTensor) -> Self {
        let terms = match precision {
            MatmulPrecision::Highest => return Self::Units,
            MatmulPrecision::High => 2,
            MatmulPrecision::Medium => 1,
        };
        if planes::are_on(out, terms) {
            Self::Planes { terms }
        } else {
            Self::Units
        }
    }
}

/// Writes `lhs · rhs`, matrices or batches of them, and to matrices what is added, to `out`, if a
/// kernel here can: whether it did.
pub(super) fn product(
    lhs: &CubeTensor,
    rhs: &CubeTensor,
    addend: Option<Addend<'_>>,
    out: &CubeTensor,
    by: By,
) -> bool {
    let fits = addend.is_none_or(|addend| is_in_vectors(addend.term));
    let Some(matrices) = Matrices::of(lhs, rhs, out).filter(|_| fits) else {
        return false;
    };
    let inner = matrices.inner;
    let is_batch = out.meta.shape().num_dims() > 2;
    if inner <= CHAIN || is_batch || matches!(by, By::Planes { .. }) {
        return multiply([lhs, rhs, out], addend, matrices, by);
    }
    // Each part is added to the sum so far; the last one writes `out`.
    let parts = inner.div_ceil(CHAIN);
    let other = empty(out, out.meta.shape().clone(), out.dtype);
    let sums = |part: usize| {
        if (parts - part).is_multiple_of(2) {
            &other
        } else {
            out
        }
    };
    (0..parts).all(|part| {
        let range = part * CHAIN..inner.min((part + 1) * CHAIN);
        let [lhs, rhs] = [narrowed(lhs, 1, range.clone()), narrowed(rhs, 0, range)];
        let is_last = part + 1 == parts;
        let addend = match part {
            0 => addend.map(|addend| Addend {
                relu: false,
                ..addend
            }),
            _ => Some(Addend {
                term: sums(part - 1),
                relu: is_last && addend.is_some_and(|addend| addend.relu),
            }),
        };
        product(&lhs, &rhs, addend, sums(part), by)
    })
}

/// Writes `xᵀ g` of each range of `range` rows to `out`, if a kernel here can: whether it did. The
/// last has as many as are left.
pub(super) fn ranges(
    x: &CubeTensor,
    grad: &CubeTensor,
    out: &CubeTensor,
    range: usize,
    by: By,
) -> bool {
    let matrices = Matrices::of_ranges(x, grad, out, range);
    matrices.is_some_and(|matrices| multiply([x, grad, out], None, matrices, by))
}

fn multiply(
    tensors: [&CubeTensor; 3],
    addend: Option<Addend<'_>>,
    matrices: Matrices,
    by: By,
) -> bool {
    match by {
        By::Units => units::product(tensors, addend, matrices),
        By::Planes { terms } => planes::product(tensors, addend, matrices, terms),
    }
}
