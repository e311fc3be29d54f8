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
mod equilibrium;
mod graph_multiset_transformer;
mod layer;
mod lcm;
mod list;
mod median;
mod mlp;
mod multi;
mod ordered;
mod patch_transformer;
mod power_mean;
mod quantile;
mod sequence;
mod set2set;
mod set_attention;
mod set_transformer;
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
    equilibrium::{
        EquilibriumAggregation, EquilibriumConfig, MomentumOptimizer, PotentialLayer,
        ResNetPotential,
    },
    graph_multiset_transformer::{GraphMultisetTransformer, GraphMultisetTransformerConfig},
    layer::{Aggregate, GroupArgs},
    lcm::{LcmAggregation, LcmConfig},
    median::{MedianAggregation, MedianConfig},
    mlp::{MlpAggregation, MlpAggregationConfig},
    multi::{HeteroDictLinear, Mode, ModeKwargs, MultiAggregation, MultiConfig, Widths},
    patch_transformer::{
        PatchReduce, PatchTransformerAggregation, PatchTransformerConfig, PositionalEncoding,
    },
    power_mean::{PowerMeanAggregation, PowerMeanConfig},
    quantile::{Interpolation, QuantileAggregation, QuantileConfig, Quantiles},
    sequence::{GruAggregation, GruAggregationConfig, LstmAggregation, LstmAggregationConfig},
    set_attention::{
        BlockOptions, InducedSetAttentionBlock, MultiheadAttentionBlock,
        PoolingByMultiheadAttention, SetAttentionBlock,
    },
    set_transformer::{SetTransformerAggregation, SetTransformerConfig},
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
