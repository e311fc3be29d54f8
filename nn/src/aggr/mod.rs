//! Aggregations: how the messages that meet at a node, or the rows of a group, become one row.
//!
//! A layer's configuration has an [`AggrConfig`], its module an [`Aggregation`] under PyG's name
//! `aggr_module`. Each aggregation also stands alone, under PyG's class name, for rows of
//! [`Groups`](kiln_core::Groups): see [`Aggregate`]. A set without elements gets zeros, unless an
//! aggregation says otherwise.

mod aggregation;
mod attentional;
mod basic;
mod config;
mod deep_sets;
mod degree_scaler;
mod elements;
mod layer;
mod list;
mod median;
mod multi;
mod ordered;
mod power_mean;
mod quantile;
mod set2set;
mod softmax;
mod sort;
mod std;
mod var;
mod variance_preserving;

pub use kiln_ops::Reduce;

pub use self::{
    aggregation::{Aggregation, BoxedAggregation, ReduceAggregation},
    attentional::{AttentionalAggregation, AttentionalConfig},
    basic::{
        MaxAggregation, MeanAggregation, MinAggregation, MulAggregation, NoArguments,
        SumAggregation,
    },
    config::{AggrConfig, AggrError},
    deep_sets::{DeepSetsAggregation, DeepSetsConfig},
    degree_scaler::{DegreeScalerAggregation, DegreeScalerConfig, Scaler, Scalers},
    layer::{Aggregate, GroupArgs},
    median::{MedianAggregation, MedianConfig},
    multi::{Mode, ModeKwargs, MultiAggregation, MultiConfig, Widths},
    power_mean::{PowerMeanAggregation, PowerMeanConfig},
    quantile::{Interpolation, QuantileAggregation, QuantileConfig, Quantiles},
    set2set::{Set2Set, Set2SetConfig},
    softmax::{SoftmaxAggregation, SoftmaxConfig},
    sort::{SortAggregation, SortConfig},
    std::{StdAggregation, StdConfig},
    var::{VarAggregation, VarConfig},
    variance_preserving::{VariancePreservingAggregation, VariancePreservingConfig},
};
pub(crate) use self::{
    config::parse_reduce,
    elements::{Elements, Needs},
};
