//! The operations of a program.
//!
//! An [`Op`] is an operation with its attributes; operands are values of the [`Node`] around it.
//! Sizes in attributes are symbolic ([`Size`]); their values are known when the operation runs.
//! Each operation's meaning is that of the Burn or Kiln operation of the same name. All float
//! operands of an operation have the same element type.
//!
//! Operations stand in families, one file each, and each is declared once: the enum, its name in
//! text and files, its attributes, operands and effects all follow from the declaration (see
//! [`Spec`]). What is left to say of one is said by matches over its family, without a catch-all
//! arm: the types of its results (`validate/infer`), its execution (`exec`), its TorchScript.
//!
//! [`Node`]: crate::program::Node

#![deny(clippy::wildcard_enum_match_arm)]

pub mod attribute;
mod dense;
mod elementwise;
mod graph;
mod named;
mod reduce;
mod scalar;
mod scan;
mod shape;
mod spec;

use std::borrow::Cow;

use crate::{
    id::{FunctionId, SymbolId, WeightId},
    size::Size,
    types::TensorType,
};

pub use attribute::NamedError;
pub use dense::DenseOp;
pub use elementwise::{Binary, ElementwiseOp, Unary};
pub use graph::GraphOp;
pub use kiln_ops::Reduce;
pub use reduce::{ReduceOp, Reduction};
pub use scalar::{Float, Scalar};
pub use scan::{Scan, ScanOperand};
pub use shape::ShapeOp;
pub use spec::{Attribute, Bound, Class, Count, Effects, Extent, Operand, Spec, When};

use attribute::{AttributeType as _, Value};

/// An operation with its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A weight of the program. No operands.
    Weight(WeightId),
    /// Calls a function that stands before this one. Operands and results are the callee's.
    Call(FunctionId),
    /// The value of a symbol as an integer value (of type [`ValueType::Int`]), to pass it to a
    /// callee that cannot see it in the sizes of its tensors. No operands.
    ///
    /// [`ValueType::Int`]: crate::program::ValueType::Int
    Symbol(SymbolId),
    /// Runs a function that stands before this one once for each step of a loop.
    Scan(Scan),
    /// Constants, elementwise operations, and those with masks.
    Elementwise(ElementwiseOp),
    /// Operations that move elements and change shapes.
    Shape(ShapeOp),
    /// Reductions along axes, and normalisation by them.
    Reduce(ReduceOp),
    /// Products of matrices, and the layers that neural networks consist of.
    Dense(DenseOp),
    /// Message passing.
    Graph(GraphOp),
}

/// Answers a question about an operation: by its family, or the last expression for those without.
macro_rules! by_family {
    ($op:expr, $inner:ident => $answer:expr, else $other:expr) => {
        match $op {
            Op::Elementwise($inner) => $answer,
            Op::Shape($inner) => $answer,
            Op::Reduce($inner) => $answer,
            Op::Dense($inner) => $answer,
            Op::Graph($inner) => $answer,
            Op::Weight(_) | Op::Call(_) | Op::Symbol(_) | Op::Scan(_) => $other,
        }
    };
}

impl Op {
    /// The declarations of all operations but `weight`, `call`, `symbol` and `scan`, family by
    /// family.
    pub fn specs() -> impl Iterator<Item = &'static Spec> {
        [
            ElementwiseOp::SPECS,
            ShapeOp::SPECS,
            ReduceOp::SPECS,
            DenseOp::SPECS,
            GraphOp::SPECS,
        ]
        .into_iter()
        .flatten()
    }

    /// The declaration; `weight`, `call`, `symbol` and `scan` have none.
    pub fn spec(&self) -> Option<&'static Spec> {
        by_family!(self, op => Some(op.spec()), else None)
    }

    /// The declaration that an operation of the name has, and the word that the name is made with.
    pub(crate) fn find(name: &str) -> Option<(&'static Spec, Option<&'static str>)> {
        let (spec, word) = Self::specs().find_map(|spec| Some((spec, spec.word_of(name)?)))?;
        Some((spec, (!word.is_empty()).then_some(word)))
    }

    /// An operation of a declaration; `values` are those of all its attributes, in order. `None` if
    /// one is of another kind than the attribute.
    pub fn new(spec: &Spec, values: &[Value]) -> Option<Self> {
        macro_rules! first_of {
            ($($family:ident),*) => {
                $(if let Some(op) = $family::new(spec, values) {
                    return Some(op.into());
                })*
            };
        }
        first_of!(ElementwiseOp, ShapeOp, ReduceOp, DenseOp, GraphOp);
        None
    }

    /// The attributes and their values in order, without a word that stands in the name.
    pub fn attributes(&self) -> Vec<(&'static Attribute, Value)> {
        let Some(spec) = self.spec() else {
            return Vec::new();
        };
        let values = by_family!(self, op => op.values(), else Vec::new());
        let named = spec.named_attributes();
        let skipped = values.len().saturating_sub(named.len());
        named.iter().zip(values.into_iter().skip(skipped)).collect()
    }

    /// The first word among the attributes: what the name is made with, if it is made with one.
    pub(crate) fn word(&self) -> Option<&'static str> {
        by_family!(self, op => op.word(), else None)
    }

    /// The name in text and files, such as `scatter` or `add_scalar`.
    pub fn name(&self) -> Cow<'static, str> {
        match (self, self.spec()) {
            (Self::Call(_), _) => "call".into(),
            (Self::Symbol(_), _) => "symbol".into(),
            (Self::Scan(_), _) => "scan".into(),
            (_, Some(spec)) if spec.words().is_empty() => spec.name.into(),
            (_, Some(spec)) => spec
                .name
                .replace('*', self.word().unwrap_or_default())
                .into(),
            (_, None) => "weight".into(),
        }
    }

    /// The function that it runs, if it runs one.
    pub fn callee(&self) -> Option<FunctionId> {
        if let Self::Scan(scan) = self {
            return Some(scan.body);
        }
        if let Self::Call(callee) = self {
            Some(*callee)
        } else {
            None
        }
    }

    /// As [`callee`](Self::callee), to change it.
    pub(crate) fn callee_mut(&mut self) -> Option<&mut FunctionId> {
        if let Self::Scan(scan) = self {
            return Some(&mut scan.body);
        }
        if let Self::Call(callee) = self {
            Some(callee)
        } else {
            None
        }
    }

    /// Sizes in the attributes, whose values are needed to execute the operation.
    pub fn sizes(&self) -> Vec<&Size> {
        if let Self::Scan(scan) = self {
            return vec![&scan.times];
        }
        by_family!(self, op => op.sizes(), else Vec::new())
    }

    /// As [`sizes`](Self::sizes), to change them.
    pub(crate) fn sizes_mut(&mut self) -> Vec<&mut Size> {
        if let Self::Scan(scan) = self {
            return vec![&mut scan.times];
        }
        by_family!(self, op => op.sizes_mut(), else Vec::new())
    }

    /// Floats in the attributes.
    pub(crate) fn floats_mut(&mut self) -> Vec<&mut Float> {
        by_family!(self, op => op.floats_mut(), else Vec::new())
    }

    /// Attributes that are scalars.
    pub(crate) fn scalars(&self) -> Vec<&Scalar> {
        by_family!(self, op => op.scalars(), else Vec::new())
    }

    /// What it does besides computing its results.
    pub fn effects(&self) -> &'static Effects {
        self.spec().map_or(&Effects::NONE, |spec| &spec.effects)
    }

    /// Whether the result may be another each time while the model is trained, apart from what a
    /// function that it runs does.
    pub fn is_random(&self) -> bool {
        self.effects().random.is_some_and(|probability| {
            self.attributes().into_iter().any(|(attribute, value)| {
                attribute.name == probability && matches!(value, Value::Float(Float(p)) if p > 0.0)
            })
        })
    }

    /// Whether equal operations on equal operands have equal results; those that run a function
    /// may not.
    pub fn is_pure(&self) -> bool {
        self.callee().is_none() && !self.effects().makes_size && !self.is_random()
    }

    /// What the operands must be whose integers are positions, by the number of the operand, for
    /// operands of these types.
    pub fn index_rules(&self, operands: &[&TensorType]) -> Vec<(usize, IndexRule)> {
        let Some(spec) = self.spec() else {
            return Vec::new();
        };
        let attribute = |name: &str| {
            let mut all = self.attributes().into_iter();
            all.find_map(|(one, value)| (one.name == name).then_some(value))
        };
        let size = |operand: &str, axis: usize| {
            let ty = operands.get(spec.position(operand)?)?;
            ty.dims.get(axis).cloned()
        };
        let value = |extent| match extent {
            Extent::Rows(operand) => size(operand, 0),
            Extent::Attribute(name) => Size::from_value(attribute(name)?),
            Extent::Axis(operand, name) => {
                let axis = u32::from_value(attribute(name)?)?;
                size(operand, usize::try_from(axis).ok()?)
            }
        };
        let rule = |(position, operand): (usize, &Operand)| {
            let rule = match operand.bound? {
                Bound::Below(extent) => IndexRule::Below(value(extent)?),
                Bound::Pointer(extent) => IndexRule::Pointer(value(extent)?),
            };
            Some((position, rule))
        };
        spec.operands.iter().enumerate().filter_map(rule).collect()
    }
}

macro_rules! from_family {
    ($($variant:ident($family:ident)),*) => {
        $(impl From<$family> for Op {
            fn from(op: $family) -> Self {
                Self::$variant(op)
            }
        })*
    };
}

from_family!(
    Elementwise(ElementwiseOp),
    Shape(ShapeOp),
    Reduce(ReduceOp),
    Dense(DenseOp),
    Graph(GraphOp)
);

impl From<Unary> for Op {
    fn from(function: Unary) -> Self {
        ElementwiseOp::Unary { function }.into()
    }
}

impl From<Binary> for Op {
    fn from(function: Binary) -> Self {
        ElementwiseOp::Binary { function }.into()
    }
}

/// What integers must be that are positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexRule {
    /// At least zero and below the size.
    Below(Size),
    /// Starts with zero, never decreases, ends with the size: a row pointer.
    Pointer(Size),
}
