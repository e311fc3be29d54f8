//! The convolution with dynamic neighbourhood aggregation: attention to the layers of each
//! neighbour.

use kiln_ops::clamp;

use super::prelude::*;
use crate::{
    dropout::Dropout,
    utils::{GcnNorm, GcnNormOptions},
};

/// Configuration of a [`DnaConv`].
#[derive(Config, Debug)]
pub struct DnaConvConfig {
    /// Width of the features.
    pub channels: usize,
    /// Number of attention heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Number of groups of features that the maps keep apart.
    #[config(default = 1)]
    pub groups: usize,
    /// Probability that a layer of a neighbour gets no attention while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to normalise symmetrically by degree. Without it edge weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
    /// Whether to add self loops where edges are normalised.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether the maps have learned biases.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for DnaConvConfig {
    type Layer = DnaConv;

    const REQUIRED: &'static [&'static str] = &["channels"];
    const NEUTRAL: &'static [(&'static str, &'static str)] = CACHED;

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let (heads, groups) = (self.heads, self.groups);
        let divides = |parts: usize| parts > 0 && self.channels.is_multiple_of(parts);
        let expected = "a divisor of `channels`";
        ConfigError::unless(divides(heads), "heads", expected, heads.to_string())?;
        ConfigError::unless(divides(groups), "groups", expected, groups.to_string())?;
        let ok = heads.max(groups).is_multiple_of(heads.min(groups));
        let expected = "a divisor or a multiple of `heads`";
        ConfigError::unless(ok, "groups", expected, groups.to_string())?;
        check_dropout(self.dropout)
    }

    fn make(&self, device: &Device) -> DnaConv {
        let lin = || {
            let width = self.channels / self.groups;
            let bias = || init::uniform([self.channels], width, device);
            GroupedLinear {
                weight: init::uniform([self.groups, width, width], width, device),
                bias: self.bias.then(bias),
            }
        };
        DnaConv {
            multi_head: MultiHead {
                lin_q: lin(),
                lin_k: lin(),
                lin_v: lin(),
            },
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// A linear map of each group of features.
#[derive(Module, Debug)]
pub struct GroupedLinear {
    /// The map of each group, `[groups, in / groups, out / groups]`.
    pub weight: Param<Tensor<3>>,
    /// The bias, `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl GroupedLinear {
    /// Applies the maps. `x: [N, in]`
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let ([rows, _], [groups, d_in, d_out]) = (x.dims(), weight.dims());
        let bias = self.bias.as_ref().map(Param::val);
        if groups == 1 {
            return kiln_ops::linear(x, weight.squeeze_dim(0), bias);
        }
        let x = x.reshape([rows, groups, d_in]).swap_dims(0, 1);
        let out = kiln_ops::matmul(x, weight).swap_dims(0, 1);
        add_bias(out.reshape([rows, groups * d_out]), bias)
    }
}

/// The maps of an attention.
#[derive(Module, Debug)]
#[expect(clippy::struct_field_names, reason = "the names of PyG's parameters")]
pub struct MultiHead {
    /// Map to queries.
    pub lin_q: GroupedLinear,
    /// Map to keys.
    pub lin_k: GroupedLinear,
    /// Map to values.
    pub lin_v: GroupedLinear,
}

/// Pays attention to the layers of each neighbour, and averages what it finds as
/// [`GcnConv`](super::GcnConv) does.
///
/// ```text
/// x_i' = Σ_{j ∈ N(i) ∪ {i}} e_ji / √(d̂_j d̂_i) Σ_l α_jil W_v x_jl
/// α_jil = exp(s_jil) / ( 1 + Σ_k exp(s_jik) )        s_jil = (W_q x_iL) · (W_k x_jl) / √C
/// ```
///
/// Source: Fey, Just Jump: Towards Dynamic Neighborhood Aggregation in Graph Neural Networks, 2019,
/// arXiv:1904.04849. Matches `torch_geometric.nn.DNAConv` (2.8). Departs: without `normalize` edges
/// without weights weigh 1, and PyG fails; nothing is cached inside the layer (PyG's `cached`).
///
/// # Shapes
/// x: `[N, L, channels]`, the features of `L` layers · edges: `E` among `N` nodes, with weights
/// `[E]` or without · output: `[N, channels]`
///
/// # Numerics
/// Nodes are mapped, not edges. Of an edge there is a score per layer and head, and no row of
/// features.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = DnaConvConfig::new(4).with_heads(2).init(&device);
/// let out = conv.forward(Tensor::<3>::ones([2, 3, 4], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct DnaConv {
    /// The maps.
    pub multi_head: MultiHead,
    /// Dropout of the attention.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: DnaConvConfig,
}

/// What [`DnaConv`] propagates.
#[derive(Clone, Debug)]
pub struct DnaPropagated {
    /// Values of all layers, `[N, L · heads, C]`.
    value: Tensor<3>,
    /// Weight of each edge, layer and head, `[E, L · heads]`.
    alpha: Tensor<2>,
}

leaves!(DnaPropagated { value, alpha });

impl DnaConv {
    /// Number of layers that are propagated: with one head an empty one beside the others, so that
    /// there are several in each recording, whatever the number of layers.
    fn padded(&self, layers: usize) -> usize {
        layers + usize::from(self.config.heads == 1)
    }

    fn propagated(&self, value: Tensor<3>, alpha: Tensor<2>) -> DnaPropagated {
        if self.config.heads > 1 {
            return DnaPropagated { value, alpha };
        }
        let ([nodes, _, width], [edges, _]) = (value.dims(), alpha.dims());
        let on = (&value.device(), value.dtype());
        let no_value = Tensor::zeros([nodes, 1, width], on);
        let no_alpha = Tensor::zeros([edges, 1], on);
        DnaPropagated {
            value: Tensor::cat(vec![value, no_value], 1),
            alpha: Tensor::cat(vec![alpha, no_alpha], 1),
        }
    }

    /// The attention for scores of all layers and heads, `[.., L · heads]`.
    fn attention(&self, scores: Tensor<2>, layers: usize) -> Tensor<2> {
        let heads = self.config.heads;
        let [rows, _] = scores.dims();
        let scale = count(self.config.channels / heads).sqrt().recip();
        let scores = scores.reshape([rows, layers, heads]) * scale;
        // The softmax with one more score, of 0.
        let most = clamp(scores.clone().max_dim(1), Some(0.0), None);
        let parts = (scores - most.clone()).exp();
        let sum = parts.clone().sum_dim(1) + (-most).exp();
        let alpha = self.dropout.forward(parts / sum);
        alpha.reshape([rows, layers * heads])
    }
}

impl Layer for DnaConv {
    const NAME: &'static str = "DNAConv";

    type Config = DnaConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let x = Type::float(["N".into(), "L".into(), self.config.channels.into()]);
        let args = Signatures::new().with("x", x);
        args.edges("edge_index", "E").edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats::<3>();
        let ([nodes, layers, width], heads) = (x.dims(), self.config.heads);
        let all = x.clone().reshape([nodes * layers, width]);
        let by_heads = |x: Tensor<2>| x.reshape([nodes, layers * heads, width / heads]);
        let key = by_heads(self.multi_head.lin_k.forward(all.clone()));
        let value = by_heads(self.multi_head.lin_v.forward(all));
        let last = x.narrow(1, layers - 1, 1).squeeze_dim(1);
        let query = self.multi_head.lin_q.forward(last).unsqueeze_dim::<3>(1);
        let query = by_heads(query.repeat_dim(1, layers).reshape([nodes * layers, width]));

        let options = GcnNormOptions::with_loops(self.config.add_self_loops);
        let options = self.config.normalize.then_some(options);
        let norm = GcnNorm::of(&edges, options, &key);
        let (weight, self_loop) = norm.per_edge(&edges, &key);
        let ends = Endpoints::of(edges.bare());
        let scores = kiln_ops::edge_dot(query.clone(), key.clone(), &ends);
        let weight = match &self_loop {
            Some(_) => weight.mask_fill(ends.is_loop(), 0.0),
            None => weight,
        };
        let alpha = self.attention(scores, layers) * weight.unsqueeze_dim(1);
        let out = self.propagate(&edges, self.propagated(value.clone(), alpha));
        let out = out.reshape([nodes, self.padded(layers), width]);
        let out = out.sum_dim(1).squeeze_dim(1);
        match self_loop {
            Some(self_loop) => {
                let scores = (query * key).sum_dim(2).squeeze_dim(2);
                let alpha = self.attention(scores, layers) * self_loop.unsqueeze_dim(1);
                let own = value * alpha.unsqueeze_dim(2);
                let own = own.reshape([nodes, layers, width]);
                out + own.sum_dim(1).squeeze_dim(1)
            }
            None => out,
        }
    }
}

impl MessagePassing for DnaConv {
    type Propagated = DnaPropagated;

    fn message(&self, args: &DnaPropagated, _ends: &Endpoints) -> Message {
        Message::Heads {
            x: args.value.clone(),
            weight: args.alpha.clone(),
        }
    }
}
