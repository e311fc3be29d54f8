//! A tree of recurrent cells.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Int, Tensor},
};
use kiln_ops::{arange, gather, repeat, size_of};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
};
use crate::{
    config::{ConfigError, LayerConfig},
    linear::{Linear, LinearConfig},
    rnn::{GruCell, GruCellConfig},
    shape::{expand, reshape},
};

/// Configuration of an [`LcmAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct LcmConfig {
    /// Width of the elements.
    pub in_channels: usize,
    /// Width of the output.
    pub out_channels: usize,
    /// Whether elements are put through a linear map and ReLU first.
    #[config(default = true)]
    pub project: bool,
}

impl LayerConfig for LcmConfig {
    type Layer = LcmAggregation;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.out_channels > 0, "out_channels", "at least one", "0")?;
        let ok = self.project || self.in_channels == self.out_channels;
        ConfigError::unless(
            ok,
            "project",
            "`true` between widths that differ, since elements are as wide as the output",
            "`false`",
        )
    }

    fn make(&self, device: &Device) -> LcmAggregation {
        let (d_in, d_out) = (self.in_channels, self.out_channels);
        LcmAggregation {
            lin: self
                .project
                .then(|| LinearConfig::new(d_in, d_out).init(device)),
            gru_cell: GruCellConfig::new(d_out, d_out).init(device),
            config: self.clone(),
        }
    }
}

/// Combines elements two by two, and the results again, until one is left.
///
/// ```text
/// c(a, b) = (GRU(a, b) + GRU(b, a)) / 2
/// ```
///
/// Source: Ong, Veličković, Learnable Commutative Monoids for Graph Neural Networks, 2022,
/// arXiv:2212.08541. Matches `torch_geometric.nn.LCMAggregation` (2.8). Departs: elements need not
/// be sorted by set, they are taken as they stand; and without any element the result is zero (PyG
/// has none).
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, out_channels]`
///
/// # Numerics
/// As in PyG, a set is followed by zeros up to the number of elements of the largest set, and these
/// are combined too. So the result depends on the order of the elements and on the largest set. A
/// level of the tree takes as many cells as the lowest one.
#[derive(Module, Debug)]
pub struct LcmAggregation {
    /// Map of the elements.
    pub lin: Option<Linear>,
    /// What combines two elements.
    pub gru_cell: GruCell,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: LcmConfig,
}

impl LcmAggregation {
    /// Combines the first `count` rows two by two, `[1]`; the last of an odd number stays. Of the
    /// `pairs` rows of the result those behind the first half are of no use.
    fn level(&self, x: Tensor<3>, count: &Tensor<1, Int>, pairs: usize) -> Tensor<3> {
        let [_, sets, width] = x.dims();
        let position = arange(0..pairs, &count.device()).cast(count.dtype());
        let left = position.mul_scalar(2);
        let right = left.clone().add_scalar(1);
        let count = expand(count.clone(), [pairs]);
        let is_beyond = |at: &Tensor<1, Int>| at.clone().greater_equal(count.clone());
        let (no_left, no_right) = (is_beyond(&left), is_beyond(&right));
        let left = gather(x.clone(), left.mask_fill(no_left, 0));
        let right = gather(x, right.mask_fill(no_right.clone(), 0));
        let alone = expand(no_right.unsqueeze_dims::<3>(&[1, 2]), [pairs, sets, width]);
        // What is not combined does not go through the cells.
        let [a, b] = [left.clone(), right].map(|x| {
            let x = x.mask_fill(alone.clone(), 0.0);
            reshape(x, [pairs * sets, width])
        });
        let both = self.gru_cell.forward(a.clone(), b.clone()) + self.gru_cell.forward(b, a);
        let both = reshape(both.mul_scalar(0.5), [pairs, sets, width]);
        both.mask_where(alone, left)
    }
}

impl Combine for LcmAggregation {
    fn input(&self) -> Option<usize> {
        Some(self.config.in_channels)
    }

    fn width(&self, _element: usize) -> usize {
        self.config.out_channels
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let x = match &self.lin {
            Some(lin) => elements.map(|x| lin.forward_relu(x)).rows(),
            None => elements.rows(),
        };
        let places = elements.places();
        let half = |count: Tensor<1, Int>| count.add_scalar(1).div_scalar(2);
        let count = places.max_count().clamp_min(1);
        let pairs = size_of(half(count.clone()));
        let x = places.dense(x, 2 * pairs).swap_dims(0, 1);
        let x = self.level(x, &count, pairs);
        // Another level for each power of two below the number of elements.
        let powers = Tensor::<1, Int>::from_ints(POWERS, &count.device()).cast(count.dtype());
        let is_below = powers.lower(expand(count.clone(), [POWERS.len()]));
        let levels = size_of(is_below.int().sum());
        let (x, _) = repeat(levels, (x, half(count)), |(x, count)| {
            (self.level(x, &count, pairs), half(count))
        });
        let [_, sets, width] = x.dims();
        reshape(x.narrow(0, 0, 1), [sets, width])
    }
}

/// The powers of two from 2 on.
const POWERS: [i32; 30] = {
    let mut powers = [2; 30];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 2;
        at += 1;
    }
    powers
};

aggregation_layers!(LcmAggregation(LcmConfig, "LCMAggregation"));
