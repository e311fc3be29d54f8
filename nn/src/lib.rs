//! Graph neural network layers and models on Burn, after PyTorch Geometric.
//!
//! | module | what is in it |
//! |---|---|
//! | [`conv`] | convolutions: [`GcnConv`](conv::GcnConv), [`SageConv`](conv::SageConv), [`GatConv`](conv::GatConv), [`GinConv`](conv::GinConv) |
//! | [`models`] | whole models: GCN, GraphSAGE, GAT, GIN, MLP |
//! | [`message_passing`] | the trait behind every convolution, and yours |
//! | [`aggr`], [`norm`], [`pool`] | aggregations, normalisation, readout |
//! | [`store`] | PyG's checkpoints in and out |
//! | [`build`] | layers and models from PyG's names and arguments |
//!
//! Names, defaults, parameter names and results are those of PyG 2.8; where something departs, the
//! documentation of the layer says so.
//!
//! # Letters
//! `N` nodes (of a pair: sources), `M` destinations of a pair, `E` edges, `F` features, `H` heads,
//! `C` channels of a head.
//!
//! # A layer of your own
//! Say what the message of an edge is; the rest is provided. This layer weighs each neighbour by a
//! gate that its features and those of the receiver open together:
//!
//! ```
//! use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor, activation::sigmoid}};
//! use kiln_core::{EdgeIndex, Edges};
//! use kiln_nn::{NodeTransform, message_passing::{Endpoints, Message, MessagePassing}};
//!
//! #[derive(Module, Debug)]
//! struct GatedConv {
//!     lin: Linear,
//!     gate: Linear,
//! }
//!
//! impl GatedConv {
//!     fn forward(&self, x: Tensor<2>, edges: impl Into<Edges>) -> Tensor<2> {
//!         let gate = self.gate.transform(x.clone());
//!         self.propagate(edges, (self.lin.transform(x), gate))
//!     }
//! }
//!
//! impl MessagePassing for GatedConv {
//!     type Args = (Tensor<2>, Tensor<2>); // what `message` needs: x and gate
//!     const KIND: &'static str = "GatedConv";
//!
//!     fn message(&self, (x, gate): &Self::Args, ends: &Endpoints) -> Message {
//!         let open = ends.lift_i(gate.clone()) + ends.lift_j(gate.clone()); // [E, 1]
//!         Message::Weighted { x: x.clone(), weight: sigmoid(open).squeeze_dim(1) }
//!     }
//! }
//!
//! let device = Device::flex();
//! let conv = GatedConv {
//!     lin: LinearConfig::new(3, 4).init(&device),
//!     gate: LinearConfig::new(3, 1).init(&device),
//! };
//! let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[1, 2, 0], 3, 3, &device).unwrap();
//! assert_eq!(conv.forward(Tensor::ones([3, 3], &device), &edges).dims(), [3, 4]);
//! ```
//!
//! Return [`Message::Edge`](message_passing::Message::Edge) with an `[E, F]` tensor for messages of
//! any other form. [`NodeTransform`] maps by `kiln_ops`, with the [precision](kiln_core::precision)
//! of the device; Burn's own `forward` and `matmul` take the device's fastest format.
#![forbid(unsafe_code)]

pub mod activation;
pub mod aggr;
pub mod build;
pub mod conv;
mod dropout;
mod init;
pub mod message_passing;
pub mod models;
pub mod norm;
mod overload;
pub mod pool;
mod sequential;
pub mod store;

pub use dropout::Dropout;
pub use sequential::{NodeTransform, Sequential, SequentialLayer};
