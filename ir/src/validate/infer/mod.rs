//! Invariants 14 to 18 of single operations: the types of the outputs that follow from the inputs.
//!
//! One file per family. Each rule is the rule of the Burn or Kiln operation of the same name, on
//! symbolic sizes: two sizes are equal only if their normal forms are, and a size broadcasts
//! only if it is the number 1.

#![deny(clippy::wildcard_enum_match_arm)]

mod dense;
mod elementwise;
mod graph;
mod reduce;
mod shape;

use super::Kind;
use crate::{
    op::{Class, Float, Op, Scalar, Spec},
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

/// The rules, for operations of a program.
pub(super) struct Infer<'a>(pub &'a Program);

impl Infer<'_> {
    /// Types of the outputs of an operation. Calls, loops and `symbol` have no rule here; the size
    /// of a `nonzero` is that of its mask, which it cannot exceed.
    pub(super) fn op(&self, op: &Op, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Problem> {
        Self::arity(op, inputs.len())?;
        let types = match op {
            Op::Weight(id) => self.weight(*id),
            Op::Call(_) | Op::Symbol(_) | Op::Scan(_) => Ok(Vec::new()),
            Op::Elementwise(op) => self.elementwise_op(op, inputs),
            Op::Shape(op) => self.shape_op(op, inputs),
            Op::Reduce(op) => self.reduce_op(op, inputs),
            Op::Dense(op) => self.dense_op(op, inputs),
            Op::Graph(op) => self.graph_op(op, inputs),
        }?;
        op.spec()
            .map_or(Ok(()), |spec| Self::classes(spec, inputs))?;
        Ok(types)
    }

    /// Whether an operation takes so many operands.
    fn arity(op: &Op, got: usize) -> Result<(), Problem> {
        let (least, most) = op.spec().map_or((0, 0), Spec::arity);
        if (least..=most).contains(&got) {
            return Ok(());
        }
        let expected = match most {
            usize::MAX => format!("at least {least}"),
            most if most == least => least.to_string(),
            most => format!("{least} to {most}"),
        };
        let what = "inputs";
        let kind = Kind::Count {
            what,
            expected,
            got,
        };
        Err(Problem::new(14, kind))
    }

    /// Whether the operands have the element types that the declaration gives them.
    fn classes(spec: &Spec, inputs: &[&TensorType]) -> Result<(), Problem> {
        let first = inputs.first().map(|ty| ty.elem);
        for (position, ty) in inputs.iter().enumerate() {
            let Some(operand) = spec.operand(position) else {
                break;
            };
            let (fits, expected) = match operand.class {
                Class::Float => (ty.elem.is_float(), "floats"),
                Class::Number => (ty.elem != ElemType::Bool, "numbers"),
                Class::Int => (ty.elem == ElemType::I64, ElemType::I64.name()),
                Class::Bool => (ty.elem == ElemType::Bool, ElemType::Bool.name()),
                Class::Any => (true, ""),
                Class::Same => (Some(ty.elem) == first, first.map_or("", ElemType::name)),
            };
            if !fits {
                let what = match operand.name {
                    letter if letter.len() == 1 => letter.to_owned(),
                    name => format!("the {}", name.replace('_', " ")),
                };
                return Err(Self::element(what, expected, ty.elem));
            }
        }
        Ok(())
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

    fn element(what: impl Into<String>, expected: impl Into<String>, got: ElemType) -> Problem {
        let (what, expected, got) = (what.into(), expected.into(), got.to_string());
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

    /// An index or pointer tensor, `i64[size]`; gives the size.
    fn index<'t>(&self, what: &'static str, ty: &'t TensorType) -> Result<&'t Size, Problem> {
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
        let is_within = |[low, high]: [i64; 2]| match scalar {
            Scalar::Int(size) => size
                .as_fixed()
                .is_none_or(|fixed| (low..=high).contains(&fixed)),
            Scalar::Float(_) | Scalar::Bool(_) => false,
        };
        let (fits, expected) = match (elem, elem.int_range()) {
            (ElemType::Bool, _) => (matches!(scalar, Scalar::Bool(_)), "a boolean"),
            (ElemType::I32, Some(range)) => (is_within(range), "an integer of 32 bits"),
            (ElemType::U8, Some(range)) => (is_within(range), "an integer from 0 to 255"),
            (_, Some(range)) => (is_within(range), "an integer"),
            (_, None) => (!matches!(scalar, Scalar::Bool(_)), "a number"),
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
