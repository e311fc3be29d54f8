//! Sums where two rows agree: who shares in the gradient of a maximum or minimum. See
//! [`crate::GraphOps::match_sum_csr`].

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;
