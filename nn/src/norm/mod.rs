//! Normalisation layers.

mod batch_norm;

pub(crate) use batch_norm::forward as batch_norm;
pub use batch_norm::{BatchNorm, BatchNormConfig};
