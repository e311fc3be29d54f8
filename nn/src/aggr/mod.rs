//! Aggregations: how the messages that meet at a node, or the rows of a group, become one row.
//!
//! A layer's configuration has an [`AggrConfig`], its module an [`Aggregation`] under PyG's name
//! `aggr_module`. A node without messages gets zeros, or ones from a product.

mod aggregation;
mod config;
mod softmax;

pub use kiln_ops::Reduce;

pub(crate) use self::config::parse_reduce;
pub use self::{
    aggregation::{Aggregation, MultiAggregation, ReduceAggregation},
    config::{AggrConfig, UnknownAggregation},
    softmax::{SoftmaxAggregation, SoftmaxConfig},
};
