//! Scatter where `kiln-ops` has no kernel: rows of integers, and elements along any axis.

use burn::{
    backend::{
        Dispatch, DispatchTensor, Scalar, TensorMetadata,
        ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{DType, IndexingUpdateOp, IntDType, Shape},
};
use kiln_ops::{Reduce, dispatch};

use super::{ExecError, Kind, eval::Eval, site::Site};

/// Rows that share a destination, reduced; 0 where there are none, or 1 for products.
pub(super) fn rows(
    eval: &Eval<'_>,
    (x, kind): (DispatchTensor, Kind),
    index: DispatchTensor,
    size: usize,
    reduce: Reduce,
) -> DispatchTensor {
    match kind {
        Kind::Int => integers(eval, x, index, size, reduce),
        Kind::Float | Kind::Bool => dispatch::scatter(x, index, size, reduce),
    }
}

fn integers(
    eval: &Eval<'_>,
    x: DispatchTensor,
    index: DispatchTensor,
    size: usize,
    reduce: Reduce,
) -> DispatchTensor {
    let dtype: IntDType = x.dtype().into();
    let is_narrow = x.dtype() == DType::I32;
    let bounds = if is_narrow {
        [i32::MIN.into(), i32::MAX.into()]
    } else {
        [i64::MIN, i64::MAX]
    };
    let (start, update) = match reduce {
        // The validator refuses means of integers.
        Reduce::Sum | Reduce::Mean => (0, IndexingUpdateOp::Add),
        Reduce::Mul => (1, IndexingUpdateOp::Mul),
        Reduce::Max => (bounds[0], IndexingUpdateOp::Max),
        Reduce::Min => (bounds[1], IndexingUpdateOp::Min),
    };
    let mut shape = x.shape();
    let entries = shape[0];
    shape[0] = size;
    let full = |shape, value| Dispatch::int_full(shape, Scalar::Int(value), eval.device(), dtype);
    if x.shape().num_elements() == 0 {
        return full(shape, i64::from(reduce == Reduce::Mul));
    }
    let out = full(shape.clone(), start);
    let out = Dispatch::int_select_assign(out, 0, index.clone(), x, update);
    if matches!(reduce, Reduce::Sum | Reduce::Mean | Reduce::Mul) {
        return out;
    }
    let ones = full(Shape::new([entries]), 1);
    let count = full(Shape::new([size]), 0);
    let count = Dispatch::int_select_assign(count, 0, index, ones, IndexingUpdateOp::Max);
    let mut column = shape.clone();
    for axis in 1..column.num_dims() {
        column[axis] = 1;
    }
    let none = Dispatch::int_equal_elem(count, Scalar::Int(0), eval.settings.bool_dtype);
    let none = Dispatch::bool_expand(Dispatch::bool_reshape(none, column), shape);
    Dispatch::int_mask_fill(out, none, Scalar::Int(0))
}

/// Elements of `x` along an axis, each reduced with the values whose index is its position.
///
/// The elements are rows of one number, and those of `x` come first among those of each position.
pub(super) fn elements(
    eval: &Eval<'_>,
    site: Site<'_>,
    (x, kind): (DispatchTensor, Kind),
    dim: usize,
    (index, value): (DispatchTensor, DispatchTensor),
    reduce: Reduce,
) -> Result<DispatchTensor, ExecError> {
    let (shape, taken) = (x.shape(), index.shape());
    let all = shape.num_elements();
    if taken.num_elements() == 0 {
        return Ok(x);
    }
    let sizes: Vec<usize> = shape.iter().copied().collect();
    let outer: usize = sizes[..dim].iter().product();
    let inner: usize = sizes[dim + 1..].iter().product();
    let [size, stride, block] = [sizes[dim], inner, sizes[dim] * inner].map(as_i64);
    let dtype = eval.int_dtype(site, [0, as_i64(all)])?;
    let bool = eval.settings.bool_dtype;
    let lanes = Shape::new([outer, taken[dim], inner]);
    let numbers = |count: usize, step: i64, shape: [usize; 3]| {
        let numbers = Dispatch::int_arange(0..as_i64(count), eval.device(), dtype);
        let numbers = Dispatch::int_mul_scalar(numbers, Scalar::Int(step));
        Dispatch::int_expand(
            Dispatch::int_reshape(numbers, Shape::new(shape)),
            lanes.clone(),
        )
    };
    let index = Dispatch::int_reshape(Dispatch::int_cast(index, dtype), lanes.clone());
    let mut place = Dispatch::int_mul_scalar(index.clone(), Scalar::Int(stride));
    place = Dispatch::int_add(place, numbers(outer, block, [outer, 1, 1]));
    place = Dispatch::int_add(place, numbers(inner, 1, [1, 1, inner]));
    // What is outside of the axis must not be within another.
    for outside in [
        Dispatch::int_lower_elem(index.clone(), Scalar::Int(0), bool),
        Dispatch::int_greater_equal_elem(index, Scalar::Int(size), bool),
    ] {
        place = Dispatch::int_mask_fill(place, outside, Scalar::Int(as_i64(all)));
    }
    let flat = |tensor: DispatchTensor| {
        let shape = Shape::new([tensor.shape().num_elements()]);
        match kind {
            Kind::Int => Dispatch::int_reshape(tensor, shape),
            Kind::Float | Kind::Bool => Dispatch::float_reshape(tensor, shape),
        }
    };
    let place = Dispatch::int_reshape(place, Shape::new([taken.num_elements()]));
    let own = Dispatch::int_arange(0..as_i64(all), eval.device(), dtype);
    let index = Dispatch::int_cat(vec![own, place], 0);
    let values = vec![flat(x), flat(value)];
    let values = match kind {
        Kind::Int => Dispatch::int_cat(values, 0),
        Kind::Float | Kind::Bool => Dispatch::float_cat(values, 0),
    };
    let out = rows(eval, (values, kind), index, all, reduce);
    Ok(match kind {
        Kind::Int => Dispatch::int_reshape(out, shape),
        Kind::Float | Kind::Bool => Dispatch::float_reshape(out, shape),
    })
}

/// A number of elements, which is less than that of bytes in memory.
fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
