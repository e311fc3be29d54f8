//! The feature-steered convolution: each edge chooses among several maps.

use burn::{nn::Initializer, tensor::activation::softmax};
use kiln_ops::LoopedEdges;

use super::{
    attention::{Alpha, AttentionPropagated, by_heads, loops},
    prelude::*,
};

/// Configuration of a [`FeaStConv`].
#[derive(Config, Debug)]
pub struct FeaStConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of maps that an edge chooses among.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for FeaStConvConfig {
    type Layer = FeaStConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.heads > 0, "heads", "at least one head", "0")
    }

    fn make(&self, device: &Device) -> FeaStConv {
        let linear = |width| LinearConfig::new(self.in_channels, width).with_bias(false);
        let (mean, std) = (0.0, 0.1);
        let normal = |width: usize| Initializer::Normal { mean, std }.init([width], device);
        FeaStConv {
            lin: linear(self.heads * self.out_channels).init(device),
            u: linear(self.heads).init(device),
            c: normal(self.heads),
            bias: self.bias.then(|| normal(self.out_channels)),
            config: self.clone(),
        }
    }
}

/// Averages the neighbours, each mapped by a mixture of several maps that depends on the difference
/// of the features at both ends.
///
/// ```text
/// x_i' = 1 / |N(i) ∪ {i}| Σ_{j ∈ N(i) ∪ {i}} Σ_h q_ji,h W_h x_j + b
/// q_ji = softmax over h of  u_h · (x_j - x_i) + c_h
/// ```
///
/// Source: Verma, Boyer, Verbeek, FeaStNet: Feature-Steered Graph Convolutions for 3D Shape
/// Analysis, 2018, arXiv:1706.05206. Matches `torch_geometric.nn.FeaStConv` (2.8). Of a pair only
/// nodes that both sides have get a loop.
///
/// # Shapes
/// x: `[N, in_channels]`, or a pair `([N, in_channels], [M, in_channels])` · edges: `E` from `N` to
/// `M` nodes · output: `[M, out_channels]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = FeaStConvConfig::new(3, 4).with_heads(2).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct FeaStConv {
    /// The maps, to `heads · out_channels`.
    pub lin: Linear,
    /// Map to the scores of the heads.
    pub u: Linear,
    /// What is added to the scores, `[heads]`.
    pub c: Param<Tensor<1>>,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: FeaStConvConfig,
}

impl FeaStConv {
    /// Weights of the heads from scores, row by row.
    fn weights(&self, scores: Tensor<2>) -> Tensor<2> {
        softmax(kiln_ops::add_bias(scores, self.c.val()), 1)
    }
}

impl Layer for FeaStConv {
    const NAME: &'static str = "FeaStConv";
    const HISTORY: &'static [Change] = &[
        Change::transposed("2.0", "weight", "lin.weight"),
        Change::transposed("2.0", "u", "u.weight"),
    ];

    type Config = FeaStConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.config.in_channels;
        Signatures::conv_of_both(width, width)
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let edges = edges.bare();
        let ends = Endpoints::of(&edges);
        let loops = loops(self.config.add_self_loops, x.is_pair(), &ends);
        let (x_j, x_i) = edges.ends(x);
        let x_i = x_i.expect("FeaStConv needs the features of the targets");
        let (u_j, u_i) = (self.u.forward(x_j.clone()), self.u.forward(x_i));
        let mut scores = ends.lift_j(u_j.clone()) - ends.lift_i(u_i.clone());
        let x = by_heads(&self.lin, x_j, self.config.heads);
        let args = |weights| AttentionPropagated {
            x,
            alpha: Alpha::Weights(weights),
            loops: None,
        };
        let out = if let Some(loops) = loops {
            let looped = LoopedEdges::new(&ends, loops);
            scores = ends.without_loops(scores);
            let of_loops = looped.lift_loops(u_j) - u_i;
            let weights = self.weights(Tensor::cat(vec![scores, of_loops], 0));
            looped.targets(self.propagate(looped.ends().edges(), args(weights)))
        } else {
            self.propagate(&edges, args(self.weights(scores)))
        };
        let [nodes, width] = out.dims();
        let heads = out.reshape([nodes, self.config.heads, width / self.config.heads]);
        let out = heads.sum_dim(1).squeeze_dim(1);
        add_bias(out, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for FeaStConv {
    type Propagated = AttentionPropagated;

    fn message(&self, args: &AttentionPropagated, _ends: &Endpoints) -> Message {
        args.weighted()
    }

    fn aggregation(&self) -> Aggregation {
        Reduce::Mean.into()
    }
}
