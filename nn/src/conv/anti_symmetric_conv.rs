//! A convolution as a stable differential equation, by antisymmetric weights.

#![expect(non_snake_case, reason = "a parameter has PyG's name")]

use super::{
    any_conv::{AnyConv, ConvConfig},
    gcn_conv::GcnConvConfig,
    prelude::*,
};
use crate::activation::Activation;

/// Configuration of an [`AntiSymmetricConv`].
#[derive(Config, Debug)]
pub struct AntiSymmetricConvConfig {
    /// Width of the features.
    pub in_channels: usize,
    /// The convolution `Φ`, from `in_channels` to the same width; a
    /// [`GcnConv`](super::GcnConv) without bias if there is none.
    #[config(default = "None")]
    pub phi: Option<ConvConfig>,
    /// Number of steps.
    #[config(default = 1)]
    pub num_iters: usize,
    /// Size of a step.
    #[config(default = 0.1)]
    pub epsilon: f64,
    /// Strength of the diffusion.
    #[config(default = 0.1)]
    pub gamma: f64,
    /// The activation function, if there is one.
    #[config(default = "Some(Activation::Tanh)")]
    pub act: Option<Activation>,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl AntiSymmetricConvConfig {
    fn inner(&self) -> Result<ConvConfig, ConfigError> {
        let width = self.in_channels;
        match &self.phi {
            Some(phi) => phi.complete(),
            None => Ok(GcnConvConfig::new(width, width).with_bias(false).into()),
        }
    }
}

impl LayerConfig for AntiSymmetricConvConfig {
    type Layer = AntiSymmetricConv;

    const REQUIRED: &'static [&'static str] = &["in_channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.inner().map(|_| ())
    }

    fn make(&self, device: &Device) -> AntiSymmetricConv {
        let width = self.in_channels;
        let phi = self.inner().unwrap_or_else(|error| panic!("{error}"));
        AntiSymmetricConv {
            W: init::uniform([width, width], width, device),
            eye: Param::from_tensor(Tensor::eye(width, device)).set_require_grad(false),
            phi: phi.make(device),
            bias: self.bias.then(|| init::zeros(width, device)),
            config: self.clone(),
        }
    }
}

/// Takes steps along a differential equation whose weights are antisymmetric, so that information
/// of far nodes neither fades nor explodes.
///
/// ```text
/// x ← x + ε σ(x (W - Wᵀ - γ I)ᵀ + Φ(x, edges) + b)        num_iters times
/// ```
///
/// Source: Gravina et al., Anti-Symmetric DGN: a stable architecture for Deep Graph Networks, 2023,
/// arXiv:2210.09789. Matches `torch_geometric.nn.AntiSymmetricConv` (2.8).
///
/// # Shapes
/// x: `[N, in]` · edges: `E` among `N` nodes, with the weights or features that `Φ` takes · output:
/// `[N, in]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = AntiSymmetricConvConfig::new(3).with_num_iters(2).init(&device);
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct AntiSymmetricConv {
    /// The weights before they are made antisymmetric, `[in, in]`.
    pub W: Param<Tensor<2>>,
    /// The identity, `[in, in]`, as PyG stores it.
    pub eye: Param<Tensor<2>>,
    /// The convolution `Φ`.
    pub phi: AnyConv,
    /// The bias, `[in]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: AntiSymmetricConvConfig,
}

impl Layer for AntiSymmetricConv {
    const NAME: &'static str = "AntiSymmetricConv";

    type Config = AntiSymmetricConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let own = Signatures::conv_of_one_set(self.config.in_channels);
        self.phi.add_arguments(own)
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (mut x, _) = x.floats::<2>();
        let w = self.W.val();
        let damping = self.eye.val().mul_scalar(self.config.gamma);
        // Of a row times the transposed matrix.
        let weight = w.clone().transpose() - w - damping;
        for _ in 0..self.config.num_iters {
            let bias = self.bias.as_ref().map(Param::val);
            let h = self.phi.forward(x.clone(), &edges);
            let h = h + kiln_ops::linear(x.clone(), weight.clone(), bias);
            let h = match self.config.act {
                Some(act) => act.apply(h),
                None => h,
            };
            x = x + h.mul_scalar(self.config.epsilon);
        }
        x
    }
}
