//! Pooling by the scores of a graph convolution.

use burn::{config::Config, module::Module, tensor::Device};
use kiln_core::Signatures;
use kiln_ops::Layer;

use super::{
    args::{PoolArgs, PoolOutput},
    select::{Options, SelectTopK},
};
use crate::{
    activation::Activation,
    config::{ConfigError, LayerConfig},
    conv::{AnyConv, ConvConfig, GraphConvConfig},
};

/// Configuration of a [`SagPooling`].
#[derive(Config, Debug)]
pub struct SagPoolingConfig {
    /// Width of the features.
    pub in_channels: usize,
    /// The share of a graph's nodes that is kept, or, from 1 on, their number.
    #[config(default = "Some(0.5)")]
    pub ratio: Option<f64>,
    /// The convolution that scores nodes, without its widths. PyG has a class here, and its
    /// arguments beside.
    #[config(default = "ConvConfig::from(GraphConvConfig::new(0.into(), 1))")]
    pub gnn: ConvConfig,
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

impl SagPoolingConfig {
    fn options(&self) -> Options {
        Options {
            ratio: self.ratio,
            min_score: self.min_score,
            act: self.nonlinearity,
        }
    }

    fn gnn(&self) -> Result<ConvConfig, ConfigError> {
        self.gnn.with_widths("GNN", self.in_channels, 1)
    }
}

impl LayerConfig for SagPoolingConfig {
    type Layer = SagPooling;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.options().check()?;
        self.gnn().map(drop)
    }

    fn make(&self, device: &Device) -> SagPooling {
        let gnn = self.gnn().unwrap_or_else(|error| panic!("{error}"));
        SagPooling {
            gnn: gnn.make(device),
            select: self.options().init(1, device),
            config: self.clone(),
        }
    }
}

/// Keeps the nodes of each graph that a graph convolution scores highest.
///
/// ```text
/// score = tanh( GNN(X, A) ), or, with `min_score`, softmax( GNN(X, A) ) among the nodes of a graph
/// i  = the nodes with the greatest scores, or with scores above `min_score`
/// X' = (X ⊙ score)_i        A' = A_i,i
/// ```
///
/// The one result of the convolution is also multiplied by a learned number, or by its sign without
/// `min_score`. [`topk`](super::topk) says which nodes are kept, and in which order. What edges
/// carry has no effect on scores.
///
/// Source: Lee, Lee, Kang, Self-Attention Graph Pooling, 2019, arXiv:1904.08082. Matches
/// `torch_geometric.nn.SAGPooling` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with features `[E, D]` or without · batch:
/// `[N]` or none · attn: `[N, in_channels]` or none · output: `[K, in_channels]` and edges among
/// `K` nodes, with graphs, former numbers and scores `[K]`
#[derive(Module, Debug)]
pub struct SagPooling {
    /// The convolution.
    pub gnn: AnyConv,
    /// What selects the nodes.
    pub select: SelectTopK,
    /// What the layer was made from.
    #[module(skip)]
    pub config: SagPoolingConfig,
}

impl Layer for SagPooling {
    const NAME: &'static str = "SAGPooling";

    type Config = SagPoolingConfig;
    type Args = PoolArgs;
    type Output = PoolOutput;

    fn signatures(&self) -> Signatures {
        PoolArgs::signatures(self.config.in_channels)
    }

    fn compute(&self, args: PoolArgs) -> PoolOutput {
        let PoolArgs {
            x,
            edges,
            batch,
            attn,
        } = args;
        let attn = attn.unwrap_or_else(|| x.clone());
        let scores = self.gnn.forward(attn, edges.bare());
        let selected = self.select.forward(scores, batch.clone());
        PoolOutput::of(x, &edges, batch, selected, self.config.multiplier)
    }
}
