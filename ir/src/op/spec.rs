//! What an operation is, apart from what it computes: name, attributes, operands, effects.

use super::attribute::{Kind, Value};

/// The declaration of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Name of the variant, such as `Scatter`. No two operations share it.
    pub variant: &'static str,
    /// Name in the text form and in files. A `*` stands for the word of the first attribute, as in
    /// `reduce_*`.
    pub name: &'static str,
    /// What it computes.
    pub doc: &'static str,
    /// The attributes, in order.
    pub attributes: &'static [Attribute],
    /// What it reads, in order.
    pub operands: &'static [Operand],
    /// Number of results.
    pub results: usize,
    /// What else matters to who executes or moves it.
    pub effects: Effects,
}

/// A constant of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Name in the text form and in files.
    pub name: &'static str,
    /// What it can hold.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
    /// Its value in files that do not have it.
    pub default: Option<fn() -> Value>,
}

/// A value that an operation reads.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    /// Name, for messages and documentation.
    pub name: &'static str,
    /// Element types that it can have.
    pub class: Class,
    /// How many there are.
    pub count: Count,
    /// What its integers must be, where they are positions.
    pub bound: Option<Bound>,
    /// Whether its integers are sorted on the host, unless they are known before.
    pub is_sorted: When,
}

/// Element types of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Floats.
    Float,
    /// Floats or integers.
    Number,
    /// Integers, `i64`.
    Int,
    /// Booleans.
    Bool,
    /// Any.
    Any,
    /// That of the first operand.
    Same,
}

/// How often an operand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Once.
    One,
    /// Once or not at all; only optional operands follow.
    Optional,
    /// Once or more; nothing follows.
    Many,
}

/// What integers must be that an operation uses as positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At least zero and below the extent.
    Below(Extent),
    /// From zero, never decreasing, to the extent: a row pointer.
    Pointer(Extent),
}

/// A number that bounds positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The value of an attribute.
    Attribute(&'static str),
    /// Number of rows of an operand.
    Rows(&'static str),
    /// Size of an operand along the axis that an attribute names.
    Axis(&'static str, &'static str),
}

/// For which operations of a declaration something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// None.
    Never,
    /// All.
    Always,
    /// Those of which a word among the attributes is one of these.
    Word(&'static [&'static str]),
}

/// What an operation does besides computing its results from its operands.
#[derive(Clone, Copy, Debug)]
pub struct Effects {
    /// The attribute that is the probability of chance results, above zero.
    pub random: Option<&'static str>,
    /// Whether values of operands are read back to the host.
    pub reads_back: When,
    /// Whether values of operands are read back to the host if they are integers.
    pub reads_integers: When,
    /// Whether integers of the results may be greater than those of the operands.
    pub widens: When,
    /// Whether the length of the result is a new symbol.
    pub makes_size: bool,
    /// Whether the result is certainly not the memory of an operand.
    pub is_fresh: bool,
    /// Whether it stands for several other operations.
    pub is_fused: bool,
}

impl Spec {
    /// Least and largest number of operands.
    pub fn arity(&self) -> (usize, usize) {
        let is_optional = |operand: &&Operand| operand.count == Count::Optional;
        let optional = self.operands.iter().filter(is_optional).count();
        let is_open = self.operands.iter().any(|one| one.count == Count::Many);
        let most = if is_open {
            usize::MAX
        } else {
            self.operands.len()
        };
        (self.operands.len().saturating_sub(optional), most)
    }

    /// The operand at a position.
    pub fn operand(&self, position: usize) -> Option<&Operand> {
        let many = || self.operands.last().filter(|one| one.count == Count::Many);
        self.operands.get(position).or_else(many)
    }

    /// Position of an operand.
    pub(crate) fn position(&self, operand: &str) -> Option<usize> {
        self.operands.iter().position(|one| one.name == operand)
    }

    /// The attributes that do not stand in the name.
    pub fn named_attributes(&self) -> &'static [Attribute] {
        match self.attributes {
            [_, rest @ ..] if self.name.contains('*') => rest,
            all => all,
        }
    }

    /// The words that the name can be made with; none if it always is the same.
    pub fn words(&self) -> &'static [&'static str] {
        match self.attributes {
            [
                Attribute {
                    kind: Kind::Word(words),
                    ..
                },
                ..,
            ] if self.name.contains('*') => words,
            _ => &[],
        }
    }

    /// The names of its operations: one, or one for each word.
    pub fn names(&self) -> Vec<String> {
        match self.words() {
            [] => vec![self.name.to_owned()],
            words => {
                let name = |word: &&str| self.name.replace('*', word);
                words.iter().map(name).collect()
            }
        }
    }

    /// The word that the name is made with, empty if it always is the same; `None` if no operation
    /// of this declaration has the name.
    pub(crate) fn word_of(&self, name: &str) -> Option<&'static str> {
        let Some((before, after)) = self.name.split_once('*') else {
            return (self.name == name).then_some("");
        };
        let word = name.strip_prefix(before)?.strip_suffix(after)?;
        self.words().iter().find(|one| **one == word).copied()
    }
}

impl Attribute {
    pub(crate) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            doc,
            default: None,
        }
    }

    pub(crate) const fn or(self, default: fn() -> Value) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }
}

impl Operand {
    /// An operand that stands once.
    pub(crate) const fn one(name: &'static str, class: Class) -> Self {
        Self {
            name,
            class,
            count: Count::One,
            bound: None,
            is_sorted: When::Never,
        }
    }

    pub(crate) const fn optional(self) -> Self {
        Self {
            count: Count::Optional,
            ..self
        }
    }

    pub(crate) const fn many(self) -> Self {
        Self {
            count: Count::Many,
            ..self
        }
    }

    pub(crate) const fn below(self, extent: Extent) -> Self {
        Self {
            bound: Some(Bound::Below(extent)),
            ..self
        }
    }

    pub(crate) const fn pointer(self, extent: Extent) -> Self {
        Self {
            bound: Some(Bound::Pointer(extent)),
            ..self
        }
    }

    pub(crate) const fn sorted(self) -> Self {
        Self {
            is_sorted: When::Always,
            ..self
        }
    }

    pub(crate) const fn sorted_for(self, words: &'static [&'static str]) -> Self {
        Self {
            is_sorted: When::Word(words),
            ..self
        }
    }
}

impl When {
    /// Whether it holds for an operation with the word, if it has any.
    pub fn holds(self, word: Option<&str>) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Word(words) => word.is_some_and(|word| words.contains(&word)),
        }
    }
}

impl Effects {
    pub(crate) const NONE: Self = Self {
        random: None,
        reads_back: When::Never,
        reads_integers: When::Never,
        widens: When::Never,
        makes_size: false,
        is_fresh: false,
        is_fused: false,
    };

    pub(crate) const fn random(self, attribute: &'static str) -> Self {
        Self {
            random: Some(attribute),
            ..self
        }
    }

    pub(crate) const fn reads_back(self) -> Self {
        Self {
            reads_back: When::Always,
            ..self
        }
    }

    pub(crate) const fn reads_integers(self, words: &'static [&'static str]) -> Self {
        Self {
            reads_integers: When::Word(words),
            ..self
        }
    }

    pub(crate) const fn widens(self, words: &'static [&'static str]) -> Self {
        Self {
            widens: When::Word(words),
            ..self
        }
    }

    pub(crate) const fn widens_always(self) -> Self {
        Self {
            widens: When::Always,
            ..self
        }
    }

    pub(crate) const fn makes_size(self) -> Self {
        Self {
            makes_size: true,
            ..self
        }
    }

    pub(crate) const fn fresh(self) -> Self {
        Self {
            is_fresh: true,
            ..self
        }
    }

    pub(crate) const fn fused(self) -> Self {
        Self {
            is_fused: true,
            ..self
        }
    }
}

/// Declares a family of operations: the enum, and what [`Spec`] says of each variant.
///
/// ```text
/// FamilyOp {
///     /// What it computes.
///     Variant "name" {
///         /// What it means.
///         attribute: Type = default,
///     } (operand: Class property, other: Class) -> 1 is effect, other(effect);
/// }
/// ```
///
/// The default of an attribute is for files that do not have it. Properties of operands are the
/// constant methods of [`Operand`]; effects are those of [`Effects`].
macro_rules! operations {
    (
        $(#[$meta:meta])*
        $family:ident {
            $(
                $(#[doc = $doc:literal])*
                $variant:ident $name:literal
                $({ $(
                    $(#[doc = $of:literal])*
                    $attribute:ident: $ty:ty $(= $default:expr)?
                ),* $(,)? })?
                (
                    $($operand:ident: $class:ident
                    $($property:ident $(($($of_property:expr),*))?)*),* $(,)?
                ) -> $results:literal
                $(is $($effect:ident $(($($of_effect:expr),*))?),+)?;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $family {
            $(
                $(#[doc = $doc])*
                $variant $({ $($(#[doc = $of])* $attribute: $ty),* })?,
            )*
        }

        impl $family {
            /// The declarations, in order.
            pub const SPECS: &[$crate::op::spec::Spec] = &[$(
                $crate::op::spec::Spec {
                    variant: stringify!($variant),
                    name: $name,
                    doc: concat!($($doc, "\n"),*),
                    attributes: &[$($(
                        $crate::op::spec::Attribute::new(
                            stringify!($attribute),
                            <$ty as $crate::op::attribute::AttributeType>::KIND,
                            concat!($($of, "\n"),*),
                        )$(.or(|| {
                            let value: $ty = $default;
                            $crate::op::attribute::AttributeType::to_value(&value)
                        }))?
                    ),*)?],
                    operands: &[$(
                        $crate::op::spec::Operand::one(
                            stringify!($operand),
                            $crate::op::spec::Class::$class,
                        )$(.$property($($($of_property),*)?))*
                    ),*],
                    results: $results,
                    effects: $crate::op::spec::Effects::NONE$($(.$effect($($($of_effect),*)?))+)?,
                }
            ),*];

            /// The declaration of this operation.
            pub fn spec(&self) -> &'static $crate::op::spec::Spec {
                /// The declarations, in order.
                enum Ordinal { $($variant),* }
                let ordinal = match self {
                    $(Self::$variant { .. } => Ordinal::$variant as usize),*
                };
                &Self::SPECS[ordinal]
            }

            /// The operation with these attributes, in order. `None` if the declaration is of
            /// another family, or a value of another kind.
            pub(crate) fn new(
                spec: &$crate::op::spec::Spec,
                values: &[$crate::op::attribute::Value],
            ) -> Option<Self> {
                let mut values = values.iter().cloned();
                $(if spec.variant == stringify!($variant) {
                    return Some(Self::$variant { $($(
                        $attribute: $crate::op::attribute::AttributeType::from_value(values.next()?)?
                    ),*)? });
                })*
                None
            }

            /// Values of the attributes, in order.
            pub(crate) fn values(&self) -> Vec<$crate::op::attribute::Value> {
                match self {
                    $(Self::$variant { $($($attribute),*)? } => vec![$($(
                        $crate::op::attribute::AttributeType::to_value($attribute)
                    ),*)?]),*
                }
            }

            /// The first word among the attributes.
            pub(crate) fn word(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant { $($($attribute),*)? } => {
                        let words: &[Option<&'static str>] =
                            &[$($($crate::op::attribute::AttributeType::word($attribute)),*)?];
                        words.iter().copied().flatten().next()
                    })*
                }
            }

            $crate::op::spec::parts!(sizes(&) -> $crate::size::Size {
                $($variant { $($($attribute)*)? })*
            });
            $crate::op::spec::parts!(sizes_mut(&mut) -> $crate::size::Size {
                $($variant { $($($attribute)*)? })*
            });
            $crate::op::spec::parts!(floats_mut(&mut) -> $crate::op::scalar::Float {
                $($variant { $($($attribute)*)? })*
            });
            $crate::op::spec::parts!(scalars(&) -> $crate::op::scalar::Scalar {
                $($variant { $($($attribute)*)? })*
            });
        }

    };
}

/// `parts!(method(&) -> Part { Variant { attribute .. } .. })`: what the attributes have of a kind.
macro_rules! parts {
    ($method:ident(& $($mutable:ident)?) -> $part:ty {
        $($variant:ident { $($attribute:ident)* })*
    }) => {
        pub(crate) fn $method(&$($mutable)? self) -> Vec<&$($mutable)? $part> {
            let mut parts = Vec::new();
            match self {
                $(Self::$variant { $($attribute),* } => {
                    $($crate::op::attribute::AttributeType::$method($attribute, &mut parts);)*
                })*
            }
            parts
        }
    };
}

pub(crate) use operations;
pub(crate) use parts;
