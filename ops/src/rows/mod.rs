//! What kernels by rows share: a row's entries are walked in order and reduced.
//!
//! Layers keep their edges sorted ([`CsrTensors`](crate::CsrTensors)). Operations on lists sort
//! them in each call: `sort` is the stable sort of [`crate::coo_to_csr`].
//!
//! ```text
//! out[i, f] = ⊕ { weight(k) · x[source(k), f] : ptr[i] ≤ k < ptr[i + 1] }
//!
//!                   ptr             source(k)        weight(k)
//! segment_reduce    ptr             k                1
//! scatter           sort(index)     perm[k]          1
//! spmm_csr          rowptr          col[k]           value[k]
//! spmm              sort(dst)       src[perm[k]]     weight[perm[k]]
//! ```
//!
//! On the CPU these walk the sorted entries as layers do (`walk`), and so do all gradients. On GPUs
//! they have one kernel of their own (`cube`), which checks indices as it reads them and needs
//! neither columns in order nor long rows found before.
//!
//! One row is reduced by one thread in entry order, so results do not depend on the number of
//! threads. Long rows are reduced in pieces of [`HUB`](kiln_core::HUB) entries, and then the
//! pieces, so that a sum of many numbers loses little.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod exp;
#[cfg(feature = "flex")]
pub(crate) mod flex;
#[cfg(feature = "cube")]
pub(crate) mod lanes;
#[cfg(feature = "flex")]
pub(crate) mod stored;
#[cfg(feature = "flex")]
pub(crate) mod walk;
