//! Attention among neighbours in one walk: scores, their softmax and the weighted sum.
//!
//! Written as separate operations, attention makes several `E × H` tensors and reads the edges once
//! for each. Here a target's edges are read once. What is kept for the gradient is one number for
//! each target and head, from which the weights are computed again:
//!
//! ```text
//! lse[i, h] = log Σ_j exp s_ji,h        α_ji,h = exp(s_ji,h - lse[i, h])
//! ```
//!
//! Operations differ in how they score, see [`Score`]. Kernels for scores that add a number of each
//! node are in [`gat`], those for scores that compare rows of features in [`pair`].

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;
pub(crate) mod gat;
pub(crate) mod pair;
mod parts;

use burn::backend::{
    Backend, Dispatch, ExtensionType,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::{Device, Int, Tensor};

pub use pair::{DotAttentionAttributes, DotAttentionOptions, dot_attention, edge_attention_v2};
pub use parts::{EdgeScores, LoopedEdges};

use crate::{CsrTensors, Endpoints, GraphOps, check, dropout_seed, scope, wire::GraphOp};

/// What [`edge_attention`] and [`edge_attention_v2`] do beside weighing.
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
    fn count(self, ends: &Endpoints) -> usize {
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
    fn split(
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

/// [`AttentionOptions`] without the seed of the dropout, which is a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionAttributes {
    /// As in the options.
    pub negative_slope: f64,
    /// If set, the number of targets with loops.
    pub loops: Option<usize>,
    /// Probability with which a weight is dropped. If there is none, the seed is not read.
    pub dropout: Option<f64>,
}

/// How pairs of nodes are scored, and what is done beside weighing. Each has three inputs.
///
/// | | inputs | operation |
/// |---|---|---|
/// | `Gat` | x, score_src, score_dst | [`edge_attention`] |
/// | `GatV2` | x_src, x_dst, att | [`edge_attention_v2`] |
/// | `Dot` | query, key, value | [`dot_attention`] |
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score {
    /// The sum of a number of each end.
    Gat(AttentionAttributes),
    /// The sum of the rows of both ends, and a learned vector.
    GatV2(AttentionAttributes),
    /// The inner product of the rows of both ends.
    Dot(DotAttentionAttributes),
}

/// Saved for the backward pass of attention: outputs, output gradient, dropout seed.
#[derive(Clone, Debug, ExtensionType)]
pub struct SavedAttention<B: Backend> {
    /// The output.
    pub out: FloatTensor<B>,
    /// The logarithm of the sum of exponentials, per target and head.
    pub lse: FloatTensor<B>,
    /// The gradient at the output.
    pub grad: FloatTensor<B>,
    /// The seed of the dropout.
    pub seed: IntTensor<B>,
}

/// Weighs the rows of the sources by a softmax of scores, by heads, as graph attention does.
///
/// ```text
/// s_ji,h   = LeakyReLU( score_src[j, h] + score_dst[i, h] )
/// α_ji,h   = softmax over j of s_ji,h
/// out[i,h] = Σ_j  α_ji,h · x[j, h]
/// ```
///
/// The sums run over the edges `j → i` and the loops that `options` adds. A target without any
/// gets zeros. No tensor of size `E × C` is made, neither here nor by the gradient.
///
/// Source: Veličković et al., Graph Attention Networks, 2018, arXiv:1710.10903; the softmax in one
/// pass after Milakov, Gimelshein, Online normalizer calculation for softmax, 2018,
/// arXiv:1805.02867.
///
/// # Shapes
/// x: `[N, H, C]` float · score_src: `[N, H]` · score_dst: `[n, H]` · output: `[n, H, C]`
///
/// # Numerics
/// The largest score is subtracted and 1e-16 added to the sum, as in
/// [`segment_softmax`](crate::segment_softmax). An edge that gives way to a loop has no effect,
/// even if features are not finite.
///
/// # Panics
/// If the shapes disagree, or the probability of the dropout is not in `[0, 1]`.
pub fn edge_attention(
    x: Tensor<3>,
    score_src: Tensor<2>,
    score_dst: Tensor<2>,
    ends: &Endpoints,
    options: AttentionOptions,
) -> Tensor<3> {
    check_scores(&x, [&score_src, &score_dst], ends);
    let devices = [x.device(), score_src.device(), score_dst.device()];
    if !ends.has_sorted_kernels(&x) {
        let has_all = |loops: Loops| loops.count(ends) == most_loops(ends);
        let is_writable = options.seed.is_none() && options.loops.is_none_or(has_all);
        if scope::is_recorded(&x) && is_writable {
            let op = GraphOp::EdgeAttention {
                size: ends.num_targets(),
                self_loops: options.loops.is_some(),
                negative_slope: options.negative_slope,
                dropout: options.dropout,
            };
            let inputs = ends.recorded(x.clone(), [score_src, score_dst]);
            return scope::write_down(op, &x, &inputs);
        }
        return parts::attend(x, score_src, score_dst, None, ends, &options);
    }
    let [csr, transposed] = csrs(ends, &devices);
    let (attributes, seed) = options.split(&devices[0], ends, &csr);
    let (out, _) = <Dispatch as GraphOps>::edge_attention(
        x.into_dispatch(),
        score_src.into_dispatch(),
        score_dst.into_dispatch(),
        seed,
        csr,
        transposed,
        Score::Gat(attributes),
    );
    Tensor::from_dispatch(out)
}

/// [`edge_attention`] where edges add to the scores, before the leaky ReLU.
///
/// ```text
/// s_ji,h = LeakyReLU( score_src[j, h] + score_dst[i, h] + score_edge[e, h] )        edge e = j → i
/// ```
///
/// # Shapes
/// As [`edge_attention`], and those of [`EdgeScores`].
///
/// # Panics
/// As [`edge_attention`], if loops have scores though none are added, or have none though they are,
/// or if there is a seed.
pub fn edge_attention_with(
    x: Tensor<3>,
    score_src: Tensor<2>,
    score_dst: Tensor<2>,
    score_edge: EdgeScores,
    ends: &Endpoints,
    options: &AttentionOptions,
) -> Tensor<3> {
    check_scores(&x, [&score_src, &score_dst], ends);
    let [_, heads, _] = x.dims();
    let edges = score_edge.edges.dims();
    let loops = score_edge.loops.as_ref().map(Tensor::dims);
    let expected = (
        [ends.num_edges(), heads],
        options.loops.map(|_| [ends.num_targets(), heads]),
    );
    assert!(
        (edges, loops) == expected,
        "edge_attention_with: expected scores of edges and loops of shapes {expected:?}, got {:?}",
        (edges, loops)
    );
    parts::attend(x, score_src, score_dst, Some(score_edge), ends, options)
}

#[track_caller]
fn check_scores(x: &Tensor<3>, [score_src, score_dst]: [&Tensor<2>; 2], ends: &Endpoints) {
    let [rows, heads, _] = x.dims();
    let (src, dst) = (score_src.dims(), score_dst.dims());
    let (sources, targets) = (ends.num_sources(), ends.num_targets());
    assert!(
        rows == sources && src == [sources, heads] && dst == [targets, heads],
        "edge_attention: expected `x` with {sources} rows, scores of shape {:?} and {:?}, got {rows} rows, \
         {src:?} and {dst:?}",
        [sources, heads],
        [targets, heads]
    );
}

/// The number of targets that are sources too.
fn most_loops(ends: &Endpoints) -> usize {
    ends.num_sources().min(ends.num_targets())
}

/// The edges by target, and by source if gradients of any input may be asked for.
fn csrs(ends: &Endpoints, devices: &[Device; 3]) -> [CsrTensors<Dispatch>; 2] {
    let transposed = if devices.iter().any(Device::is_autodiff) {
        ends.by_source()
    } else {
        ends.by_target()
    };
    [ends.by_target(), transposed].map(CsrTensors::from)
}

/// Whether dropout takes weight `number` (edge times heads plus head): a hash of it and the seed,
/// so that the gradient finds the same.
#[cfg(feature = "flex")]
pub(crate) fn is_dropped(number: u32, seed: u32, threshold: u32) -> bool {
    fn mix(mut h: u32) -> u32 {
        h ^= h >> 16;
        h = h.wrapping_mul(0x85eb_ca6b);
        h ^= h >> 13;
        h = h.wrapping_mul(0xc2b2_ae35);
        h ^ (h >> 16)
    }
    mix(mix(number) ^ seed) < threshold
}

/// The hashes below which a weight is dropped.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability below 1 times 2^32"
)]
pub(crate) fn dropout_threshold(probability: f64) -> u32 {
    (probability * f64::from(u32::MAX)) as u32
}
