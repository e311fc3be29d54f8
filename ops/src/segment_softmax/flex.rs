//! Softmax among edges on the CPU: three walks over the edges of each destination.

use burn::backend::TensorMetadata as _;
use burn_flex::FlexTensor;

use crate::rows::{
    flex::{Sorted, elements, row_width, sort_by_row, tensor, with_id, with_real},
    stored::{Real, widened},
    walk::sum,
};

/// See [`crate::segment_softmax`].
pub(crate) fn segment_softmax(x: &FlexTensor, index: &FlexTensor, size: usize) -> FlexTensor {
    let index = index.to_contiguous();
    let shape = x.shape();
    let sorted = with_id!(index, I => {
        sort_by_row(elements!(index, I), size, "segment_softmax", "index")
    });
    widened(
        [x],
        |[x]| with_real!(x, T => tensor(softmax(elements!(x, T), row_width(&shape), &sorted), shape)),
    )
}

fn softmax<T: Real>(x: &[T], width: usize, sorted: &Sorted) -> Vec<T> {
    let mut out = vec![T::ZERO; x.len()];
    for row in sorted.ptr.windows(2) {
        let edges = &sorted.perm[row[0]..row[1]];
        for f in 0..width {
            let score = |edge: usize| x[edge * width + f];
            let Some(&first) = edges.first() else {
                continue;
            };
            let larger = |a: T, b: T| if b > a || b.is_nan() { b } else { a };
            let max = edges
                .iter()
                .fold(score(first), |max, &edge| larger(max, score(edge)));
            let sum = sum(edges, 1, |edge| {
                let exp = (score(edge[0]) - max).exp();
                out[edge[0] * width + f] = exp;
                exp
            });
            for &edge in edges {
                let value = &mut out[edge * width + f];
                *value = *value / (sum + T::SOFTMAX_EPSILON);
            }
        }
    }
    out
}
