//! Normalisation of node features.
//!
//! Norms that tell the graphs of a batch apart take [`NormArgs`]: features alone, or with
//! [`Groups`](kiln_core::Groups) of nodes.

mod affine;
mod any_norm;
mod batch_norm;
mod diff_group_norm;
mod graph_norm;
mod graph_size_norm;
mod hetero_batch_norm;
mod hetero_layer_norm;
mod instance_norm;
mod layer;
mod layer_norm;
mod mean_subtraction_norm;
mod message_norm;
mod pair_norm;
mod running;
mod types;

pub(crate) use self::{any_norm::with_groups, batch_norm::batch_norm, layer::groups_of};
pub use self::{
    any_norm::{AnyNorm, NormConfig, UnknownNorm},
    batch_norm::{BatchNorm, BatchNorm1d, BatchNormConfig, PartialBatchNorm},
    diff_group_norm::{DiffGroupNorm, DiffGroupNormConfig},
    graph_norm::{GraphNorm, GraphNormConfig},
    graph_size_norm::{GraphSizeNorm, GraphSizeNormConfig},
    hetero_batch_norm::{HeteroBatchNorm, HeteroBatchNormConfig},
    hetero_layer_norm::{HeteroLayerNorm, HeteroLayerNormConfig},
    instance_norm::{InstanceNorm, InstanceNormConfig},
    layer::NormArgs,
    layer_norm::{LayerNorm, LayerNormConfig, LayerNormMode},
    mean_subtraction_norm::{MeanSubtractionNorm, MeanSubtractionNormConfig},
    message_norm::{MessageNorm, MessageNormArgs, MessageNormConfig},
    pair_norm::{PairNorm, PairNormConfig},
    types::{NodeTypes, TypeArgs},
};
