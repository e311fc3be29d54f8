//! Attention among patches of elements.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use kiln_core::size_to_i64;
use kiln_ops::{arange, size_of};
use serde::{Deserialize, Serialize};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
    set_attention::{BlockOptions, MultiheadAttentionBlock},
};
use crate::{
    config::{ConfigError, LayerConfig, OneOrSeveral, count},
    linear::{Linear, LinearConfig},
    multihead::by_rows,
    shape::{expand, reshape, side_by_side},
};

/// How the patches of a set become one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatchReduce {
    /// The sum.
    Sum,
    /// The mean.
    Mean,
    /// The least of each feature.
    Min,
    /// The greatest of each feature.
    Max,
    /// The unbiased variance, which one patch has not.
    Var,
    /// Its root.
    Std,
}

/// Configuration of a [`PatchTransformerAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct PatchTransformerConfig {
    /// Width of the elements.
    pub in_channels: usize,
    /// Width of the output.
    pub out_channels: usize,
    /// Number of elements of a patch.
    pub patch_size: usize,
    /// Width of patches; an even number.
    pub hidden_channels: usize,
    /// Number of blocks of attention.
    #[config(default = 1)]
    pub num_transformer_blocks: usize,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Probability with which attention weights are dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// How the patches of a set become one row.
    #[config(default = "OneOrSeveral::One(PatchReduce::Mean)")]
    pub aggr: OneOrSeveral<PatchReduce>,
}

impl PatchTransformerConfig {
    fn options(&self) -> BlockOptions {
        BlockOptions {
            channels: self.hidden_channels,
            heads: self.heads,
            layer_norm: true,
            dropout: self.dropout,
        }
    }
}

impl LayerConfig for PatchTransformerConfig {
    type Layer = PatchTransformerAggregation;

    const REQUIRED: &'static [&'static str] = &[
        "in_channels",
        "out_channels",
        "patch_size",
        "hidden_channels",
    ];

    fn blank() -> Self {
        Self::new(0, 0, 1, 2)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let width = self.hidden_channels;
        ConfigError::unless(self.patch_size > 0, "patch_size", "at least one", "0")?;
        let ok = width > 0 && width.is_multiple_of(2);
        let expected = "an even number, since positions have sines and cosines";
        ConfigError::unless(ok, "hidden_channels", expected, width.to_string())?;
        let some = !self.aggr.all().is_empty();
        ConfigError::unless(some, "aggr", "at least one", "none")?;
        self.options().check()
    }

    fn make(&self, device: &Device) -> PatchTransformerAggregation {
        let width = self.hidden_channels;
        let linear = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
        let blocks = 0..self.num_transformer_blocks;
        PatchTransformerAggregation {
            lin: linear(self.in_channels, width),
            pad_projector: linear(self.patch_size * width, width),
            pe: PositionalEncoding::new(width, device),
            blocks: blocks
                .map(|_| MultiheadAttentionBlock::new(&self.options(), device))
                .collect(),
            fc: linear(width * self.aggr.all().len(), self.out_channels),
            config: self.clone(),
        }
    }
}

/// Sines and cosines of positions.
///
/// ```text
/// PE(p) = sin(p ω_1), .., sin(p ω_{d/2}), cos(p ω_1), .., cos(p ω_{d/2})
/// ω_1 = 1, .., ω_{d/2} = 10⁻⁴
/// ```
///
/// Source: Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762. Matches
/// `torch_geometric.nn.encoding.PositionalEncoding` (2.8) with its default arguments.
#[derive(Module, Debug)]
pub struct PositionalEncoding {
    /// The frequencies `ω`, `[d / 2]`, which are not trained.
    pub frequency: Param<Tensor<1>>,
}

impl PositionalEncoding {
    /// The encoding by `width` numbers, which is even.
    fn new(width: usize, device: &Device) -> Self {
        let number = width / 2;
        let steps = count(number.saturating_sub(1).max(1));
        let frequencies = (0..number).map(|at| 1e-4_f64.powf(count(at) / steps));
        let frequencies: Vec<f64> = frequencies.collect();
        let frequency = Tensor::from_data(frequencies.as_slice(), device);
        Self {
            frequency: Param::from_tensor(frequency).set_require_grad(false),
        }
    }

    /// The encoding of the first positions. `[length, d]`
    pub fn forward(&self, length: usize) -> Tensor<2> {
        let frequency = self.frequency.val();
        let position = arange(0..length, &frequency.device()).float();
        let position = position.cast(frequency.dtype()).unsqueeze_dim::<2>(1);
        let angle = position * frequency.unsqueeze_dim::<2>(0);
        Tensor::cat(vec![angle.clone().sin(), angle.cos()], 1)
    }
}

/// Maps elements side by side to patches, and lets these attend to each other.
///
/// Source: Cong et al., Simplifying Temporal Heterogeneous Network for Continuous-Time Link
/// Prediction, 2023. Matches `torch_geometric.nn.PatchTransformerAggregation` (2.8). Departs:
/// elements need not be sorted by set, they are taken as they stand.
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, out_channels]`
///
/// # Numerics
/// As in PyG, each set has as many patches as the largest has if one element is added to it; its
/// elements behind the last patch are left out, and zeros follow smaller sets. So the result
/// depends on the order of the elements and on the largest set. Without any patch the mean is not
/// a number, and there is no greatest.
#[derive(Module, Debug)]
pub struct PatchTransformerAggregation {
    /// Map of the elements.
    pub lin: Linear,
    /// Map of the elements of a patch.
    pub pad_projector: Linear,
    /// What is added to patches.
    pub pe: PositionalEncoding,
    /// Attention among patches.
    pub blocks: Vec<MultiheadAttentionBlock>,
    /// Map of the result.
    pub fc: Linear,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: PatchTransformerConfig,
}

impl Combine for PatchTransformerAggregation {
    fn input(&self) -> Option<usize> {
        Some(self.config.in_channels)
    }

    fn width(&self, _element: usize) -> usize {
        self.config.out_channels
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let size = self.config.patch_size;
        let places = elements.places();
        let number = places.max_count().add_scalar(1);
        let patches = size_of(number.div_scalar(size_to_i64(size)));
        let x = elements.map(|x| self.lin.forward(x)).rows();
        let x = places.dense(x, patches * size);
        let [sets, _, width] = x.dims();
        let x = by_rows(reshape(x, [sets, patches, size * width]), |x| {
            self.pad_projector.forward(x)
        });
        let position = self.pe.forward(patches).cast(x.dtype());
        let x = x.clone() + expand(position, x.dims());
        let blocks = self.blocks.iter();
        let x = blocks.fold(x, |x, block| block.forward(x.clone(), x, None, None));
        let aggrs = self.config.aggr.all().iter();
        let outs = aggrs.map(|&reduce| reduced(x.clone(), reduce)).collect();
        self.fc.forward(side_by_side(outs, 1))
    }
}

/// The rows of each set as one. `[n, P, F]` gives `[n, F]`.
fn reduced(x: Tensor<3>, reduce: PatchReduce) -> Tensor<2> {
    let variance = |x: Tensor<3>| {
        let ones = Tensor::ones([1, x.dims()[1], 1], (&x.device(), x.dtype()));
        let difference = x.clone() - x.mean_dim(1);
        (difference.clone() * difference).sum_dim(1) / ones.sum_dim(1).sub_scalar(1.0)
    };
    let out = match reduce {
        PatchReduce::Sum => x.sum_dim(1),
        PatchReduce::Mean => x.mean_dim(1),
        PatchReduce::Min => x.min_dim(1),
        PatchReduce::Max => x.max_dim(1),
        PatchReduce::Var => variance(x),
        PatchReduce::Std => {
            let variance = variance(x);
            // The gradient of the root of 0 is 0, as in PyTorch.
            let is_zero = variance.clone().equal_elem(0.0);
            let root = variance.mask_fill(is_zero.clone(), 1.0).sqrt();
            root.mask_fill(is_zero, 0.0)
        }
    };
    out.squeeze_dim(1)
}

aggregation_layers!(PatchTransformerAggregation(PatchTransformerConfig));
