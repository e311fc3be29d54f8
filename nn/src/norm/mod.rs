//! Normalisation layers.

mod batch_norm;

pub(crate) use batch_norm::batch_norm;
pub use batch_norm::{BatchNorm, BatchNormConfig};
