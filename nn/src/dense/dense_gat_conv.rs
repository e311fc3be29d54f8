//! Graph attention on dense graphs.

use burn::{
    config::Config,
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor, activation::softmax},
};
use kiln_core::Signatures;
use kiln_ops::{Layer, heads_dot, leaky_relu, matmul};

use super::{
    args::DenseArgs,
    batches::{masked, with_diagonal},
};
use crate::{
    config::{ConfigError, LayerConfig, check_dropout},
    dropout::Dropout,
    init,
    linear::{Linear, LinearConfig},
};

/// Configuration of a [`DenseGatConv`].
#[derive(Config, Debug)]
pub struct DenseGatConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features of each head.
    pub out_channels: usize,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether heads are concatenated; otherwise they are averaged.
    #[config(default = true)]
    pub concat: bool,
    /// Slope of the leaky ReLU for negative scores.
    #[config(default = 0.2)]
    pub negative_slope: f64,
    /// Probability with which an attention weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for DenseGatConvConfig {
    type Layer = DenseGatConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)?;
        ConfigError::unless(self.heads > 0, "heads", "at least one head", "0")
    }

    fn make(&self, device: &Device) -> DenseGatConv {
        let (heads, channels) = (self.heads, self.out_channels);
        let att = || {
            let init = Initializer::XavierUniform { gain: 1.0 };
            init.init_with([1, 1, heads, channels], Some(heads), Some(channels), device)
        };
        let width = if self.concat {
            heads * channels
        } else {
            channels
        };
        DenseGatConv {
            lin: LinearConfig::glorot(self.in_channels, heads * channels).init(device),
            att_src: att(),
            att_dst: att(),
            bias: self.bias.then(|| init::zeros(width, device)),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Weighs the neighbours in dense graphs by learned attention, with several heads.
///
/// ```text
/// s_ij = LeakyReLU( a_src · W x_j + a_dst · W x_i )
/// α_ij = softmax over j of s_ij, where A_ij is not 0
/// x_i' = Σ_j α_ij W x_j + b
/// ```
///
/// Values of the matrix count only as being 0 or not, and self loops are in place of its diagonal.
/// As in PyG, a node without neighbours and without a loop becomes NaN.
///
/// Source: Veličković et al., Graph Attention Networks, 2018, arXiv:1710.10903. Matches
/// `torch_geometric.nn.DenseGATConv` (2.8).
///
/// # Shapes
/// x: `[B, N, in_channels]` · adj: `[B, N, N]` or `[1, N, N]` · mask: `[B, N]` or none · output:
/// `[B, N, heads · out_channels]`, or `[B, N, out_channels]` where heads are averaged
#[derive(Module, Debug)]
pub struct DenseGatConv {
    /// The linear map.
    pub lin: Linear,
    /// What scores a node as a source, `[1, 1, heads, out_channels]`.
    pub att_src: Param<Tensor<4>>,
    /// What scores a node as a target, `[1, 1, heads, out_channels]`.
    pub att_dst: Param<Tensor<4>>,
    /// The bias.
    pub bias: Option<Param<Tensor<1>>>,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: DenseGatConvConfig,
}

impl Layer for DenseGatConv {
    const NAME: &'static str = "DenseGATConv";

    type Config = DenseGatConvConfig;
    type Args = DenseArgs;
    type Output = Tensor<3>;

    fn signatures(&self) -> Signatures {
        DenseArgs::looped_signatures(self.config.in_channels)
    }

    fn compute(&self, args: DenseArgs) -> Tensor<3> {
        let (heads, channels) = (self.config.heads, self.config.out_channels);
        let [graphs, nodes, width] = args.x.dims();
        let adj = if args.add_loop {
            with_diagonal(args.adj, 1.0)
        } else {
            args.adj
        };
        let x = self.lin.forward(args.x.reshape([graphs * nodes, width]));
        let x = x.reshape([graphs * nodes, heads, channels]);
        // `[B, H, N, 1]`
        let score = |att: &Param<Tensor<4>>| {
            let score = heads_dot(x.clone(), att.val().reshape([1, heads, channels]));
            let score = score.reshape([graphs, nodes, heads]).swap_dims(1, 2);
            score.unsqueeze_dim::<4>(3)
        };
        let scores = score(&self.att_dst) + score(&self.att_src).swap_dims(2, 3);
        let scores = leaky_relu(scores, self.config.negative_slope);
        let is_none = adj.equal_elem(0.0).unsqueeze_dim::<4>(1);
        let is_none = is_none.expand([graphs, heads, nodes, nodes]);
        let alpha = softmax(scores.mask_fill(is_none, f64::NEG_INFINITY), 3);
        let x = x.reshape([graphs, nodes, heads, channels]).swap_dims(1, 2);
        let out = matmul(self.dropout.forward(alpha), x).swap_dims(1, 2);
        let out = if self.config.concat {
            out.reshape([graphs, nodes, heads * channels])
        } else {
            out.mean_dim(2).reshape([graphs, nodes, channels])
        };
        let out = match &self.bias {
            Some(bias) => out + bias.val().unsqueeze(),
            None => out,
        };
        masked(out, args.mask)
    }
}
