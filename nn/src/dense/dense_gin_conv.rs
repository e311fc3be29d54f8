//! The graph isomorphism network on dense graphs.

use burn::{
    config::Config,
    module::{Module, ModuleDisplay, Param},
    tensor::{Device, Tensor},
};
use kiln_core::{Signatures, signature::Dim};
use kiln_ops::{Layer, matmul};

use super::{
    args::DenseArgs,
    batches::{by_rows, masked},
};
use crate::{
    config::{ConfigError, LayerConfig},
    sequential::{NodeTransform, Sequential, relu_network},
};

/// Configuration of a [`DenseGinConv`].
#[derive(Config, Debug)]
pub struct DenseGinConvConfig {
    /// Widths of the network that [`init`](LayerConfig::init) makes: linear layers with ReLU
    /// between them. PyG has a module here; [`init_with`](Self::init_with) takes one.
    #[config(default = "Vec::new()")]
    pub nn: Vec<usize>,
    /// Initial value of ε.
    #[config(default = 0.0)]
    pub eps: f64,
    /// Whether ε is trained.
    #[config(default = false)]
    pub train_eps: bool,
}

impl DenseGinConvConfig {
    /// Creates the layer around the network `nn`.
    pub fn init_with<M: NodeTransform>(&self, nn: M, device: &Device) -> DenseGinConv<M> {
        let eps = Param::from_tensor(Tensor::full([1], self.eps, device));
        DenseGinConv {
            nn,
            eps: eps.set_require_grad(self.train_eps),
            config: self.clone(),
        }
    }
}

impl LayerConfig for DenseGinConvConfig {
    type Layer = DenseGinConv;

    const REQUIRED: &'static [&'static str] = &["nn"];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let got = format!("{:?}", self.nn);
        ConfigError::unless(self.nn.len() >= 2, "nn", "at least two widths", got)
    }

    fn make(&self, device: &Device) -> DenseGinConv {
        self.init_with(relu_network(&self.nn, device), device)
    }
}

/// Applies a network to each node's features plus those of its neighbours, in dense graphs.
///
/// ```text
/// X' = h( (1 + ε) X + A X )
/// ```
///
/// `h` is any [`NodeTransform`]. Without `add_loop` the term of the node itself is left out.
///
/// Source: Xu, Hu, Leskovec, Jegelka, How Powerful are Graph Neural Networks?, 2019,
/// arXiv:1810.00826. Matches `torch_geometric.nn.DenseGINConv` (2.8).
///
/// # Shapes
/// x: `[B, N, F]` · adj: `[B, N, N]` or `[1, N, N]` · mask: `[B, N]` or none · output: `[B, N, F']`
/// where `h` maps `F` to `F'`
#[derive(Module, Debug)]
pub struct DenseGinConv<M: Module = Sequential> {
    /// The network `h`.
    pub nn: M,
    /// ε, `[1]`.
    pub eps: Param<Tensor<1>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: DenseGinConvConfig,
}

impl<M: NodeTransform + ModuleDisplay> Layer for DenseGinConv<M> {
    const NAME: &'static str = "DenseGINConv";

    type Config = DenseGinConvConfig;
    type Args = DenseArgs;
    type Output = Tensor<3>;

    fn signatures(&self) -> Signatures {
        let width = self.nn.in_channels();
        DenseArgs::looped_signatures(width.map_or_else(|| Dim::from("F"), Dim::from))
    }

    fn compute(&self, args: DenseArgs) -> Tensor<3> {
        let out = matmul(args.adj, args.x.clone());
        let out = if args.add_loop {
            (self.eps.val() + 1.0).unsqueeze::<3>() * args.x + out
        } else {
            out
        };
        masked(by_rows(out, |x| self.nn.transform(x)), args.mask)
    }
}
