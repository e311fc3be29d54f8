//! Operations of linear maps that backends without kernels of their own make of Burn's.

use burn::backend::{Backend, Shape, TensorMetadata as _, tensor::FloatTensor};

/// [`crate::GraphOps::add_bias`] by Burn's own addition.
pub(crate) fn add_bias<B: Backend>(x: FloatTensor<B>, bias: FloatTensor<B>) -> FloatTensor<B> {
    let width = bias.shape()[0];
    B::float_add(x, B::float_reshape(bias, Shape::new([1, width])))
}

/// [`crate::GraphOps::heads_dot`] by Burn's own product and sum.
pub(crate) fn heads_dot<B: Backend>(x: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    let [rows, heads, _] = x.shape().dims();
    let sums = B::float_sum_dim(B::float_mul(x, weight), 2);
    B::float_reshape(sums, Shape::new([rows, heads]))
}
