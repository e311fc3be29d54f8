//! Each operation of a program as a TorchScript expression, one file per family.
//!
//! Only forms that PyTorch 1.13 and 2.x read with the same meaning are used. The matches are
//! exhaustive: an operation that is added to the IR must be given its form here.

#![deny(clippy::wildcard_enum_match_arm)]

mod dense;
mod elementwise;
mod graph;
mod reduce;
mod shape;

use kiln_ir::{ElemType, Op, Scalar, Size, TensorType};

use super::{super::error::Error, library::Library, scope::Scope, types};

/// What an operation reads: the names and types of its tensors.
pub(super) struct Operands<'a> {
    /// Name and type of each input.
    pub(super) inputs: Vec<(String, &'a TensorType)>,
    /// Whether the module whose buffers it changes is trained.
    pub(super) training: Option<String>,
}

/// An operation as code.
pub(super) struct Expression {
    /// The expression.
    pub(super) text: String,
    /// Readable names for the results, if they have others than the first operand.
    names: Vec<String>,
}

impl Expression {
    fn named(text: String, name: &str) -> Self {
        Self {
            text,
            names: vec![name.to_owned()],
        }
    }

    /// A readable name for the result at a position.
    pub(super) fn name(&self, position: usize, operands: &Operands<'_>) -> String {
        let name = self.names.get(position).map(String::as_str);
        name.unwrap_or_else(|| operands.line()).to_owned()
    }
}

impl From<String> for Expression {
    fn from(text: String) -> Self {
        Self {
            text,
            names: Vec::new(),
        }
    }
}

impl<'a> Operands<'a> {
    fn name(&self, position: usize) -> &str {
        self.optional(position).unwrap_or_default()
    }

    fn optional(&self, position: usize) -> Option<&str> {
        self.inputs.get(position).map(|(name, _)| name.as_str())
    }

    fn elem(&self) -> Option<ElemType> {
        self.inputs.first().map(|(_, ty)| ty.elem)
    }

    fn dims(&self) -> &'a [Size] {
        self.inputs.first().map_or(&[], |(_, ty)| &ty.dims)
    }

    /// Name of the first operand, without a number at its end.
    fn line(&self) -> &str {
        self.optional(0).map_or("x", stem)
    }
}

/// Writes an operation; `Weight`, `Call`, `Symbol` and `Scan` are the caller's.
pub(super) fn expression(
    scope: &mut Scope<'_>,
    library: &mut Library,
    op: &Op,
    operands: &Operands<'_>,
) -> Result<Expression, Error> {
    let mut writer = Writer {
        scope,
        library,
        operands,
    };
    match op {
        Op::Weight(_) | Op::Call(_) | Op::Symbol(_) | Op::Scan(_) => {
            Err(writer.unsupported(format!("{} as an expression", op.name())))
        }
        Op::Elementwise(op) => writer.elementwise(op),
        Op::Shape(op) => writer.shape(op),
        Op::Reduce(op) => writer.reduce(op),
        Op::Dense(op) => writer.dense(op).map(Expression::from),
        Op::Graph(op) => writer.graph(op),
    }
}

/// What writing an operation needs.
struct Writer<'w, 'a> {
    scope: &'w mut Scope<'a>,
    library: &'w mut Library,
    operands: &'w Operands<'w>,
}

impl Writer<'_, '_> {
    fn unsupported(&self, what: String) -> Error {
        Error::Unsupported {
            place: self.scope.place.clone(),
            what,
        }
    }

    /// A scalar that is not a boolean.
    fn scalar(&mut self, value: &Scalar) -> Result<String, Error> {
        match value {
            Scalar::Float(value) => Ok(types::float(value.0)),
            Scalar::Int(value) => self.scope.size(value),
            Scalar::Bool(_) => Err(self.unsupported("a boolean where a number belongs".to_owned())),
        }
    }
}

/// A name without the number at its end.
pub(super) fn stem(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((stem, number)) if !stem.is_empty() && number.parse::<u64>().is_ok() => stem,
        _ => name,
    }
}
