//! What callers ask of attention beside weighing.

use burn::backend::{Dispatch, tensor::IntTensor};
use burn::tensor::{Device, Int, Tensor};

use super::score::{AttentionAttributes, DotAttentionAttributes};
use crate::{CsrTensors, Endpoints, check, dropout_seed};

/// What [`edge_attention`](crate::edge_attention()) and
/// [`edge_attention_v2`](crate::edge_attention_v2()) do beside weighing.
#[derive(Clone, Debug)]
pub struct AttentionOptions {
    /// Slope of the leaky ReLU for negative values.
    pub negative_slope: f64,
    /// If set, edges from a node to itself are ignored, and targets have loops instead.
    pub loops: Option<Loops>,
    /// Probability with which a weight is dropped; the others are scaled by `1 / (1 -
    /// probability)`. On autodiff devices, as [`dropout`](crate::dropout()), and wherever there is
    /// a seed.
    pub dropout: f64,
    /// A seed for the dropout, `[1]`; the random numbers of the device give one if there is none.
    pub seed: Option<Tensor<1, Int>>,
}

/// Which targets have a loop: an edge from the source of their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loops {
    /// Every target, since sources and targets are one node set.
    Every,
    /// Between two node sets, targets below a number that is at most that of sources and of
    /// targets.
    Below(usize),
}

impl Loops {
    /// How many there are.
    #[track_caller]
    pub(crate) fn count(self, ends: &Endpoints) -> usize {
        let (sources, targets) = (ends.num_sources(), ends.num_targets());
        match self {
            Self::Every => {
                assert!(
                    sources == targets,
                    "attention: expected one node set for loops of every node, got {sources} sources and \
                     {targets} targets"
                );
                targets
            }
            Self::Below(count) => count,
        }
    }
}

impl AttentionOptions {
    /// Those of them that are no tensors, and the seed, for which any integers of the walk stand if
    /// there is no dropout.
    pub(crate) fn split(
        self,
        device: &Device,
        ends: &Endpoints,
        walk: &CsrTensors<Dispatch>,
    ) -> (AttentionAttributes, IntTensor<Dispatch>) {
        let (dropout, seed) = split_dropout(self.dropout, self.seed, device, walk);
        let attributes = AttentionAttributes {
            negative_slope: self.negative_slope,
            loops: self.loops.map(|loops| loops.count(ends)),
            dropout,
        };
        (attributes, seed)
    }
}

/// What [`dot_attention`](crate::dot_attention()) does beside weighing.
#[derive(Clone, Debug)]
pub struct DotAttentionOptions {
    /// What inner products are multiplied with: usually one over the root of the number of
    /// channels.
    pub scale: f64,
    /// As in [`AttentionOptions`].
    pub loops: Option<Loops>,
    /// As in [`AttentionOptions`].
    pub dropout: f64,
    /// As in [`AttentionOptions`].
    pub seed: Option<Tensor<1, Int>>,
}

impl DotAttentionOptions {
    /// As [`AttentionOptions::split`].
    pub(crate) fn split(
        self,
        device: &Device,
        ends: &Endpoints,
        walk: &CsrTensors<Dispatch>,
    ) -> (DotAttentionAttributes, IntTensor<Dispatch>) {
        let (dropout, seed) = split_dropout(self.dropout, self.seed, device, walk);
        let attributes = DotAttentionAttributes {
            scale: self.scale,
            loops: self.loops.map(|loops| loops.count(ends)),
            dropout,
        };
        (attributes, seed)
    }
}

#[track_caller]
fn split_dropout(
    probability: f64,
    seed: Option<Tensor<1, Int>>,
    device: &Device,
    walk: &CsrTensors<Dispatch>,
) -> (Option<f64>, IntTensor<Dispatch>) {
    check::probability("attention", probability);
    let is_active = probability > 0.0;
    let seed = match seed {
        None if is_active && device.is_autodiff() => Some(dropout_seed(device)),
        seed => seed.filter(|_| is_active),
    };
    match seed {
        Some(seed) => {
            let dims = seed.dims();
            assert!(
                dims == [1],
                "attention: expected a seed of shape [1] for dropout, got {dims:?}"
            );
            (Some(probability), seed.into_dispatch())
        }
        None => (None, walk.ptr.clone()),
    }
}

/// The edges by target, and by source if gradients of any input may be asked for.
pub(crate) fn csrs(ends: &Endpoints, devices: &[Device; 3]) -> [CsrTensors<Dispatch>; 2] {
    let transposed = if devices.iter().any(Device::is_autodiff) {
        ends.by_source()
    } else {
        ends.by_target()
    };
    [ends.by_target(), transposed].map(CsrTensors::from)
}
