//! Attention whose scores compare rows of features: the target's and the source's.
//!
//! Such a score reads as many numbers of a source as the weighted sum does, and there are as many
//! of them as edges and heads. So a target's edges are still read once: each source's row gives
//! the score first and is then added up, while it is at hand.
//!
//! ```text
//!           source j        target i      score of features k, q         derivative by k
//! joint     x_src           x_dst           Σ a · LeakyReLU(k + q)         a · LeakyReLU'(k + q)
//! dot       key             query           scale · Σ k · q                scale · q
//! ```
//!
//! What is added up is `x_src` again, or `value`. Gradients walk the edges twice: by source, where
//! scores are computed again, and by target, with the scores' gradients of the first walk.

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::{
    options::{AttentionOptions, DotAttentionOptions, csrs},
    parts,
    score::Score,
};
use crate::{Endpoints, GraphOps, edge_dot, leaky_relu};

/// Weighs the rows of the sources by a softmax of joint scores, by heads, as the second form of
/// graph attention (GATv2) does.
///
/// ```text
/// s_ji,h   = Σ_c  att[h, c] · LeakyReLU( x_src[j, h, c] + x_dst[i, h, c] )
/// α_ji,h   = softmax over j of s_ji,h
/// out[i,h] = Σ_j  α_ji,h · x_src[j, h]
/// ```
///
/// The sums run over the edges `j → i` and the loops that `options` adds. A target without any
/// gets zeros. Unlike those of [`edge_attention`](crate::edge_attention()), scores need every
/// channel of both ends. Still no tensor of size `E × C` is made, neither here nor by the
/// gradients, which are those of `x_src`, `x_dst` and `att`.
///
/// Source: Brody, Alon, Yahav, How attentive are graph attention networks?, 2022, arXiv:2105.14491;
/// the softmax in one pass as in [`edge_attention`](crate::edge_attention()).
///
/// # Shapes
/// x_src: `[N, H, C]` float · x_dst: `[n, H, C]` · att: `[H, C]` · output: `[n, H, C]`
///
/// # Numerics
/// The largest score is subtracted and 1e-16 added to the sum, as in
/// [`segment_softmax`](crate::segment_softmax). GPUs compute with single precision where features
/// have 16 bits.
///
/// In a recording it is written down as its parts, which include a row of features per edge.
///
/// # Panics
/// If the shapes disagree, the probability of the dropout is not in `[0, 1]`, or there is a seed in
/// a recording.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Flow};
/// use kiln_ops::{AttentionOptions, Endpoints};
///
/// let device = Device::default();
/// let edges = EdgeIndex::from_pairs(&[(0, 0), (1, 0)], 2, &device).unwrap();
/// let ends = Endpoints::new(edges, Flow::SourceToTarget);
/// let x = Tensor::<3>::from_floats([[[1.0]], [[3.0]]], &device);
/// let att = Tensor::<2>::zeros([1, 1], &device); // All scores are equal.
/// let options = AttentionOptions { negative_slope: 0.2, loops: None, dropout: 0.0, seed: None };
/// let out = kiln_ops::edge_attention_v2(x.clone(), x, att, &ends, options).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [2.0, 0.0]);
/// ```
pub fn edge_attention_v2(
    x_src: Tensor<3>,
    x_dst: Tensor<3>,
    att: Tensor<2>,
    ends: &Endpoints,
    options: AttentionOptions,
) -> Tensor<3> {
    let [_, heads, channels] = x_src.dims();
    let rows = |count: usize| [count, heads, channels];
    let (sources, targets) = (ends.num_sources(), ends.num_targets());
    assert!(
        x_src.dims() == rows(sources)
            && x_dst.dims() == rows(targets)
            && att.dims() == [heads, channels],
        "edge_attention_v2: expected shapes {:?}, {:?} and {:?}, got {:?}, {:?} and {:?}",
        rows(sources),
        rows(targets),
        [heads, channels],
        x_src.dims(),
        x_dst.dims(),
        att.dims()
    );
    let devices = [x_src.device(), x_dst.device(), att.device()];
    if !ends.has_sorted_kernels(&x_src) {
        let score = |sums: Tensor<3>| {
            let products = leaky_relu(sums, options.negative_slope) * att.clone().unsqueeze();
            products.sum_dim(2).squeeze_dim::<2>(2)
        };
        let scores = score(ends.lift_j(x_src.clone()) + ends.lift_i(x_dst.clone()));
        let drop = (options.dropout, options.seed.is_some());
        return parts::weigh(x_src.clone(), scores, ends, options.loops, drop, |edges| {
            score(edges.lift_loops(x_src) + x_dst)
        });
    }
    let [csr, transposed] = csrs(ends, &devices);
    let (attributes, seed) = options.split(&devices[0], ends, &csr);
    let (out, _) = <Dispatch as GraphOps>::edge_attention(
        x_src.into_dispatch(),
        x_dst.into_dispatch(),
        att.into_dispatch(),
        seed,
        csr,
        transposed,
        Score::GatV2(attributes),
    );
    Tensor::from_dispatch(out)
}

/// Weighs the values of the sources by a softmax of inner products, by heads, as transformers do,
/// among neighbours.
///
/// ```text
/// s_ji,h   = scale · Σ_c  query[i, h, c] · key[j, h, c]
/// α_ji,h   = softmax over j of s_ji,h
/// out[i,h] = Σ_j  α_ji,h · value[j, h]
/// ```
///
/// The sums run over the edges `j → i` and the loops that `options` adds. A target without any
/// gets zeros. No tensor of size `E × C` is made, neither here nor by the gradients.
///
/// Source: Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762; on graphs Shi et al.,
/// Masked label prediction, 2021, arXiv:2009.03509; the softmax in one pass as in
/// [`edge_attention`](crate::edge_attention()).
///
/// # Shapes
/// query: `[n, H, C]` float · key, value: `[N, H, C]` · output: `[n, H, C]`
///
/// # Numerics
/// As [`edge_attention_v2`].
///
/// # Panics
/// As [`edge_attention_v2`].
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Flow};
/// use kiln_ops::{DotAttentionOptions, Endpoints};
///
/// let device = Device::default();
/// let edges = EdgeIndex::from_pairs(&[(0, 0), (1, 0)], 2, &device).unwrap();
/// let ends = Endpoints::new(edges, Flow::SourceToTarget);
/// let query = Tensor::<3>::zeros([2, 1, 1], &device); // All scores are equal.
/// let value = Tensor::<3>::from_floats([[[1.0]], [[3.0]]], &device);
/// let options = DotAttentionOptions { scale: 1.0, loops: None, dropout: 0.0, seed: None };
/// let out = kiln_ops::dot_attention(query, value.clone(), value, &ends, options).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [2.0, 0.0]);
/// ```
pub fn dot_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    ends: &Endpoints,
    options: DotAttentionOptions,
) -> Tensor<3> {
    let [_, heads, channels] = query.dims();
    let rows = |count: usize| [count, heads, channels];
    let (sources, targets) = (rows(ends.num_sources()), rows(ends.num_targets()));
    assert!(
        query.dims() == targets && key.dims() == sources && value.dims() == sources,
        "dot_attention: expected shapes {targets:?}, {sources:?} and {sources:?}, got {:?}, {:?} and {:?}",
        query.dims(),
        key.dims(),
        value.dims()
    );
    let devices = [query.device(), key.device(), value.device()];
    if !ends.has_sorted_kernels(&query) {
        let scores = edge_dot(query.clone(), key.clone(), ends).mul_scalar(options.scale);
        let drop = (options.dropout, options.seed.is_some());
        return parts::weigh(value, scores, ends, options.loops, drop, |edges| {
            let products = edges.lift_loops(key) * query;
            products.sum_dim(2).squeeze_dim::<2>(2) * options.scale
        });
    }
    let [csr, transposed] = csrs(ends, &devices);
    let (attributes, seed) = options.split(&devices[0], ends, &csr);
    let (out, _) = <Dispatch as GraphOps>::edge_attention(
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
        seed,
        csr,
        transposed,
        Score::Dot(attributes),
    );
    Tensor::from_dispatch(out)
}
