//! Mini-batches of large graphs, made ahead on other threads.
//!
//! | type | what it is | in PyG |
//! |---|---|---|
//! | [`NeighborLoader`] | batches of a graph with one node type | `NeighborLoader` |
//! | [`HeteroNeighborLoader`] | batches of a graph with several types | `NeighborLoader` |
//! | [`Epoch`] | iterates over the batches of one epoch | its iterator |
//! | [`HostBatch`], [`HeteroHostBatch`] | a batch in host memory | `Data`, `HeteroData` |
//! | [`FeatureStore`] | where features come from | `FeatureStore` |
//! | [`MemoryFeatures`], [`MmapFeatures`] | in memory, in a mapped safetensors file | |
//!
//! Workers sample and read features while the consumer trains on the batch before; batches come in
//! order and do not depend on the number of workers. Nothing but [`HostBatch::graph`] and the
//! methods beside it touches a device.
//!
//! In shapes, `B` is the number of seeds of a batch, `N` of its nodes and `E` of its edges.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//! use burn::tensor::Device;
//! use kiln_core::{
//!     loader::{MemoryFeatures, NeighborLoader},
//!     sampler::{HostCsr, NeighborSampler},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(feature = "flex")] {
//! let device = Device::flex();
//! // A ring of six nodes: i -> i + 1.
//! let (src, dst) = ([0_u32, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 0]);
//! let graph = Arc::new(HostCsr::from_coo(&src, &dst, 6, 6)?);
//! let loader = NeighborLoader::new(NeighborSampler::new(graph, &[10, 10])?, vec![0, 2, 4])?
//!     .with_x(MemoryFeatures::new(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 1)?)?
//!     .with_batch_size(2)?
//!     .with_shuffle(true)
//!     .with_num_workers(2);
//! for epoch in 0..3 {
//!     for batch in loader.epoch(epoch) {
//!         let batch = batch?;
//!         let graph = batch.graph(&device)?;
//!         assert_eq!(graph.num_nodes(), batch.n_id.len());
//!         assert_eq!(graph.num_features(), 1);
//!         assert!(batch.batch_size <= 2);
//!     }
//! }
//! # }
//! # Ok(())
//! # }
//! ```

mod batch;
mod error;
mod features;
mod hetero;
mod mapped;
mod neighbor;
mod pipeline;
mod schedule;
mod tensors;
#[cfg(test)]
mod tests;

pub use self::{
    batch::{HostBatch, Rows},
    error::{FeatureError, LoaderError},
    features::{FeatureStore, MemoryFeatures},
    hetero::{HeteroHostBatch, HeteroNeighborLoader},
    mapped::MmapFeatures,
    neighbor::NeighborLoader,
    pipeline::Epoch,
};
