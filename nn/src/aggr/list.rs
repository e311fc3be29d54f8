//! The list of aggregations with arguments.

/// Hands the aggregations with arguments to a macro: the variant, the module, its configuration,
/// and PyG's name.
macro_rules! for_each_aggregation {
    ($callback:ident) => {
        $callback! {
            Attentional(AttentionalAggregation, AttentionalConfig, "attentional"),
            DeepSets(DeepSetsAggregation, DeepSetsConfig, "deep_sets"),
            DegreeScaler(DegreeScalerAggregation, DegreeScalerConfig, "degree_scaler"),
            Equilibrium(EquilibriumAggregation, EquilibriumConfig, "equilibrium"),
            GraphMultisetTransformer(
                GraphMultisetTransformer,
                GraphMultisetTransformerConfig,
                "graph_multiset_transformer"
            ),
            Gru(GruAggregation, GruAggregationConfig, "gru"),
            Lcm(LcmAggregation, LcmConfig, "lcm"),
            Lstm(LstmAggregation, LstmAggregationConfig, "lstm"),
            Median(MedianAggregation, MedianConfig, "median"),
            Mlp(MlpAggregation, MlpAggregationConfig, "mlp"),
            Multi(MultiAggregation, MultiConfig, "multi"),
            PatchTransformer(
                PatchTransformerAggregation,
                PatchTransformerConfig,
                "patch_transformer"
            ),
            PowerMean(PowerMeanAggregation, PowerMeanConfig, "power_mean"),
            Quantile(QuantileAggregation, QuantileConfig, "quantile"),
            Set2Set(Set2Set, Set2SetConfig, "set2set"),
            SetTransformer(SetTransformerAggregation, SetTransformerConfig, "set_transformer"),
            Softmax(SoftmaxAggregation, SoftmaxConfig, "softmax"),
            Sort(SortAggregation, SortConfig, "sort"),
            Std(StdAggregation, StdConfig, "std"),
            Var(VarAggregation, VarConfig, "var"),
            VariancePreserving(
                VariancePreservingAggregation,
                VariancePreservingConfig,
                "variance_preserving"
            ),
        }
    };
}

pub(super) use for_each_aggregation;
