//! The frequency adaptive convolution: attention that can be negative.

use kiln_ops::{LoopedEdges, Loops};

use super::{
    attention::{Attention, AttentionArgs, AttentionOutput, answered},
    initial::InitialArgs,
    prelude::*,
};
use crate::{
    dropout::Dropout,
    utils::{GcnNorm, GcnNormOptions, Normalized},
};

/// Configuration of an [`FaConv`].
#[derive(Config, Debug)]
pub struct FaConvConfig {
    /// Width of the features.
    pub channels: usize,
    /// Weight of the initial features.
    #[config(default = 0.1)]
    pub eps: f64,
    /// Probability with which an attention weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to add self loops, if there is normalisation.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to normalise symmetrically by degree. Without it edge weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
}

impl LayerConfig for FaConvConfig {
    type Layer = FaConv;

    const REQUIRED: &'static [&'static str] = &["channels"];
    const NEUTRAL: &'static [(&'static str, &'static str)] = CACHED;

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)
    }

    fn make(&self, device: &Device) -> FaConv {
        let linear = LinearConfig::new(self.channels, 1).with_bias(false);
        FaConv {
            att_l: linear.init(device),
            att_r: linear.init(device),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Adds or subtracts each neighbour, as a score of both ends says, and goes back to the initial
/// features in part.
///
/// ```text
/// x_i' = ε x_i,0 + Σ_{j ∈ N(i) ∪ {i}} α_ji / √(d̂_j d̂_i) x_j        α_ji = tanh( a_l · x_j + a_r · x_i )
/// ```
///
/// Source: Bo et al., Beyond Low-frequency Information in Graph Convolutional Networks, 2021,
/// arXiv:2101.00797. Matches `torch_geometric.nn.FAConv` (2.8). Departs: edges with weights are
/// normalised with these, and without normalisation edges without weights weigh 1 (PyG refuses
/// both); with messages from target to source, `att_l` belongs to the sources; nothing is cached
/// inside the layer (PyG's `cached`).
///
/// # Shapes
/// x, x_0: `[N, channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · output:
/// `[N, channels]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = FaConvConfig::new(3).init(&device);
/// let x_0 = Tensor::<2>::ones([2, 3], &device);
/// let (x, attention) = conv.forward_with_attention(x_0.clone(), x_0.clone(), &edges);
/// assert_eq!(attention.alpha.dims(), [4]); // 0→1, 1→0 and two loops
/// assert_eq!(conv.forward(x, x_0, &edges).dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct FaConv {
    /// Map of the sources to scores.
    pub att_l: Linear,
    /// Map of the targets to scores.
    pub att_r: Linear,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: FaConvConfig,
}

impl FaConv {
    /// The convolution.
    ///
    /// # Panics
    /// If features do not have the width of the layer.
    pub fn forward(&self, x: Tensor<2>, x_0: Tensor<2>, edges: impl Into<Edges>) -> Tensor<2> {
        self.answer(x, x_0, edges.into(), false).x
    }

    /// The convolution, and the attention `α` that it paid to each edge, before dropout.
    ///
    /// # Panics
    /// If features do not have the width of the layer.
    pub fn forward_with_attention(
        &self,
        x: Tensor<2>,
        x_0: Tensor<2>,
        edges: impl Into<Edges>,
    ) -> (Tensor<2>, Attention<1>) {
        answered(self.answer(x, x_0, edges.into(), true))
    }

    fn answer(
        &self,
        x: Tensor<2>,
        x_0: Tensor<2>,
        edges: Edges,
        return_attention_weights: bool,
    ) -> AttentionOutput<1> {
        self.call(AttentionArgs {
            conv: InitialArgs { x, x_0, edges },
            return_attention_weights,
        })
    }
}

impl Layer for FaConv {
    const NAME: &'static str = "FAConv";

    type Config = FaConvConfig;
    type Args = AttentionArgs<InitialArgs>;
    type Output = AttentionOutput<1>;

    fn signatures(&self) -> Signatures {
        InitialArgs::signatures(self.config.channels).choice("return_attention_weights")
    }

    fn compute(&self, args: AttentionArgs<InitialArgs>) -> AttentionOutput<1> {
        let InitialArgs { x, x_0, edges } = args.conv;
        let options = GcnNormOptions::with_loops(self.config.add_self_loops);
        let norm = GcnNorm::of(&edges, self.config.normalize.then_some(options), &x);
        let (l, r) = (self.att_l.forward(x.clone()), self.att_r.forward(x.clone()));
        let edges = edges.bare();
        let ends = Endpoints::of(&edges);
        let mut scores = ends.lift_j(l.clone()) + ends.lift_i(r.clone());
        if norm.has_loops() {
            scores = ends.without_loops(scores);
        }
        let weights = |scores: Tensor<2>| scores.tanh().squeeze_dim::<1>(1);
        let (by_edge, by_loop) = (weights(scores), weights(l + r));
        let attention = args.return_attention_weights.then(|| {
            if !norm.has_loops() {
                let (edges, alpha) = (edges.clone(), by_edge.clone());
                return Attention { edges, alpha };
            }
            let looped = LoopedEdges::new(&ends, Loops::Every);
            let alpha = Tensor::cat(vec![by_edge.clone(), by_loop.clone()], 0);
            Attention::with_loops(&edges, &looped, &alpha)
        });
        let [by_edge, by_loop] = [by_edge, by_loop].map(|alpha| self.dropout.forward(alpha));
        let norm = norm.times(&edges, &x, by_edge, by_loop);
        let mut out = self.propagate(&edges, Normalized { x, norm });
        if self.config.eps != 0.0 {
            out = out + x_0 * self.config.eps;
        }
        AttentionOutput { x: out, attention }
    }
}

impl MessagePassing for FaConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
