//! Layers and models from PyG's names: `("GATConv", {"in_channels": 8, "out_channels": 4})`.
//!
//! The command line makes modules this way, and so can a program that reads constructor calls from
//! a file. What serde can read will do: JSON, a TOML table, a map.
//!
//! Arguments have PyG's names, types and defaults; see the layers' configurations. `"None"` is an
//! absent value, for formats without one. Of `GINConv`, `nn` is a list of widths. Every layer takes
//! `flow`, and one with `aggr` takes `aggr_kwargs`. Arguments that change no result here are
//! accepted where they have the value that PyG has by default, such as `"node_dim": -2`.

use burn::tensor::Device;
use kiln_core::Flow;
use serde::Serialize;
use serde_json::Value;

pub use crate::arguments::BuildError;
use crate::catalog::{AnyLayer, AnyModule, NAMES};

/// Makes a layer or model from PyG's name and constructor arguments.
///
/// ```
/// use burn::tensor::Device;
/// use kiln_ops::Overloads;
///
/// let args = serde_json::json!({"in_channels": 8, "out_channels": 4, "heads": 2});
/// let layer = kiln_nn::build::from_args("GATConv", &args, &Device::flex()).unwrap();
/// assert_eq!(layer.overloads().len(), 8);
/// ```
///
/// # Errors
/// If the name is unknown, or an argument is unknown, absent or wrong.
pub fn from_args(
    name: &str,
    args: &(impl Serialize + ?Sized),
    device: &Device,
) -> Result<AnyLayer, BuildError> {
    let kind = || name.to_owned();
    let args = serde_json::to_value(args);
    let mut args = match args.map_err(|source| BuildError::Unreadable {
        kind: kind(),
        source,
    })? {
        Value::Object(args) => args,
        got => return Err(BuildError::NotAnObject { kind: kind(), got }),
    };
    let flow = match args.remove("flow") {
        None => Flow::default(),
        Some(flow) => serde_json::from_value(flow).map_err(|source| BuildError::Type {
            kind: kind(),
            name: "flow".to_owned(),
            source,
        })?,
    };
    match AnyModule::new(name, &args, device) {
        Some(module) => Ok(AnyLayer::new(module?, flow)),
        None => Err(BuildError::UnknownName {
            name: kind(),
            known: NAMES,
        }),
    }
}
