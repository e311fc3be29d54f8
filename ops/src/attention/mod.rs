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
//! node are in [`gat`], those for scores that compare rows of features in [`pairwise`].

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;
pub(crate) mod gat;
mod options;
pub(crate) mod pairwise;
mod parts;
mod score;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

pub use options::{AttentionOptions, DotAttentionOptions, Loops};
pub use pairwise::{dot_attention, edge_attention_v2};
pub use parts::{EdgeScores, LoopedEdges};
pub use score::{AttentionAttributes, DotAttentionAttributes, SavedAttention, Score};

use crate::{Endpoints, GraphOps, scope, wire::GraphOp};
use options::csrs;

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
