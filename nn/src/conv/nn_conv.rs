//! The continuous kernel convolution: a network of the edge makes the matrix of its message.

use burn::module::ModuleDisplay;

use super::prelude::*;
use crate::sequential::{NodeTransform, Sequential, relu_network};

/// Configuration of an [`NnConv`].
#[derive(Config, Debug)]
pub struct NnConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// Widths of the network that [`init`](LayerConfig::init) makes, from that of the edges'
    /// features to `in_channels · out_channels`: linear layers with ReLU between them. PyG has a
    /// module here; [`init_with`](Self::init_with) takes one.
    #[config(default = "Vec::new()")]
    pub nn: Vec<usize>,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: AggrConfig,
    /// Whether to add a map of the node itself.
    #[config(default = true)]
    pub root_weight: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl NnConvConfig {
    /// Creates the layer around the network `nn`.
    pub fn init_with<M: NodeTransform>(&self, nn: M, device: &Device) -> NnConv<M> {
        let lin = || {
            let config = LinearConfig::new(self.in_channels.dst(), self.out_channels);
            config.with_bias(false).init(device)
        };
        NnConv {
            nn,
            lin: self.root_weight.then(lin),
            bias: self.bias.then(|| init::zeros(self.out_channels, device)),
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

impl LayerConfig for NnConvConfig {
    type Layer = NnConv;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "nn"];

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let last = self.in_channels.src() * self.out_channels;
        let ok = self.nn.len() >= 2 && self.nn.last() == Some(&last);
        let expected = "at least two widths, the last of them `in_channels · out_channels`";
        ConfigError::unless(ok, "nn", expected, format!("{:?}", self.nn))
    }

    fn make(&self, device: &Device) -> NnConv {
        self.init_with(relu_network(&self.nn, device), device)
    }
}

/// Multiplies each neighbour by a matrix that a network makes of the edge to it.
///
/// ```text
/// x_i' = W x_i + b + Σ_{j ∈ N(i)} x_j · h(e_ji)
/// ```
///
/// `h` is any [`NodeTransform`], as in [`GinConv`](super::GinConv), here of the features of edges.
///
/// Source: Gilmer et al., Neural Message Passing for Quantum Chemistry, 2017, arXiv:1704.01212.
/// Matches `torch_geometric.nn.NNConv` (2.8).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` whose second entry may be absent (its term
/// is left out then) · edges: `E` from `N` to `M` nodes, with features `[E, D]` · output: `[M,
/// out_channels]`
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
/// let conv = NnConvConfig::new(3.into(), 4).with_nn(vec![2, 8, 12]).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct NnConv<M: Module = Sequential> {
    /// The network `h`.
    pub nn: M,
    /// Map of the node itself.
    pub lin: Option<Linear>,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: NnConvConfig,
}

impl<M: NodeTransform + ModuleDisplay> Layer for NnConv<M> {
    const NAME: &'static str = "NNConv";
    const HISTORY: &'static [Change] = &[Change::transposed("2.0", "root", "lin.weight")];

    type Config = NnConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let edge_dim = self.nn.in_channels();
        let edge_dim = edge_dim.map_or_else(|| Dim::from("D"), Dim::from);
        let args = Signatures::conv(d_src, d_dst);
        args.needed_edge_attr(edge_dim).size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let mut out = self.propagate(&edges, WithAttr::new(x_j, &edges));
        if let (Some(lin), Some(x_i)) = (&self.lin, x_i) {
            out = lin.forward_add(x_i, out);
        }
        add_bias(out, self.bias.as_ref().map(Param::val))
    }
}

impl<M: NodeTransform + ModuleDisplay> MessagePassing for NnConv<M> {
    type Propagated = WithAttr;

    fn message(&self, args: &WithAttr, ends: &Endpoints) -> Message {
        let x_j = ends.lift_j(args.x.clone());
        let attr = args.edge_attr.clone();
        let attr = attr.expect("NNConv needs the features of the edges");
        let [edges, d_in] = x_j.dims();
        let matrix = self.nn.transform(attr);
        let matrix = matrix.reshape([edges, d_in, self.config.out_channels]);
        let message = kiln_ops::matmul(x_j.reshape([edges, 1, d_in]), matrix);
        Message::Edge(message.reshape([edges, self.config.out_channels]))
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
