//! Graph neural network layers and models on Burn, after PyTorch Geometric.
//!
//! | module | what is in it |
//! |---|---|
//! | [`conv`] | convolutions, such as [`GcnConv`](conv::GcnConv) and [`GatConv`](conv::GatConv) |
//! | [`dense`] | layers and pooling on dense adjacency matrices, linear maps |
//! | [`models`] | whole models: GCN, GraphSAGE, GAT, GIN, PNA, EdgeCNN, MLP |
//! | [`message_passing`] | the trait behind every convolution, and yours |
//! | [`aggr`], [`norm`], [`pool`] | aggregations, normalisation, readout |
//! | [`utils`] | what layers share: normalised edges, self loops, softmax |
//! | [`store`] | PyG's checkpoints in and out |
//! | [`build`] | layers and models from PyG's names and arguments |
//!
//! Names, defaults, parameter names and results are those of PyG 2.8; where something departs, the
//! documentation of the layer says so.
//!
//! # Letters
//! `N` nodes (of a pair: sources), `M` targets of a pair, `E` edges, `F` features, `H` heads,
//! `C` channels of a head.
//!
//! # A layer of your own
//! Say what the layer takes, what the message of an edge is, and what becomes of the result; the
//! rest is provided. This layer weighs each neighbour by a gate that its features and those of the
//! target open together:
//!
//! ```
//! use burn::{module::Module, tensor::{Device, Tensor, activation::sigmoid}};
//! use kiln_core::{ConvArgs, EdgeIndex, Signatures};
//! use kiln_nn::{Linear, LinearConfig, message_passing::{Endpoints, Message, MessagePassing}, prelude::*};
//!
//! #[derive(Module, Debug)]
//! struct GatedConv {
//!     lin: Linear,
//!     gate: Linear,
//! }
//!
//! impl Layer for GatedConv {
//!     const NAME: &'static str = "GatedConv";
//!     type Config = ();
//!     type Args = ConvArgs; // nodes and edges
//!     type Output = Tensor<2>;
//!
//!     fn signatures(&self) -> Signatures {
//!         Signatures::conv_of_one_set(self.lin.in_channels())
//!     }
//!
//!     fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
//!         let (x, _) = x.floats();
//!         self.propagate(&edges, (self.lin.forward(x.clone()), self.gate.forward(x)))
//!     }
//! }
//!
//! impl MessagePassing for GatedConv {
//!     type Propagated = (Tensor<2>, Tensor<2>); // what `message` needs: x and gate
//!
//!     fn message(&self, (x, gate): &Self::Propagated, ends: &Endpoints) -> Message {
//!         let open = ends.lift_i(gate.clone()) + ends.lift_j(gate.clone()); // [E, 1]
//!         Message::Weighted { x: x.clone(), weight: Some(sigmoid(open).squeeze_dim(1)) }
//!     }
//! }
//!
//! let device = Device::flex();
//! let [lin, gate] = [4, 1].map(|width| LinearConfig::new(3, width).init(&device));
//! let conv = GatedConv { lin, gate };
//! let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[1, 2, 0], 3, 3, &device).unwrap();
//! assert_eq!(conv.forward(Tensor::<2>::ones([3, 3], &device), &edges).dims(), [3, 4]);
//! ```
//!
//! That is 40 lines. The layer trains as any Burn module does,
//! `kiln_ir::Recorder::new(&conv).overloads()` records it for both forms of edges, and what is
//! recorded runs and exports. For messages of any other form return
//! [`Message::Edge`](message_passing::Message::Edge) with an `[E, F]` tensor. [`Linear`] maps with
//! the [precision](kiln_core::precision) of the device; Burn's own `forward` and `matmul` take the
//! device's fastest format.
#![forbid(unsafe_code)]

pub mod activation;
pub mod aggr;
mod arguments;
pub mod build;
mod by_name;
mod catalog;
mod config;
pub mod conv;
pub mod dense;
mod dense_batch;
mod dropout;
mod init;
mod linear;
mod message;
pub mod message_passing;
pub mod models;
pub mod multihead;
pub mod norm;
pub mod pool;
pub mod rnn;
mod sequential;
mod shape;
mod sparse;
pub mod store;
mod transparent;
pub mod utils;

pub use catalog::{AnyLayer, AnyModule, NAMES};
pub use config::{Channels, ConfigError, LayerConfig, OneOrSeveral};
pub use dropout::Dropout;
pub use kiln_ops::{Layer, Overload, Overloads};
pub use linear::{Linear, LinearConfig, WeightInitializer};
pub use sequential::{NodeTransform, RowNorm, Sequential, SequentialLayer};

/// Traits that give layers and configurations their methods, and the convolutions.
pub mod prelude {
    pub use crate::{LayerConfig, conv::*};
    pub use kiln_ops::{Layer, Overloads};
}
