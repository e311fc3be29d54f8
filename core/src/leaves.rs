//! The tensors inside structured values, by name.

use std::collections::BTreeMap;

use burn::tensor::{Bool, Int, Tensor};

use crate::any_tensor::AnyTensor;

/// A value made of tensors, each of which has a dotted name.
///
/// A layer passes its arguments through a recording as leaves, so that a pair, an optional weight
/// or a graph travels as what it is.
///
/// | value | leaves of `map_leaves("x", ..)` |
/// |---|---|
/// | tensor | `x` |
/// | `Option` | those of the value inside, none if absent |
/// | tuple, `Vec` | `x.0`, `x.1`, .. |
/// | `BTreeMap<String, _>` | `x.paper`, `x."field of study"`, .. |
/// | [`EdgeIndex`](crate::EdgeIndex) | `x` |
/// | [`Adjacency`](crate::Adjacency) | `x.rowptr`, `x.col`, `x.value` |
/// | [`Nodes`](crate::Nodes) | `x`, or `x.0` and `x.1` for a pair |
/// | a record (see [`leaves!`](crate::leaves)) | the names of its fields |
pub trait Leaves: Sized {
    /// Replaces every tensor by what `f` makes of its name and it.
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self;
}

/// Name of a part: `x.0`, or `0` where the whole has no name.
pub fn part(name: &str, part: impl core::fmt::Display) -> String {
    if name.is_empty() {
        part.to_string()
    } else {
        format!("{name}.{part}")
    }
}

/// Name of the value of a key: `x.paper`, or `x."field of study"` where the key is no identifier.
pub fn entry(name: &str, key: &str) -> String {
    let is_word = |next: char| next.is_ascii_alphanumeric() || next == '_';
    if key.chars().all(is_word)
        && !key.starts_with(|first: char| first.is_ascii_digit())
        && !key.is_empty()
    {
        part(name, key)
    } else {
        part(name, quoted(key))
    }
}

/// A text in double quotes; quotes, backslashes and control characters are escaped.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for next in text.chars() {
        match next {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            next if next.is_control() => {
                quoted += "\\";
                quoted.extend(next.escape_unicode().skip(1));
            }
            next => quoted.push(next),
        }
    }
    quoted.push('"');
    quoted
}

impl<const D: usize> Leaves for Tensor<D> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        f(name.to_owned(), AnyTensor::from(self)).float()
    }
}

impl<const D: usize> Leaves for Tensor<D, Int> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        f(name.to_owned(), AnyTensor::from(self)).int()
    }
}

impl<const D: usize> Leaves for Tensor<D, Bool> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        f(name.to_owned(), AnyTensor::from(self)).bool()
    }
}

impl<T: Leaves> Leaves for Option<T> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        self.map(|value| value.map_leaves(name, f))
    }
}

impl<T: Leaves> Leaves for Vec<T> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        self.into_iter()
            .enumerate()
            .map(|(position, value)| value.map_leaves(&part(name, position), f))
            .collect()
    }
}

impl<T: Leaves> Leaves for BTreeMap<String, T> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        self.into_iter()
            .map(|(key, value)| {
                let value = value.map_leaves(&entry(name, &key), f);
                (key, value)
            })
            .collect()
    }
}

macro_rules! tuple_leaves {
    ($($ty:ident $field:tt),+) => {
        impl<$($ty: Leaves),+> Leaves for ($($ty,)+) {
            fn map_leaves(
                self,
                name: &str,
                f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor,
            ) -> Self {
                ($(self.$field.map_leaves(&part(name, $field), f),)+)
            }
        }
    };
}

tuple_leaves!(A 0);
tuple_leaves!(A 0, B 1);
tuple_leaves!(A 0, B 1, C 2);
tuple_leaves!(A 0, B 1, C 2, D 3);
tuple_leaves!(A 0, B 1, C 2, D 3, E 4);
tuple_leaves!(A 0, B 1, C 2, D 3, E 4, F 5);

/// Implements [`Leaves`] for a struct whose fields all implement it; the leaves have the fields'
/// names.
///
/// ```
/// use burn::tensor::Tensor;
///
/// struct Arguments {
///     x: Tensor<2>,
///     edge_weight: Option<Tensor<1>>,
/// }
/// kiln_core::leaves!(Arguments { x, edge_weight });
/// ```
///
/// `leaves!(Arguments { x, weight as edge_weight })` gives the leaf of a field another name.
#[macro_export]
macro_rules! leaves {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $leaf:ident) => { stringify!($leaf) };
    ($record:ident { $($field:ident $(as $leaf:ident)?),* $(,)? }) => {
        impl $crate::Leaves for $record {
            fn map_leaves(
                self,
                name: &str,
                f: &mut dyn FnMut(
                    ::std::string::String,
                    $crate::AnyTensor,
                ) -> $crate::AnyTensor,
            ) -> Self {
                Self {
                    $($field: $crate::Leaves::map_leaves(
                        self.$field,
                        &$crate::leaf_name(name, $crate::leaves!(@name $field $($leaf)?)),
                        f,
                    ),)*
                }
            }
        }
    };
}
