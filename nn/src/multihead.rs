//! Multi-head attention with PyTorch's parameters, among all nodes of a graph.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Int, Tensor, activation},
};
use kiln_core::{EdgeIndex, Edges, size_to_i64};
use kiln_ops::{DotAttentionOptions, Endpoints};

use crate::{
    config::count,
    dropout::Dropout,
    init,
    linear::{Linear, LinearConfig},
};

/// Attention of each node to all nodes of its graph.
///
/// ```text
/// q, k, v = x W_qᵀ + b_q, x W_kᵀ + b_k, x W_vᵀ + b_v        by heads
/// y_i = W_out (Σ_j softmax over j of (q_i · k_j / √C) v_j) + b_out
/// ```
///
/// Source: Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762. Matches
/// `torch.nn.MultiheadAttention` of equal queries, keys and values.
#[derive(Module, Debug)]
pub struct MultiheadAttention {
    /// The maps to queries, keys and values one below the other, `[3 · channels, channels]`.
    pub in_proj_weight: Param<Tensor<2>>,
    /// Their biases, `[3 · channels]`.
    pub in_proj_bias: Param<Tensor<1>>,
    /// Map of the result.
    pub out_proj: Linear,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// Number of heads, which divides the number of channels.
    #[module(skip)]
    pub heads: usize,
}

impl MultiheadAttention {
    /// Attention of the given width.
    pub(crate) fn new(channels: usize, heads: usize, dropout: f64, device: &Device) -> Self {
        let shape = [3 * channels, channels];
        let glorot = Initializer::XavierUniform { gain: 1.0 };
        Self {
            in_proj_weight: glorot.init_with(shape, Some(channels), Some(3 * channels), device),
            in_proj_bias: init::zeros(3 * channels, device),
            out_proj: LinearConfig::new(channels, channels)
                .init(device)
                .with_zero_bias(),
            dropout: Dropout::new(dropout),
            heads,
        }
    }

    /// Attention among all nodes, or among those of each graph if `batch` says of which graph each
    /// node is, `[N]`.
    ///
    /// # Shapes
    /// x: `[N, channels]` · output: `[N, channels]`
    pub fn forward(&self, x: Tensor<2>, batch: Option<Tensor<1, Int>>) -> Tensor<2> {
        let [nodes, channels] = x.dims();
        let (heads, width) = (self.heads, channels / self.heads);
        let weight = self.in_proj_weight.val().transpose();
        let all = kiln_ops::linear(x, weight, Some(self.in_proj_bias.val()));
        let part = |number: usize| {
            let columns = number * channels..(number + 1) * channels;
            let part = all.clone().slice([0..nodes, columns]);
            part.reshape([nodes, heads, width])
        };
        let [query, key, value] = [part(0), part(1), part(2)];
        let scale = count(width).sqrt().recip();
        let out = if let Some(batch) = batch {
            let options = DotAttentionOptions {
                scale,
                loops: None,
                dropout: self.dropout.probability(),
                seed: None,
            };
            let edges = Edges::from(within_graphs(batch));
            kiln_ops::dot_attention(query, key, value, &Endpoints::of(edges), options)
        } else {
            let [query, key, value] = [query, key, value].map(|x| x.swap_dims(0, 1));
            let scores = kiln_ops::matmul(query.mul_scalar(scale), key.swap_dims(1, 2));
            let alpha = self.dropout.forward(activation::softmax(scores, 2));
            kiln_ops::matmul(alpha, value).swap_dims(0, 1)
        };
        self.out_proj.forward(out.reshape([nodes, channels]))
    }
}

/// Edges from each node to all nodes of its graph, itself included, by target.
fn within_graphs(batch: Tensor<1, Int>) -> EdgeIndex {
    let [nodes] = batch.dims();
    let (source, target) = (
        batch.clone().unsqueeze_dim::<2>(0),
        batch.unsqueeze_dim::<2>(1),
    );
    let same = source.equal(target).reshape([nodes * nodes]);
    let pair = kiln_ops::nonzero(same);
    let n = size_to_i64(nodes);
    let source = pair.clone().remainder_scalar(n);
    let target = (pair - source.clone()).div_scalar(n);
    EdgeIndex::from_ends_unchecked(source, target, nodes, nodes)
}
