//! Operations that move elements: reshape, slice, cat, select, ...

use core::ops::Range;

use burn::{
    backend::{
        Dispatch, DispatchTensor, Scalar as BurnScalar, TensorMetadata,
        ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{IntDType, Shape, Slice},
};

use super::{
    ExecError, Kind, Operand, VALIDATED, eval::Eval, memory::is_addressable, scatter, site::Site,
};
use crate::{op::ShapeOp, size::Size};

pub(super) fn eval(
    eval: &Eval<'_>,
    site: Site<'_>,
    op: &ShapeOp,
    operands: Vec<Operand>,
) -> Result<DispatchTensor, ExecError> {
    let mut operands = operands.into_iter();
    let (x, elem) = operands.next().expect(VALIDATED);
    let kind = Kind::of(elem);
    let mut next = || operands.next().expect(VALIDATED).0;
    Ok(match op {
        ShapeOp::Reshape { dims } => reshape(x, kind, eval.shape(dims)?),
        ShapeOp::Permute { axes } => {
            let axes: Vec<usize> = axes.iter().map(|&dim| axis(dim)).collect();
            match kind {
                Kind::Float => Dispatch::float_permute(x, &axes),
                Kind::Int => Dispatch::int_permute(x, &axes),
                Kind::Bool => Dispatch::bool_permute(x, &axes),
            }
        }
        ShapeOp::Expand { dims } => expand(x, kind, &eval.shape(dims)?),
        ShapeOp::Slice { ranges } => {
            let slices = slices(eval, ranges, &x.shape())?;
            match kind {
                Kind::Float => Dispatch::float_slice(x, &slices),
                Kind::Int => Dispatch::int_slice(x, &slices),
                Kind::Bool => Dispatch::bool_slice(x, &slices),
            }
        }
        ShapeOp::Cat { dim } => {
            let tensors = [x].into_iter().chain(operands.map(|(tensor, _)| tensor));
            cat(axis(*dim), kind, tensors.collect())
        }
        ShapeOp::RepeatDim { dim, times } => {
            let (dim, shape) = (axis(*dim), repeated(eval, &x.shape(), *dim, times)?);
            let times = eval.size("the number of times", times)?;
            match kind {
                // Flex 0.22.1 would go through all times.
                _ if x.shape().num_elements() == 0 => reshape(x, kind, shape),
                Kind::Float => Dispatch::float_repeat_dim(x, dim, times),
                Kind::Int => Dispatch::int_repeat_dim(x, dim, times),
                Kind::Bool => Dispatch::bool_repeat_dim(x, dim, times),
            }
        }
        ShapeOp::Select { dim } => match kind {
            Kind::Float => Dispatch::float_select(x, axis(*dim), next()),
            Kind::Int => Dispatch::int_select(x, axis(*dim), next()),
            Kind::Bool => as_int(eval, x, |x| Dispatch::int_select(x, axis(*dim), next())),
        },
        ShapeOp::GatherElements { dim } => match kind {
            Kind::Float => Dispatch::float_gather(axis(*dim), x, next()),
            Kind::Int => Dispatch::int_gather(axis(*dim), x, next()),
            Kind::Bool => as_int(eval, x, |x| Dispatch::int_gather(axis(*dim), x, next())),
        },
        ShapeOp::ScatterElements { dim, reduce } => {
            let values = (next(), next());
            scatter::elements(eval, site, (x, kind), axis(*dim), values, *reduce)?
        }
    })
}

pub(super) fn reshape(x: DispatchTensor, kind: Kind, shape: Shape) -> DispatchTensor {
    match kind {
        Kind::Float => Dispatch::float_reshape(x, shape),
        Kind::Int => Dispatch::int_reshape(x, shape),
        Kind::Bool => Dispatch::bool_reshape(x, shape),
    }
}

/// The shape of a tensor that is repeated along an axis.
fn repeated(eval: &Eval<'_>, shape: &Shape, dim: u32, times: &Size) -> Result<Shape, ExecError> {
    const WHAT: &str = "the number of times";
    let count = eval.size(WHAT, times)?;
    let mut shape = shape.clone();
    let size = shape[axis(dim)].checked_mul(count);
    let others = || shape.iter().enumerate().filter(|(at, _)| *at != axis(dim));
    let elements = |size: usize| {
        others().try_fold(size.max(1), |all, (_, &size)| all.checked_mul(size.max(1)))
    };
    match size.filter(|&size| elements(size).is_some_and(is_addressable)) {
        Some(size) => {
            shape[axis(dim)] = size;
            Ok(shape)
        }
        None => Err(eval.attribute(WHAT, times, format!("{count}, too large"))),
    }
}

/// Moves booleans as integers: what Flex 0.22.1 selects and gathers of booleans has the type of
/// bytes, which nothing else takes.
fn as_int(
    eval: &Eval<'_>,
    x: DispatchTensor,
    take: impl FnOnce(DispatchTensor) -> DispatchTensor,
) -> DispatchTensor {
    let taken = take(Dispatch::bool_into_int(x, IntDType::I32));
    Dispatch::int_not_equal_elem(taken, BurnScalar::Int(0), eval.settings.bool_dtype)
}

/// An axis in the type that Burn uses.
pub(super) fn axis(dim: u32) -> usize {
    dim as usize
}

/// Repeats axes of size 1 without copying.
pub(super) fn expand(x: DispatchTensor, kind: Kind, shape: &Shape) -> DispatchTensor {
    if x.shape() == *shape {
        return x;
    }
    match kind {
        Kind::Float => Dispatch::float_expand(x, shape.clone()),
        Kind::Int => Dispatch::int_expand(x, shape.clone()),
        Kind::Bool => Dispatch::bool_expand(x, shape.clone()),
    }
}

/// Sizes to which both expand; ranks are equal.
pub(super) fn broadcast(a: &Shape, b: &Shape) -> Shape {
    let sizes = a
        .iter()
        .zip(b.iter())
        .map(|(&a, &b)| if a == 1 { b } else { a });
    Shape::from(sizes.collect::<Vec<usize>>())
}

pub(super) fn cat(dim: usize, kind: Kind, tensors: Vec<DispatchTensor>) -> DispatchTensor {
    match kind {
        Kind::Float => Dispatch::float_cat(tensors, dim),
        Kind::Int => Dispatch::int_cat(tensors, dim),
        Kind::Bool => Dispatch::bool_cat(tensors, dim),
    }
}

/// Ranges with their bounds checked against the tensor. A part without elements starts at the first
/// one: some operations of Flex 0.22.1 panic on one that starts behind the last.
fn slices(
    eval: &Eval<'_>,
    ranges: &[(Size, Size)],
    shape: &Shape,
) -> Result<Vec<Slice>, ExecError> {
    let mut slices = Vec::with_capacity(ranges.len());
    for ((start, end), &size) in ranges.iter().zip(shape.iter()) {
        let first = eval.size("the start of a range", start)?;
        let last = eval.size("the end of a range", end)?;
        if last < first || last > size {
            let value = format!("{last}, in a range from {first} of {size}");
            return Err(eval.attribute("the end of a range", end, value));
        }
        slices.push(first..last);
    }
    let is_empty = slices.iter().any(Range::is_empty);
    let slice = |range: Range<usize>| {
        if is_empty {
            Slice::from(0..range.len())
        } else {
            Slice::from(range)
        }
    };
    Ok(slices.into_iter().map(slice).collect())
}
