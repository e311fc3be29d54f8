//! Normalisation of node features.

mod batch_norm;
mod message_norm;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use self::batch_norm::batch_norm;
pub use self::{
    batch_norm::{BatchNorm, BatchNormConfig},
    message_norm::MessageNorm,
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
