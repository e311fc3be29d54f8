//! The convolution by auto-regressive moving average filters.

use super::prelude::*;
use crate::{
    activation::Activation,
    dropout::Dropout,
    utils::{GcnNorm, GcnNormOptions, Normalized},
};

/// Configuration of an [`ArmaConv`].
#[derive(Config, Debug)]
pub struct ArmaConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of parallel stacks, whose results are averaged.
    #[config(default = 1)]
    pub num_stacks: usize,
    /// Number of steps of each stack.
    #[config(default = 1)]
    pub num_layers: usize,
    /// Whether all steps of a stack have the same parameters.
    #[config(default = false)]
    pub shared_weights: bool,
    /// Activation behind each step; none if `None`.
    #[config(default = "Some(Activation::Relu)")]
    pub act: Option<Activation>,
    /// Probability that a feature of the skip connection is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for ArmaConvConfig {
    type Layer = ArmaConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.num_stacks > 0 && self.num_layers > 0;
        let got = format!("{} of {}", self.num_stacks, self.num_layers);
        ConfigError::unless(ok, "num_stacks", "at least one stack of one layer", got)?;
        check_dropout(self.dropout)
    }

    fn make(&self, device: &Device) -> ArmaConv {
        let (stacks, d_in, d_out) = (self.num_stacks, self.in_channels, self.out_channels);
        let steps = if self.shared_weights {
            1
        } else {
            self.num_layers
        };
        let bias = || Param::from_tensor(Tensor::zeros([steps, stacks, 1, d_out], device));
        ArmaConv {
            weight: init::glorot([(steps - 1).max(1), stacks, d_out, d_out], device),
            init_weight: init::glorot([stacks, d_in, d_out], device),
            root_weight: init::glorot([steps, stacks, d_in, d_out], device),
            bias: self.bias.then(bias),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Runs several stacks of recursive graph filters and averages their results.
///
/// ```text
/// X' = 1/K Σ_k X_k^(T)        X_k^(t) = σ( L X_k^(t-1) W_k + X V_k + b_k ),  X_k^(0) = X
/// L  = D^(-1/2) A D^(-1/2)
/// ```
///
/// Source: Bianchi et al., Graph Neural Networks with Convolutional ARMA Filters, 2019,
/// arXiv:1901.01343. Matches `torch_geometric.nn.ARMAConv` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · output: `[N,
/// out_channels]`
///
/// # Numerics
/// All stacks go through the edges in one walk.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = ArmaConvConfig::new(3, 4).with_num_stacks(2).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct ArmaConv {
    /// Maps of the steps behind the first, `[T - 1, K, out, out]`, or one of them.
    pub weight: Param<Tensor<4>>,
    /// Map of the first step, `[K, in, out]`.
    pub init_weight: Param<Tensor<3>>,
    /// Maps of the skip connections, `[T, K, in, out]`, or one of them.
    pub root_weight: Param<Tensor<4>>,
    /// The bias of each step, `[T, K, 1, out]`, or of all.
    pub bias: Option<Param<Tensor<4>>>,
    /// Dropout of the skip connections.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: ArmaConvConfig,
}

/// The features of all nodes by the maps of all stacks side by side: `[N, in]` to `[N, K · out]`.
fn by_all(x: Tensor<2>, weight: Tensor<3>) -> Tensor<2> {
    let [stacks, d_in, d_out] = weight.dims();
    let weight = weight.swap_dims(0, 1).reshape([d_in, stacks * d_out]);
    kiln_ops::linear(x, weight, None)
}

/// The features of each stack by its own map: `[N, K · out]` to the same.
fn by_each(x: Tensor<2>, weight: Tensor<3>) -> Tensor<2> {
    let ([nodes, width], [stacks, _, d_out]) = (x.dims(), weight.dims());
    let x = x.reshape([nodes, stacks, d_out]).swap_dims(0, 1);
    let out = kiln_ops::matmul(x, weight).swap_dims(0, 1);
    out.reshape([nodes, width])
}

/// The entry of the first axis.
fn entry(weight: &Param<Tensor<4>>, number: usize) -> Tensor<3> {
    weight.val().narrow(0, number, 1).squeeze_dim(0)
}

impl Layer for ArmaConv {
    const NAME: &'static str = "ARMAConv";

    type Config = ArmaConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels).edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (input, _) = x.floats();
        let ArmaConvConfig {
            out_channels,
            num_stacks,
            num_layers,
            shared_weights,
            act,
            ..
        } = self.config;
        let options = GcnNormOptions::with_loops(false);
        let norm = GcnNorm::of(&edges, Some(options), &input);
        let mut out = input.clone();
        for step in 0..num_layers {
            let own = if shared_weights { 0 } else { step };
            let x = match step {
                0 => by_all(out, self.init_weight.val()),
                _ => by_each(out, entry(&self.weight, own.saturating_sub(1))),
            };
            let norm = norm.clone();
            out = self.propagate(&edges, Normalized { x, norm });
            let root = self.dropout.forward(input.clone());
            out = out + by_all(root, entry(&self.root_weight, own));
            if let Some(bias) = &self.bias {
                let bias = entry(bias, own).reshape([num_stacks * out_channels]);
                out = kiln_ops::add_bias(out, bias);
            }
            if let Some(act) = act {
                out = act.apply(out);
            }
        }
        let [nodes, _] = out.dims();
        let stacks = out.reshape([nodes, num_stacks, out_channels]);
        stacks.mean_dim(1).squeeze_dim(1)
    }
}

impl MessagePassing for ArmaConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
