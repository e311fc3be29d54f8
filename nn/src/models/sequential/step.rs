//! What a [`GraphSequential`](super::GraphSequential) calls: a layer, a module of PyTorch, or a
//! function.

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    nn,
    tensor::{Device, Tensor},
};
use kiln_core::{
    Groups, Named, Signatures, Value,
    signature::{Dim, Type},
};
use kiln_ops::Reduce;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Map;

use crate::{
    activation::Activation,
    aggr::Aggregation,
    arguments::BuildError,
    build::from_args,
    catalog::{AnyLayer, NAMES},
    dropout::Dropout,
    linear::LinearConfig,
    norm::groups_of,
    sequential::{NodeTransform as _, SequentialLayer},
    transparent::transparent_module,
};

/// A module of a [`GraphSequential`](super::GraphSequential).
#[derive(Clone, Debug)]
pub enum Step {
    /// A layer or model of PyG.
    Layer(Box<AnyLayer>),
    /// A module of PyTorch.
    Transform(Box<SequentialLayer>),
    /// A function.
    Function(FunctionLayer),
}

transparent_module!(Step { Self::Layer; Self::Transform; Self::Function });

/// A [`Function`] as a module.
#[derive(Module, Debug)]
pub struct FunctionLayer {
    /// The function.
    #[module(skip)]
    pub function: Function,
}

/// A function between the modules of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// PyG's `global_add_pool`, `global_mean_pool` or `global_max_pool` of `x, batch, size`.
    Pool(Reduce),
    /// A list of all arguments.
    List,
    /// The sum of all arguments.
    Add,
    /// All arguments beside each other.
    Cat,
}

impl Function {
    const ALL: [(&'static str, Self); 6] = [
        ("global_add_pool", Self::Pool(Reduce::Sum)),
        ("global_mean_pool", Self::Pool(Reduce::Mean)),
        ("global_max_pool", Self::Pool(Reduce::Max)),
        ("list", Self::List),
        ("add", Self::Add),
        ("cat", Self::Cat),
    ];

    fn call(self, values: Vec<Value>) -> Value {
        let tensors = |values: Vec<Value>| values.into_iter().map(features).collect::<Vec<_>>();
        match self {
            Self::Pool(reduce) => {
                let mut named = Named::new(["x", "batch", "batch_size"], values);
                let x: Tensor<2> = named.tensor("x");
                let one = || Groups::one(x.dims()[0], &x.device());
                let groups = groups_of(&mut named).unwrap_or_else(one);
                Aggregation::from(reduce).aggregate(x, &groups).into()
            }
            Self::List => Value::List(values),
            Self::Add => {
                let sum = tensors(values).into_iter().reduce(|sum, next| sum + next);
                sum.into()
            }
            Self::Cat => Tensor::cat(tensors(values), 1).into(),
        }
    }
}

/// Rows of features.
fn features(value: Value) -> Tensor<2> {
    match value {
        Value::Tensor(x) => x.float(),
        other => panic!("expected features, got {other:?}"),
    }
}

impl Step {
    /// Makes a layer of PyG's, a module of PyTorch's or a function of a name.
    pub(super) fn new(
        class: &str,
        args: &Map<String, serde_json::Value>,
        device: &Device,
    ) -> Result<Self, String> {
        let functions = Function::ALL.iter();
        if let Some((_, function)) = functions.clone().find(|(name, _)| *name == class) {
            let function = *function;
            let none = args.is_empty();
            return none
                .then_some(Self::Function(FunctionLayer { function }))
                .ok_or_else(|| format!("`{class}` takes no arguments of a constructor"));
        }
        if let Some(transform) = transform(class, args, device) {
            return transform.map(|transform| Self::Transform(transform.into()));
        }
        match from_args(class, args, device) {
            Ok(layer) => Ok(Self::Layer(layer.into())),
            Err(BuildError::UnknownName { .. }) => {
                let functions = functions.map(|(name, _)| *name);
                let known = NAMES.iter().copied().chain(TRANSFORMS).chain(functions);
                let known: Vec<_> = known.collect();
                Err(format!("there is no `{class}`, only {}", known.join(", ")))
            }
            Err(error) => Err(error.chain()),
        }
    }

    /// What the module takes; `None` if it is any number of features.
    pub(super) fn signatures(&self) -> Option<Signatures> {
        let rows = |width: Option<usize>| {
            let width = width.map_or_else(|| Dim::from("F"), Dim::from);
            Signatures::new().with("x", Type::float(["N".into(), width]))
        };
        match self {
            Self::Layer(layer) => Some(layer.module().signatures()),
            Self::Transform(transform) => Some(rows(transform.in_channels())),
            Self::Function(layer) => matches!(layer.function, Function::Pool(_)).then(|| {
                rows(None)
                    .with("batch", Type::int(["N".into()]).optional())
                    .with("size", Type::Int("G".into()))
            }),
        }
    }

    /// Names of what the module takes, in PyG's order; `None` if it is any number of features.
    pub(super) fn arguments(&self) -> Option<Vec<String>> {
        let signatures = self.signatures()?;
        let mut names: Vec<String> = signatures.names().map(str::to_owned).collect();
        // PyG's aggregations take pointers to groups in place of the groups of rows.
        if names == ["x", "index", "dim_size"] {
            names.insert(2, "ptr".to_owned());
        }
        Some(names)
    }

    /// Whether the result is of the type of the argument, whatever that is.
    pub(super) fn keeps_type(&self) -> bool {
        matches!(self, Self::Transform(transform) if transform.in_channels().is_none())
    }

    /// Calls the module.
    pub(super) fn call(&self, values: Vec<Value>) -> Value {
        match (self, self.arguments()) {
            (Self::Layer(layer), Some(names)) => {
                layer.call(Named::new(names.iter().map(String::as_str), values))
            }
            (Self::Transform(transform), _) => {
                let x = values.into_iter().next().unwrap_or(Value::None);
                transform.transform(features(x)).into()
            }
            (Self::Function(layer), _) => layer.function.call(values),
            (Self::Layer(_), None) => unreachable!("a layer has arguments"),
        }
    }
}

/// Classes of PyTorch beside activations.
const TRANSFORMS: [&str; 5] = ["Linear", "ReLU", "Dropout", "BatchNorm1d", "LayerNorm"];

/// Makes a module of PyTorch; `None` if there is none of the name.
fn transform(
    class: &str,
    args: &Map<String, serde_json::Value>,
    device: &Device,
) -> Option<Result<SequentialLayer, String>> {
    let made = match class {
        "Linear" => read(args, |args: LinearArgs| {
            let config = LinearConfig::new(args.in_features, args.out_features);
            SequentialLayer::Linear(config.with_bias(args.bias).init(device))
        }),
        "Dropout" => {
            let dropout = read(args, |args: DropoutArgs| args.p);
            dropout.and_then(|p| {
                let ok = (0.0..1.0).contains(&p);
                ok.then(|| SequentialLayer::Dropout(Dropout::new(p)))
                    .ok_or_else(|| format!("`p`: expected a probability in [0, 1), got {p}"))
            })
        }
        "BatchNorm1d" => read(args, |args: BatchNormArgs| {
            let config = nn::BatchNormConfig::new(args.num_features);
            let config = config.with_epsilon(args.eps).with_momentum(args.momentum);
            SequentialLayer::BatchNorm(config.init(device))
        }),
        // PyG's layer of the same name has other arguments.
        "LayerNorm" if args.contains_key("normalized_shape") => {
            read(args, |args: LayerNormArgs| {
                let config = nn::LayerNormConfig::new(args.normalized_shape);
                SequentialLayer::LayerNorm(config.with_epsilon(args.eps).init(device))
            })
        }
        _ => {
            let activation: Activation = class.parse().ok()?;
            read(args, |_: ActivationArgs| {
                SequentialLayer::Activation(activation.into())
            })
        }
    };
    Some(made.map_err(|error| format!("{class}: {error}")))
}

fn read<A: DeserializeOwned, T>(
    args: &Map<String, serde_json::Value>,
    make: impl FnOnce(A) -> T,
) -> Result<T, String> {
    let args = serde_json::Value::Object(args.clone());
    let args = serde_json::from_value(args).map_err(|error| error.to_string())?;
    Ok(make(args))
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinearArgs {
    #[serde(alias = "in_channels")]
    in_features: usize,
    #[serde(alias = "out_channels")]
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropoutArgs {
    #[serde(default = "half")]
    p: f64,
    #[serde(default, rename = "inplace")]
    _inplace: bool,
}

fn half() -> f64 {
    0.5
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchNormArgs {
    num_features: usize,
    #[serde(default = "small")]
    eps: f64,
    #[serde(default = "tenth")]
    momentum: f64,
}

fn small() -> f64 {
    1e-5
}

fn tenth() -> f64 {
    0.1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerNormArgs {
    normalized_shape: usize,
    #[serde(default = "small")]
    eps: f64,
}

/// In-place functions give the same results.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivationArgs {
    #[serde(default, rename = "inplace")]
    _inplace: bool,
}
