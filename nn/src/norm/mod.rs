//! Normalisation of node features.
//!
//! Norms that tell the graphs of a batch apart take [`NormArgs`]: features alone, or with
//! [`Groups`](kiln_core::Groups) of nodes.

mod affine;
mod batch_norm;
mod diff_group_norm;
mod graph_norm;
mod graph_size_norm;
mod hetero_batch_norm;
mod hetero_layer_norm;
mod instance_norm;
mod layer;
mod layer_norm;
mod mean_subtraction_norm;
mod message_norm;
mod pair_norm;
mod running;
mod types;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use self::batch_norm::batch_norm;
pub use self::{
    batch_norm::{BatchNorm, BatchNorm1d, BatchNormConfig, PartialBatchNorm},
    diff_group_norm::{DiffGroupNorm, DiffGroupNormConfig},
    graph_norm::{GraphNorm, GraphNormConfig},
    graph_size_norm::{GraphSizeNorm, GraphSizeNormConfig},
    hetero_batch_norm::{HeteroBatchNorm, HeteroBatchNormConfig},
    hetero_layer_norm::{HeteroLayerNorm, HeteroLayerNormConfig},
    instance_norm::{InstanceNorm, InstanceNormConfig},
    layer::NormArgs,
    layer_norm::{LayerNorm, LayerNormConfig, LayerNormMode},
    mean_subtraction_norm::{MeanSubtractionNorm, MeanSubtractionNormConfig},
    message_norm::{MessageNorm, MessageNormArgs, MessageNormConfig},
    pair_norm::{PairNorm, PairNormConfig},
    types::{NodeTypes, TypeArgs},
};
use crate::by_name::by_name;

/// The normalisation of a model's hidden features (PyG's `norm`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Norm {
    /// [`BatchNorm`]
    BatchNorm,
}

by_name!(
    Norm,
    UnknownNorm {
        BatchNorm: "batch_norm"
    }
);

/// A name that is no normalisation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown normalisation `{name}`, expected batch_norm")]
pub struct UnknownNorm {
    /// The name.
    pub name: String,
}
