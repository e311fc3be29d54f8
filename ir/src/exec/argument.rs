//! What a caller passes to a method.

use core::fmt;
use std::collections::BTreeMap;

use burn::tensor::{Bool, Int, Tensor};
use kiln_core::{AnyTensor, signature::Literal};

use super::inputs::type_of;

/// An argument of a method: a tensor, or a number, boolean or text for a parameter that is one.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A tensor.
    Tensor(AnyTensor),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A boolean or a text.
    Literal(Literal),
}

/// The arguments of a call, whatever they are given as.
pub(super) fn arguments<A: Into<Argument>>(
    inputs: BTreeMap<String, A>,
) -> BTreeMap<String, Argument> {
    let inputs = inputs.into_iter();
    inputs.map(|(name, input)| (name, input.into())).collect()
}

/// The type as in signatures: `f32[5, 4]`, `int`, `"mean"`.
impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor(tensor) => f.write_str(&type_of(tensor)),
            Self::Int(_) => f.write_str("int"),
            Self::Float(_) => f.write_str("float"),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

macro_rules! from {
    ($(($($generic:tt)*) $from:ty => |$value:ident| $argument:expr;)*) => {
        $(impl $($generic)* From<$from> for Argument {
            fn from($value: $from) -> Self {
                $argument
            }
        })*
    };
}

from! {
    () AnyTensor => |tensor| Self::Tensor(tensor);
    (<const D: usize>) Tensor<D> => |tensor| Self::Tensor(tensor.into());
    (<const D: usize>) Tensor<D, Int> => |tensor| Self::Tensor(tensor.into());
    (<const D: usize>) Tensor<D, Bool> => |tensor| Self::Tensor(tensor.into());
    () i64 => |value| Self::Int(value);
    () f64 => |value| Self::Float(value);
    () bool => |value| Self::Literal(value.into());
    () &str => |text| Self::Literal(text.into());
    () String => |text| Self::Literal(text.into());
    () Literal => |literal| Self::Literal(literal);
}
