//! The numbers in an operation: what may differ between recordings.

use crate::{
    op::{Float, Op, Scalar},
    size::Size,
};

/// The sizes among an operation's attributes.
pub(super) fn sizes_mut(op: &mut Op) -> Vec<&mut Size> {
    fn of(scalar: &mut Scalar) -> Option<&mut Size> {
        match scalar {
            Scalar::Int(size) => Some(size),
            Scalar::Float(_) | Scalar::Bool(_) => None,
        }
    }
    match op {
        Op::Full {
            value,
            elem: _,
            dims,
        } => of(value).into_iter().chain(dims).collect(),
        Op::Arange { start, end } => vec![start, end],
        Op::BinaryScalar(_, scalar) | Op::MaskFill(scalar) => of(scalar).into_iter().collect(),
        Op::Clamp { min, max } => [min, max].into_iter().flatten().filter_map(of).collect(),
        Op::Reshape(dims) | Op::Expand(dims) => dims.iter_mut().collect(),
        Op::Slice(ranges) => ranges
            .iter_mut()
            .flat_map(|(start, end)| [start, end])
            .collect(),
        Op::RepeatDim {
            dim: _,
            times: size,
        }
        | Op::Scatter { reduce: _, size }
        | Op::SegmentSoftmax { size }
        | Op::Spmm { reduce: _, size }
        | Op::Degree { size, elem: _ }
        | Op::PtrToIndex { entries: size }
        | Op::CooToCsr { size }
        | Op::SelfLoopPosition { size } => vec![size],
        Op::Weight(_)
        | Op::Call(_)
        | Op::Symbol(_)
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::LeakyRelu(_)
        | Op::Cast(_)
        | Op::MaskWhere
        | Op::Dropout(_)
        | Op::Permute(_)
        | Op::Cat(_)
        | Op::Select(_)
        | Op::GatherElements(_)
        | Op::Reduce(..)
        | Op::ArgMax(_)
        | Op::Softmax(_)
        | Op::LogSoftmax(_)
        | Op::Matmul
        | Op::Linear
        | Op::LayerNorm { .. }
        | Op::BatchNorm { .. }
        | Op::Gather
        | Op::SegmentReduce(_)
        | Op::SpmmCsr { .. }
        | Op::Nonzero => Vec::new(),
    }
}

/// The floats among an operation's attributes.
pub(super) fn floats_mut(op: &mut Op) -> Vec<&mut Float> {
    fn of(scalar: &mut Scalar) -> Option<&mut Float> {
        match scalar {
            Scalar::Float(float) => Some(float),
            Scalar::Int(_) | Scalar::Bool(_) => None,
        }
    }
    match op {
        Op::Full { value, .. } => of(value).into_iter().collect(),
        Op::BinaryScalar(_, scalar) | Op::MaskFill(scalar) => of(scalar).into_iter().collect(),
        Op::Clamp { min, max } => [min, max].into_iter().flatten().filter_map(of).collect(),
        Op::LeakyRelu(float)
        | Op::Dropout(float)
        | Op::LayerNorm { epsilon: float }
        | Op::BatchNorm { epsilon: float } => vec![float],
        _ => Vec::new(),
    }
}

/// The operation's name for messages.
pub(super) fn name(op: &Op) -> String {
    format!("{op:?}")
        .split(['(', ' ', '{'])
        .next()
        .unwrap_or_default()
        .to_owned()
}
