//! What the file of a convolution needs.

pub(super) use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
pub(super) use kiln_core::{
    Change, ConvArgs, Edges, Nodes, Signatures, leaves,
    signature::{Dim, Type},
};
pub(super) use kiln_ops::{Layer, scope};

pub(super) use crate::{
    aggr::{AggrConfig, Aggregation, Reduce},
    config::{Channels, ConfigError, LayerConfig, check_dropout},
    init,
    linear::{Linear, LinearConfig},
    message_passing::{Endpoints, Map, Message, MessagePassing, Rows, Weighted, WithAttr},
};
