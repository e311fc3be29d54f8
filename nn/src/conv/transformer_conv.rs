//! Attention of the transformer, among neighbours.
//!
//! ```text
//! α_ji = softmax over j of  q_i · (k_j + W_e e_ji) / √C
//! x_i' = Σ_j α_ji (v_j + W_e e_ji) + W_skip x_i
//! ```

use kiln_ops::{DotAttentionOptions, edge_dot};

use super::{
    attention::{Attention, AttentionArgs, AttentionOutput, answered, asked, by_heads, finish},
    dot_attention::{DotPropagated, DotWeights},
    prelude::*,
};
use crate::dropout::Dropout;

/// Configuration of a [`TransformerConv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct TransformerConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features of each head.
    pub out_channels: usize,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether heads are concatenated; otherwise they are averaged.
    #[config(default = true)]
    pub concat: bool,
    /// Whether a gate weighs the node itself against the attention. Without `root_weight` there is
    /// none.
    #[config(default = false)]
    pub beta: bool,
    /// Probability with which an attention weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Width of the edges' features, if there are any.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
    /// Whether the maps have learned biases.
    #[config(default = true)]
    pub bias: bool,
    /// Whether to add a map of the node itself.
    #[config(default = true)]
    pub root_weight: bool,
}

impl LayerConfig for TransformerConvConfig {
    type Layer = TransformerConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.heads > 0, "heads", "at least one head", "0")?;
        check_dropout(self.dropout)
    }

    fn make(&self, device: &Device) -> TransformerConv {
        let [d_src, d_dst] = self.in_channels.both();
        let all = self.heads * self.out_channels;
        let width = if self.concat { all } else { self.out_channels };
        let linear = |d_in, d_out| LinearConfig::new(d_in, d_out).with_bias(self.bias);
        let lin_edge = |edge_dim| linear(edge_dim, all).with_bias(false).init(device);
        let lin_beta = || linear(3 * width, 1).with_bias(false).init(device);
        TransformerConv {
            lin_key: linear(d_src, all).init(device),
            lin_query: linear(d_dst, all).init(device),
            lin_value: linear(d_src, all).init(device),
            lin_edge: self.edge_dim.map(lin_edge),
            lin_skip: linear(d_dst, width).init(device),
            lin_beta: (self.beta && self.root_weight).then(lin_beta),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Weighs the values of neighbours by inner products of their keys with the node's query.
///
/// ```text
/// q = W_query x_i,  k = W_key x_j,  v = W_value x_j        each with a bias, by heads
/// α_ji = softmax over j of  q_i · (k_j + W_e e_ji) / √C
/// m_i  = Σ_j α_ji (v_j + W_e e_ji)
/// x_i' = m_i + W_skip x_i
/// ```
///
/// With `beta` a gate takes the place of the last sum: `x_i' = β r + (1 - β) m` with `r = W_skip
/// x_i` and `β = σ(w · (m ‖ r ‖ m - r))`.
///
/// Source: Shi et al., Masked Label Prediction: Unified Message Passing Model for Semi-Supervised
/// Classification, 2021, arXiv:2009.03509. Matches `torch_geometric.nn.TransformerConv` (2.8).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` · edges: `E` from `N` to `M` nodes, with
/// features `[E, edge_dim]` if the layer has an `edge_dim` · output: `[M, heads · out_channels]`,
/// or `[M, out_channels]` if heads are averaged
///
/// # Numerics
/// No row of `heads · out_channels` is made per edge: queries are taken to the width of the edges'
/// features, and what the weights make of these is mapped once per target.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = TransformerConvConfig::new(3.into(), 4).with_heads(2).init(&device);
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 8]);
/// ```
#[derive(Module, Debug)]
pub struct TransformerConv {
    /// Map of the sources to keys.
    pub lin_key: Linear,
    /// Map of the targets to queries.
    pub lin_query: Linear,
    /// Map of the sources to values.
    pub lin_value: Linear,
    /// Map of the edges' features.
    pub lin_edge: Option<Linear>,
    /// Map of the node itself. Without `root_weight` it is not used, but stored, as in PyG.
    pub lin_skip: Linear,
    /// The gate's map, to one number.
    pub lin_beta: Option<Linear>,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: TransformerConvConfig,
}

impl TransformerConv {
    /// The convolution, and the attention that it paid to each edge.
    ///
    /// # Panics
    /// If the widths of the features are not those of the layer, or a pair lacks those of the
    /// targets.
    pub fn forward_with_attention(
        &self,
        x: impl Into<Nodes>,
        edges: impl Into<Edges>,
    ) -> (Tensor<2>, Attention) {
        answered(self.call(asked(x, edges)))
    }

    fn scale(&self) -> f64 {
        count(self.config.out_channels).sqrt().recip()
    }

    /// The weighted sum by weights that show, and these.
    fn attend_with_attention(
        &self,
        [query, key, value]: [Tensor<3>; 3],
        edges: &Edges,
    ) -> (Tensor<2>, Tensor<2>) {
        let ends = Endpoints::of(edges.bare());
        let attr = self.lin_edge.as_ref().map(|lin| {
            let attr = edges.attr();
            let attr = attr.expect("TransformerConv needs the features of the edges");
            let [edge_dim, width] = lin.weight.dims();
            let heads = self.config.heads;
            let weight = lin.weight.val().reshape([edge_dim, heads, width / heads]);
            (attr, weight.swap_dims(0, 1))
        });
        let mut scores = edge_dot(query.clone(), key, &ends);
        if let Some((attr, weight)) = &attr {
            // [n, heads, edge_dim]
            let query = kiln_ops::matmul(query.swap_dims(0, 1), weight.clone().swap_dims(1, 2));
            let query = ends.lift_i(query.swap_dims(0, 1));
            let products = query * attr.clone().unsqueeze_dim::<3>(1);
            scores = scores + products.sum_dim(2).squeeze_dim(2);
        }
        let alpha = ends.softmax(scores * self.scale());
        let dropped = self.dropout.forward(alpha.clone());
        let weights = DotWeights::Known(dropped.clone());
        let mut out = self.propagate(edges, DotPropagated { value, weights });
        if let Some((attr, weight)) = attr {
            let parts = dropped.unsqueeze_dim::<3>(2) * attr.unsqueeze_dim::<3>(1);
            let sums = ends.collect(parts, Reduce::Sum);
            let mapped = kiln_ops::matmul(sums.swap_dims(0, 1), weight).swap_dims(0, 1);
            let shape = out.dims();
            out = out + mapped.reshape(shape);
        }
        (out, alpha)
    }
}

impl Layer for TransformerConv {
    const NAME: &'static str = "TransformerConv";

    type Config = TransformerConvConfig;
    type Args = AttentionArgs;
    type Output = AttentionOutput;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let args = Signatures::conv_of_both(d_src, d_dst);
        let args = match self.config.edge_dim {
            Some(edge_dim) => args.needed_edge_attr(edge_dim),
            None => args,
        };
        args.choice("return_attention_weights")
    }

    fn compute(&self, args: AttentionArgs) -> AttentionOutput {
        let ConvArgs { x, edges } = args.conv;
        let heads = self.config.heads;
        let (x_j, x_i) = edges.ends(x);
        let x_i = x_i.expect("TransformerConv needs the features of the targets");
        let query = by_heads(&self.lin_query, x_i.clone(), heads);
        let key = by_heads(&self.lin_key, x_j.clone(), heads);
        let value = by_heads(&self.lin_value, x_j, heads);
        let (out, alpha) = if args.return_attention_weights || self.lin_edge.is_some() {
            let (out, alpha) = self.attend_with_attention([query, key, value], &edges);
            (out, Some(alpha).filter(|_| args.return_attention_weights))
        } else {
            let weights = DotWeights::Dot { query, key };
            let args = DotPropagated { value, weights };
            (self.propagate(&edges, args), None)
        };
        let out = finish(out, (!self.config.concat).then_some(heads), None, None);
        let out = match &self.lin_beta {
            _ if !self.config.root_weight => out,
            None => self.lin_skip.forward_add(x_i, out),
            Some(lin_beta) => {
                let own = self.lin_skip.forward(x_i);
                let all = vec![out.clone(), own.clone(), out.clone() - own.clone()];
                let beta = kiln_ops::sigmoid(lin_beta.forward(Tensor::cat(all, 1)));
                beta.clone() * own + (beta * -1.0 + 1.0) * out
            }
        };
        let edges = edges.bare();
        let attention = alpha.map(|alpha| Attention { edges, alpha });
        AttentionOutput { x: out, attention }
    }
}

impl MessagePassing for TransformerConv {
    type Propagated = DotPropagated;

    fn message(&self, args: &DotPropagated, _ends: &Endpoints) -> Message {
        args.message(DotAttentionOptions {
            scale: self.scale(),
            loops: None,
            dropout: self.dropout.probability(),
            seed: None,
        })
    }
}
