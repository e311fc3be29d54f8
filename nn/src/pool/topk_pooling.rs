//! Pooling by a learned direction.

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
};

/// Configuration of a [`TopKPooling`].
#[derive(Config, Debug)]
pub struct TopKPoolingConfig {
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

impl TopKPoolingConfig {
    fn options(&self) -> Options {
        Options {
            ratio: self.ratio,
            min_score: self.min_score,
            act: self.nonlinearity,
        }
    }
}

impl LayerConfig for TopKPoolingConfig {
    type Layer = TopKPooling;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.options().check()
    }

    fn make(&self, device: &Device) -> TopKPooling {
        TopKPooling {
            select: self.options().init(self.in_channels, device),
            config: self.clone(),
        }
    }
}

/// Keeps the nodes of each graph whose features are greatest along a learned direction.
///
/// ```text
/// score = tanh( X p / ‖p‖ ), or, with `min_score`, softmax( X p ) among the nodes of a graph
/// i  = the nodes with the greatest scores, or with scores above `min_score`
/// X' = (X ⊙ score)_i        A' = A_i,i
/// ```
///
/// [`topk`](super::topk) says which nodes are kept, and in which order.
///
/// Source: Gao, Ji, Graph U-Nets, 2019, arXiv:1905.05178; Knyazev, Taylor, Amer, Understanding
/// Attention and Generalization in Graph Neural Networks, 2019, arXiv:1905.02850. Matches
/// `torch_geometric.nn.TopKPooling` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with features `[E, D]` or without · batch:
/// `[N]` or none · attn: `[N, in_channels]` or none · output: `[K, in_channels]` and edges among
/// `K` nodes, with graphs, former numbers and scores `[K]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::{Layer as _, LayerConfig as _, pool::TopKPoolingConfig};
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[1, 2, 0], 3, 3, &device).unwrap();
/// let pool = TopKPoolingConfig::new(4).init(&device);
/// let out = pool.call((Tensor::<2>::ones([3, 4], &device), &edges));
/// assert_eq!((out.x.dims(), out.edges.num_edges()), ([2, 4], 1));
/// ```
#[derive(Module, Debug)]
pub struct TopKPooling {
    /// What selects the nodes.
    pub select: SelectTopK,
    /// What the layer was made from.
    #[module(skip)]
    pub config: TopKPoolingConfig,
}

impl Layer for TopKPooling {
    const NAME: &'static str = "TopKPooling";

    type Config = TopKPoolingConfig;
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
        let selected = self.select.forward(attn, batch.clone());
        PoolOutput::of(x, &edges, batch, selected, self.config.multiplier)
    }
}
