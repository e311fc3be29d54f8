//! Layers and models from PyG's names: `("GATConv", {"in_channels": 8, "out_channels": 4})`.
//!
//! This is how the command line, and whoever has a PyG constructor call in a file, makes a module.
//! Arguments have PyG's names, types and defaults. In `GINConv`, `nn` is a list of widths: linear
//! layers of those widths with ReLU between them.

mod args;

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::Device,
};
use kiln_core::{
    Value,
    signature::{Overload, Overloads},
};
use thiserror::Error;

use self::args::Args;
use crate::{
    activation::Activation,
    aggr::{Reduce, parse_reduce},
    conv::{
        FillValue, GatConv, GatConvConfig, GcnConv, GcnConvConfig, GinConv, GinConvConfig,
        SageConv, SageConvConfig,
    },
    init,
    message_passing::Flow,
    models::{
        BasicConv, BasicGnnConfig, Gat, Gcn, Gin, GraphSage, JumpingKnowledge, Mlp, MlpConfig,
    },
    sequential::{Sequential, SequentialLayer, transparent_module},
};

/// Names of the layers and models that [`from_args`] makes.
pub const KINDS: [&str; 9] = [
    "GCNConv",
    "SAGEConv",
    "GATConv",
    "GINConv",
    "GCN",
    "GraphSAGE",
    "GAT",
    "GIN",
    "MLP",
];

/// Why a module could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no layer or model of this name.
    #[error("unknown layer or model `{kind}`, expected one of {}", KINDS.join(", "))]
    UnknownKind {
        /// The name.
        kind: String,
    },
    /// The arguments are not an object.
    #[error("{kind}: expected an object of arguments, got {got}")]
    NotAnObject {
        /// Layer or model.
        kind: &'static str,
        /// What came instead.
        got: serde_json::Value,
    },
    /// The layer or model has no such argument.
    #[error("{kind} has no argument `{name}`, expected one of {}", known.join(", "))]
    UnknownArgument {
        /// Layer or model.
        kind: &'static str,
        /// The argument.
        name: String,
        /// The arguments that it has.
        known: Vec<&'static str>,
    },
    /// An argument without a default value is absent.
    #[error("{kind} needs the argument `{name}`")]
    MissingArgument {
        /// Layer or model.
        kind: &'static str,
        /// The argument.
        name: &'static str,
    },
    /// An argument has the wrong type.
    #[error("{kind}: argument `{name}`")]
    Type {
        /// Layer or model.
        kind: &'static str,
        /// The argument.
        name: &'static str,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// An argument has a value that the layer or model cannot work with.
    #[error("{kind}: argument `{name}`: expected {expected}, got {got}")]
    Value {
        /// Layer or model.
        kind: &'static str,
        /// The argument.
        name: &'static str,
        /// What would be right.
        expected: &'static str,
        /// What came instead.
        got: String,
    },
}

/// Makes a layer or model from PyG's name and constructor arguments.
///
/// ```
/// use burn::tensor::Device;
/// use kiln_core::Overloads;
///
/// let args = serde_json::json!({"in_channels": 8, "out_channels": 4, "heads": 2});
/// let model = kiln_nn::build::from_args("GATConv", &args, &Device::flex()).unwrap();
/// assert_eq!(model.overloads().len(), 8);
/// ```
///
/// # Errors
/// If the name is unknown, or an argument is unknown, absent or wrong.
pub fn from_args(
    kind: &str,
    args: &serde_json::Value,
    device: &Device,
) -> Result<AnyModel, BuildError> {
    let kind = KINDS
        .into_iter()
        .find(|known| *known == kind)
        .ok_or_else(|| BuildError::UnknownKind {
            kind: kind.to_owned(),
        })?;
    let mut args = Args::new(kind, args)?;
    let model = match kind {
        "GCNConv" => AnyModel::GcnConv(gcn_options(&mut args, true)?.init(device)),
        "SAGEConv" => AnyModel::SageConv(sage_options(&mut args, true)?.init(device)),
        "GATConv" => AnyModel::GatConv(gat_options(&mut args, true)?.init(device)),
        "GINConv" => {
            let nn = sequential(&mut args, device)?;
            AnyModel::GinConv(gin_options(&mut args)?.init(nn, device))
        }
        "GCN" => AnyModel::Gcn(model(&mut args, |args| gcn_options(args, false))?.init(device)),
        "GraphSAGE" => {
            AnyModel::GraphSage(model(&mut args, |args| sage_options(args, false))?.init(device))
        }
        "GIN" => AnyModel::Gin(model(&mut args, gin_options)?.init(device)),
        "GAT" => {
            let config = model(&mut args, |args| gat_options(args, false))?;
            check_heads(&args, &config)?;
            AnyModel::Gat(config.init(device))
        }
        _ => AnyModel::Mlp(mlp(&mut args)?.init(device)),
    };
    args.finish()?;
    Ok(model)
}

/// A layer or model chosen at run time.
///
/// Its parameters have the names of the module inside.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of these, not many")]
pub enum AnyModel {
    /// `GCNConv`
    GcnConv(GcnConv),
    /// `SAGEConv`
    SageConv(SageConv),
    /// `GATConv`
    GatConv(GatConv),
    /// `GINConv`
    GinConv(GinConv<Sequential>),
    /// `GCN`
    Gcn(Gcn),
    /// `GraphSAGE`
    GraphSage(GraphSage),
    /// `GAT`
    Gat(Gat),
    /// `GIN`
    Gin(Gin),
    /// `MLP`
    Mlp(Mlp),
}

transparent_module!(AnyModel {
    GcnConv,
    SageConv,
    GatConv,
    GinConv,
    Gcn,
    GraphSage,
    Gat,
    Gin,
    Mlp,
});

macro_rules! any_overloads {
    ($($variant:ident),+ $(,)?) => {
        impl Overloads for AnyModel {
            fn overloads(&self) -> Vec<Overload<Self>> {
                match self {
                    $(Self::$variant(module) => module
                        .overloads()
                        .into_iter()
                        .map(|Overload { name, signature, call }| {
                            Overload::new(name, signature, move |model: &Self, args: Vec<Value>| {
                                match model {
                                    Self::$variant(module) => call(module, args),
                                    other => panic!(
                                        "expected a {}, got a {}",
                                        stringify!($variant),
                                        other.kind()
                                    ),
                                }
                            })
                        })
                        .collect(),)+
                }
            }

            fn kind(&self) -> &'static str {
                match self { $(Self::$variant(module) => module.kind(),)+ }
            }
        }
    };
}

any_overloads!(
    GcnConv, SageConv, GatConv, GinConv, Gcn, GraphSage, Gat, Gin, Mlp
);

/// Width of input, output and, if given apart, destinations; zeros inside a model, which sets them.
fn widths(args: &mut Args, alone: bool) -> Result<(usize, usize, Option<usize>), BuildError> {
    if alone {
        let (src, dst) = args.in_channels()?;
        Ok((src, args.required("out_channels")?, dst))
    } else {
        Ok((0, 0, None))
    }
}

fn gcn_options(args: &mut Args, alone: bool) -> Result<GcnConvConfig, BuildError> {
    let (d_input, d_output, d_dst) = widths(args, alone)?;
    args.check("in_channels", d_dst.is_none(), "one width", || {
        "a pair".to_owned()
    })?;
    let config = GcnConvConfig::new(d_input, d_output)
        .with_improved(args.or("improved", false)?)
        .with_add_self_loops(args.optional("add_self_loops")?)
        .with_normalize(args.or("normalize", true)?)
        .with_bias(args.or("bias", true)?)
        .with_flow(args.or("flow", Flow::default())?);
    // Nothing is cached inside a layer, which changes no result.
    let _cached: bool = args.or("cached", false)?;
    let loops = config.add_self_loops.unwrap_or(config.normalize);
    args.check(
        "add_self_loops",
        config.normalize || !loops,
        "false without `normalize`",
        || loops.to_string(),
    )?;
    Ok(config)
}

fn sage_options(args: &mut Args, alone: bool) -> Result<SageConvConfig, BuildError> {
    let (d_input, d_output, d_dst) = widths(args, alone)?;
    Ok(SageConvConfig::new(d_input, d_output)
        .with_d_dst(d_dst)
        .with_aggr(args.aggr(Reduce::Mean)?)
        .with_normalize(args.or("normalize", false)?)
        .with_root_weight(args.or("root_weight", true)?)
        .with_project(args.or("project", false)?)
        .with_bias(args.or("bias", true)?)
        .with_flow(args.or("flow", Flow::default())?))
}

fn gat_options(args: &mut Args, alone: bool) -> Result<GatConvConfig, BuildError> {
    let (d_input, d_output, d_dst) = widths(args, alone)?;
    // A model has read its own probability already, and passes it on.
    let dropout = if alone { args.dropout()? } else { 0.0 };
    let heads = args.or("heads", 1)?;
    args.check("heads", heads > 0, "at least one head", || {
        heads.to_string()
    })?;
    let d_edge: Option<usize> = args.optional("edge_dim")?;
    Ok(GatConvConfig::new(d_input, d_output)
        .with_d_dst(d_dst)
        .with_heads(heads)
        .with_concat(args.or("concat", true)?)
        .with_negative_slope(args.or("negative_slope", 0.2)?)
        .with_dropout(dropout)
        .with_add_self_loops(args.or("add_self_loops", true)?)
        .with_d_edge(d_edge)
        .with_fill_value(fill_value(args, d_edge)?)
        .with_bias(args.or("bias", true)?)
        .with_residual(args.or("residual", false)?)
        .with_flow(args.or("flow", Flow::default())?))
}

fn fill_value(args: &mut Args, d_edge: Option<usize>) -> Result<FillValue, BuildError> {
    const NAME: &str = "fill_value";
    let value = args.optional::<serde_json::Value>(NAME)?;
    Ok(match value {
        None => FillValue::Incoming(Reduce::Mean),
        Some(serde_json::Value::String(name)) => {
            let expected = "a number, a row or one of add, mean, min, max, mul";
            FillValue::Incoming(args.named(NAME, &name, expected, |name| parse_reduce(name).ok())?)
        }
        Some(value) if value.is_array() => {
            let row: Vec<f32> = args.parse(NAME, value)?;
            let fits = d_edge.is_none_or(|d_edge| d_edge == row.len());
            args.check(NAME, fits, "a row of width `edge_dim`", || {
                row.len().to_string()
            })?;
            FillValue::Row(row)
        }
        Some(value) => FillValue::Constant(args.parse(NAME, value)?),
    })
}

fn gin_options(args: &mut Args) -> Result<GinConvConfig, BuildError> {
    Ok(GinConvConfig::new()
        .with_eps(args.or("eps", 0.0)?)
        .with_train_eps(args.or("train_eps", false)?)
        .with_aggr(args.aggr(Reduce::Sum)?)
        .with_flow(args.or("flow", Flow::default())?))
}

/// Linear layers of the widths in `nn` with ReLU between them.
fn sequential(args: &mut Args, device: &Device) -> Result<Sequential, BuildError> {
    let widths: Vec<usize> = args.required("nn")?;
    args.check("nn", widths.len() >= 2, "at least two widths", || {
        format!("{widths:?}")
    })?;
    let mut layers = Vec::new();
    for pair in widths.windows(2) {
        if !layers.is_empty() {
            layers.push(SequentialLayer::Activation(Activation::Relu.into()));
        }
        layers.push(SequentialLayer::Linear(init::linear(
            pair[0], pair[1], true, device,
        )));
    }
    Ok(layers)
}

fn model<C: BasicConv>(
    args: &mut Args,
    options: impl FnOnce(&mut Args) -> Result<C::Options, BuildError>,
) -> Result<BasicGnnConfig<C>, BuildError> {
    let (in_channels, hidden) = (
        args.required("in_channels")?,
        args.required("hidden_channels")?,
    );
    let num_layers: usize = args.required("num_layers")?;
    args.check("num_layers", num_layers > 0, "at least one layer", || {
        num_layers.to_string()
    })?;
    let mut config = BasicGnnConfig::<C>::new(in_channels, hidden, num_layers)
        .with_dropout(args.dropout()?)
        .with_act(args.act()?)
        .with_act_first(args.or("act_first", false)?)
        .with_batch_norm(args.norm(None)?);
    config.out_channels = args.optional("out_channels")?;
    config.jk = match args.optional::<String>("jk")? {
        None => None,
        Some(name) => {
            let parse = |name: &str| name.parse::<JumpingKnowledge>().ok();
            Some(args.named("jk", &name, "one of last, cat, max", parse)?)
        }
    };
    Ok(config.with_conv(options(args)?))
}

fn check_heads(args: &Args, config: &BasicGnnConfig<GatConv>) -> Result<(), BuildError> {
    let heads = config.conv.heads;
    let last_is_output = config.jk.is_none() && config.out_channels.is_some();
    let shared = config.conv.concat && (config.num_layers > 1 || !last_is_output);
    let divides = config.hidden_channels.is_multiple_of(heads);
    args.check(
        "heads",
        !shared || divides,
        "a divisor of `hidden_channels`",
        || heads.to_string(),
    )
}

fn mlp(args: &mut Args) -> Result<MlpConfig, BuildError> {
    let list: Option<Vec<usize>> = args.optional("channel_list")?;
    let d_input: Option<usize> = args.optional("in_channels")?;
    let hidden: Option<usize> = args.optional("hidden_channels")?;
    let d_output: Option<usize> = args.optional("out_channels")?;
    let num_layers: Option<usize> = args.optional("num_layers")?;
    let missing = |name| BuildError::MissingArgument { kind: "MLP", name };
    let channels = match (d_input, list) {
        (Some(d_input), _) => {
            let num_layers = num_layers.ok_or_else(|| missing("num_layers"))?;
            args.check("num_layers", num_layers > 0, "at least one layer", || {
                "0".to_owned()
            })?;
            let mut channels = vec![d_input];
            if num_layers > 1 {
                let hidden = hidden.ok_or_else(|| missing("hidden_channels"))?;
                channels.resize(num_layers, hidden);
            }
            channels.push(d_output.ok_or_else(|| missing("out_channels"))?);
            channels
        }
        (None, Some(list)) => list,
        (None, None) => return Err(missing("channel_list")),
    };
    let enough = channels.len() >= 2;
    args.check("channel_list", enough, "at least two widths", || {
        format!("{channels:?}")
    })?;
    Ok(MlpConfig::new(channels)
        .with_dropout(args.dropout()?)
        .with_act(args.act()?)
        .with_act_first(args.or("act_first", false)?)
        .with_batch_norm(args.norm(Some("batch_norm"))?)
        .with_plain_last(args.or("plain_last", true)?)
        .with_bias(args.or("bias", true)?))
}
