//! Attributes of operations: what each can hold, and one form for all.
//!
//! Printer, parser, file format, passes and tests treat every operation alike: they see attributes
//! by name, each as a [`Value`] of one of the [kinds](Kind).

use core::fmt;

use super::scalar::{Float, Scalar};
use crate::size::Size;

/// What an attribute can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of several words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A number without a sign, such as an axis.
    Integer,
    /// A list of such numbers.
    Integers,
    /// A float.
    Float,
    /// A float, or nothing.
    OptionalFloat,
    /// A number or a boolean.
    Scalar,
    /// A number or a boolean, or nothing.
    OptionalScalar,
    /// A size, which may depend on symbols.
    Size,
    /// A list of sizes.
    Sizes,
    /// A list of ranges, each with its first element and the first behind it.
    Ranges,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Word(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                return f.write_str(&words.join(" or "));
            }
            Self::Bool => "`true` or `false`",
            Self::Integer => "an integer",
            Self::Integers => "integers",
            Self::Float => "a float",
            Self::OptionalFloat => "a float or `none`",
            Self::Scalar => "a scalar",
            Self::OptionalScalar => "a scalar or `none`",
            Self::Size => "a size",
            Self::Sizes => "sizes",
            Self::Ranges => "ranges",
        })
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the kinds")]
pub enum Value {
    Word(&'static str),
    Bool(bool),
    Integer(u32),
    Integers(Vec<u32>),
    Float(Float),
    OptionalFloat(Option<Float>),
    Scalar(Scalar),
    OptionalScalar(Option<Scalar>),
    Size(Size),
    Sizes(Vec<Size>),
    Ranges(Vec<(Size, Size)>),
}

/// Why names and values make no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamedError {
    /// No operation has the name.
    #[error("there is no operation `{operation}`")]
    Operation {
        /// The name.
        operation: String,
    },
    /// The operation has no attribute of the name.
    #[error("`{operation}` has no attribute `{attribute}`")]
    Attribute {
        /// The operation.
        operation: String,
        /// The name.
        attribute: String,
    },
    /// An attribute stands twice.
    #[error("`{operation}` has two values of `{attribute}`")]
    Twice {
        /// The operation.
        operation: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// An attribute is absent that has no default.
    #[error("`{operation}` has no value of `{attribute}`")]
    Missing {
        /// The operation.
        operation: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// The value of an attribute is of another kind.
    #[error("`{operation}`: expected {expected} as `{attribute}`")]
    Value {
        /// The operation.
        operation: String,
        /// The attribute.
        attribute: &'static str,
        /// What it can hold.
        expected: Kind,
    },
}

/// A type that attributes have.
pub(crate) trait AttributeType: Sized {
    /// What it can hold.
    const KIND: Kind;

    /// The attribute's value.
    fn to_value(&self) -> Value;

    /// The attribute of a value; `None` where the value is of another kind.
    fn from_value(value: Value) -> Option<Self>;

    /// The word, if it is one.
    fn word(&self) -> Option<&'static str> {
        None
    }

    /// Adds the sizes in it, whose values are needed to execute the operation.
    fn sizes<'a>(&'a self, _: &mut Vec<&'a Size>) {}

    /// As [`sizes`](Self::sizes), to change them.
    fn sizes_mut<'a>(&'a mut self, _: &mut Vec<&'a mut Size>) {}

    /// Adds the floats in it, to change them.
    fn floats_mut<'a>(&'a mut self, _: &mut Vec<&'a mut Float>) {}

    /// Adds the scalars in it.
    fn scalars<'a>(&'a self, _: &mut Vec<&'a Scalar>) {}
}

/// `attribute!(Type, Kind)`: a type that has a kind of its own, with the methods that find its
/// parts.
macro_rules! attribute {
    ($ty:ty, $kind:ident $(, $method:item)*) => {
        impl AttributeType for $ty {
            const KIND: Kind = Kind::$kind;

            fn to_value(&self) -> Value {
                Value::$kind(self.clone())
            }

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$kind(value) => Some(value),
                    _ => None,
                }
            }

            $($method)*
        }
    };
}

attribute!(bool, Bool);
attribute!(u32, Integer);
attribute!(Vec<u32>, Integers);
attribute!(
    Float,
    Float,
    fn floats_mut<'a>(&'a mut self, floats: &mut Vec<&'a mut Float>) {
        floats.push(self);
    }
);
attribute!(
    Option<Float>,
    OptionalFloat,
    fn floats_mut<'a>(&'a mut self, floats: &mut Vec<&'a mut Float>) {
        floats.extend(self);
    }
);
attribute!(
    Scalar,
    Scalar,
    fn sizes<'a>(&'a self, sizes: &mut Vec<&'a Size>) {
        sizes.extend(self.as_size());
    },
    fn sizes_mut<'a>(&'a mut self, sizes: &mut Vec<&'a mut Size>) {
        if let Scalar::Int(size) = self {
            sizes.push(size);
        }
    },
    fn floats_mut<'a>(&'a mut self, floats: &mut Vec<&'a mut Float>) {
        if let Scalar::Float(float) = self {
            floats.push(float);
        }
    },
    fn scalars<'a>(&'a self, scalars: &mut Vec<&'a Scalar>) {
        scalars.push(self);
    }
);
attribute!(
    Option<Scalar>,
    OptionalScalar,
    fn sizes<'a>(&'a self, sizes: &mut Vec<&'a Size>) {
        sizes.extend(self.iter().filter_map(Scalar::as_size));
    },
    fn sizes_mut<'a>(&'a mut self, sizes: &mut Vec<&'a mut Size>) {
        if let Some(scalar) = self {
            scalar.sizes_mut(sizes);
        }
    },
    fn floats_mut<'a>(&'a mut self, floats: &mut Vec<&'a mut Float>) {
        if let Some(scalar) = self {
            scalar.floats_mut(floats);
        }
    },
    fn scalars<'a>(&'a self, scalars: &mut Vec<&'a Scalar>) {
        scalars.extend(self);
    }
);
attribute!(
    Size,
    Size,
    fn sizes<'a>(&'a self, sizes: &mut Vec<&'a Size>) {
        sizes.push(self);
    },
    fn sizes_mut<'a>(&'a mut self, sizes: &mut Vec<&'a mut Size>) {
        sizes.push(self);
    }
);
attribute!(
    Vec<Size>,
    Sizes,
    fn sizes<'a>(&'a self, sizes: &mut Vec<&'a Size>) {
        sizes.extend(self);
    },
    fn sizes_mut<'a>(&'a mut self, sizes: &mut Vec<&'a mut Size>) {
        sizes.extend(self);
    }
);
attribute!(
    Vec<(Size, Size)>,
    Ranges,
    fn sizes<'a>(&'a self, sizes: &mut Vec<&'a Size>) {
        sizes.extend(self.iter().flat_map(|(start, end)| [start, end]));
    },
    fn sizes_mut<'a>(&'a mut self, sizes: &mut Vec<&'a mut Size>) {
        sizes.extend(self.iter_mut().flat_map(|(start, end)| [start, end]));
    }
);

/// `words!(Type { Variant "word", ... })`: an enum without fields as an attribute.
macro_rules! words {
    ($ty:ident { $($variant:ident $word:literal),* $(,)? }) => {
        impl $ty {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Word of each variant, in the same order.
            pub const WORDS: &[&str] = &[$($word),*];

            /// Word in the text form.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }
        }

        $crate::op::attribute::word_attribute!($ty, $ty::WORDS);
    };
}

/// An enum that has `ALL` and `name`, with the words that it gives.
macro_rules! word_attribute {
    ($ty:ident, $words:expr) => {
        impl $crate::op::attribute::AttributeType for $ty {
            const KIND: $crate::op::attribute::Kind = $crate::op::attribute::Kind::Word($words);

            fn to_value(&self) -> $crate::op::attribute::Value {
                $crate::op::attribute::Value::Word(self.name())
            }

            fn from_value(value: $crate::op::attribute::Value) -> Option<Self> {
                match value {
                    $crate::op::attribute::Value::Word(word) => {
                        $ty::ALL.iter().copied().find(|one| one.name() == word)
                    }
                    _ => None,
                }
            }

            fn word(&self) -> Option<&'static str> {
                Some(self.name())
            }
        }
    };
}

pub(crate) use word_attribute;
pub(crate) use words;
