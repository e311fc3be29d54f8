//! A convolution inside another layer, which its arguments choose.

use burn::module::{
    Content, Devices, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use kiln_core::{Named, Value};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::prelude::*;
use crate::{arguments::CLASS, catalog::AnyModule, transparent::transparent_module};

/// PyG's class of a convolution and its arguments.
///
/// JSON has an object: `{"class": "GCNConv", "in_channels": 8, "out_channels": 8}`. Arguments that
/// are left out have their default values.
///
/// ```
/// use kiln_nn::prelude::*;
///
/// let json = r#"{"class": "SAGEConv", "in_channels": 3, "out_channels": 4}"#;
/// let config: ConvConfig = serde_json::from_str(json).unwrap();
/// assert_eq!(config.class, "SAGEConv");
/// let config = ConvConfig::from(GcnConvConfig::new(3, 4).with_bias(false));
/// assert_eq!(config.args["bias"], false);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvConfig {
    /// PyG's name of the class.
    pub class: String,
    /// The arguments of its constructor.
    #[serde(flatten)]
    pub args: Map<String, serde_json::Value>,
}

impl<C: LayerConfig<Layer: Layer>> From<C> for ConvConfig {
    fn from(config: C) -> Self {
        let args = match serde_json::to_value(config) {
            Ok(serde_json::Value::Object(args)) => args,
            _ => Map::new(),
        };
        let class = <C::Layer as Layer>::NAME.to_owned();
        Self { class, args }
    }
}

impl ConvConfig {
    /// A class without arguments.
    pub(crate) fn blank() -> Self {
        let class = String::new();
        Self {
            class,
            args: Map::new(),
        }
    }

    /// The same with widths of its own and with all arguments; `name` is what the layer around it
    /// calls it.
    ///
    /// # Errors
    /// If there is no such convolution, or it has no such arguments.
    pub(crate) fn with_widths(
        &self,
        name: &'static str,
        d_in: usize,
        d_out: usize,
    ) -> Result<Self, ConfigError> {
        let mut conv = self.clone();
        for (argument, width) in [("in_channels", d_in), ("out_channels", d_out)] {
            conv.args.insert(argument.to_owned(), width.into());
        }
        conv.complete_as(name)
    }

    /// The same with all arguments.
    ///
    /// # Errors
    /// If there is no such convolution, or it has no such arguments.
    pub(crate) fn complete(&self) -> Result<Self, ConfigError> {
        self.complete_as("conv")
    }

    fn complete_as(&self, name: &'static str) -> Result<Self, ConfigError> {
        let expected = "a convolution's class and its arguments";
        let wrong = |got| ConfigError {
            name,
            expected,
            got,
        };
        match AnyModule::conv_args(&self.class, &self.args) {
            Some(Ok(serde_json::Value::Object(args))) => {
                let class = self.class.clone();
                Ok(Self { class, args })
            }
            Some(Ok(other)) => Err(wrong(other.to_string())),
            Some(Err(error)) => Err(wrong(error.chain())),
            None => Err(wrong(format!("{CLASS} `{}`", self.class))),
        }
    }

    /// The width that an argument says, if it is a number.
    pub(crate) fn width(&self, argument: &str) -> Option<usize> {
        usize::try_from(self.args.get(argument)?.as_u64()?).ok()
    }

    /// Switches an option off, if the convolution has it.
    pub(crate) fn without(mut self, option: &str) -> Self {
        if let Some(value) = self.args.get_mut(option) {
            *value = false.into();
        }
        self
    }

    /// Creates the convolution from arguments that have been checked.
    pub(crate) fn make(&self, device: &Device) -> AnyConv {
        match AnyModule::new(&self.class, &self.args, device) {
            Some(Ok(module)) => AnyConv(Box::new(module)),
            Some(Err(error)) => panic!("{}", error.chain()),
            None => panic!("there is no convolution `{}`", self.class),
        }
    }
}

/// A convolution that was chosen when the layer around it was made.
#[derive(Clone, Debug)]
pub struct AnyConv(Box<AnyModule>);

transparent_module!(AnyConv { Self });

impl AnyConv {
    /// The convolution.
    ///
    /// # Shapes
    /// As of the convolution.
    ///
    /// # Panics
    /// If the convolution does not take these arguments.
    pub fn forward(&self, x: impl Into<Nodes>, edges: impl Into<Edges>) -> Tensor<2> {
        match self.0.call(Named::from(ConvArgs::from((x, edges)))) {
            Value::Tensor(out) => out.float(),
            other => panic!("expected a convolution with one result, got {other:?}"),
        }
    }

    /// What the convolution takes besides nodes and edges, added to what the layer around it takes.
    pub(crate) fn add_arguments(&self, own: Signatures) -> Signatures {
        own.with_those_of(self.0.signatures(), |name| Edges::CARRIED.contains(&name))
    }
}
