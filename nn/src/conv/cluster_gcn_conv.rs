//! The graph convolution of Cluster-GCN.

use kiln_core::EdgeForm;
use kiln_ops::clamp;

use super::prelude::*;

/// Configuration of a [`ClusterGcnConv`].
#[derive(Config, Debug)]
pub struct ClusterGcnConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// How much more a node itself counts than a neighbour.
    #[config(default = 0.0)]
    pub diag_lambda: f64,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for ClusterGcnConvConfig {
    type Layer = ClusterGcnConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn make(&self, device: &Device) -> ClusterGcnConv {
        let linear = LinearConfig::glorot(self.in_channels, self.out_channels);
        ClusterGcnConv {
            lin_out: linear.clone().with_bias(self.bias).init(device),
            lin_root: linear.init(device),
            config: self.clone(),
        }
    }
}

/// Averages a node and its neighbours, where the node itself may count more, and adds a map of the
/// node.
///
/// ```text
/// X' = (Â + λ · diag(Â)) X W_out + X W_root + b        Â = (D + I)^(-1) (A + I)
/// ```
///
/// Source: Chiang et al., Cluster-GCN: An Efficient Algorithm for Training Deep and Large Graph
/// Convolutional Networks, 2019, arXiv:1905.07953. Matches `torch_geometric.nn.ClusterGCNConv`
/// (2.8). Departs: without `add_self_loops` the edges from a node to itself are those that count
/// once more, in whatever order and number they are; PyG takes the k-th of them for that of node k.
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes · output: `[N, out_channels]`
///
/// # Numerics
/// Values of an adjacency count in the degrees alone, as in PyG. A degree below 1 counts as 1.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = ClusterGcnConvConfig::new(3, 4).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct ClusterGcnConv {
    /// Map of the aggregate.
    pub lin_out: Linear,
    /// Map of the node itself.
    pub lin_root: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: ClusterGcnConvConfig,
}

/// What [`ClusterGcnConv`] propagates.
#[derive(Clone, Debug)]
pub struct ClusterGcnPropagated {
    x: Tensor<2>,
    edge_weight: Tensor<1>,
    self_loop: Option<Tensor<1>>,
}

leaves!(ClusterGcnPropagated {
    x,
    edge_weight,
    self_loop
});

impl Rows for ClusterGcnPropagated {
    fn map_rows(self, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let x = f(self.x);
        Self { x, ..self }
    }
}

impl ClusterGcnConv {
    /// Weights of the edges and of loops in the place of those that are there.
    fn weights(&self, edges: &Edges, like: &Tensor<2>) -> (Tensor<1>, Option<Tensor<1>>) {
        let ends = Endpoints::of(edges.bare());
        let ones = || Tensor::ones([edges.num_edges()], (&like.device(), like.dtype()));
        let counted = match edges.form() {
            EdgeForm::Csr(adjacency) => adjacency.value().unwrap_or_else(ones),
            EdgeForm::Coo(_) => ones(),
        };
        let more = 1.0 + self.config.diag_lambda;
        if self.config.add_self_loops {
            let counted = counted.mask_fill(ends.is_loop(), 0.0);
            let degree = ends.collect(counted, Reduce::Sum) + 1.0;
            let scale = clamp(degree, Some(1.0), None).recip();
            return (ends.lift_i(scale.clone()), Some(scale * more));
        }
        let degree = ends.collect(counted, Reduce::Sum);
        let scale = clamp(degree, Some(1.0), None).recip();
        let weight = ones().mask_fill(ends.is_loop(), more);
        (ends.lift_i(scale) * weight, None)
    }
}

impl Layer for ClusterGcnConv {
    const NAME: &'static str = "ClusterGCNConv";

    type Config = ClusterGcnConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels)
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let (edge_weight, self_loop) = self.weights(&edges, &x);
        let args = ClusterGcnPropagated {
            x: x.clone(),
            edge_weight,
            self_loop,
        };
        let map = Map::from(&self.lin_out).with_root(Some(&self.lin_root), Some(x));
        self.propagate_map(&edges, args, map)
    }
}

impl MessagePassing for ClusterGcnConv {
    type Propagated = ClusterGcnPropagated;

    fn message(&self, args: &ClusterGcnPropagated, _ends: &Endpoints) -> Message {
        let (x, weight) = (args.x.clone(), args.edge_weight.clone());
        match args.self_loop.clone() {
            Some(self_loop) => Message::WithLoops {
                x,
                weight,
                self_loop,
            },
            None => Message::Weighted {
                x,
                weight: Some(weight),
            },
        }
    }
}
