//! Models made of the layers.
//!
//! [`Gcn`], [`GraphSage`], [`Gat`], [`Gin`], [`Pna`] and [`EdgeCnn`] are one model, [`BasicGnn`],
//! around one convolution each; so is a model around a convolution of your own that implements
//! [`BasicConv`].

mod autoencoder;
mod basic_gnn;
mod edge_cnn;
mod gat;
mod gcn;
mod gin;
mod graph_sage;
mod jumping_knowledge;
mod mlp;
mod pna;
mod sequential;

pub use autoencoder::{Autoencoder, Encoded, Gae, InnerProductDecoder, Vgae};
pub use basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, GnnArgs, LayerSpec};
pub use edge_cnn::{EdgeCnn, EdgeCnnConfig};
pub use gat::{Gat, GatConfig, GatLayer, GatLayerConfig};
pub use gcn::{Gcn, GcnConfig};
pub use gin::{Gin, GinConfig};
pub use graph_sage::{GraphSage, GraphSageConfig};
pub use jumping_knowledge::{JumpingKnowledge, LstmAttention};
pub use mlp::{Mlp, MlpConfig};
pub use pna::{Pna, PnaConfig};
pub use sequential::{
    Function, FunctionLayer, GraphSequential, GraphSequentialConfig, Step, StepConfig,
};
