//! A norm inside another layer, which its arguments choose.

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::{Device, Tensor},
};
use kiln_core::{Groups, Signatures};
use kiln_ops::Layer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    BatchNorm, DiffGroupNorm, GraphNorm, GraphSizeNorm, InstanceNorm, LayerNorm,
    MeanSubtractionNorm, PairNorm,
};
use crate::{
    arguments::{CLASS, config},
    config::{ConfigError, LayerConfig, count},
};

/// PyG's class of a norm and its arguments but for the width, which the layer around it sets.
///
/// JSON has a name, `"batch_norm"` or `"GraphNorm"`, or an object of the class and the arguments of
/// its constructor, `{"class": "LayerNorm", "mode": "node"}`. In names upper and lower case,
/// underscores, hyphens and blanks do not count, and `Norm` at the end may be left out. As in PyG,
/// where a name makes the norm, the factor of a `PairNorm` is the width unless it is given.
///
/// ```
/// use kiln_nn::norm::{LayerNormConfig, LayerNormMode, NormConfig};
///
/// let config: NormConfig = serde_json::from_str(r#""graph_norm""#).unwrap();
/// assert_eq!(config.class(), "GraphNorm");
/// let config = NormConfig::from(LayerNormConfig::new(8).with_mode(LayerNormMode::Node));
/// assert_eq!(config.args()["mode"], "node");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NormConfig {
    class: &'static str,
    args: Map<String, Value>,
}

/// A name that is no norm of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown normalisation `{name}`, expected one of {}", NAMES.join(", "))]
pub struct UnknownNorm {
    /// The name.
    pub name: String,
}

/// A name without what does not count in it.
fn plain(name: &str) -> String {
    let plain = name.to_lowercase().replace(['_', '-', ' '], "");
    match plain.strip_suffix("norm") {
        Some(short) => short.to_owned(),
        None => plain,
    }
}

macro_rules! norms {
    ($($norm:ident: $method:ident),+ $(,)?) => {
        /// PyG's names of the norms that a layer can have.
        const NAMES: &[&str] = &[$(<$norm as Layer>::NAME),+];

        /// A norm that was chosen when the layer around it was made.
        #[derive(Clone, Debug)]
        pub enum AnyNorm {
            $(
                #[doc = concat!("[`", stringify!($norm), "`](super::", stringify!($norm), ")")]
                $norm($norm),
            )+
        }

        crate::transparent::transparent_module!(AnyNorm { $(Self::$norm);+ });

        $(impl From<<$norm as Layer>::Config> for NormConfig {
            fn from(config: <$norm as Layer>::Config) -> Self {
                let mut args = match serde_json::to_value(config) {
                    Ok(Value::Object(args)) => args,
                    _ => Map::new(),
                };
                args.remove(WIDTH);
                let class = <$norm as Layer>::NAME;
                Self { class, args }
            }
        })+

        impl NormConfig {
            /// Creates the norm of features of a width.
            ///
            /// # Errors
            /// If the norm has no such arguments, or cannot work with them.
            pub fn build(&self, width: usize, device: &Device) -> Result<AnyNorm, ConfigError> {
                if self.args.contains_key(WIDTH) {
                    return Err(wrong(format!("`{WIDTH}`, which the layer sets")));
                }
                $(if self.class == <$norm as Layer>::NAME {
                    type Config = <$norm as Layer>::Config;
                    let mut args = self.args.clone();
                    if Config::REQUIRED.contains(&WIDTH) {
                        args.insert(WIDTH.to_owned(), width.into());
                    }
                    if self.class == "PairNorm" {
                        args.entry("scale").or_insert_with(|| count(width).into());
                    }
                    let config = config::<Config>(self.class, &args);
                    let config = config.map_err(|error| wrong(error.chain()))?;
                    return config.build(device).map(AnyNorm::$norm);
                })+
                Err(wrong(self.class.to_owned()))
            }
        }

        impl AnyNorm {
            /// Normalises features; norms that look at graphs need the graph of each node where
            /// there are several.
            ///
            /// # Panics
            /// If the number of features is not the norm's.
            pub fn forward(&self, x: Tensor<2>, groups: Option<&Groups>) -> Tensor<2> {
                match self {
                    $(Self::$norm(norm) => norms!(@ $method norm x groups),)+
                }
            }

            /// Whether it looks at the graphs of a batch.
            pub fn takes_groups(&self) -> bool {
                match self {
                    $(Self::$norm(_) => stringify!($method) == "graphs",)+
                }
            }
        }
    };
    (@ nodes $norm:ident $x:ident $groups:ident) => { $norm.forward($x) };
    (@ graphs $norm:ident $x:ident $groups:ident) => { $norm.forward(($x, $groups)) };
}

norms! {
    BatchNorm: nodes,
    DiffGroupNorm: nodes,
    GraphNorm: graphs,
    GraphSizeNorm: graphs,
    InstanceNorm: graphs,
    LayerNorm: graphs,
    MeanSubtractionNorm: graphs,
    PairNorm: graphs,
}

/// What PyG calls the number of features.
const WIDTH: &str = "in_channels";

fn wrong(got: String) -> ConfigError {
    ConfigError {
        name: "norm",
        expected: "a norm's class and its arguments",
        got,
    }
}

impl NormConfig {
    /// Batch normalisation with its default arguments.
    pub fn batch_norm() -> Self {
        let class = <BatchNorm as Layer>::NAME;
        Self {
            class,
            args: Map::new(),
        }
    }

    /// PyG's name of the class.
    pub fn class(&self) -> &'static str {
        self.class
    }

    /// The arguments of its constructor, but for the width.
    pub fn args(&self) -> &Map<String, Value> {
        &self.args
    }

    /// A norm of a name and arguments.
    ///
    /// # Errors
    /// If there is no norm of the name.
    pub fn new(name: &str, args: Map<String, Value>) -> Result<Self, UnknownNorm> {
        let known = NAMES.iter().find(|known| plain(known) == plain(name));
        let class = known.copied().ok_or_else(|| UnknownNorm {
            name: name.to_owned(),
        })?;
        Ok(Self { class, args })
    }

    /// Checks the norm of a layer with features of the given width, if it has one.
    ///
    /// # Errors
    /// If the norm has no such arguments, or cannot work with them.
    pub(crate) fn check(norm: Option<&Self>, width: usize) -> Result<(), ConfigError> {
        let built = norm.map(|norm| norm.build(width, &Device::default()));
        built.transpose().map(|_| ())
    }

    /// Creates a norm from arguments that have been checked, if there is one.
    pub(crate) fn make(norm: Option<&Self>, width: usize, device: &Device) -> Option<AnyNorm> {
        let built = norm.map(|norm| norm.build(width, device));
        built.map(|built| built.unwrap_or_else(|error| panic!("{error}")))
    }
}

/// What a layer takes besides for its norm: with one that looks at graphs, the graph of each node.
pub(crate) fn with_groups(norm: Option<&AnyNorm>, args: Signatures) -> Signatures {
    if norm.is_some_and(AnyNorm::takes_groups) {
        args.groups("batch_size")
    } else {
        args
    }
}

impl Serialize for NormConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.args.is_empty() {
            return self.class.serialize(serializer);
        }
        let mut args = self.args.clone();
        args.insert(CLASS.to_owned(), self.class.into());
        args.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NormConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (name, args) = match Value::deserialize(deserializer)? {
            Value::String(name) => (name, Map::new()),
            Value::Object(mut args) => match args.remove(CLASS) {
                Some(Value::String(name)) => (name, args),
                _ => return Err(D::Error::custom("expected the `class` of a norm")),
            },
            other => {
                let expected = format!("expected the name of a norm, got {other}");
                return Err(D::Error::custom(expected));
            }
        };
        Self::new(&name, args).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_pygs() {
        let parse = |json: &str| serde_json::from_str::<NormConfig>(json);
        for (json, class) in [
            (r#""batch_norm""#, "BatchNorm"),
            (r#""BatchNorm""#, "BatchNorm"),
            (r#""graph""#, "GraphNorm"),
            (r#""graph-size norm""#, "GraphSizeNorm"),
            (r#"{"class": "layer_norm", "mode": "node"}"#, "LayerNorm"),
        ] {
            let config = parse(json).unwrap();
            assert_eq!(config.class(), class);
            let again = serde_json::to_string(&config).unwrap();
            assert_eq!(parse(&again).unwrap(), config);
        }
        let error = parse(r#""message_norm""#).unwrap_err().to_string();
        assert!(
            error.contains("unknown normalisation `message_norm`"),
            "{error}"
        );
        let norm = |json: &str| parse(json).unwrap().build(4, &Device::flex());
        let error = norm(r#"{"class": "GraphNorm", "p": 1}"#).unwrap_err();
        assert!(error.to_string().contains("no argument `p`"), "{error}");
        let error = norm(r#"{"class": "GraphNorm", "eps": -1}"#).unwrap_err();
        assert!(error.to_string().contains("positive"), "{error}");
        let error = norm(r#"{"class": "GraphNorm", "in_channels": 3}"#).unwrap_err();
        assert!(
            error.to_string().contains("which the layer sets"),
            "{error}"
        );
        // PyG gives the width as the first argument.
        let Ok(AnyNorm::PairNorm(pair)) = norm(r#""pair_norm""#) else {
            panic!("expected a PairNorm");
        };
        assert!((pair.scale - 4.0).abs() < 1e-9);
    }
}
