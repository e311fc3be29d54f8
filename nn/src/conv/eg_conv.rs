//! The efficient graph convolution: several aggregations of a few bases, combined by each node.

use kiln_core::EdgeForm;
use kiln_ops::clamp;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::{
    aggr::{Elements, Needs},
    utils::{GcnNorm, GcnNormOptions, Normalized, add_remaining_self_loops},
};

/// An aggregation of an [`EgConv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EgAggregator {
    /// The sum.
    Sum,
    /// The mean.
    Mean,
    /// The sum weighted by the degrees of both ends, as in a [`GcnConv`](super::GcnConv).
    Symnorm,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The variance.
    Var,
    /// The standard deviation.
    Std,
}

/// Configuration of an [`EgConv`].
#[derive(Config, Debug)]
pub struct EgConvConfig {
    /// Width of the features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// The aggregations; `symnorm` without any.
    #[config(default = "None")]
    pub aggregators: Option<Vec<EgAggregator>>,
    /// Number of heads, each of which combines the bases by itself.
    #[config(default = 8)]
    pub num_heads: usize,
    /// Number of bases.
    #[config(default = 4)]
    pub num_bases: usize,
    /// Whether each node gets a loop, to which loops that are there give way.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl EgConvConfig {
    fn aggregators(&self) -> &[EgAggregator] {
        match &self.aggregators {
            Some(some) if !some.is_empty() => some,
            _ => &[EgAggregator::Symnorm],
        }
    }
}

impl LayerConfig for EgConvConfig {
    type Layer = EgConv;

    const NEUTRAL: &'static [(&'static str, &'static str)] = CACHED;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let [d_out, heads] = [self.out_channels, self.num_heads];
        let ok = heads > 0 && d_out.is_multiple_of(heads);
        let expected = "a divisor of `out_channels`";
        ConfigError::unless(ok, "num_heads", expected, format!("{heads} for {d_out}"))?;
        ConfigError::unless(self.num_bases > 0, "num_bases", "at least one", "0")
    }

    fn make(&self, device: &Device) -> EgConv {
        let bases = self.out_channels / self.num_heads * self.num_bases;
        let weights = self.num_heads * self.num_bases * self.aggregators().len();
        EgConv {
            bases_lin: LinearConfig::glorot(self.in_channels, bases).init(device),
            comb_lin: LinearConfig::new(self.in_channels, weights).init(device),
            bias: self.bias.then(|| init::zeros(self.out_channels, device)),
            config: self.clone(),
        }
    }
}

/// Combines aggregates of a few bases by weights that each node makes itself, by heads.
///
/// ```text
/// x_i' = ‖_h Σ_{a, b} w_i,h,a,b · a_{j ∈ N(i) ∪ {i}} ( Θ_b x_j )        w_i = W x_i + b
/// ```
///
/// Source: Tailor, Opolka, Liò, Lane, Do We Need Anisotropic Graph Neural Networks?, 2022,
/// arXiv:2104.01481. Matches `torch_geometric.nn.EGConv` (2.8) for an edge index. Departs: an
/// adjacency gives the same results (there PyG adds 1e-5 to variances where an edge index limits
/// them to it, and values are weights of all aggregations but those beside `symnorm`; here of
/// `symnorm` alone). Without `symnorm` too, the last nodes get loops if they have no edges (PyG
/// takes the largest number in the edge index for the last node there).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes · output: `[N, out_channels]`
///
/// # Numerics
/// Besides `symnorm`, loops become part of the list of edges, which is made for each call.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = EgConvConfig::new(3, 8).init(&device);
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 8]);
/// ```
#[derive(Module, Debug)]
pub struct EgConv {
    /// Map to the bases.
    pub bases_lin: Linear,
    /// Map to the weights of the bases.
    pub comb_lin: Linear,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: EgConvConfig,
}

impl EgConv {
    /// The edges with a loop for each node, if the layer adds them.
    fn looped(&self, edges: &Edges) -> Edges {
        if !self.config.add_self_loops {
            return edges.bare();
        }
        let list = match edges.form() {
            EdgeForm::Coo(list) => list.clone(),
            EdgeForm::Csr(adjacency) => kiln_ops::graph::to_edge_index(adjacency),
        };
        let (list, _) = add_remaining_self_loops(&list, None, 1.0);
        Edges::from(list).with_flow(edges.flow())
    }

    /// The aggregates of the bases side by side.
    fn aggregate(&self, bases: &Tensor<2>, edges: &Edges) -> Tensor<2> {
        let aggregators = self.config.aggregators();
        let is_symnorm = |aggregator: &&EgAggregator| **aggregator == EgAggregator::Symnorm;
        let others = aggregators
            .iter()
            .any(|aggregator| !is_symnorm(&aggregator));
        let looped = others.then(|| Endpoints::of(self.looped(edges)));
        let message = || Message::source(bases.clone());
        let elements = looped.as_ref();
        let elements = elements.map(|ends| Elements::of_messages(message(), ends));
        if let Some(elements) = &elements {
            let has = |one| aggregators.contains(&one);
            let needs = Needs {
                sum: has(EgAggregator::Sum),
                mean: has(EgAggregator::Mean),
                squares: has(EgAggregator::Var) || has(EgAggregator::Std),
            };
            elements.expect(needs, None);
        }
        let outs = aggregators.iter().map(|aggregator| {
            let elements = elements.as_ref().filter(|_| !is_symnorm(&aggregator));
            let Some(elements) = elements else {
                let options = GcnNormOptions::with_loops(self.config.add_self_loops);
                let norm = GcnNorm::of(edges, Some(options), bases);
                let x = bases.clone();
                return self.propagate(edges, Normalized { x, norm });
            };
            match aggregator {
                EgAggregator::Symnorm | EgAggregator::Sum => elements.reduce(Reduce::Sum),
                EgAggregator::Mean => elements.reduce(Reduce::Mean),
                EgAggregator::Min => elements.reduce(Reduce::Min),
                EgAggregator::Max => elements.reduce(Reduce::Max),
                EgAggregator::Var => elements.variance(false),
                EgAggregator::Std => clamp(elements.variance(false), Some(1e-5), None).sqrt(),
            }
        });
        Tensor::cat(outs.collect(), 1)
    }
}

impl Layer for EgConv {
    const NAME: &'static str = "EGConv";

    type Config = EgConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels)
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let (nodes, heads) = (x.dims()[0], self.config.num_heads);
        let parts = self.config.num_bases * self.config.aggregators().len();
        let width = self.config.out_channels;
        let weights = self
            .comb_lin
            .forward(x.clone())
            .reshape([nodes, heads, parts]);
        let aggregated = self.aggregate(&self.bases_lin.forward(x), &edges);
        let aggregated = aggregated.reshape([nodes, parts, width / heads]);
        let out = kiln_ops::matmul(weights, aggregated).reshape([nodes, width]);
        add_bias(out, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for EgConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
