//! Attention among the elements of a set, and of learned rows to them.

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
use crate::{
    config::{ConfigError, LayerConfig},
    shape::reshape,
};

/// Configuration of a [`SetTransformerAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct SetTransformerConfig {
    /// Width of the elements.
    pub channels: usize,
    /// Number of learned rows.
    #[config(default = 1)]
    pub num_seed_points: usize,
    /// Number of blocks of attention among the elements.
    #[config(default = 1)]
    pub num_encoder_blocks: usize,
    /// Number of blocks of attention among the results.
    #[config(default = 1)]
    pub num_decoder_blocks: usize,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether the results stand side by side; otherwise they are averaged.
    #[config(default = true)]
    pub concat: bool,
    /// Whether to normalise rows behind attention.
    #[config(default = false)]
    pub layer_norm: bool,
    /// Probability with which attention weights are dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl SetTransformerConfig {
    fn options(&self) -> BlockOptions {
        BlockOptions {
            channels: self.channels,
            heads: self.heads,
            layer_norm: self.layer_norm,
            dropout: self.dropout,
        }
    }
}

impl LayerConfig for SetTransformerConfig {
    type Layer = SetTransformerAggregation;

    const REQUIRED: &'static [&'static str] = &["channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let some = self.num_seed_points > 0;
        ConfigError::unless(some, "num_seed_points", "at least one", "0")?;
        self.options().check()
    }

    fn make(&self, device: &Device) -> SetTransformerAggregation {
        let options = self.options();
        let blocks = |count| {
            let blocks = 0..count;
            blocks.map(|_| SetAttentionBlock::new(&options, device))
        };
        SetTransformerAggregation {
            encoders: blocks(self.num_encoder_blocks).collect(),
            pma: PoolingByMultiheadAttention::new(&options, self.num_seed_points, device),
            decoders: blocks(self.num_decoder_blocks).collect(),
            config: self.clone(),
        }
    }
}

/// Lets the elements of a set attend to each other, learned rows attend to the results, and these
/// to each other.
///
/// Source: Lee et al., Set Transformer, 2019, arXiv:1810.00825; as a readout, Buterez et al., Graph
/// Neural Networks with Adaptive Readouts, 2022, arXiv:2211.04952. Matches
/// `torch_geometric.nn.SetTransformerAggregation` (2.8). Departs: elements need not be sorted by
/// set.
///
/// # Shapes
/// messages: `[E, channels]` · output: `[n, num_seed_points · channels]`, or `[n, channels]` if the
/// results are averaged
///
/// # Numerics
/// Attention takes `n · L²` numbers for each head, where `L` is the number of elements of the
/// largest set. A result that is not a number becomes 0; infinite ones, which only overflow makes,
/// stay (in PyG they become the largest finite number).
#[derive(Module, Debug)]
pub struct SetTransformerAggregation {
    /// Attention among the elements.
    pub encoders: Vec<SetAttentionBlock>,
    /// Attention of learned rows to them.
    pub pma: PoolingByMultiheadAttention,
    /// Attention among the results.
    pub decoders: Vec<SetAttentionBlock>,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: SetTransformerConfig,
}

impl Combine for SetTransformerAggregation {
    fn input(&self) -> Option<usize> {
        Some(self.config.channels)
    }

    fn width(&self, element: usize) -> usize {
        if self.config.concat {
            element * self.config.num_seed_points
        } else {
            element
        }
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let (x, mask) = elements.dense();
        let encoders = self.encoders.iter();
        let x = encoders.fold(x, |x, block| block.forward(x, Some(mask.clone())));
        let x = self.pma.forward(x, Some(mask));
        let decoders = self.decoders.iter();
        let x = decoders.fold(x, |x, block| block.forward(x, None));
        let x = x.clone().mask_fill(x.is_nan(), 0.0);
        let [sets, seeds, width] = x.dims();
        if self.config.concat {
            reshape(x, [sets, seeds * width])
        } else {
            x.mean_dim(1).squeeze_dim(1)
        }
    }
}

aggregation_layers!(SetTransformerAggregation(SetTransformerConfig));
