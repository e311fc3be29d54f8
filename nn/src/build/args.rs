//! Reading PyG's constructor arguments.

use serde::de::DeserializeOwned;
use serde_json::Map;

use super::BuildError;
use crate::{
    activation::Activation,
    aggr::{Aggregation, Reduce, parse_reduce},
};

/// Arguments, taken one by one; what is left in the end is unknown.
pub(super) struct Args {
    kind: &'static str,
    values: Map<String, serde_json::Value>,
    known: Vec<&'static str>,
}

impl Args {
    pub(super) fn new(kind: &'static str, args: &serde_json::Value) -> Result<Self, BuildError> {
        match args {
            serde_json::Value::Object(values) => Ok(Self {
                kind,
                values: values.clone(),
                known: Vec::new(),
            }),
            other => Err(BuildError::NotAnObject {
                kind,
                got: other.clone(),
            }),
        }
    }

    /// An argument that may be absent; `null` is a value.
    pub(super) fn raw(&mut self, name: &'static str) -> Option<serde_json::Value> {
        self.known.push(name);
        self.values.remove(name)
    }

    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        name: &'static str,
        value: serde_json::Value,
    ) -> Result<T, BuildError> {
        let kind = self.kind;
        serde_json::from_value(value).map_err(|source| BuildError::Type { kind, name, source })
    }

    /// An argument that may be absent or `null`.
    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, BuildError> {
        match self.raw(name) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(value) => self.parse(name, value).map(Some),
        }
    }

    /// An argument with a default value.
    pub(super) fn or<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        default: T,
    ) -> Result<T, BuildError> {
        match self.raw(name) {
            None => Ok(default),
            Some(value) => self.parse(name, value),
        }
    }

    pub(super) fn required<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<T, BuildError> {
        let kind = self.kind;
        self.optional(name)?
            .ok_or(BuildError::MissingArgument { kind, name })
    }

    /// A probability that dropout can work with.
    pub(super) fn dropout(&mut self) -> Result<f64, BuildError> {
        let prob = self.or("dropout", 0.0)?;
        self.check(
            "dropout",
            (0.0..1.0).contains(&prob),
            "a probability in [0, 1)",
            || prob.to_string(),
        )?;
        Ok(prob)
    }

    pub(super) fn check(
        &self,
        name: &'static str,
        ok: bool,
        expected: &'static str,
        got: impl FnOnce() -> String,
    ) -> Result<(), BuildError> {
        let kind = self.kind;
        if ok {
            Ok(())
        } else {
            Err(BuildError::Value {
                kind,
                name,
                expected,
                got: got(),
            })
        }
    }

    /// A value read from its name in PyG.
    pub(super) fn named<T>(
        &self,
        name: &'static str,
        text: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, BuildError> {
        let kind = self.kind;
        parse(text).ok_or_else(|| BuildError::Value {
            kind,
            name,
            expected,
            got: text.to_owned(),
        })
    }

    pub(super) fn finish(self) -> Result<(), BuildError> {
        let Self {
            kind,
            values,
            known,
        } = self;
        match values.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(BuildError::UnknownArgument { kind, name, known }),
        }
    }

    /// Width of the sources' and, if it is given apart, of the destinations' features.
    pub(super) fn in_channels(&mut self) -> Result<(usize, Option<usize>), BuildError> {
        let value: serde_json::Value = self.required("in_channels")?;
        if value.is_array() {
            let (src, dst) = self.parse("in_channels", value)?;
            Ok((src, Some(dst)))
        } else {
            Ok((self.parse("in_channels", value)?, None))
        }
    }

    pub(super) fn aggr(&mut self, default: Reduce) -> Result<Aggregation, BuildError> {
        const EXPECTED: &str = "one or several of sum, add, mean, max, min, mul";
        let reduce = |args: &Self, name: &str| {
            args.named("aggr", name, EXPECTED, |name| parse_reduce(name).ok())
        };
        match self.optional::<serde_json::Value>("aggr")? {
            None => Ok(default.into()),
            Some(value) if value.is_array() => {
                let names: Vec<String> = self.parse("aggr", value)?;
                self.check("aggr", !names.is_empty(), EXPECTED, || "none".to_owned())?;
                let reduces: Result<Vec<_>, _> =
                    names.iter().map(|name| reduce(self, name)).collect();
                Ok(Aggregation::list(reduces?))
            }
            Some(value) => {
                let name: String = self.parse("aggr", value)?;
                Ok(reduce(self, &name)?.into())
            }
        }
    }

    pub(super) fn act(&mut self) -> Result<Option<Activation>, BuildError> {
        const EXPECTED: &str = "one of relu, leaky_relu, elu, gelu, silu, sigmoid, tanh";
        match self.or("act", Some("relu".to_owned()))? {
            None => Ok(None),
            Some(name) => self
                .named("act", &name, EXPECTED, |name| name.parse().ok())
                .map(Some),
        }
    }

    /// Whether to batch-normalise; no other normalisation is known.
    pub(super) fn norm(&mut self, default: Option<&str>) -> Result<bool, BuildError> {
        let name = self.or("norm", default.map(str::to_owned))?;
        match name {
            None => Ok(false),
            Some(name) => self.named("norm", &name, "batch_norm", |name| {
                (name.to_lowercase().replace('_', "") == "batchnorm").then_some(true)
            }),
        }
    }
}
