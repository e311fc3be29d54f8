//! Invariants 14 to 18 of single operations: the types of the outputs that follow from the inputs.
//!
//! One file a family. Each rule is the rule of the Burn or Kiln operation of the same name, on
//! symbolic sizes: two sizes are equal only if their normal forms are, and a size broadcasts
//! only if it is the number 1.

#![deny(clippy::wildcard_enum_match_arm)]

mod elementwise;
mod graph;
mod linear;
mod shape;

use super::Kind;
use crate::{
    op::{Float, Op, Scalar},
    program::{ElemType, Program, TensorType},
    size::Size,
    text::Words,
};

/// A problem with the number of its invariant; boxed because it is large and rare.
pub(super) struct Problem(Box<(u8, Kind)>);

impl Problem {
    fn new(invariant: u8, kind: Kind) -> Self {
        Self(Box::new((invariant, kind)))
    }

    pub(super) fn into_parts(self) -> (u8, Kind) {
        *self.0
    }
}

/// Least and largest number of inputs, and number of outputs. Those of a call are its callee's.
pub(super) fn arity(op: &Op) -> (usize, usize, usize) {
    match op {
        Op::Call(_) => (0, usize::MAX, usize::MAX),
        Op::Weight(_) | Op::Symbol(_) | Op::Full { .. } | Op::Arange { .. } => (0, 0, 1),
        Op::Unary(_)
        | Op::BinaryScalar(..)
        | Op::LeakyRelu(_)
        | Op::Clamp { .. }
        | Op::Cast(_)
        | Op::Dropout(_)
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Expand(_)
        | Op::Slice(_)
        | Op::RepeatDim { .. }
        | Op::Reduce(..)
        | Op::ArgMax(_)
        | Op::Softmax(_)
        | Op::LogSoftmax(_)
        | Op::Degree { .. }
        | Op::PtrToIndex { .. }
        | Op::Nonzero => (1, 1, 1),
        Op::CooToCsr { .. } => (1, 1, 2),
        Op::Binary(_)
        | Op::MaskFill(_)
        | Op::Select(_)
        | Op::GatherElements(_)
        | Op::Matmul
        | Op::Gather
        | Op::Scatter { .. }
        | Op::SegmentReduce(_)
        | Op::SegmentSoftmax { .. }
        | Op::SelfLoopPosition { .. }
        | Op::InverseSqrtDegree { .. } => (2, 2, 1),
        Op::Linear | Op::LayerNorm { .. } => (2, 3, 1),
        Op::MaskWhere => (3, 3, 1),
        Op::Spmm { .. } | Op::SpmmCsr { .. } => (3, 4, 1),
        Op::SpmmNormalized { .. } => (4, 4, 1),
        Op::BatchNorm { .. } | Op::EdgeAttention { .. } | Op::SpmmWithLoops => (5, 5, 1),
        Op::Cat(_) => (1, usize::MAX, 1),
    }
}

/// The rules, for operations of a program.
pub(super) struct Infer<'a>(pub &'a Program);

impl Infer<'_> {
    /// Types of the outputs of an operation with the right number of inputs. Calls and
    /// `symbol` have no rule here; the size of a `nonzero` is that of its mask, which it cannot exceed.
    pub(super) fn op(&self, op: &Op, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Problem> {
        match op {
            Op::Weight(id) => self.weight(*id),
            Op::Call(_) | Op::Symbol(_) => Ok(Vec::new()),
            Op::Full { value, elem, dims } => self.full(value, *elem, dims),
            Op::Arange { start, end } => self.arange(start, end),
            Op::Unary(unary) => Self::unary(*unary, inputs),
            Op::Binary(binary) => self.binary(*binary, inputs),
            Op::BinaryScalar(binary, scalar) => self.binary_scalar(*binary, scalar, inputs),
            Op::LeakyRelu(_) => Self::float_to_same(inputs),
            Op::Clamp { min, max } => self.clamp([min, max], inputs),
            Op::Cast(elem) => Ok(Self::cast(*elem, inputs)),
            Op::MaskWhere => self.mask_where(inputs),
            Op::MaskFill(scalar) => self.mask_fill(scalar, inputs),
            Op::Dropout(prob) => Self::dropout(*prob, inputs),
            Op::Reshape(dims) => self.reshape(dims, inputs),
            Op::Permute(axes) => self.permute(axes, inputs),
            Op::Expand(dims) => self.expand(dims, inputs),
            Op::Slice(ranges) => self.slice(ranges, inputs),
            Op::Cat(dim) => self.cat(*dim, inputs),
            Op::RepeatDim { dim, times } => self.repeat(*dim, times, inputs),
            Op::Select(dim) => self.select(*dim, inputs),
            Op::GatherElements(dim) => self.gather_elements(*dim, inputs),
            Op::Reduce(reduction, axes) => self.reduce(*reduction, axes, inputs),
            Op::ArgMax(dim) => self.arg_max(*dim, inputs),
            Op::Softmax(dim) | Op::LogSoftmax(dim) => self.softmax(*dim, inputs),
            Op::Matmul => self.matmul(inputs),
            Op::Linear => self.linear(inputs),
            Op::LayerNorm { epsilon } => self.layer_norm(*epsilon, inputs),
            Op::BatchNorm { epsilon, momentum } => {
                momentum.map_or(Ok(()), Self::momentum)?;
                self.batch_norm(*epsilon, inputs)
            }
            Op::Gather => self.gather(inputs),
            Op::Scatter { reduce: _, size } => self.scatter(size, inputs),
            Op::SegmentReduce(_) => self.segment_reduce(inputs),
            Op::SegmentSoftmax { size } => self.segment_softmax(size, inputs),
            Op::Spmm { reduce: _, size } => self.spmm(size, inputs),
            Op::SpmmCsr { reduce: _ } => self.spmm_csr(inputs),
            Op::Degree { size, elem } => self.degree(size, *elem, inputs),
            Op::PtrToIndex { entries } => self.ptr_to_index(entries, inputs),
            Op::CooToCsr { size } => self.coo_to_csr(size, inputs),
            Op::Nonzero => self.nonzero(inputs),
            Op::SelfLoopPosition { size } => self.self_loop_position(size, inputs),
            Op::EdgeAttention {
                slope: _,
                self_loops: _,
                dropout,
                size,
            } => self.edge_attention(*dropout, size, inputs),
            Op::SpmmNormalized { self_loop: _ } => self.spmm_normalized(inputs),
            Op::SpmmWithLoops => self.spmm_with_loops(inputs),
            Op::InverseSqrtDegree {
                self_loop: _,
                size,
                elem,
            } => self.inverse_sqrt_degree(size, *elem, inputs),
        }
    }

    fn words(&self) -> Words<'_> {
        Words(self.0)
    }

    /// A problem with the shape of an operand.
    fn shape(&self, what: &'static str, expected: impl Into<String>, got: &TensorType) -> Problem {
        let got = self.words().tensor_type(got);
        Problem::new(
            16,
            Kind::Shape {
                what,
                expected: expected.into(),
                got,
            },
        )
    }

    fn element(what: &'static str, expected: impl Into<String>, got: ElemType) -> Problem {
        let (expected, got) = (expected.into(), got.to_string());
        Problem::new(
            15,
            Kind::Element {
                what,
                expected,
                got,
            },
        )
    }

    fn attribute(what: &'static str, expected: &'static str, got: String) -> Problem {
        Problem::new(
            17,
            Kind::Attribute {
                what,
                expected,
                got,
            },
        )
    }

    fn float(what: &'static str, ty: &TensorType) -> Result<ElemType, Problem> {
        if ty.elem.is_float() {
            Ok(ty.elem)
        } else {
            Err(Self::element(what, "floats", ty.elem))
        }
    }

    fn number(what: &'static str, ty: &TensorType) -> Result<ElemType, Problem> {
        if ty.elem == ElemType::Bool {
            return Err(Self::element(what, "numbers", ty.elem));
        }
        Ok(ty.elem)
    }

    fn exact(what: &'static str, ty: &TensorType, elem: ElemType) -> Result<(), Problem> {
        if ty.elem == elem {
            Ok(())
        } else {
            Err(Self::element(what, elem.name(), ty.elem))
        }
    }

    /// An index or pointer tensor: `i64[size]`; gives the size.
    fn index<'t>(&self, what: &'static str, ty: &'t TensorType) -> Result<&'t Size, Problem> {
        Self::exact(what, ty, ElemType::I64)?;
        match ty.dims.as_slice() {
            [size] => Ok(size),
            _ => Err(self.shape(what, "rank 1", ty)),
        }
    }

    /// Number of rows, and the sizes of the other axes.
    fn rows<'t>(
        &self,
        what: &'static str,
        ty: &'t TensorType,
    ) -> Result<(&'t Size, &'t [Size]), Problem> {
        ty.dims
            .split_first()
            .ok_or_else(|| self.shape(what, "rank 1 or more", ty))
    }

    fn axis<'t>(&self, ty: &'t TensorType, axis: u32) -> Result<&'t Size, Problem> {
        let found = usize::try_from(axis)
            .ok()
            .and_then(|axis| ty.dims.get(axis));
        found.ok_or_else(|| {
            let expected = format!("an axis of {}", self.words().tensor_type(ty));
            Problem::new(
                16,
                Kind::Axis {
                    expected,
                    got: axis,
                },
            )
        })
    }

    /// The dimensions with that of one axis replaced.
    fn with_axis(&self, ty: &TensorType, axis: u32, size: Size) -> Result<Vec<Size>, Problem> {
        self.axis(ty, axis)?;
        let mut dims = ty.dims.clone();
        if let Some(dim) = usize::try_from(axis)
            .ok()
            .and_then(|axis| dims.get_mut(axis))
        {
            *dim = size;
        }
        Ok(dims)
    }

    /// Checks that an attribute is not below zero where it is fixed.
    fn count(&self, what: &'static str, size: &Size) -> Result<(), Problem> {
        if size.as_fixed().is_some_and(|fixed| fixed < 0) {
            return Err(Self::attribute(what, "at least 0", self.words().size(size)));
        }
        Ok(())
    }

    /// Checks that a scalar can be an operand of the element type.
    fn scalar(&self, scalar: &Scalar, elem: ElemType) -> Result<(), Problem> {
        let (fits, expected) = match elem {
            ElemType::Bool => (matches!(scalar, Scalar::Bool(_)), "a boolean"),
            ElemType::I64 => (matches!(scalar, Scalar::Int(_)), "an integer"),
            ElemType::F32 | ElemType::F64 | ElemType::F16 | ElemType::BF16 => {
                (!matches!(scalar, Scalar::Bool(_)), "a number")
            }
        };
        if fits {
            return Ok(());
        }
        Err(Self::attribute(
            "the scalar",
            expected,
            self.words().scalar(scalar),
        ))
    }

    fn probability(prob: Float) -> Result<(), Problem> {
        if (0.0..=1.0).contains(&prob.0) {
            return Ok(());
        }
        let got = format!("{:?}", prob.0);
        Err(Self::attribute(
            "the probability",
            "a number from 0 to 1",
            got,
        ))
    }

    fn momentum(momentum: Float) -> Result<(), Problem> {
        if (0.0..=1.0).contains(&momentum.0) {
            return Ok(());
        }
        let got = format!("{:?}", momentum.0);
        Err(Self::attribute("the momentum", "a number from 0 to 1", got))
    }

    fn epsilon(epsilon: Float) -> Result<(), Problem> {
        if epsilon.0.is_finite() && epsilon.0 >= 0.0 {
            return Ok(());
        }
        Err(Self::attribute(
            "epsilon",
            "a number of at least 0",
            format!("{:?}", epsilon.0),
        ))
    }
}

/// A list of one output type.
fn one(elem: ElemType, dims: Vec<Size>) -> Vec<TensorType> {
    vec![TensorType { elem, dims }]
}

fn overflow() -> Problem {
    Problem::new(16, Kind::SizeOverflow)
}
