//! Attention among the elements of sets, and of learned rows to them.

use burn::{
    module::{Module, Param},
    nn,
    nn::Initializer,
    tensor::{Bool, Device, Tensor},
};

use crate::{
    config::{ConfigError, check_dropout},
    linear::{Linear, LinearConfig},
    multihead::{MultiheadAttention, by_rows},
    shape::expand,
};

/// What attention blocks have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockOptions {
    /// Width of the rows.
    pub channels: usize,
    /// Number of heads, which divides the width.
    pub heads: usize,
    /// Whether to normalise each row behind attention and map.
    pub layer_norm: bool,
    /// Probability with which attention weights are dropped while training.
    pub dropout: f64,
}

impl BlockOptions {
    /// Whether the options go together.
    ///
    /// # Errors
    /// If the number of heads does not divide the width, or the dropout is no probability.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Self {
            channels, heads, ..
        } = *self;
        ConfigError::unless(channels > 0, "channels", "at least one", "0")?;
        let ok = heads > 0 && channels.is_multiple_of(heads);
        ConfigError::unless(ok, "heads", "a divisor of the width", heads.to_string())?;
        check_dropout(self.dropout)
    }
}

/// Attention of rows to others, and a map of each row.
///
/// ```text
/// h = LayerNorm( x + Multihead(x, y, y) )        x' = LayerNorm( h + relu(W h + b) )
/// ```
///
/// Source: Lee et al., Set Transformer: A Framework for Attention-based Permutation-Invariant
/// Neural Networks, 2019, arXiv:1810.00825. Matches
/// `torch_geometric.nn.aggr.utils.MultiheadAttentionBlock` (2.8).
#[derive(Module, Debug)]
pub struct MultiheadAttentionBlock {
    /// The attention.
    pub attn: MultiheadAttention,
    /// Map of each row.
    pub lin: Linear,
    /// Normalisation behind the attention.
    pub layer_norm1: Option<nn::LayerNorm>,
    /// Normalisation behind the map.
    pub layer_norm2: Option<nn::LayerNorm>,
}

impl MultiheadAttentionBlock {
    /// Creates the block.
    pub fn new(options: &BlockOptions, device: &Device) -> Self {
        let width = options.channels;
        let norm = || nn::LayerNormConfig::new(width).init(device);
        Self {
            attn: MultiheadAttention::new(width, options.heads, options.dropout, device),
            lin: LinearConfig::new(width, width).init(device),
            layer_norm1: options.layer_norm.then(norm),
            layer_norm2: options.layer_norm.then(norm),
        }
    }

    /// Applies the block. A mask says which rows there are; nothing is added to other rows of `x`
    /// by the attention, and no attention is paid to other rows of `y`.
    ///
    /// # Shapes
    /// x: `[B, Q, channels]` · y: `[B, K, channels]` · masks: `[B, Q]` and `[B, K]` · output:
    /// `[B, Q, channels]`
    pub fn forward(
        &self,
        x: Tensor<3>,
        y: Tensor<3>,
        x_mask: Option<Tensor<2, Bool>>,
        y_mask: Option<Tensor<2, Bool>>,
    ) -> Tensor<3> {
        let normalized = |norm: &Option<nn::LayerNorm>, x| match norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        let mut out = self.attn.attend(x.clone(), y, y_mask);
        if let Some(mask) = x_mask {
            let absent = mask.bool_not().unsqueeze_dim::<3>(2).expand(out.shape());
            out = out.mask_fill(absent, 0.0);
        }
        let out = normalized(&self.layer_norm1, out + x);
        let mapped = by_rows(out.clone(), |out| self.lin.forward_relu(out));
        normalized(&self.layer_norm2, out + mapped)
    }
}

/// Attention among the rows of a set.
///
/// Matches `torch_geometric.nn.aggr.utils.SetAttentionBlock` (2.8).
#[derive(Module, Debug)]
pub struct SetAttentionBlock {
    /// The attention.
    pub mab: MultiheadAttentionBlock,
}

impl SetAttentionBlock {
    /// Creates the block.
    pub fn new(options: &BlockOptions, device: &Device) -> Self {
        Self {
            mab: MultiheadAttentionBlock::new(options, device),
        }
    }

    /// Applies the block to the rows that a mask `[B, N]` has, or to all.
    ///
    /// # Shapes
    /// x, output: `[B, N, channels]`
    pub fn forward(&self, x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Tensor<3> {
        self.mab.forward(x.clone(), x, mask.clone(), mask)
    }
}

/// Attention among the rows of a set by way of a few learned rows.
///
/// ```text
/// x' = MAB(x, MAB(I, x))
/// ```
///
/// Matches `torch_geometric.nn.aggr.utils.InducedSetAttentionBlock` (2.8).
#[derive(Module, Debug)]
pub struct InducedSetAttentionBlock {
    /// The learned rows, `[1, num_induced_points, channels]`.
    pub ind: Param<Tensor<3>>,
    /// Their attention to the set.
    pub mab1: MultiheadAttentionBlock,
    /// The attention of the set to them.
    pub mab2: MultiheadAttentionBlock,
}

impl InducedSetAttentionBlock {
    /// Creates the block.
    pub fn new(options: &BlockOptions, num_induced_points: usize, device: &Device) -> Self {
        Self {
            ind: learned_rows(num_induced_points, options.channels, device),
            mab1: MultiheadAttentionBlock::new(options, device),
            mab2: MultiheadAttentionBlock::new(options, device),
        }
    }

    /// Applies the block to the rows that a mask `[B, N]` has, or to all.
    ///
    /// # Shapes
    /// x, output: `[B, N, channels]`
    pub fn forward(&self, x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Tensor<3> {
        let points = for_each(&self.ind, &x);
        let points = self.mab1.forward(points, x.clone(), None, mask.clone());
        self.mab2.forward(x, points, mask, None)
    }
}

/// Attention of a few learned rows to the rows of a set.
///
/// ```text
/// x' = MAB(S, relu(W x + b))
/// ```
///
/// Matches `torch_geometric.nn.aggr.utils.PoolingByMultiheadAttention` (2.8).
#[derive(Module, Debug)]
pub struct PoolingByMultiheadAttention {
    /// Map of each row.
    pub lin: Linear,
    /// The learned rows, `[1, num_seed_points, channels]`.
    pub seed: Param<Tensor<3>>,
    /// Their attention to the set.
    pub mab: MultiheadAttentionBlock,
}

impl PoolingByMultiheadAttention {
    /// Creates the block.
    pub fn new(options: &BlockOptions, num_seed_points: usize, device: &Device) -> Self {
        let width = options.channels;
        Self {
            lin: LinearConfig::new(width, width).init(device),
            seed: learned_rows(num_seed_points, width, device),
            mab: MultiheadAttentionBlock::new(options, device),
        }
    }

    /// Applies the block to the rows that a mask `[B, N]` has, or to all.
    ///
    /// # Shapes
    /// x: `[B, N, channels]` · output: `[B, num_seed_points, channels]`
    pub fn forward(&self, x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Tensor<3> {
        let seeds = for_each(&self.seed, &x);
        let x = by_rows(x, |x| self.lin.forward_relu(x));
        self.mab.forward(seeds, x, None, mask)
    }
}

/// Rows that are trained, `[1, count, width]`, as PyTorch draws a tensor of this shape.
fn learned_rows(count: usize, width: usize, device: &Device) -> Param<Tensor<3>> {
    let init = Initializer::XavierUniform { gain: 1.0 };
    init.init_with([1, count, width], Some(count * width), Some(width), device)
}

/// Learned rows for each set of `x`.
fn for_each(rows: &Param<Tensor<3>>, x: &Tensor<3>) -> Tensor<3> {
    let (rows, [sets, ..]) = (rows.val(), x.dims());
    let [_, count, width] = rows.dims();
    expand(rows, [sets, count, width])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Int, Tolerance};

    use super::*;

    /// The first `length` rows.
    fn rows(x: &Tensor<3>, length: usize) -> burn::tensor::TensorData {
        x.clone().narrow(1, 0, length).into_data()
    }

    #[test]
    fn rows_that_are_not_there_have_no_effect() {
        let device = Device::flex();
        let options = BlockOptions {
            channels: 4,
            heads: 2,
            layer_norm: true,
            dropout: 0.0,
        };
        let x = Tensor::<1, Int>::arange(0..20, &device).float().sin();
        let x = x.reshape([1, 5, 4]);
        let mask = Tensor::<1, Int>::arange(0..5, &device)
            .lower_elem(3)
            .unsqueeze_dim::<2>(0);
        let few = x.clone().narrow(1, 0, 3);
        let induced = InducedSetAttentionBlock::new(&options, 3, &device);
        let (masked, alone) = (
            induced.forward(x.clone(), Some(mask.clone())),
            induced.forward(few.clone(), None),
        );
        assert_eq!(masked.dims(), [1, 5, 4]);
        rows(&masked, 3).assert_approx_eq::<f32>(&rows(&alone, 3), Tolerance::default());
        let among = SetAttentionBlock::new(&options, &device);
        let (masked, alone) = (
            among.forward(x.clone(), Some(mask.clone())),
            among.forward(few.clone(), None),
        );
        rows(&masked, 3).assert_approx_eq::<f32>(&rows(&alone, 3), Tolerance::default());
        let pool = PoolingByMultiheadAttention::new(&options, 2, &device);
        let (masked, alone) = (pool.forward(x, Some(mask)), pool.forward(few, None));
        assert_eq!(masked.dims(), [1, 2, 4]);
        rows(&masked, 2).assert_approx_eq::<f32>(&rows(&alone, 2), Tolerance::default());
    }
}
