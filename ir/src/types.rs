//! Types of values, parameters and results.

use core::{fmt, slice};

pub use kiln_core::signature::Literal;

use crate::{id::SymbolId, op::attribute::words, size::Size};

/// Deepest nesting of a parameter's type in a valid program.
pub const MAX_TYPE_DEPTH: usize = 16;

/// Element type of a tensor in a program.
///
/// Integers wrap beyond their bits, as PyTorch's do; those that say where, such as the ends of
/// edges, are `I64`. An executor may hold integers in more or fewer bits where that makes no
/// difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElemType {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 16-bit float.
    F16,
    /// Brain float.
    BF16,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 8-bit unsigned integer.
    U8,
    /// Boolean.
    Bool,
}

impl ElemType {
    /// Whether this is a floating point type.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::F16 | Self::BF16)
    }

    /// Whether this is an integer type.
    pub fn is_int(self) -> bool {
        self.int_range().is_some()
    }

    /// The least and the greatest integer of an integer type.
    pub fn int_range(self) -> Option<[i64; 2]> {
        match self {
            Self::I64 => Some([i64::MIN, i64::MAX]),
            Self::I32 => Some([i32::MIN.into(), i32::MAX.into()]),
            Self::U8 => Some([0, u8::MAX.into()]),
            Self::F32 | Self::F64 | Self::F16 | Self::BF16 | Self::Bool => None,
        }
    }

    /// Whether an integer type has the integer; types that are not of integers have any.
    pub(crate) fn has_integer(self, value: i64) -> bool {
        let range = self.int_range();
        range.is_none_or(|[low, high]| (low..=high).contains(&value))
    }

    /// Bytes of an element in a file; a boolean takes one.
    pub fn size_bytes(self) -> u64 {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::U8 | Self::Bool => 1,
        }
    }
}

words!(ElemType {
    F32 "f32", F64 "f64", F16 "f16", BF16 "bf16", I64 "i64", I32 "i32", U8 "u8",
    Bool "bool",
});

impl fmt::Display for ElemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Type of a tensor value: element type and one symbolic size per axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub elem: ElemType,
    /// Sizes of the axes.
    pub dims: Vec<Size>,
}

/// Type of a value of a function: a tensor or an integer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A tensor.
    Tensor(TensorType),
    /// An integer that is the value of a symbol: a function input, or the result of
    /// [`Op::Symbol`](crate::op::Op::Symbol).
    Int(SymbolId),
}

/// Type of a method's parameter or result. Those of a valid program nest at most
/// [`MAX_TYPE_DEPTH`] levels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A tensor.
    Tensor(TensorType),
    /// `(rowptr, col, value)`: a graph in CSR form by target. Leaves in that order; `value` is
    /// an optional leaf. Types are those of the leaves.
    Adjacency(Box<[TensorType; 3]>),
    /// A value that may be absent.
    Optional(Box<Type>),
    /// Several values.
    Tuple(Vec<Type>),
    /// Values by key, such as the features of each node type. Keys are any text, and each stands
    /// once.
    Dict(Vec<(String, Type)>),
    /// Values of one type in order, such as the outputs of all layers. How many there are is a part
    /// of the program.
    List(Vec<Type>),
    /// `(int, int)`: number of source and target nodes. A parameter of this type is optional
    /// and binds the two symbols.
    Size([SymbolId; 2]),
    /// A boolean parameter that is `true` for this method; it only selects among overloads.
    Flag,
    /// An integer that is the value of a symbol. A parameter of this type stands by itself; one
    /// that is [`Optional`](Self::Optional) need not be given where other inputs show the symbol.
    Int(SymbolId),
    /// A float, which functions take as a tensor of one element: a leaf of this type, whose only
    /// axis has the size 1.
    Float(TensorType),
    /// A boolean or a text that has this value for this method; it only selects among overloads.
    Literal(Literal),
}

impl Type {
    /// A float parameter whose tensor has this element type.
    pub fn float(elem: ElemType) -> Self {
        Self::Float(Self::float_tensor(elem))
    }

    /// The type of a float parameter's tensor.
    pub(crate) fn float_tensor(elem: ElemType) -> TensorType {
        let dims = vec![Size::fixed(1)];
        TensorType { elem, dims }
    }

    /// The types that this one is made of, in order; none for a type that is one itself.
    pub fn parts(&self) -> impl Iterator<Item = &Self> {
        let (items, entries): (&[Self], &[(String, Self)]) = match self {
            Self::Optional(inner) => (slice::from_ref(inner), &[]),
            Self::Tuple(items) | Self::List(items) => (items, &[]),
            Self::Dict(entries) => (&[], entries),
            Self::Tensor(_)
            | Self::Adjacency(_)
            | Self::Size(_)
            | Self::Flag
            | Self::Int(_)
            | Self::Float(_)
            | Self::Literal(_) => (&[], &[]),
        };
        items.iter().chain(entries.iter().map(|(_, ty)| ty))
    }

    /// Whether this type, or a part of it, is optional.
    pub fn has_optional(&self) -> bool {
        matches!(self, Self::Optional(_)) || self.parts().any(Self::has_optional)
    }

    /// An integer or a literal among the parts of this type, in words. Parts below a depth are left
    /// out.
    pub(crate) fn stray(&self, depth: usize) -> Option<&'static str> {
        let below = depth.checked_sub(1)?;
        match self {
            Self::Int(_) => Some("an integer"),
            Self::Literal(_) => Some("a literal"),
            _ => self.parts().find_map(|part| part.stray(below)),
        }
    }
}
