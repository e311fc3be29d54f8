//! What keeps a batch from being made.

use thiserror::Error;

use crate::{GraphError, sampler::SamplerError};

/// Rows that a [`FeatureStore`](super::FeatureStore) cannot give.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// A row that is not there.
    #[error("{store} has {num_rows} rows, none with number {row}")]
    RowOutOfRange {
        /// The store: a file and a tensor, or memory.
        store: String,
        /// The row.
        row: u32,
        /// Number of rows.
        num_rows: usize,
    },
    /// Values that do not make rows of the given width, or a buffer of another size than the rows.
    #[error("{what} has {got} values, expected {expected}")]
    Size {
        /// What has another size.
        what: String,
        /// What it should have, in words or numbers.
        expected: String,
        /// Its number of values.
        got: usize,
    },
    /// The store's own error.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// A batch that cannot be made, or a loader that cannot make any.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// The sampler refuses the seeds.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// Features of the batch cannot be read.
    #[error("cannot read `{features}` of the batch")]
    Features {
        /// Which features, such as `x`.
        features: String,
        /// Why not.
        #[source]
        source: FeatureError,
    },
    /// Features of another number than there are nodes or edges.
    #[error("`{features}` has {got} rows, expected {expected}, one for each {each}")]
    Rows {
        /// Which features, such as `x`.
        features: String,
        /// Number of nodes or edges.
        expected: usize,
        /// Number of rows.
        got: usize,
        /// `node` or `edge`.
        each: &'static str,
    },
    /// Batches of no seeds.
    #[error("the batch size is 0, expected at least 1")]
    EmptyBatch,
    /// A graph is asked for, but the loader has no features of nodes.
    #[error("the batch has no `x`; give the loader features with `with_x`")]
    NoFeatures,
    /// A batch that was changed and no longer agrees with itself.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A worker could not be started.
    #[error("cannot start a worker")]
    Spawn(#[source] std::io::Error),
    /// A worker panicked.
    #[error("the worker of batch {batch} panicked: {message}")]
    Panic {
        /// The batch that it did not deliver.
        batch: usize,
        /// What it said.
        message: String,
    },
}
