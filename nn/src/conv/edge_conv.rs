//! The edge convolution: a network of a node and its difference to a neighbour.

use burn::module::ModuleDisplay;

use super::prelude::*;
use crate::sequential::{NodeTransform, Sequential, relu_network};

/// Configuration of an [`EdgeConv`].
#[derive(Config, Debug)]
pub struct EdgeConvConfig {
    /// Widths of the network that [`init`](LayerConfig::init) makes: linear layers with ReLU
    /// between them. PyG has a module here; [`init_with`](Self::init_with) takes one.
    #[config(default = "Vec::new()")]
    pub nn: Vec<usize>,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Max.into()")]
    pub aggr: AggrConfig,
}

impl EdgeConvConfig {
    /// Creates the layer around the network `nn`.
    pub fn init_with<M: NodeTransform>(&self, nn: M, device: &Device) -> EdgeConv<M> {
        EdgeConv {
            nn,
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

impl LayerConfig for EdgeConvConfig {
    type Layer = EdgeConv;

    const REQUIRED: &'static [&'static str] = &["nn"];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.nn.len() >= 2 && self.nn[0].is_multiple_of(2);
        let got = format!("{:?}", self.nn);
        ConfigError::unless(ok, "nn", "at least two widths, the first of them even", got)
    }

    fn make(&self, device: &Device) -> EdgeConv {
        self.init_with(relu_network(&self.nn, device), device)
    }
}

/// Applies a network to each node and its difference to each neighbour.
///
/// ```text
/// x_i' = max_{j ∈ N(i)} h( x_i ‖ x_j - x_i )
/// ```
///
/// `h` is any [`NodeTransform`], as in [`GinConv`](super::GinConv).
///
/// Source: Wang et al., Dynamic Graph CNN for Learning on Point Clouds, 2019, arXiv:1801.07829.
/// Matches `torch_geometric.nn.EdgeConv` (2.8).
///
/// # Shapes
/// x: `[N, F]`, or a pair `([N, F], [M, F])` · edges: `E` from `N` to `M` nodes · output: `[M, F']`
/// where `h` maps `2 F` to `F'`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = EdgeConvConfig::new().with_nn(vec![6, 8, 4]).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct EdgeConv<M: Module = Sequential> {
    /// The network `h`.
    pub nn: M,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: EdgeConvConfig,
}

/// What [`EdgeConv`] propagates.
#[derive(Clone, Debug)]
pub struct EdgePropagated {
    x_j: Tensor<2>,
    x_i: Tensor<2>,
}

leaves!(EdgePropagated { x_j, x_i });

impl<M: NodeTransform + ModuleDisplay> Layer for EdgeConv<M> {
    const NAME: &'static str = "EdgeConv";

    type Config = EdgeConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.nn.in_channels();
        let width = width.map_or_else(|| Dim::from("F"), |width| Dim::from(width / 2));
        Signatures::conv_of_both(width.clone(), width)
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let x_i = x_i.expect("EdgeConv needs the features of the targets");
        self.propagate(&edges, EdgePropagated { x_j, x_i })
    }
}

impl<M: NodeTransform + ModuleDisplay> MessagePassing for EdgeConv<M> {
    type Propagated = EdgePropagated;

    fn message(&self, args: &EdgePropagated, ends: &Endpoints) -> Message {
        // x_i ‖ -x_i of the target plus 0 ‖ x_j of the source: rows of nodes are put together, and
        // not those of edges, of which there are more, or none.
        let (x_i, x_j) = (args.x_i.clone(), args.x_j.clone());
        let target = Tensor::cat(vec![x_i.clone(), -x_i], 1);
        let source = Tensor::cat(vec![x_j.zeros_like(), x_j], 1);
        let pair = ends.lift_i(target) + ends.lift_j(source);
        Message::Edge(self.nn.transform(pair))
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
