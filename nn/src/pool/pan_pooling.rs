//! Pooling by features and by paths.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};
use kiln_core::{Adjacency, Arguments, Edges, Named, Signatures, Value, leaves, signature::Type};
use kiln_ops::{Layer, Reduce, scatter};

use super::{
    args::PoolOutput,
    select::{Options, SelectTopK},
};
use crate::{
    activation::Activation,
    config::{ConfigError, LayerConfig},
};

/// Configuration of a [`PanPooling`].
#[derive(Config, Debug)]
pub struct PanPoolingConfig {
    /// Width of the features.
    pub in_channels: usize,
    /// The share of a graph's nodes that is kept, or, from 1 on, their number.
    #[config(default = "Some(0.5)")]
    pub ratio: Option<f64>,
    /// The least score of nodes that are kept; with it `ratio` has no effect.
    #[config(default = "None")]
    pub min_score: Option<f64>,
    /// What features are multiplied by.
    #[config(default = 1.0)]
    pub multiplier: f64,
    /// The function of scores.
    #[config(default = "Activation::Tanh")]
    pub nonlinearity: Activation,
}

impl PanPoolingConfig {
    fn options(&self) -> Options {
        Options {
            ratio: self.ratio,
            min_score: self.min_score,
            act: self.nonlinearity,
        }
    }
}

impl LayerConfig for PanPoolingConfig {
    type Layer = PanPooling;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.options().check()
    }

    fn make(&self, device: &Device) -> PanPooling {
        PanPooling {
            p: Param::from_tensor(Tensor::ones([self.in_channels], device)),
            beta: Param::from_tensor(Tensor::full([2], 0.5, device)),
            select: self.options().init(1, device),
            config: self.clone(),
        }
    }
}

/// Keeps the nodes of each graph that features and the weights of the paths from them score
/// highest.
///
/// ```text
/// score_i = β_0 x_i · p + β_1 Σ_j M_ji
/// ```
///
/// of which the greatest are kept as in a [`SagPooling`](super::SagPooling) with this score. `M` is
/// the matrix of a [`PanConv`](crate::conv::PanConv).
///
/// Source: Ma et al., Path Integral Based Convolution and Pooling for Graph Neural Networks, 2020,
/// arXiv:2006.16811. Matches `torch_geometric.nn.PANPooling` (2.8). Departs: entries of a matrix
/// without values weigh 1, where PyG refuses it.
///
/// # Shapes
/// x: `[N, in_channels]` · m: an adjacency of `N` nodes by target, with values · batch: `[N]` or
/// none · output: `[K, in_channels]` and edges among `K` nodes with weights, with graphs, former
/// numbers and scores `[K]`
#[derive(Module, Debug)]
pub struct PanPooling {
    /// What features are scored by, `[in_channels]`.
    pub p: Param<Tensor<1>>,
    /// Factors of both scores, `[2]`.
    pub beta: Param<Tensor<1>>,
    /// What selects the nodes.
    pub select: SelectTopK,
    /// What the layer was made from.
    #[module(skip)]
    pub config: PanPoolingConfig,
}

/// Nodes and the matrix of a [`PanConv`](crate::conv::PanConv).
#[derive(Clone, Debug)]
pub struct PanPoolArgs {
    /// Features, `[N, F]`.
    pub x: Tensor<2>,
    /// The matrix, whose rows are targets.
    pub m: Adjacency,
    /// The graph of each node, `[N]`, in any order; without it there is one.
    pub batch: Option<Tensor<1, Int>>,
}

leaves!(PanPoolArgs { x, m as M, batch });

impl From<(Tensor<2>, Adjacency)> for PanPoolArgs {
    fn from((x, m): (Tensor<2>, Adjacency)) -> Self {
        let batch = None;
        Self { x, m, batch }
    }
}

impl Arguments for PanPoolArgs {
    fn from_named(values: &mut Named) -> Self {
        let m = match values.take("M") {
            Value::Adjacency(m) => m,
            other => panic!("expected an adjacency as `M`, got {other:?}"),
        };
        Self {
            x: values.tensor("x"),
            m,
            batch: values.integers("batch"),
        }
    }
}

impl Layer for PanPooling {
    const NAME: &'static str = "PANPooling";

    type Config = PanPoolingConfig;
    type Args = PanPoolArgs;
    type Output = PoolOutput;

    fn signatures(&self) -> Signatures {
        let m = Type::Adjacency {
            src: "N".into(),
            dst: "N".into(),
            edges: "E".into(),
        };
        Signatures::new()
            .with(
                "x",
                Type::float(["N".into(), self.config.in_channels.into()]),
            )
            .with("M", m)
            .with("batch", Type::int(["N".into()]).optional())
    }

    fn compute(&self, PanPoolArgs { x, m, batch }: PanPoolArgs) -> PoolOutput {
        let [nodes, _] = x.dims();
        let weight = m
            .value()
            .unwrap_or_else(|| Tensor::ones([m.num_edges()], (&x.device(), x.dtype())));
        let of_paths = scatter(weight.clone(), m.col(), nodes, Reduce::Sum);
        let p = self.p.val().unsqueeze_dim(1);
        let of_features = kiln_ops::linear(x.clone(), p, None);
        let beta = |number| self.beta.val().narrow(0, number, 1).unsqueeze_dim::<2>(1);
        let score = of_features * beta(0) + of_paths.unsqueeze_dim::<2>(1) * beta(1);
        let selected = self.select.forward(score, batch.clone());
        let edges = Edges::from(m.with_value(Some(weight)));
        PoolOutput::of(x, &edges, batch, selected, self.config.multiplier)
    }
}
