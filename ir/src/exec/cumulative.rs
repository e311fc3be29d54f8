//! Sums of the elements up to each, along an axis.
//!
//! A long axis is cut in blocks: sums within each, sums of the blocks, and both added. Burn's own
//! kernels add one element after the other, or all up to each anew on GPUs; in blocks the sums of
//! many floats hold their last bits, and a GPU has work for all its threads.

use burn::{
    backend::{
        Dispatch, DispatchTensor, TensorMetadata,
        ops::{FloatTensorOps, IntTensorOps},
    },
    tensor::{DType, FloatDType, Shape, Slice},
};

use super::Kind;

/// Elements of a block.
const BLOCK: usize = 256;

/// The sums along an axis. Floats of 16 bits are added in 32 and rounded once.
pub(super) fn sum(x: DispatchTensor, kind: Kind, dim: usize) -> DispatchTensor {
    if x.shape().num_elements() == 0 {
        return x;
    }
    match x.dtype() {
        half @ (DType::F16 | DType::BF16) => {
            let wide = Dispatch::float_cast(x, FloatDType::F32);
            Dispatch::float_cast(blocks(wide, kind, dim), half.into())
        }
        _ => blocks(x, kind, dim),
    }
}

fn blocks(x: DispatchTensor, kind: Kind, dim: usize) -> DispatchTensor {
    let shape = x.shape();
    let length = shape[dim];
    if length <= 2 * BLOCK {
        return match kind {
            Kind::Int => Dispatch::int_cumsum(x, dim),
            Kind::Float | Kind::Bool => Dispatch::float_cumsum(x, dim),
        };
    }
    // The last block is filled up with what its sums do not need.
    let count = length.div_ceil(BLOCK);
    let x = if length.is_multiple_of(BLOCK) {
        x
    } else {
        let mut rest = shape.clone();
        rest[dim] = count * BLOCK - length;
        let rest = zeros(&x, kind, rest);
        cat(kind, vec![x, rest], dim)
    };
    let mut sizes: Vec<usize> = shape.iter().copied().collect();
    sizes.splice(dim..=dim, [count, BLOCK]);
    let within = blocks(reshape(x, kind, Shape::from(sizes.clone())), kind, dim + 1);

    let last = range(within.clone(), kind, dim + 1, BLOCK - 1, BLOCK);
    let all = blocks(last, kind, dim);
    sizes[dim] = 1;
    sizes[dim + 1] = 1;
    let none = zeros(&all, kind, Shape::from(sizes.clone()));
    let before = range(all, kind, dim, 0, count - 1);
    let before = cat(kind, vec![none, before], dim);
    let out = match kind {
        Kind::Int => Dispatch::int_add(within, before),
        Kind::Float | Kind::Bool => Dispatch::float_add(within, before),
    };
    sizes[dim] = count * BLOCK;
    sizes.remove(dim + 1);
    range(reshape(out, kind, Shape::from(sizes)), kind, dim, 0, length)
}

fn zeros(like: &DispatchTensor, kind: Kind, shape: Shape) -> DispatchTensor {
    let (device, dtype) = (like.device(), like.dtype());
    match kind {
        Kind::Int => Dispatch::int_zeros(shape, &device, dtype.into()),
        Kind::Float | Kind::Bool => Dispatch::float_zeros(shape, &device, dtype.into()),
    }
}

fn cat(kind: Kind, parts: Vec<DispatchTensor>, dim: usize) -> DispatchTensor {
    match kind {
        Kind::Int => Dispatch::int_cat(parts, dim),
        Kind::Float | Kind::Bool => Dispatch::float_cat(parts, dim),
    }
}

fn reshape(x: DispatchTensor, kind: Kind, shape: Shape) -> DispatchTensor {
    match kind {
        Kind::Int => Dispatch::int_reshape(x, shape),
        Kind::Float | Kind::Bool => Dispatch::float_reshape(x, shape),
    }
}

/// A range of an axis.
fn range(x: DispatchTensor, kind: Kind, dim: usize, start: usize, end: usize) -> DispatchTensor {
    let axes = x.shape();
    let of = |(axis, &size): (usize, &usize)| {
        Slice::from(if axis == dim { start..end } else { 0..size })
    };
    let slices: Vec<Slice> = axes.iter().enumerate().map(of).collect();
    match kind {
        Kind::Int => Dispatch::int_slice(x, &slices),
        Kind::Float | Kind::Bool => Dispatch::float_slice(x, &slices),
    }
}
