//! Shapes in which any size may be 0, which Burn's arguments take for others.

use burn::{
    backend::{
        Dispatch,
        ops::{FloatTensorOps as _, IntTensorOps as _},
    },
    tensor::{Int, Shape, Tensor, kind::Basic},
};

/// The same elements in another shape.
pub(crate) fn reshape<const D: usize, const D2: usize>(
    x: Tensor<D>,
    dims: [usize; D2],
) -> Tensor<D2> {
    let reshaped = Dispatch::float_reshape(x.into_dispatch(), Shape::new(dims));
    Tensor::from_dispatch(reshaped)
}

/// The same of integers, one behind the other.
pub(crate) fn flatten<const D: usize>(x: Tensor<D, Int>) -> Tensor<1, Int> {
    let shape = Shape::new([x.dims().iter().product()]);
    Tensor::from_dispatch(Dispatch::int_reshape(x.into_dispatch(), shape))
}

/// Axes of size 1 repeated, and further axes in front.
pub(crate) fn expand<const D: usize, const D2: usize, K: Basic>(
    x: Tensor<D, K>,
    dims: [usize; D2],
) -> Tensor<D2, K> {
    x.expand(Shape::new(dims))
}

/// Several tensors along an axis, or the one that there is.
pub(crate) fn side_by_side<const D: usize>(mut outs: Vec<Tensor<D>>, axis: usize) -> Tensor<D> {
    match outs.len() {
        1 => outs.remove(0),
        _ => Tensor::cat(outs, axis),
    }
}
