//! What the file of a convolution needs.

pub(super) use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};
pub(super) use kiln_core::{
    Arguments, Change, ConvArgs, Edges, Named, Nodes, Signatures, leaves,
    signature::{Dim, NodeForm, Type},
};
pub(super) use kiln_ops::{Layer, scope};

pub(super) use crate::{
    aggr::{AggrConfig, Aggregation, Reduce},
    config::{CACHED, Channels, ConfigError, LayerConfig, check_dropout, count},
    init,
    linear::{Linear, LinearConfig, add_bias},
    message_passing::{Endpoints, Map, Message, MessagePassing, Rows, Weighted, WithAttr},
};
