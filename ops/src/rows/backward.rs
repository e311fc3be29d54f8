//! The gradient of a reduction of rows, shared by `scatter` and `segment_reduce`.
//!
//! With `g` the gradient at the output and `i = index[e]`:
//!
//! ```text
//! sum       dx[e] = g[i]
//! mean      dx[e] = g[i] / |{ k : index[k] = i }|
//! max, min  dx[e] = [x[e] = out[i]] · g[i] / |{ k : index[k] = i, x[k] = out[i] }|
//! mul       dx[e] = g[i] · Π { x[k] : index[k] = i, k ≠ e }
//! ```
//!
//! The product without one factor is `out / x` where no row is zero. Where exactly one is, only
//! that row has a gradient: the product of the others. Both come from the product of the non-zero
//! rows and the number of zeros.

use burn::backend::{
    Backend, Shape, TensorMetadata as _, get_or_init_device_settings,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use crate::{GraphOps, Reduce};

/// What the gradient needs of the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct State<B: Backend> {
    /// The destination of each row.
    pub(crate) index: IntTensor<B>,
    /// Number of destinations.
    pub(crate) size: usize,
    /// How rows met.
    pub(crate) reduce: Reduce,
    /// Input and output, for reductions that are not linear.
    pub(crate) values: Option<(FloatTensor<B>, FloatTensor<B>)>,
}

impl<B: GraphOps> State<B> {
    /// Keeps what `reduce` needs.
    pub(crate) fn new(
        x: FloatTensor<B>,
        out: FloatTensor<B>,
        index: IntTensor<B>,
        size: usize,
        reduce: Reduce,
    ) -> Self {
        let values = match reduce {
            Reduce::Sum | Reduce::Mean => None,
            Reduce::Max | Reduce::Min | Reduce::Mul => Some((x, out)),
        };
        Self {
            index,
            size,
            reduce,
            values,
        }
    }

    /// The gradient with respect to the rows.
    pub(crate) fn input_gradient(self, grad: FloatTensor<B>) -> FloatTensor<B> {
        let Self {
            index,
            size,
            reduce,
            values,
        } = self;
        if index.shape()[0] == 0 || grad.shape().num_elements() == 0 {
            return B::gather(grad, index);
        }
        match (reduce, values) {
            (Reduce::Mean, _) => {
                let grad = divide_by_degree::<B>(grad, index.clone(), size);
                B::gather(grad, index)
            }
            (Reduce::Max | Reduce::Min, Some((x, out))) => {
                let hit = equal::<B>(x, B::gather(out, index.clone()));
                let ties = B::scatter(hit.clone(), index.clone(), size, Reduce::Sum);
                // As in PyTorch, 0 times infinity: where the extremum is not a number, nothing
                // equals it.
                let share = B::float_div(grad, ties);
                B::float_mul(B::gather(share, index), hit)
            }
            (Reduce::Mul, Some((x, out))) => product::<B>(x, out, &index, size, grad),
            (Reduce::Sum | Reduce::Max | Reduce::Min | Reduce::Mul, _) => B::gather(grad, index),
        }
    }
}

fn product<B: GraphOps>(
    x: FloatTensor<B>,
    out: FloatTensor<B>,
    index: &IntTensor<B>,
    size: usize,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let is_zero = is_zero::<B>(x.clone());
    let zero = B::bool_into_float(is_zero.clone(), x.dtype().into());
    let nonzero = B::float_mask_fill(x, is_zero, 1.0.into());
    let rest = B::scatter(nonzero.clone(), index.clone(), size, Reduce::Mul);
    let zeros = B::scatter(zero.clone(), index.clone(), size, Reduce::Sum);
    let others = B::float_sub(B::gather(zeros, index.clone()), zero);
    let full = B::gather(B::float_mul(grad.clone(), rest), index.clone());
    let full = B::float_div(full, nonzero.clone());
    // Next to a zero it is 0, unless the product is not a number.
    let product = B::gather(B::float_mul(grad, out), index.clone());
    let product = B::float_div(product, nonzero);
    B::float_mask_where(full, not_zero::<B>(others), product)
}

/// `a / max(degree, 1)` by rows.
pub(crate) fn divide_by_degree<B: GraphOps>(
    a: FloatTensor<B>,
    index: IntTensor<B>,
    size: usize,
) -> FloatTensor<B> {
    let count = B::degree(index, size, a.dtype().into());
    let count = B::float_clamp_min(count, 1.0.into());
    let shape = a.shape();
    B::float_div(a, per_row::<B>(count, &shape))
}

/// A vector `[n]` as `[n, 1, ..]`, to meet a tensor of shape `like`.
pub(crate) fn per_row<B: Backend>(vector: FloatTensor<B>, like: &Shape) -> FloatTensor<B> {
    let mut shape = Shape::from(vec![1; like.num_dims()]);
    shape[0] = vector.shape()[0];
    B::float_reshape(vector, shape)
}

/// 1 where two tensors are equal, 0 elsewhere.
fn equal<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    let dtype = a.dtype();
    let mask = get_or_init_device_settings::<B>(&a.device()).bool_dtype;
    B::bool_into_float(B::float_equal(a, b, mask), dtype.into())
}

fn is_zero<B: Backend>(x: FloatTensor<B>) -> BoolTensor<B> {
    let mask = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    B::float_equal_elem(x, 0.0.into(), mask)
}

fn not_zero<B: Backend>(x: FloatTensor<B>) -> BoolTensor<B> {
    let mask = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    B::float_not_equal_elem(x, 0.0.into(), mask)
}
