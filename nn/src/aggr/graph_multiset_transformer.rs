//! Attention of learned rows to a set, twice.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
    set_attention::{BlockOptions, PoolingByMultiheadAttention, SetAttentionBlock},
};
use crate::config::{ConfigError, LayerConfig};

/// Configuration of a [`GraphMultisetTransformer`].
#[derive(Config, Debug, PartialEq)]
pub struct GraphMultisetTransformerConfig {
    /// Width of the elements.
    pub channels: usize,
    /// Number of learned rows that attend to the elements.
    pub k: usize,
    /// Number of blocks of attention among their results.
    #[config(default = 1)]
    pub num_encoder_blocks: usize,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether to normalise rows behind attention.
    #[config(default = false)]
    pub layer_norm: bool,
    /// Probability with which attention weights are dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl GraphMultisetTransformerConfig {
    fn options(&self) -> BlockOptions {
        BlockOptions {
            channels: self.channels,
            heads: self.heads,
            layer_norm: self.layer_norm,
            dropout: self.dropout,
        }
    }
}

impl LayerConfig for GraphMultisetTransformerConfig {
    type Layer = GraphMultisetTransformer;

    const REQUIRED: &'static [&'static str] = &["channels", "k"];

    fn blank() -> Self {
        Self::new(0, 1)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.k > 0, "k", "at least one", "0")?;
        self.options().check()
    }

    fn make(&self, device: &Device) -> GraphMultisetTransformer {
        let options = self.options();
        let pool = |rows| PoolingByMultiheadAttention::new(&options, rows, device);
        let encoders = 0..self.num_encoder_blocks;
        GraphMultisetTransformer {
            pma1: pool(self.k),
            encoders: encoders
                .map(|_| SetAttentionBlock::new(&options, device))
                .collect(),
            pma2: pool(1),
            config: self.clone(),
        }
    }
}

/// Lets learned rows attend to the elements of a set, their results to each other, and one more
/// learned row to these.
///
/// Source: Baek, Kang, Hwang, Accurate Learning of Graph Representations with Graph Multiset
/// Pooling, 2021, arXiv:2102.11533. Matches `torch_geometric.nn.GraphMultisetTransformer` (2.8).
/// Departs: elements need not be sorted by set.
///
/// # Shapes
/// messages: `[E, channels]` · output: `[n, channels]`
#[derive(Module, Debug)]
pub struct GraphMultisetTransformer {
    /// Attention of learned rows to the elements.
    pub pma1: PoolingByMultiheadAttention,
    /// Attention among the results.
    pub encoders: Vec<SetAttentionBlock>,
    /// Attention of one learned row to them.
    pub pma2: PoolingByMultiheadAttention,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: GraphMultisetTransformerConfig,
}

impl Combine for GraphMultisetTransformer {
    fn input(&self) -> Option<usize> {
        Some(self.config.channels)
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let (x, mask) = elements.dense();
        let x = self.pma1.forward(x, Some(mask));
        let encoders = self.encoders.iter();
        let x = encoders.fold(x, |x, block| block.forward(x, None));
        self.pma2.forward(x, None).squeeze_dim(1)
    }
}

aggregation_layers!(GraphMultisetTransformer(GraphMultisetTransformerConfig));
