//! The Gaussian mixture model convolution.

use burn::module::{
    Content, Devices, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};

use super::prelude::*;
use crate::transparent::transparent_module;

/// Configuration of a [`GmmConv`].
#[derive(Config, Debug)]
pub struct GmmConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of the edges' pseudo-coordinates.
    pub dim: usize,
    /// Number of Gaussians.
    pub kernel_size: usize,
    /// Whether each pair of an input and an output feature has Gaussians of its own.
    #[config(default = false)]
    pub separate_gaussians: bool,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Mean.into()")]
    pub aggr: AggrConfig,
    /// Whether to add a map of the node itself.
    #[config(default = true)]
    pub root_weight: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for GmmConvConfig {
    type Layer = GmmConv;

    const REQUIRED: &'static [&'static str] =
        &["in_channels", "out_channels", "dim", "kernel_size"];

    fn blank() -> Self {
        Self::new(0.into(), 0, 0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.dim > 0 && self.kernel_size > 0;
        let got = format!("{} of {}", self.kernel_size, self.dim);
        let expected = "at least one Gaussian of at least one coordinate";
        ConfigError::unless(ok, "kernel_size", expected, got)
    }

    fn make(&self, device: &Device) -> GmmConv {
        let ([d_src, d_dst], d_out) = (self.in_channels.both(), self.out_channels);
        let (kernels, dim) = (self.kernel_size, self.dim);
        let gaussians = || {
            if self.separate_gaussians {
                Gaussians::Separate(init::glorot([d_src, d_out, kernels, dim], device))
            } else {
                Gaussians::Shared(init::glorot([kernels, dim], device))
            }
        };
        GmmConv {
            g: init::glorot([d_src, d_out * kernels], device),
            mu: gaussians(),
            sigma: gaussians(),
            root: (self.root_weight).then(|| LinearConfig::glorot(d_dst, d_out).init(device)),
            bias: self.bias.then(|| init::zeros(d_out, device)),
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

/// A parameter of all Gaussians of a [`GmmConv`].
#[derive(Clone, Debug)]
pub enum Gaussians {
    /// Of Gaussians that all features share, `[K, D]`.
    Shared(Param<Tensor<2>>),
    /// Of those of each pair of features, `[in, out, K, D]`.
    Separate(Param<Tensor<4>>),
}

transparent_module!(Gaussians {
    Self::Shared;
    Self::Separate
});

impl Gaussians {
    /// A row for each Gaussian, `[.., D]`.
    fn rows(&self) -> Tensor<2> {
        match self {
            Self::Shared(rows) => rows.val(),
            Self::Separate(rows) => rows.val().flatten(0, 2),
        }
    }
}

/// Maps each neighbour by a mixture of matrices, weighted by Gaussians of the edge to it.
///
/// ```text
/// x_i' = W x_i + b + 1/|N(i)| Σ_{j ∈ N(i)} Σ_k w_k(e_ji) G_k x_j
/// w_k(e) = exp( -1/2 Σ_d (e_d - μ_kd)² / (ε + σ_kd²) )
/// ```
///
/// With `separate_gaussians` each entry of `G_k` has a `w_k` of its own.
///
/// Source: Monti et al., Geometric Deep Learning on Graphs and Manifolds using Mixture Model CNNs,
/// 2016, arXiv:1611.08402. Matches `torch_geometric.nn.GMMConv` (2.8), where `root_weight=False`
/// fails. Departs: features of the edges beside an adjacency are an argument; PyG takes the values
/// of the `SparseTensor` for them.
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` whose second entry may be absent (its term
/// is left out then) · edges: `E` from `N` to `M` nodes, with features `[E, dim]` · output: `[M,
/// out_channels]`
///
/// # Numerics
/// With `separate_gaussians` there are numbers for each edge, pair of features, and Gaussian.
/// Otherwise, with a sum or a mean, no tensor has a row of features per edge.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Edges};
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let edges = Edges::from(edges).with_attr(Tensor::ones([2, 2], &device));
/// let conv = GmmConvConfig::new(3.into(), 4, 2, 5).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GmmConv {
    /// The matrices, `[in, K · out]`, or with separate Gaussians `[in, out · K]`.
    pub g: Param<Tensor<2>>,
    /// Means of the Gaussians.
    pub mu: Gaussians,
    /// Standard deviations of the Gaussians.
    pub sigma: Gaussians,
    /// Map of the node itself.
    pub root: Option<Linear>,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GmmConvConfig,
}

impl GmmConv {
    /// The value of each Gaussian for each edge, `[E, ..]`.
    fn gaussians(&self, attr: Option<&Tensor<2>>) -> Tensor<2> {
        let attr = attr.expect("GMMConv needs the features of the edges");
        let (mu, sigma) = (self.mu.rows(), self.sigma.rows());
        let variance = sigma.clone() * sigma + 1e-15;
        let column = |x: &Tensor<2>, d: usize| x.clone().narrow(1, d, 1);
        let terms = (0..self.config.dim).map(|d| {
            let difference = column(attr, d) - column(&mu, d).transpose();
            let square = difference.clone() * difference;
            square * -0.5 / column(&variance, d).transpose()
        });
        let sum = terms.reduce(|sum, term| sum + term);
        sum.expect("a Gaussian has coordinates").exp()
    }
}

impl Layer for GmmConv {
    const NAME: &'static str = "GMMConv";

    type Config = GmmConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let args = Signatures::conv(d_src, d_dst);
        args.needed_edge_attr(self.config.dim).size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let x_j = if self.config.separate_gaussians {
            x_j
        } else {
            kiln_ops::linear(x_j, self.g.val(), None)
        };
        let mut out = self.propagate(&edges, WithAttr::new(x_j, &edges));
        if let (Some(root), Some(x_i)) = (&self.root, x_i) {
            out = root.forward_add(x_i, out);
        }
        add_bias(out, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for GmmConv {
    type Propagated = WithAttr;

    fn message(&self, args: &WithAttr, ends: &Endpoints) -> Message {
        let weight = self.gaussians(args.edge_attr.as_ref());
        let (d_out, kernels) = (self.config.out_channels, self.config.kernel_size);
        let [nodes, width] = args.x.dims();
        if self.config.separate_gaussians {
            let weight = weight * self.g.val().reshape([1, width * d_out * kernels]);
            let edges = ends.num_edges();
            let weight = weight.reshape([edges, width, d_out, kernels]);
            let weight = weight.sum_dim(3).squeeze_dim::<3>(3);
            let x_j = ends.lift_j(args.x.clone()).unsqueeze_dim::<3>(2);
            return Message::Edge((x_j * weight).sum_dim(1).squeeze_dim(1));
        }
        let x = args.x.clone().reshape([nodes, kernels, d_out]);
        if self.aggr_module.is_linear() {
            return Message::Heads { x, weight };
        }
        let message = ends.lift_j(x) * weight.unsqueeze_dim(2);
        Message::Edge(message.sum_dim(1).squeeze_dim(1))
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }

    /// Adds up the Gaussians where they come side by side.
    fn update(&self, aggregated: Tensor<2>, _args: &WithAttr) -> Tensor<2> {
        if self.config.separate_gaussians || !self.aggr_module.is_linear() {
            return aggregated;
        }
        let (d_out, kernels) = (self.config.out_channels, self.config.kernel_size);
        let [targets, _] = aggregated.dims();
        let by_kernel = aggregated.reshape([targets, kernels, d_out]);
        by_kernel.sum_dim(1).squeeze_dim(1)
    }
}
