//! Propagation by attention that compares directions.

use kiln_ops::{DotAttentionOptions, edge_dot};

use super::{
    attention::loops,
    dot_attention::{DotPropagated, DotWeights},
    prelude::*,
};
use crate::utils::unit_rows;

/// Configuration of an [`AgnnConv`].
#[derive(Config, Debug)]
pub struct AgnnConvConfig {
    /// Whether the inverse temperature is learned.
    #[config(default = true)]
    pub requires_grad: bool,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
}

impl LayerConfig for AgnnConvConfig {
    type Layer = AgnnConv;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, device: &Device) -> AgnnConv {
        let beta = Param::from_tensor(Tensor::ones([1], device));
        AgnnConv {
            beta: beta.set_require_grad(self.requires_grad),
            config: self.clone(),
        }
    }
}

/// Weighs each neighbour by how near the direction of its features is to that of the node's.
///
/// ```text
/// x_i' = Σ_{j ∈ N(i) ∪ {i}} α_ji x_j        α_ji = softmax_j( β cos(x_i, x_j) )
/// ```
///
/// Source: Thekumparampil et al., Attention-based Graph Neural Network for Semi-Supervised
/// Learning, 2018, arXiv:1803.03735. Matches `torch_geometric.nn.AGNNConv` (2.8).
///
/// # Shapes
/// x: `[N, F]` · edges: `E` among `N` nodes · output: `[N, F]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = AgnnConvConfig::new().init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct AgnnConv {
    /// The inverse temperature `β`, `[1]`.
    pub beta: Param<Tensor<1>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: AgnnConvConfig,
}

impl Layer for AgnnConv {
    const NAME: &'static str = "AGNNConv";

    type Config = AgnnConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set("F")
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats::<2>();
        let key = unit_rows(x.clone()).unsqueeze_dim::<3>(1);
        let beta = self.beta.val();
        let weights = if self.config.add_self_loops {
            let query = key.clone() * beta.unsqueeze();
            DotWeights::Dot { query, key }
        } else {
            // A node without edges has no part in the gradient of the temperature.
            let ends = Endpoints::of(edges.bare());
            let cosines = edge_dot(key.clone(), key, &ends);
            DotWeights::Known(ends.softmax(cosines * beta.unsqueeze()))
        };
        let value = x.unsqueeze_dim(1);
        self.propagate(&edges, DotPropagated { value, weights })
    }
}

impl MessagePassing for AgnnConv {
    type Propagated = DotPropagated;

    fn message(&self, args: &DotPropagated, ends: &Endpoints) -> Message {
        args.message(DotAttentionOptions {
            scale: 1.0,
            loops: loops(self.config.add_self_loops, false, ends),
            dropout: 0.0,
            seed: None,
        })
    }
}
