//! Configurations from arguments with PyG's names.

use core::{error::Error as _, iter::successors};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::config::{ConfigError, LayerConfig};

/// Why a module could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no layer or model of this name.
    #[error("unknown layer or model `{name}`, expected one of {}", known.join(", "))]
    UnknownName {
        /// The name.
        name: String,
        /// The names that there are.
        known: &'static [&'static str],
    },
    /// The arguments are not an object.
    #[error("{kind}: expected an object of arguments, got {got}")]
    NotAnObject {
        /// Layer or model.
        kind: String,
        /// What came instead.
        got: Value,
    },
    /// The arguments could not be read.
    #[error("{kind}: cannot read the arguments")]
    Unreadable {
        /// Layer or model.
        kind: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The layer or model has no such argument.
    #[error("{kind} has no argument `{name}`, expected one of {}", known.join(", "))]
    UnknownArgument {
        /// Layer or model.
        kind: String,
        /// The argument.
        name: String,
        /// The arguments that it has.
        known: Vec<String>,
    },
    /// An argument without a default value is absent.
    #[error("{kind} needs the argument `{name}`")]
    MissingArgument {
        /// Layer or model.
        kind: String,
        /// The argument.
        name: &'static str,
    },
    /// An argument has the wrong type.
    #[error("{kind}: argument `{name}`: {source}")]
    Type {
        /// Layer or model.
        kind: String,
        /// The argument.
        name: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// An argument has a value that the layer or model cannot work with.
    #[error("{kind}: {source}")]
    Value {
        /// Layer or model.
        kind: String,
        /// What is wrong.
        source: ConfigError,
    },
}

impl BuildError {
    pub(crate) fn value(kind: &str, source: ConfigError) -> Self {
        let kind = kind.to_owned();
        Self::Value { kind, source }
    }

    /// The error with its causes.
    pub(crate) fn chain(&self) -> String {
        let causes = successors(self.source(), |&cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}

/// Arguments of all layers that change no result here, and the values that are accepted.
const NEUTRAL: &[(&str, &str)] = &[
    ("node_dim", "-2"),
    ("node_dim", "0"),
    ("decomposed_layers", "1"),
    ("act_kwargs", "null"),
    ("norm_kwargs", "null"),
    ("aggr_kwargs", "null"),
];

/// The configuration that arguments describe: the defaults, with PyG's arguments in their places.
pub(crate) fn config<C: LayerConfig>(
    kind: &str,
    args: &Map<String, Value>,
) -> Result<C, BuildError> {
    let error = |name: &str, source| BuildError::Type {
        kind: kind.to_owned(),
        name: name.to_owned(),
        source,
    };
    if let Some(&name) = C::REQUIRED.iter().find(|name| is_absent(args.get(**name))) {
        let kind = kind.to_owned();
        return Err(BuildError::MissingArgument { kind, name });
    }
    let mut args = args.clone();
    C::complete(&mut args);
    let mut config = C::blank();
    let args = &with_norm_kwargs(&config, &args).map_err(|source| error(NORM_KWARGS, source))?;
    for (name, value) in args {
        let value = match value {
            Value::String(text) if text == "None" => &Value::Null,
            value => value,
        };
        let value = with_kwargs(name, value, args);
        let mut all = serde_json::to_value(&config).map_err(|source| error(name, source))?;
        let Some(place) = place(&mut all, name) else {
            let json = value.to_string();
            let neutral = NEUTRAL.iter().chain(C::NEUTRAL);
            let is_beside = name == "aggr_kwargs" || name == NORM_KWARGS && all.get(NORM).is_some();
            if neutral.clone().any(|known| *known == (name, &json)) || is_beside {
                continue;
            }
            return Err(BuildError::UnknownArgument {
                kind: kind.to_owned(),
                name: name.clone(),
                known: known(&all, neutral.map(|(name, _)| *name)),
            });
        };
        *place = value;
        // One argument at a time, so that the error has its name.
        config = serde_json::from_value(all).map_err(|source| error(name, source))?;
    }
    Ok(config)
}

fn is_absent(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || value == "None")
}

/// PyG gives the arguments of a norm, which may be the default one, beside it: here they stand with
/// its class.
fn with_norm_kwargs<C: LayerConfig>(
    blank: &C,
    args: &Map<String, Value>,
) -> Result<Map<String, Value>, serde_json::Error> {
    let mut args = args.clone();
    let Some(Value::Object(kwargs)) = args.get(NORM_KWARGS) else {
        return Ok(args);
    };
    let mut with = kwargs.clone();
    let blank = serde_json::to_value(blank)?;
    let class = args.get(NORM).or_else(|| blank.get(NORM));
    if let Some(class @ Value::String(name)) = class
        && name != "None"
    {
        with.insert(CLASS.to_owned(), class.clone());
        args.insert(NORM.to_owned(), Value::Object(with));
        args.remove(NORM_KWARGS);
    }
    Ok(args)
}

/// A layer's norm and PyG's arguments of it.
const NORM: &str = "norm";
const NORM_KWARGS: &str = "norm_kwargs";

/// PyG gives the arguments of an aggregation beside it: those of the class, of a list of
/// aggregations, or of each in a list.
fn with_kwargs(name: &str, value: &Value, args: &Map<String, Value>) -> Value {
    let mut with = match args.get("aggr_kwargs") {
        Some(Value::Object(kwargs)) if !kwargs.is_empty() => kwargs.clone(),
        Some(each @ Value::Array(_)) => Map::from_iter([("aggrs_kwargs".to_owned(), each.clone())]),
        _ => return value.clone(),
    };
    if name != "aggr" || !matches!(value, Value::String(_) | Value::Array(_)) {
        return value.clone();
    }
    with.insert("class".to_owned(), value.clone());
    Value::Object(with)
}

/// Where an argument stands in a configuration: an argument of a model, or one that it passes on to
/// its convolutions.
fn place<'a>(config: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let is_model = is_model(config);
    if name == CONV && is_model {
        return None;
    }
    // PyG's `K` is a field `k`, and `mod`, a keyword in Rust, `mod_`.
    let mut field = name.to_lowercase();
    if config.get(format!("{field}_")).is_some() {
        field.push('_');
    }
    let inside = is_model && config.get(&field).is_none();
    let config = if inside {
        config.get_mut(CONV)?
    } else {
        config
    };
    config.get_mut(&field)
}

/// Whether a configuration has options of a model's convolutions. Layers around another have the
/// class and the arguments of that in the same place.
fn is_model(config: &Value) -> bool {
    let conv = config.get(CONV);
    conv.is_some_and(|conv| conv.is_object() && conv.get(CLASS).is_none())
}

/// Where a class stands beside its arguments.
pub(crate) const CLASS: &str = "class";

/// The options of a model's convolutions in its configuration.
const CONV: &str = "conv";

/// Names of all arguments, in alphabetical order.
fn known<'a>(config: &'a Value, more: impl Iterator<Item = &'a str>) -> Vec<String> {
    let keys = |value: Option<&'a Value>| {
        let object = value.and_then(Value::as_object);
        object.into_iter().flat_map(Map::keys).map(String::as_str)
    };
    let mut names: Vec<&str> = keys(Some(config)).collect();
    if is_model(config) {
        names.extend(keys(config.get(CONV)));
        names.retain(|name| *name != CONV);
    }
    for name in &mut names {
        *name = name.trim_end_matches('_');
    }
    names.push("flow");
    names.extend(more);
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}
