//! Aggregations as arguments, under PyG's names.

use core::str::FromStr;

use burn::tensor::Device;
use kiln_ops::Reduce;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};
use thiserror::Error;

use super::{
    aggregation::{Aggregation, MultiAggregation},
    softmax::SoftmaxConfig,
};

/// Which aggregation a layer has (PyG's `aggr`).
///
/// JSON has a name, `"mean"`; an object of the name and the arguments of its constructor, `{"aggr":
/// "softmax", "learn": true}`; or a list of such.
///
/// ```
/// use kiln_nn::aggr::{AggrConfig, Reduce};
///
/// assert_eq!("add".parse::<AggrConfig>().unwrap(), Reduce::Sum.into());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum AggrConfig {
    /// A reduction without parameters.
    Reduce(Reduce),
    /// A sum weighted by the messages' softmax.
    Softmax(SoftmaxConfig),
    /// Several aggregations side by side.
    Multi(Vec<AggrConfig>),
}

impl AggrConfig {
    /// Creates the aggregation.
    ///
    /// # Panics
    /// If a list is empty.
    pub fn init(&self, device: &Device) -> Aggregation {
        match self {
            Self::Reduce(reduce) => (*reduce).into(),
            Self::Softmax(config) => Aggregation::Softmax(config.init(device)),
            Self::Multi(several) => {
                assert!(
                    !several.is_empty(),
                    "expected at least one aggregation, got none"
                );
                let aggrs = several.iter().map(|config| config.init(device)).collect();
                Aggregation::Multi(MultiAggregation { aggrs })
            }
        }
    }

    fn from_value(value: Value) -> Result<Self, serde_json::Error> {
        match value {
            Value::String(name) => name.parse().map_err(serde_json::Error::custom),
            Value::Array(several) if several.is_empty() => Err(serde_json::Error::custom(
                "expected at least one aggregation, got none",
            )),
            Value::Array(several) => {
                let several = several.into_iter().map(Self::from_value);
                several.collect::<Result<_, _>>().map(Self::Multi)
            }
            Value::Object(mut args) => {
                let name = args.remove("aggr").unwrap_or_default();
                match Self::from_value(name)? {
                    Self::Softmax(default) => {
                        let mut all = serde_json::to_value(default)?;
                        for (name, value) in args {
                            let known = all.get_mut(&name).ok_or_else(|| {
                                serde_json::Error::custom(format!(
                                    "softmax has no argument `{name}`"
                                ))
                            })?;
                            *known = value;
                        }
                        serde_json::from_value(all).map(Self::Softmax)
                    }
                    other if args.is_empty() => Ok(other),
                    _ => Err(serde_json::Error::custom(
                        "this aggregation has no arguments",
                    )),
                }
            }
            other => Err(serde_json::Error::custom(format!(
                "expected the name of an aggregation or a list of such, got {other}"
            ))),
        }
    }
}

impl From<Reduce> for AggrConfig {
    fn from(reduce: Reduce) -> Self {
        Self::Reduce(reduce)
    }
}

impl Serialize for AggrConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Reduce(reduce) => reduce.serialize(serializer),
            Self::Softmax(SoftmaxConfig { t, learn, channels }) => {
                let args = json!({"aggr": "softmax", "t": t, "learn": learn, "channels": channels});
                args.serialize(serializer)
            }
            Self::Multi(several) => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AggrConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A name that is no aggregation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "unknown aggregation `{name}`, expected one or several of sum, add, mean, max, min, mul, softmax"
)]
pub struct UnknownAggregation {
    /// The name.
    pub name: String,
}

impl FromStr for AggrConfig {
    type Err = UnknownAggregation;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "softmax" {
            return Ok(Self::Softmax(SoftmaxConfig::new()));
        }
        parse_reduce(name).map(Self::Reduce)
    }
}

/// Reads PyG's name of a reduction.
pub(crate) fn parse_reduce(name: &str) -> Result<Reduce, UnknownAggregation> {
    match name {
        "sum" | "add" => Ok(Reduce::Sum),
        "mean" => Ok(Reduce::Mean),
        "max" => Ok(Reduce::Max),
        "min" => Ok(Reduce::Min),
        "mul" => Ok(Reduce::Mul),
        _ => Err(UnknownAggregation {
            name: name.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<AggrConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn json_has_names_objects_and_lists() {
        let learned = AggrConfig::Softmax(SoftmaxConfig::new().with_learn(true));
        let several = AggrConfig::Multi(vec![Reduce::Max.into(), learned.clone()]);
        for (json, config) in [
            (r#""add""#, Reduce::Sum.into()),
            (r#""softmax""#, AggrConfig::Softmax(SoftmaxConfig::new())),
            (r#"{"aggr": "softmax", "learn": true}"#, learned),
            (r#"["max", {"aggr": "softmax", "learn": true}]"#, several),
        ] {
            assert_eq!(parse(json).as_ref(), Ok(&config), "{json}");
            assert_eq!(parse(&serde_json::to_string(&config).unwrap()), Ok(config));
        }
        for (json, message) in [
            (r#""lstm""#, "unknown aggregation `lstm`"),
            ("[]", "expected at least one aggregation"),
            ("null", "got null"),
            (
                r#"{"aggr": "softmax", "p": 1}"#,
                "softmax has no argument `p`",
            ),
            (
                r#"{"aggr": "sum", "p": 1}"#,
                "this aggregation has no arguments",
            ),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
