//! Configurations: what layers and models are made from, under PyG's argument names.

use burn::{module::Module, tensor::Device};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use thiserror::Error;

/// The arguments of a layer's or model's constructor.
///
/// Fields have PyG's names, types and defaults, so that a constructor call in a JSON or TOML file
/// becomes a configuration by serde; see [`build`](crate::build). `derive(Config)` gives `new`, for
/// the fields without a default, and a `with_` method for each of the others.
pub trait LayerConfig: Serialize + DeserializeOwned {
    /// What is made.
    type Layer: Module;

    /// Arguments without a default value.
    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels"];

    /// Arguments of PyG's that change no result here: their names and the values, as JSON, that are
    /// accepted.
    const NEUTRAL: &'static [(&'static str, &'static str)] = &[];

    /// Default values, with anything for the arguments without.
    fn blank() -> Self;

    /// Adds arguments that follow from others, as JSON.
    fn complete(_args: &mut Map<String, Value>) {}

    /// Whether the arguments go together.
    ///
    /// # Errors
    /// If the layer cannot work with an argument.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Creates the layer from arguments that have been checked.
    fn make(&self, device: &Device) -> Self::Layer;

    /// Creates the layer.
    ///
    /// # Errors
    /// If the layer cannot work with an argument.
    fn build(&self, device: &Device) -> Result<Self::Layer, ConfigError> {
        self.check()?;
        Ok(self.make(device))
    }

    /// Creates the layer.
    ///
    /// # Panics
    /// If the layer cannot work with an argument.
    #[track_caller]
    fn init(&self, device: &Device) -> Self::Layer {
        self.build(device).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// An argument that a layer cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("argument `{name}`: expected {expected}, got {got}")]
pub struct ConfigError {
    /// The argument.
    pub name: &'static str,
    /// What would be right.
    pub expected: &'static str,
    /// What came instead.
    pub got: String,
}

impl ConfigError {
    /// An error unless the argument is right.
    ///
    /// # Errors
    /// If `ok` is false.
    pub fn unless(
        ok: bool,
        name: &'static str,
        expected: &'static str,
        got: impl Into<String>,
    ) -> Result<(), Self> {
        if ok {
            return Ok(());
        }
        let got = got.into();
        Err(Self {
            name,
            expected,
            got,
        })
    }
}

/// PyG's `cached`, which keeps what a layer found for a graph: with both values results are the
/// same.
pub(crate) const CACHED: &[(&str, &str)] = &[("cached", "false"), ("cached", "true")];

/// A number of things, to compute with.
pub(crate) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Checks a probability of dropout.
pub(crate) fn check_dropout(dropout: f64) -> Result<(), ConfigError> {
    let ok = (0.0..1.0).contains(&dropout);
    ConfigError::unless(
        ok,
        "dropout",
        "a probability in [0, 1)",
        dropout.to_string(),
    )
}

/// One choice or several. JSON has the choice or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrSeveral<T> {
    /// One.
    One(T),
    /// Several, whose results stand side by side.
    Several(Vec<T>),
}

impl<T> OneOrSeveral<T> {
    /// All of them.
    pub fn all(&self) -> &[T] {
        match self {
            Self::One(one) => core::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// Width of the features of all nodes, or of sources and targets apart (PyG's
/// `Union[int, Tuple[int, int]]`).
///
/// Two widths, even equal ones, can mean more than one: attention gives sources and targets maps of
/// their own then. JSON has a number or a list of two.
///
/// ```
/// use kiln_nn::Channels;
///
/// assert_eq!(Channels::from(8).both(), [8, 8]);
/// assert_eq!(Channels::from((8, 5)).both(), [8, 5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Channels {
    /// One width.
    One(usize),
    /// Widths of sources and targets.
    Two(usize, usize),
}

impl Channels {
    /// Widths of sources and targets.
    pub fn both(self) -> [usize; 2] {
        match self {
            Self::One(width) => [width; 2],
            Self::Two(src, dst) => [src, dst],
        }
    }

    /// Width of the sources' features.
    pub fn src(self) -> usize {
        self.both()[0]
    }

    /// Width of the targets' features.
    pub fn dst(self) -> usize {
        self.both()[1]
    }
}

impl From<usize> for Channels {
    fn from(width: usize) -> Self {
        Self::One(width)
    }
}

impl From<(usize, usize)> for Channels {
    fn from((src, dst): (usize, usize)) -> Self {
        Self::Two(src, dst)
    }
}
