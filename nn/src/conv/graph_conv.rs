//! The graph convolution of Weisfeiler-Leman networks.

use super::prelude::*;

/// Configuration of a [`GraphConv`].
#[derive(Config, Debug)]
pub struct GraphConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: AggrConfig,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for GraphConvConfig {
    type Layer = GraphConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn make(&self, device: &Device) -> GraphConv {
        let [d_src, d_dst] = self.in_channels.both();
        let aggr_module = self.aggr.init(device);
        let linear = |width, bias| {
            let config = LinearConfig::new(width, self.out_channels);
            config.with_bias(bias).init(device)
        };
        GraphConv {
            lin_rel: linear(aggr_module.width(d_src), self.bias),
            lin_root: linear(d_dst, false),
            aggr_module,
            config: self.clone(),
        }
    }
}

/// Adds a linear map of the neighbours' weighted sum and one of the node's own features.
///
/// ```text
/// x_i' = W_rel · Σ_{j ∈ N(i)} e_ji x_j + b + W_root · x_i
/// ```
///
/// Source: Morris et al., Weisfeiler and Leman Go Neural: Higher-order Graph Neural Networks, 2019,
/// arXiv:1810.02244. Matches `torch_geometric.nn.GraphConv` (2.8).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` whose second entry may be absent (its term
/// is left out then) · edges: `E` from `N` to `M` nodes, with weights `[E]` or without · output:
/// `[M, out_channels]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = GraphConvConfig::new(3.into(), 4).init(&device);
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GraphConv {
    /// Map of the aggregate.
    pub lin_rel: Linear,
    /// Map of the node itself.
    pub lin_root: Linear,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GraphConvConfig,
}

impl Layer for GraphConv {
    const NAME: &'static str = "GraphConv";
    const HISTORY: &'static [Change] = &[
        Change::renamed("2.0", "lin_l", "lin_rel"),
        Change::renamed("2.0", "lin_r", "lin_root"),
        Change::transposed("1.6", "weight", "lin_l.weight"),
        Change::renamed("1.6", "lin", "lin_r"),
    ];

    type Config = GraphConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        Signatures::conv(d_src, d_dst).edge_weight().size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let map = Map::from(&self.lin_rel).with_root(Some(&self.lin_root), x_i);
        self.propagate_map(&edges, Weighted::new(x_j, &edges), map)
    }
}

impl MessagePassing for GraphConv {
    type Propagated = Weighted;

    fn message(&self, args: &Weighted, _ends: &Endpoints) -> Message {
        args.message()
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
