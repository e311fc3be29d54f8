//! Softmax among the edges of a row, on the CPU.

use burn::backend::{Flex, TensorMetadata as _};
use burn_flex::FlexTensor;

use crate::{
    CsrTensors,
    rows::{
        flex::{elements, row_width, tensor},
        stored::Real,
        stored::{Stored, stored, with_stored},
        walk::{Contiguous, Scattered, Walk, fetch, for_ranges, position, sum},
    },
};

/// See [`crate::GraphOps::edge_softmax`].
pub(crate) fn edge_softmax(x: &FlexTensor, csr: &CsrTensors<Flex>) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let shape = x.shape();
    let heads = row_width(&shape);
    stored(
        [x],
        |[x]| with_stored!(x, S => tensor(softmax(elements!(x, S), heads, &walk), shape)),
    )
}

fn softmax<S: Stored>(x: &[S], heads: usize, walk: &Walk<'_>) -> Vec<S> {
    let out = Scattered::<S>::zeros(x.len());
    let ranges = walk.ranges(heads);
    let parts = vec![(); ranges.len()];
    for_ranges(
        ranges,
        parts,
        #[inline(always)]
        |range, ()| {
            let (mut scores, mut sums) = (Vec::new(), vec![S::Sum::ZERO; heads]);
            for row in range {
                let (_, edges) = walk.row(row);
                for &edge in walk.ahead(row).1 {
                    fetch(x, position(edge) * heads, heads);
                    out.fetch(position(edge) * heads, heads);
                }
                scores.clear();
                for &edge in edges {
                    let x = &x[position(edge) * heads..][..heads];
                    scores.extend(x.iter().map(|x| x.widen()));
                }
                normalise(&mut scores, &mut sums);
                for (&edge, weights) in edges.iter().zip(scores.chunks_exact(heads.max(1))) {
                    for (head, &weight) in weights.iter().enumerate() {
                        out.set(position(edge) * heads + head, S::narrow(weight));
                    }
                }
            }
        },
    );
    out.into_vec()
}

/// Replaces the scores of one row, `heads` an entry, by their softmax. Leaves in `lse`, one for
/// each head, the logarithm of the sum of exponentials.
#[inline(always)]
pub(crate) fn normalise<T: Real>(scores: &mut [T], lse: &mut [T]) {
    let heads = lse.len();
    if scores.is_empty() {
        lse.fill(T::ZERO);
        return;
    }
    // `lse` holds the largest scores first.
    lse.copy_from_slice(&scores[..heads]);
    for scores in scores.chunks_exact(heads) {
        for (max, &score) in lse.iter_mut().zip(scores) {
            *max = if score > *max || score.is_nan() {
                score
            } else {
                *max
            };
        }
    }
    for scores in scores.chunks_exact_mut(heads) {
        for (&max, score) in lse.iter().zip(scores) {
            *score = *score - max;
        }
    }
    T::exp_all(scores);
    for (head, lse) in lse.iter_mut().enumerate() {
        let sum = sum(scores, heads, |scores| scores[head]);
        let sum = sum + T::SOFTMAX_EPSILON;
        for scores in scores.chunks_exact_mut(heads) {
            scores[head] = scores[head] / sum;
        }
        *lse = *lse + sum.ln();
    }
}

/// See [`crate::GraphOps::edge_softmax_backward`].
pub(crate) fn edge_softmax_backward(
    out: &FlexTensor,
    grad: &FlexTensor,
    csr: &CsrTensors<Flex>,
) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let shape = out.shape();
    let heads = row_width(&shape);
    stored([out, grad], |[out, grad]| {
        with_stored!(out, S => {
            tensor(gradient([elements!(out, S), elements!(grad, S)], heads, &walk), shape)
        })
    })
}

fn gradient<S: Stored>([out, grad]: [&[S]; 2], heads: usize, walk: &Walk<'_>) -> Vec<S> {
    let dx = Scattered::<S>::zeros(out.len());
    let ranges = walk.ranges(heads);
    let parts = vec![(); ranges.len()];
    for_ranges(
        ranges,
        parts,
        #[inline(always)]
        |range, ()| {
            for row in range {
                let (_, edges) = walk.row(row);
                for &edge in walk.ahead(row).1 {
                    fetch(out, position(edge) * heads, heads);
                    fetch(grad, position(edge) * heads, heads);
                    dx.fetch(position(edge) * heads, heads);
                }
                for head in 0..heads {
                    let read = |edge: i32| {
                        let at = position(edge) * heads + head;
                        (at, out[at].widen(), grad[at].widen())
                    };
                    let mean = sum(edges, 1, |edge| {
                        let (_, out, grad) = read(edge[0]);
                        out * grad
                    });
                    for &edge in edges {
                        let (at, out, grad) = read(edge);
                        dx.set(at, S::narrow(out * (grad - mean)));
                    }
                }
            }
        },
    );
    dx.into_vec()
}
