//! Models made of the layers.
//!
//! [`Gcn`], [`GraphSage`], [`Gat`] and [`Gin`] are one model, [`BasicGnn`], around one convolution
//! each; so is a model around a convolution of your own that implements [`BasicConv`].

mod autoencoder;
mod basic_gnn;
mod gat;
mod gcn;
mod gin;
mod graph_sage;
mod jumping_knowledge;
mod mlp;
mod sequential;

pub use autoencoder::{Autoencoder, Encoded, Gae, InnerProductDecoder, Vgae};
pub use basic_gnn::{BasicConv, BasicGnn, BasicGnnConfig, LayerSpec};
pub use gat::{Gat, GatConfig};
pub use gcn::{Gcn, GcnConfig};
pub use gin::{Gin, GinConfig};
pub use graph_sage::{GraphSage, GraphSageConfig};
pub use jumping_knowledge::JumpingKnowledge;
pub use mlp::{Mlp, MlpConfig};
pub use sequential::{
    Function, FunctionLayer, GraphSequential, GraphSequentialConfig, Step, StepConfig,
};
