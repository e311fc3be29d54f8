//! Graphs, batches, dataset readers and typed signatures for the Kiln GNN engine.
//!
//! This crate is the vocabulary that the others share. It has no kernels and knows no layer; it
//! says what a graph is, checks it once where it comes in, and hands it on.
//!
//! | type | what it is | in PyG |
//! |---|---|---|
//! | [`EdgeIndex`] | edges as `[2, E]`: sources above targets | `edge_index` |
//! | [`Adjacency`] | edges sorted by target, compressed | `SparseTensor`, `adj_t` |
//! | [`Edges`] | either of them: what a layer takes | `Adj` |
//! | [`Nodes`] | features of one node set or of a bipartite pair | `Union[Tensor, OptPairTensor]` |
//! | [`Groups`] | which graph of a batch each node belongs to | `batch` |
//! | [`Graph`], [`Batch`] | features, edges, labels and masks | `Data`, `Batch` |
//! | [`read`] | readers: karate club, safetensors, TU folders | `datasets` |
//! | [`sampler`], [`loader`] | neighbour sampling and mini-batches | `sampler`, `loader` |
//! | [`backend`] | devices by name: `flex`, `cuda:1` | `torch.device` |
//! | [`precision`] | how exactly matrices are multiplied | `torch.set_float32_matmul_precision` |
//! | [`signature`], [`Value`] | typed forward variants and their arguments | `@overload` |
//! | [`Arguments`] | arguments of a layer, by name | |
//! | [`Leaves`] | the tensors inside a structured value, by name | |
//!
//! In shapes, `N` is the number of nodes, `E` of edges, `F` of features of a node, `D` of features
//! of an edge. Features are floats. Indices are integers of 32 or 64 bits: the device's default
//! where all fit, else 64; both are accepted everywhere.
//!
//! # Examples
//! ```
//! use burn::tensor::Device;
//! use kiln_core::{Batch, read};
//!
//! # #[cfg(feature = "flex")] {
//! let club = read::karate_club(&Device::flex());
//! assert_eq!((club.num_nodes(), club.num_edges(), club.num_classes()), (34, 156, 4));
//!
//! let two = Batch::from_graphs(&[club.clone(), club]).expect("equal graphs go together");
//! assert_eq!((two.num_graphs(), two.num_nodes()), (2, 68));
//! # }
//! ```
//!
//! # What is checked, and where
//! Constructors check what they are given and return a [`GraphError`] that names the edge, the
//! tensor and the numbers; readers return a [`read::ReadError`] that also names the file and the
//! line or tensor. What has been built can be trusted: nothing later checks an index again. The
//! `new_unchecked` constructors leave the check out, for edges that a kernel made and for
//! recordings, which have no values.
#![deny(unsafe_code)]

mod adjacency;
mod any_tensor;
mod arguments;
pub mod backend;
mod batch;
mod csr;
mod edge_index;
mod edges;
mod error;
mod flow;
mod graph;
mod groups;
mod history;
mod integers;
mod leaves;
pub mod loader;
mod negative;
mod nodes;
pub mod precision;
pub mod read;
pub mod sampler;
pub mod signature;
mod value;

pub use adjacency::Adjacency;
pub use any_tensor::{AnyTensor, Kind};
pub use arguments::{Arguments, ConvArgs, Named};
pub use batch::Batch;
pub use csr::{Csr, HUB, Walk};
pub use edge_index::EdgeIndex;
pub use edges::{EdgeForm, Edges};
pub use error::GraphError;
pub use flow::Flow;
pub use graph::Graph;
pub use groups::Groups;
pub use history::{Change, ChangeKind, is_scalar};
pub use integers::{IntegerError, int_dtype, int_tensor, size_to_i64};
pub use leaves::{Leaves, entry as entry_name, part as leaf_name, quoted};
pub use negative::{batched_negative_sampling, edge_sampling, negative_sampling};
pub use nodes::Nodes;
pub use precision::{MatmulPrecision, matmul_precision, set_matmul_precision};
pub use read::ReadError;
pub use signature::{Signature, Signatures, Type};
pub use value::Value;
