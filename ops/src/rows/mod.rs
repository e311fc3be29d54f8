//! The one loop behind most operations: for each row, walk its entries and reduce.
//!
//! `scatter`, `segment_reduce`, `spmm` and `spmm_csr` differ only in where an entry's features come
//! from and what they are multiplied with:
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
//! where `sort` is the stable sort of [`crate::coo_to_csr`]. One row is reduced by one thread in
//! entry order, so results do not depend on the number of threads. Long rows are reduced in pieces
//! of [`HUB`](kiln_core::HUB) entries, and then the pieces, so that a sum of many numbers loses
//! little.

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
