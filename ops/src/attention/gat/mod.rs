//! Kernels for scores that add a number of each node: [`Score::Gat`](super::Score::Gat).

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;
