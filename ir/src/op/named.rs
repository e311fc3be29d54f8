//! Operations by the names of what they consist of, as files have them.

use super::{
    Op,
    attribute::{Kind, NamedError, Value},
};

impl Op {
    /// The operation of a name with attributes by their names, in any order; those that are not
    /// given have their defaults. `value` makes a value of a kind; `None` if what is given is of
    /// another.
    pub(crate) fn named<N: AsRef<str>, T, E: From<NamedError>>(
        operation: &str,
        given: Vec<(N, T)>,
        mut value: impl FnMut(T, Kind) -> Result<Option<Value>, E>,
    ) -> Result<Self, E> {
        let of = || operation.to_owned();
        let unknown = || NamedError::Operation { operation: of() };
        let (spec, word) = Self::find(operation).ok_or_else(unknown)?;
        let named = spec.named_attributes();
        let mut values: Vec<Option<Value>> = vec![None; named.len()];
        for (name, given) in given {
            let name = name.as_ref();
            let mut slots = named.iter().zip(&mut values);
            let slot = slots.find(|(attribute, _)| attribute.name == name);
            let (attribute, slot) = slot.ok_or_else(|| NamedError::Attribute {
                operation: of(),
                attribute: name.to_owned(),
            })?;
            if slot.is_some() {
                return Err(E::from(NamedError::Twice {
                    operation: of(),
                    attribute: attribute.name,
                }));
            }
            let made = value(given, attribute.kind)?.ok_or_else(|| NamedError::Value {
                operation: of(),
                attribute: attribute.name,
                expected: attribute.kind,
            })?;
            *slot = Some(made);
        }
        let mut all: Vec<Value> = word.map(Value::Word).into_iter().collect();
        for (attribute, value) in named.iter().zip(values) {
            let value = value.or_else(|| attribute.default.map(|default| default()));
            all.push(value.ok_or_else(|| NamedError::Missing {
                operation: of(),
                attribute: attribute.name,
            })?);
        }
        Ok(Self::new(spec, &all).ok_or_else(unknown)?)
    }
}
