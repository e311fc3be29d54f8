//! Multi-head attention with PyTorch's parameters: among all nodes of a graph, and in batches.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Bool, Device, Int, Tensor, activation},
};
use kiln_core::{EdgeIndex, Edges, size_to_i64};
use kiln_ops::{DotAttentionOptions, Endpoints};

use crate::{
    config::count,
    dropout::Dropout,
    init,
    linear::{Linear, LinearConfig},
    shape::{expand, reshape},
};

/// Attention of each node to all nodes of its graph, or of rows to others.
///
/// ```text
/// q, k, v = x W_qᵀ + b_q, x W_kᵀ + b_k, x W_vᵀ + b_v        by heads
/// y_i = W_out (Σ_j softmax over j of (q_i · k_j / √C) v_j) + b_out
/// ```
///
/// Source: Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762. Matches
/// `torch.nn.MultiheadAttention` whose keys are the values, with biases.
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

    /// Attention of each row to the keys of its batch, or to those that a mask `[B, K]` has. A row
    /// without a key gets the bias of the output's map.
    ///
    /// # Shapes
    /// query: `[B, Q, channels]` · key: `[B, K, channels]` · output: `[B, Q, channels]`
    pub fn attend(
        &self,
        query: Tensor<3>,
        key: Tensor<3>,
        mask: Option<Tensor<2, Bool>>,
    ) -> Tensor<3> {
        let ([batches, queries, channels], [_, keys, _]) = (query.dims(), key.dims());
        let (heads, width) = (self.heads, channels / self.heads);
        let (weight, bias) = (self.in_proj_weight.val(), self.in_proj_bias.val());
        let map = |x: Tensor<3>, start: usize, maps: usize| {
            let weight = weight.clone().narrow(0, start, maps).transpose();
            let bias = bias.clone().narrow(0, start, maps);
            by_rows(x, |x| kiln_ops::linear(x, weight, Some(bias)))
        };
        let by_heads =
            |x: Tensor<3>, rows| reshape(x, [batches, rows, heads, width]).swap_dims(1, 2);
        let query = by_heads(map(query, 0, channels), queries);
        let both = map(key, channels, 2 * channels);
        let [key, value] = [0, channels].map(|start| both.clone().narrow(2, start, channels));
        let [key, value] = [key, value].map(|x| by_heads(x, keys));
        let scale = count(width).sqrt().recip();
        let scores = kiln_ops::matmul(query.mul_scalar(scale), key.swap_dims(2, 3));
        let alpha = match mask {
            Some(mask) => {
                let absent = expand(mask.bool_not(), [heads, queries, batches, keys]);
                let absent = absent.permute([2, 0, 1, 3]);
                let scores = scores.mask_fill(absent.clone(), f64::NEG_INFINITY);
                // Among no keys at all, softmax is not a number.
                activation::softmax(scores, 3).mask_fill(absent, 0.0)
            }
            None => activation::softmax(scores, 3),
        };
        let out = kiln_ops::matmul(self.dropout.forward(alpha), value);
        let out = reshape(out.swap_dims(1, 2), [batches, queries, channels]);
        by_rows(out, |out| self.out_proj.forward(out))
    }
}

/// A function of rows, for each row of a batch. `[B, N, F]` gives `[B, N, F']`.
pub(crate) fn by_rows(x: Tensor<3>, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<3> {
    let [batches, rows, width] = x.dims();
    let out = f(reshape(x, [batches * rows, width]));
    let [_, width] = out.dims();
    reshape(out, [batches, rows, width])
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
