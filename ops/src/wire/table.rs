//! Tables of operations: what is said once for each, and what follows from that.

pub(crate) use burn::backend::ir::{CustomOpIr, ScalarIr};

use crate::Reduce;

/// Why a recorded operation is not one of this crate's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpDecodeError {
    /// The name is not in the list.
    #[error("unknown operation `{id}`, expected one of {}", expected.join(", "))]
    UnknownId {
        /// The recorded name.
        id: String,
        /// The list.
        expected: &'static [&'static str],
    },
    /// Another number of input or output tensors.
    #[error("operation `{id}` expects {expected} {side} tensors, got {got}")]
    Arity {
        /// The recorded name.
        id: &'static str,
        /// `input` or `output`.
        side: &'static str,
        /// The allowed numbers.
        expected: String,
        /// The recorded number.
        got: usize,
    },
    /// Other scalars.
    #[error("operation `{id}` expects scalars ({expected}), got {got:?}")]
    Scalars {
        /// The recorded name.
        id: &'static str,
        /// What they mean, in order.
        expected: String,
        /// The recorded scalars.
        got: Vec<ScalarIr>,
    },
}

/// How many tensors an input stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    /// One.
    One,
    /// One or none.
    Optional,
    /// Those of a [`CsrTensors`](crate::CsrTensors).
    Csr,
    /// Those of a [`Terms`](crate::Terms): up to two.
    Terms,
}

/// Number of tensors of a [`CsrTensors`](crate::CsrTensors).
pub(crate) const CSR_TENSORS: usize = 5;

/// A constant of an operation, as scalars of its record.
pub(crate) trait Attribute: Sized {
    /// Appends the scalars.
    fn write(self, scalars: &mut Vec<ScalarIr>);

    /// Takes the scalars from the front; `None` if they are others.
    fn read(scalars: &mut &[ScalarIr]) -> Option<Self>;
}

/// An unsigned number.
impl Attribute for u64 {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        scalars.push(ScalarIr::UInt(self));
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        let (ScalarIr::UInt(value), rest) = scalars.split_first()? else {
            return None;
        };
        *scalars = rest;
        Some(*value)
    }
}

/// A float.
impl Attribute for f64 {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        scalars.push(ScalarIr::Float(self));
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        let (ScalarIr::Float(value), rest) = scalars.split_first()? else {
            return None;
        };
        *scalars = rest;
        Some(*value)
    }
}

/// A number that fits in memory.
impl Attribute for usize {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        (self as u64).write(scalars);
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        u64::read(scalars)?.try_into().ok()
    }
}

/// 1 or 0.
impl Attribute for bool {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        u64::from(self).write(scalars);
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        match u64::read(scalars)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// Its [`Reduce::code`].
impl Attribute for Reduce {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        self.code().write(scalars);
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        Self::from_code(u64::read(scalars)?)
    }
}

/// Whether there is one, and the value or 0.
impl Attribute for Option<f64> {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        self.is_some().write(scalars);
        self.unwrap_or_default().write(scalars);
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        let is_some = bool::read(scalars)?;
        let value = f64::read(scalars)?;
        Some(is_some.then_some(value))
    }
}

/// Reads all scalars of a record, which mean `expected`.
pub(crate) fn read_scalars<T>(
    id: &'static str,
    desc: &CustomOpIr,
    expected: &[&str],
    read: impl FnOnce(&mut &[ScalarIr]) -> Option<T>,
) -> Result<T, OpDecodeError> {
    let mut scalars = desc.scalars.as_slice();
    let op = read(&mut scalars).filter(|_| scalars.is_empty());
    op.ok_or_else(|| OpDecodeError::Scalars {
        id,
        expected: expected.join(", "),
        got: desc.scalars.clone(),
    })
}

/// Checks the numbers of tensors of a record.
pub(crate) fn check_arity(
    id: &'static str,
    desc: &CustomOpIr,
    inputs: &[Count],
    outputs: usize,
) -> Result<(), OpDecodeError> {
    let (least, most) = inputs.iter().fold((0, 0), |(least, most), count| {
        let [fewest, highest] = match count {
            Count::One => [1, 1],
            Count::Optional => [0, 1],
            Count::Csr => [CSR_TENSORS; 2],
            Count::Terms => [0, 2],
        };
        (least + fewest, most + highest)
    });
    for (side, [least, most], got) in [
        ("input", [least, most], desc.inputs.len()),
        ("output", [outputs; 2], desc.outputs.len()),
    ] {
        if !(least..=most).contains(&got) {
            let expected = match most - least {
                0 => least.to_string(),
                1 => format!("{least} or {most}"),
                _ => format!("{least} to {most}"),
            };
            return Err(OpDecodeError::Arity {
                id,
                side,
                expected,
                got,
            });
        }
    }
    Ok(())
}

/// Makes an enum of operations, their names and scalars. By hand stand the shapes of results, a
/// [`Record`](super::record::Record), and the calls that compute them, a [`Run`](super::run::Run).
///
/// ```text
/// Variant "kiln::name" (input, optional: Optional, edges: Csr) -> outputs { attribute: Type };
/// ```
///
/// Types of attributes are those of [`Attribute`].
macro_rules! operations {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $(
                $(#[$doc:meta])*
                $op:ident $id:literal ($($input:ident $(: $count:ident)?),*) -> $outputs:literal
                $({ $($(#[$attribute_doc:meta])* $attribute:ident: $type:ty,)* })?;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        $visibility enum $name {
            $(
                $(#[$doc])*
                #[doc = concat!("\nRecorded as `", $id, "(", stringify!($($input),*), ")`.")]
                $op $({ $($(#[$attribute_doc])* $attribute: $type,)* })?,
            )*
        }

        impl $name {
            /// The names of all operations.
            $visibility const IDS: &'static [&'static str] = &[$($id),*];

            /// The recorded name.
            $visibility const fn id(&self) -> &'static str {
                match self {
                    $(Self::$op { .. } => $id,)*
                }
            }

            /// Reads a recorded operation.
            ///
            /// # Errors
            /// If the name is unknown, or tensors or scalars are not those of the operation.
            $visibility fn decode(
                desc: &$crate::wire::table::CustomOpIr,
            ) -> Result<Self, $crate::wire::table::OpDecodeError> {
                match desc.id.as_str() {
                    $($id => {
                        let names: &[&str] = &[$($(stringify!($attribute)),*)?];
                        let op = $crate::wire::table::read_scalars($id, desc, names, |_scalars| {
                            Some(Self::$op {
                                $($($attribute: $crate::wire::table::Attribute::read(_scalars)?,)*)?
                            })
                        })?;
                        let inputs: &[$crate::wire::table::Count] =
                            &[$($crate::wire::table::operations!(@count $($count)?)),*];
                        $crate::wire::table::check_arity($id, desc, inputs, $outputs)?;
                        Ok(op)
                    })*
                    id => Err($crate::wire::table::OpDecodeError::UnknownId {
                        id: id.to_owned(),
                        expected: Self::IDS,
                    }),
                }
            }

            /// The recorded scalars.
            fn scalars(self) -> Vec<$crate::wire::table::ScalarIr> {
                let mut _scalars = Vec::new();
                match self {
                    $(Self::$op { $($($attribute),*)? } => {
                        $($($crate::wire::table::Attribute::write($attribute, &mut _scalars);)*)?
                    })*
                }
                _scalars
            }
        }
    };
    (@count) => { $crate::wire::table::Count::One };
    (@count $count:ident) => { $crate::wire::table::Count::$count };
}

pub(crate) use operations;
