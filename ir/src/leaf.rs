//! The tensors inside structured types, and their names.
//!
//! A method takes pairs, optional values and graphs; a function takes flat tensors. The *leaves* of
//! a method's parameters, in order, connect the two. They have dotted names, which are those that a
//! caller of [`Session::run`](crate::Session::run) uses:
//!
//! | parameter | leaves |
//! |---|---|
//! | `x: f32[$N, 8]` | `x` |
//! | `x: (f32[$N, 8], f32[$M, 8]?)` | `x.0`, `x.1` (optional) |
//! | `xs: [f32[$N, 8], f32[$N, 4]]` | `xs.0`, `xs.1` |
//! | `x_dict: {paper: f32[$P, 8], "field of study": f32[$F, 8]}` | `x_dict.paper`, `x_dict."field of study"` |
//! | `edge_index: csr(i64[$N + 1], i64[$E], f32[$E])` | `edge_index.rowptr`, `edge_index.col`, `edge_index.value` (optional) |
//! | `t: float f32` | `t`, a tensor of one element |
//! | `size: size($N, $M)`, `count: int $B`, `flag` and `mode: "mean"` | none |

use core::slice;

pub use kiln_core::entry_name;

pub use crate::types::MAX_TYPE_DEPTH;
use crate::{
    id::SymbolId,
    program::Method,
    types::{Literal, TensorType, Type},
};

/// A tensor inside a parameter or a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// Dotted name, such as `x.0` or `edge_index.rowptr`.
    pub name: String,
    /// Type.
    pub ty: &'a TensorType,
    /// Whether it may be absent.
    pub optional: bool,
}

impl Type {
    /// The tensors inside, in order, with names that start with `name`. Values nested deeper than
    /// [`MAX_TYPE_DEPTH`] are left out; a valid program has none.
    pub fn leaves(&self, name: &str) -> Vec<Leaf<'_>> {
        let mut leaves = Vec::new();
        self.collect(name, false, MAX_TYPE_DEPTH, &mut leaves);
        leaves
    }

    fn collect<'a>(&'a self, name: &str, optional: bool, depth: usize, leaves: &mut Vec<Leaf<'a>>) {
        let Some(below) = depth.checked_sub(1) else {
            return;
        };
        let mut leaf = |name: String, ty, optional| leaves.push(Leaf { name, ty, optional });
        match self {
            Self::Tensor(ty) | Self::Float(ty) => leaf(name.to_owned(), ty, optional),
            Self::Adjacency(parts) => {
                let [rowptr, col, value] = &**parts;
                leaf(format!("{name}.rowptr"), rowptr, optional);
                leaf(format!("{name}.col"), col, optional);
                leaf(format!("{name}.value"), value, true);
            }
            Self::Optional(inner) => inner.collect(name, true, below, leaves),
            Self::Tuple(items) | Self::List(items) => {
                for (position, item) in items.iter().enumerate() {
                    item.collect(&format!("{name}.{position}"), optional, below, leaves);
                }
            }
            Self::Dict(entries) => {
                for (key, ty) in entries {
                    ty.collect(&entry_name(name, key), optional, below, leaves);
                }
            }
            Self::Size(_) | Self::Flag | Self::Int(_) | Self::Literal(_) => {}
        }
    }

    /// Whether types nest at most [`MAX_TYPE_DEPTH`] levels.
    pub(crate) fn is_shallow(&self) -> bool {
        fn within(ty: &Type, depth: usize) -> bool {
            let below = depth.checked_sub(1);
            below.is_some_and(|below| ty.parts().all(|part| within(part, below)))
        }
        within(self, MAX_TYPE_DEPTH)
    }
}

impl Method {
    /// The tensors of all parameters, in order.
    pub fn leaves(&self) -> Vec<Leaf<'_>> {
        self.params
            .iter()
            .flat_map(|param| param.ty.leaves(&param.name))
            .collect()
    }

    /// The tensors of the result, in order, with names that start with `output`.
    pub fn result_leaves(&self) -> Vec<Leaf<'_>> {
        self.result.leaves("output")
    }

    /// The parameters that are integers: of type [`Type::Size`] or [`Type::Int`], in order.
    pub fn sizes(&self) -> impl Iterator<Item = SizeParam<'_>> {
        self.params.iter().filter_map(|param| {
            let (symbols, optional) = match &param.ty {
                Type::Size(symbols) => (symbols.as_slice(), true),
                Type::Int(symbol) => (slice::from_ref(symbol), false),
                Type::Optional(inner) => match &**inner {
                    Type::Int(symbol) => (slice::from_ref(symbol), true),
                    _ => return None,
                },
                Type::Tensor(_)
                | Type::Adjacency(_)
                | Type::Tuple(_)
                | Type::Dict(_)
                | Type::List(_)
                | Type::Flag
                | Type::Float(_)
                | Type::Literal(_) => return None,
            };
            let name = &param.name;
            Some(SizeParam {
                name,
                symbols,
                optional,
            })
        })
    }

    /// Names and values of the parameters of type [`Type::Literal`].
    pub fn literals(&self) -> impl Iterator<Item = (&str, &Literal)> {
        self.params.iter().filter_map(|param| match &param.ty {
            Type::Literal(literal) => Some((param.name.as_str(), literal)),
            _ => None,
        })
    }
}

/// A parameter of a method that is one integer or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeParam<'a> {
    /// Name.
    pub name: &'a str,
    /// The symbols that the integers are the values of.
    pub symbols: &'a [SymbolId],
    /// Whether it may be absent.
    pub optional: bool,
}
