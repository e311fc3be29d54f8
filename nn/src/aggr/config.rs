//! Aggregations as arguments, under PyG's names.

use core::str::FromStr;

use burn::tensor::Device;
use kiln_ops::Reduce;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    AttentionalConfig, DeepSetsConfig, DegreeScalerConfig, EquilibriumConfig,
    GraphMultisetTransformerConfig, GruAggregationConfig, LcmConfig, LstmAggregationConfig,
    MedianConfig, MlpAggregationConfig, MultiConfig, PatchTransformerConfig, PowerMeanConfig,
    QuantileConfig, Set2SetConfig, SetTransformerConfig, SoftmaxConfig, SortConfig, StdConfig,
    VarConfig, VariancePreservingConfig, aggregation::Aggregation, list::for_each_aggregation,
};
use crate::config::{ConfigError, LayerConfig};

macro_rules! aggr_config {
    ($($variant:ident($module:ident, $config:ident, $name:literal)),+ $(,)?) => {
        /// Which aggregation a layer has (PyG's `aggr`).
        ///
        /// JSON has a name, `"mean"`; an object of the name and the arguments of its constructor,
        /// `{"aggr": "softmax", "learn": true}`; or a list of such, whose results are combined: by
        /// default side by side, `{"aggr": ["mean", "max"], "mode": "sum"}` otherwise. In names
        /// upper and lower case and underscores do not count, nor does `Aggregation` at the end.
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
            $(
                #[doc = concat!("That of a [`", stringify!($module), "`](super::", stringify!($module), ").")]
                $variant($config),
            )+
        }

        $(impl From<$config> for AggrConfig {
            fn from(config: $config) -> Self {
                Self::$variant(config)
            }
        })+

        impl AggrConfig {
            /// The aggregation of a name with arguments.
            fn named(name: &str, args: &Map<String, Value>) -> Result<Self, AggrError> {
                // The names that `GENConv` has besides.
                if is_name(name, "softmax_sg") {
                    let mut args = args.clone();
                    args.insert("semi_grad".to_owned(), true.into());
                    return Self::named("softmax", &args);
                }
                if is_name(name, "power") {
                    return Self::named("power_mean", args);
                }
                $(if is_name(name, $name) {
                    return with_args(&$config::blank(), $name, args, $config::REQUIRED)
                        .map(Self::$variant);
                })+
                let reduce = parse_reduce(&plain(name)).ok_or_else(|| AggrError::Unknown {
                    name: name.to_owned(),
                })?;
                if args.is_empty() {
                    return Ok(Self::Reduce(reduce));
                }
                Err(AggrError::NoArguments { name: reduce.name() })
            }

            /// The same with other arguments.
            pub(super) fn with_args(&self, args: &Map<String, Value>) -> Result<Self, AggrError> {
                match self {
                    Self::Reduce(reduce) => Self::named(reduce.name(), args),
                    $(Self::$variant(config) => {
                        with_args(config, $name, args, &[]).map(Self::$variant)
                    })+
                }
            }

            /// The name and the arguments.
            fn parts(&self) -> Result<(&'static str, Value), serde_json::Error> {
                match self {
                    Self::Reduce(reduce) => Ok((reduce.name(), Value::Object(Map::new()))),
                    $(Self::$variant(config) => Ok(($name, serde_json::to_value(config)?)),)+
                }
            }
        }

        impl AggrConfig {
            /// Whether the arguments go together.
            ///
            /// # Errors
            /// If the aggregation cannot work with an argument.
            pub fn check(&self) -> Result<(), ConfigError> {
                match self {
                    Self::Reduce(_) => Ok(()),
                    $(Self::$variant(config) => config.check(),)+
                }
            }

            /// Creates the aggregation.
            ///
            /// # Panics
            /// If the aggregation cannot work with an argument.
            pub fn init(&self, device: &Device) -> Aggregation {
                match self {
                    Self::Reduce(reduce) => (*reduce).into(),
                    $(Self::$variant(config) => Aggregation::$variant(Box::new(config.init(device))),)+
                }
            }
        }

        /// PyG's names of all aggregations.
        const NAMES: &[&str] = &["sum", "add", "mean", "max", "min", "mul", $($name),+];
    };
}

for_each_aggregation!(aggr_config);

/// A name without what does not count in it.
fn plain(name: &str) -> String {
    let plain = name.to_lowercase().replace(['_', '-', ' '], "");
    match plain.strip_suffix("aggregation") {
        Some(short) => short.to_owned(),
        None => plain,
    }
}

fn is_name(given: &str, name: &str) -> bool {
    plain(given) == plain(name)
}

/// A configuration with other arguments.
fn with_args<C: LayerConfig>(
    config: &C,
    name: &'static str,
    args: &Map<String, Value>,
    required: &[&'static str],
) -> Result<C, AggrError> {
    let error = |source: serde_json::Error| AggrError::Argument {
        name,
        error: source.to_string(),
    };
    if let Some(&argument) = required.iter().find(|name| !args.contains_key(**name)) {
        return Err(AggrError::Missing { name, argument });
    }
    let mut all = serde_json::to_value(config).map_err(error)?;
    for (argument, value) in args {
        let known = all
            .get_mut(argument)
            .ok_or_else(|| AggrError::UnknownArgument {
                name,
                argument: argument.clone(),
            })?;
        *known = match value {
            Value::String(text) if text == "None" => Value::Null,
            value => value.clone(),
        };
    }
    let config: C = serde_json::from_value(all).map_err(error)?;
    config.check().map_err(|source| AggrError::Argument {
        name,
        error: source.to_string(),
    })?;
    Ok(config)
}

impl AggrConfig {
    fn from_value(value: Value) -> Result<Self, serde_json::Error> {
        match value {
            Value::String(name) => {
                Self::named(&name, &Map::new()).map_err(serde_json::Error::custom)
            }
            Value::Array(several) if several.is_empty() => Err(serde_json::Error::custom(
                "expected at least one aggregation, got none",
            )),
            several @ Value::Array(_) => Self::several(several, Map::new()),
            Value::Object(mut args) => {
                let name = args.remove("class").or_else(|| args.remove("aggr"));
                match name {
                    Some(Value::String(name)) => {
                        Self::named(&name, &args).map_err(serde_json::Error::custom)
                    }
                    Some(several @ Value::Array(_)) => Self::several(several, args),
                    other => Self::from_value(other.unwrap_or_default()),
                }
            }
            other => Err(serde_json::Error::custom(format!(
                "expected the name of an aggregation or a list of such, got {other}"
            ))),
        }
    }

    fn several(several: Value, mut args: Map<String, Value>) -> Result<Self, serde_json::Error> {
        args.insert("aggrs".to_owned(), several);
        Self::named("multi", &args).map_err(serde_json::Error::custom)
    }
}

impl From<Reduce> for AggrConfig {
    fn from(reduce: Reduce) -> Self {
        Self::Reduce(reduce)
    }
}

impl Serialize for AggrConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, args) = self.parts().map_err(serde::ser::Error::custom)?;
        match (self, args) {
            (Self::Multi(several), _) if *several == MultiConfig::new(several.aggrs.clone()) => {
                several.aggrs.serialize(serializer)
            }
            (Self::Reduce(reduce), _) => reduce.serialize(serializer),
            (_, Value::Object(mut args)) => {
                // One has an argument of that name itself.
                let key = if args.contains_key("aggr") {
                    "class"
                } else {
                    "aggr"
                };
                args.insert(key.to_owned(), name.into());
                args.serialize(serializer)
            }
            (_, args) => args.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AggrConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Why there is no aggregation of a name and arguments.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AggrError {
    /// There is none of the name.
    #[error("unknown aggregation `{name}`, expected one or several of {}", NAMES.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// It has no arguments.
    #[error("{name}: this aggregation has no arguments")]
    NoArguments {
        /// The aggregation.
        name: &'static str,
    },
    /// It has no such argument.
    #[error("{name} has no argument `{argument}`")]
    UnknownArgument {
        /// The aggregation.
        name: &'static str,
        /// The argument.
        argument: String,
    },
    /// An argument without a default value is absent.
    #[error("{name} needs the argument `{argument}`")]
    Missing {
        /// The aggregation.
        name: &'static str,
        /// The argument.
        argument: &'static str,
    },
    /// An argument has a value that the aggregation cannot work with.
    #[error("{name}: {error}")]
    Argument {
        /// The aggregation.
        name: &'static str,
        /// What is wrong.
        error: String,
    },
}

impl FromStr for AggrConfig {
    type Err = AggrError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::named(name, &Map::new())
    }
}

/// Reads PyG's name of a reduction.
pub(crate) fn parse_reduce(name: &str) -> Option<Reduce> {
    match name {
        "sum" | "add" => Some(Reduce::Sum),
        "mean" => Some(Reduce::Mean),
        "max" => Some(Reduce::Max),
        "min" => Some(Reduce::Min),
        "mul" => Some(Reduce::Mul),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggr::{Mode, Scaler, Scalers};

    fn parse(json: &str) -> Result<AggrConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn json_has_names_objects_and_lists() {
        let learned = AggrConfig::Softmax(SoftmaxConfig::new().with_learn(true));
        let several = MultiConfig::new(vec![Reduce::Max.into(), learned.clone()]);
        let summed = several.clone().with_mode(Mode::Sum);
        let scaled = DegreeScalerConfig::new(
            Box::new(several.clone().into()),
            Scalers::Several(vec![Scaler::Identity, Scaler::InverseLinear]),
            vec![0, 3, 1],
        );
        for (json, config) in [
            (r#""add""#, Reduce::Sum.into()),
            (r#""softmax""#, AggrConfig::Softmax(SoftmaxConfig::new())),
            (r#"{"aggr": "softmax", "learn": true}"#, learned.clone()),
            (r#"{"class": "SoftmaxAggregation", "learn": true}"#, learned),
            (
                r#"["max", {"aggr": "softmax", "learn": true}]"#,
                several.into(),
            ),
            (
                r#"{"aggr": ["max", {"aggr": "softmax", "learn": true}], "mode": "sum"}"#,
                summed.into(),
            ),
            (
                r#"{"class": "DegreeScaler", "aggr": ["max", {"aggr": "softmax", "learn": true}],
                    "scaler": ["identity", "inverse_linear"], "deg": [0, 3, 1]}"#,
                scaled.into(),
            ),
        ] {
            assert_eq!(parse(json).as_ref(), Ok(&config), "{json}");
            assert_eq!(parse(&serde_json::to_string(&config).unwrap()), Ok(config));
        }
        for (json, message) in [
            (r#""tree""#, "unknown aggregation `tree`"),
            (r#""lstm""#, "lstm needs the argument `in_channels`"),
            (
                r#"{"aggr": "lstm", "in_channels": 2, "out_channels": 2, "proj_size": 1}"#,
                "lstm has no argument `proj_size`",
            ),
            (
                r#"{"aggr": ["max", "min"], "mode": "attn", "mode_kwargs":
                    {"in_channels": 4, "out_channels": 6, "num_heads": 4}}"#,
                "expected a divisor of the width, got 4 for `heads`",
            ),
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
            (r#""quantile""#, "quantile needs the argument `q`"),
            (r#"{"aggr": "quantile", "q": [2]}"#, "numbers in [0, 1]"),
            (r#"{"aggr": ["max"], "aggrs_kwargs": []}"#, "0 for 1"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
