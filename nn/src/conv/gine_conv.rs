//! The graph isomorphism network with features of edges.

use burn::module::ModuleDisplay;

use super::prelude::*;
use crate::sequential::{NodeTransform, Sequential, relu_network};

/// Configuration of a [`GineConv`].
#[derive(Config, Debug)]
pub struct GineConvConfig {
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
    /// Width of the edges' features, which are mapped to that of the nodes; without it they have
    /// that width themselves.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: AggrConfig,
}

impl GineConvConfig {
    /// Creates the layer around the network `nn`.
    ///
    /// # Panics
    /// If edges have a width of their own and the network does not say which it takes.
    pub fn init_with<M: NodeTransform>(&self, nn: M, device: &Device) -> GineConv<M> {
        let eps = Param::from_tensor(Tensor::full([1], self.eps, device));
        let lin = self.edge_dim.map(|edge_dim| {
            let width = nn.in_channels();
            let width = width.expect("expected a network of known width, since edges have another");
            LinearConfig::new(edge_dim, width).init(device)
        });
        GineConv {
            nn,
            eps: eps.set_require_grad(self.train_eps),
            lin,
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

impl LayerConfig for GineConvConfig {
    type Layer = GineConv;

    const REQUIRED: &'static [&'static str] = &["nn"];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let got = format!("{:?}", self.nn);
        ConfigError::unless(self.nn.len() >= 2, "nn", "at least two widths", got)
    }

    fn make(&self, device: &Device) -> GineConv {
        self.init_with(relu_network(&self.nn, device), device)
    }
}

/// Applies a network to each node's features plus those of its neighbours and of the edges to them.
///
/// ```text
/// x_i' = h( (1 + ε) · x_i + Σ_{j ∈ N(i)} ReLU(x_j + W e_ji + b) )
/// ```
///
/// `h` is any [`NodeTransform`], as in [`GinConv`](super::GinConv). Without `edge_dim` the features
/// of edges are added as they are.
///
/// Source: Hu et al., Strategies for Pre-training Graph Neural Networks, 2020, arXiv:1905.12265.
/// Matches `torch_geometric.nn.GINEConv` (2.8).
///
/// # Shapes
/// x: `[N, F]`, or a pair `([N, F], [M, F])` whose second entry may be absent (its term is left out
/// then) · edges: `E` from `N` to `M` nodes, with features `[E, edge_dim]` or `[E, F]` · output:
/// `[M, F']` where `h` maps `F` to `F'`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Edges};
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let edges = Edges::from(edges).with_attr(Tensor::ones([2, 3], &device));
/// let conv = GineConvConfig::new().with_nn(vec![3, 8, 4]).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GineConv<M: Module = Sequential> {
    /// The network `h`.
    pub nn: M,
    /// ε, `[1]`.
    pub eps: Param<Tensor<1>>,
    /// Map of the edges' features.
    pub lin: Option<Linear>,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GineConvConfig,
}

impl<M: NodeTransform + ModuleDisplay> Layer for GineConv<M> {
    const NAME: &'static str = "GINEConv";

    type Config = GineConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.nn.in_channels();
        let width = width.map_or_else(|| Dim::from("F"), Dim::from);
        let edge_dim = self.config.edge_dim.map_or(width.clone(), Dim::from);
        Signatures::conv(width.clone(), width)
            .needed_edge_attr(edge_dim)
            .size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let mut args = WithAttr::new(x_j, &edges);
        if let Some(lin) = &self.lin {
            args.edge_attr = args.edge_attr.map(|attr| lin.forward(attr));
        }
        let out = self.propagate(&edges, args);
        self.nn.transform(match x_i {
            Some(x_i) => out + x_i * (self.eps.val() + 1.0).unsqueeze_dim(1),
            None => out,
        })
    }
}

impl<M: NodeTransform + ModuleDisplay> MessagePassing for GineConv<M> {
    type Propagated = WithAttr;

    fn message(&self, args: &WithAttr, ends: &Endpoints) -> Message {
        let x_j = ends.lift_j(args.x.clone());
        let attr = args.edge_attr.clone();
        let attr = attr.expect("GINEConv needs the features of the edges");
        Message::Edge(kiln_ops::relu(x_j + attr))
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
