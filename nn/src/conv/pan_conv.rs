//! The path integral convolution: neighbours several steps away, weighted by the number of steps.

use kiln_core::{Adjacency, Value};

use super::prelude::*;
use crate::sparse::{Entries, powers};

/// Configuration of a [`PanConv`].
#[derive(Config, Debug)]
pub struct PanConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of steps `L` of the longest paths.
    pub filter_size: usize,
}

impl LayerConfig for PanConvConfig {
    type Layer = PanConv;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "filter_size"];

    fn blank() -> Self {
        Self::new(0, 0, 0)
    }

    fn make(&self, device: &Device) -> PanConv {
        let weight = Tensor::full([self.filter_size + 1], 0.5, device);
        PanConv {
            lin: LinearConfig::new(self.in_channels, self.out_channels).init(device),
            weight: Param::from_tensor(weight),
            config: self.clone(),
        }
    }
}

/// Sums the nodes that paths of up to `L` steps start from, weighted by the numbers of paths and of
/// their steps.
///
/// ```text
/// X' = M X W + b        M = Z^(-1/2) Σ_{n ≤ L} w_0 ⋯ w_n A^n Z^(-1/2)
/// ```
///
/// where `Z` counts the entries in each row of the sum.
///
/// Source: Ma et al., Path Integral Based Convolution and Pooling for Graph Neural Networks, 2020,
/// arXiv:2006.16811. Matches `torch_geometric.nn.PANConv` (2.8). Weights of edges and values of an
/// adjacency have no effect. Departs: each factor's gradient counts all powers that it is part of
/// (PyG's counts one, since products of torch_sparse 0.6.18 pass no gradients on).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes · output: `[N, out_channels]`, and `M` as an
/// adjacency by target
///
/// # Numerics
/// Powers of `A` are sparse. One takes memory for the entries of the one before times the largest
/// number of edges into a node.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 2], 3, 3, &device).unwrap();
/// let conv = PanConvConfig::new(3, 4, 2).init(&device);
/// let (out, m) = conv.forward_with_matrix(Tensor::<2>::ones([3, 3], &device), &edges);
/// assert_eq!(out.dims(), [3, 4]);
/// assert_eq!(m.num_edges(), 6); // three nodes, two edges and a path of two steps
/// ```
#[derive(Module, Debug)]
pub struct PanConv {
    /// The linear map.
    pub lin: Linear,
    /// Factor of each step, `[filter_size + 1]`.
    pub weight: Param<Tensor<1>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: PanConvConfig,
}

/// What [`PanConv`] returns.
#[derive(Clone, Debug)]
pub struct PanOutput {
    /// Features of the nodes.
    pub x: Tensor<2>,
    /// The matrix `M`, whose rows are targets.
    pub m: Adjacency,
}

leaves!(PanOutput { x, m });

impl From<PanOutput> for Tensor<2> {
    fn from(output: PanOutput) -> Self {
        output.x
    }
}

impl From<PanOutput> for Value {
    fn from(PanOutput { x, m }: PanOutput) -> Self {
        Self::Tuple(vec![x.into(), Self::Adjacency(m)])
    }
}

impl PanConv {
    /// The convolution, and the matrix `M`.
    ///
    /// # Panics
    /// If features do not have the width of the layer.
    pub fn forward_with_matrix(
        &self,
        x: impl Into<Nodes>,
        edges: impl Into<Edges>,
    ) -> (Tensor<2>, Adjacency) {
        let PanOutput { x, m } = self.call(ConvArgs::from((x, edges)));
        (x, m)
    }

    /// The sum of the powers of the edges' matrix, each with the product of its steps' factors.
    fn entropy(&self, ends: &Endpoints, like: &Tensor<2>) -> Entries {
        let weight = self.weight.val();
        let mut factor = weight.clone().narrow(0, 0, 1);
        let mut parts = Vec::new();
        for (step, power) in (1..).zip(powers(ends, self.config.filter_size, like)) {
            parts.push(power.scaled(factor.clone()));
            if step <= self.config.filter_size {
                factor = factor * weight.clone().narrow(0, step, 1);
            }
        }
        Entries::sum(parts, ends.num_targets())
    }
}

impl Layer for PanConv {
    const NAME: &'static str = "PANConv";

    type Config = PanConvConfig;
    type Args = ConvArgs;
    type Output = PanOutput;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels)
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> PanOutput {
        let (x, _) = x.floats();
        let ends = Endpoints::of(edges.bare());
        let m = self.entropy(&ends, &x).normalized(ends.num_targets());
        let edges = Edges::from(&m);
        let x = self.propagate_map(&edges, Weighted::new(x, &edges), (&self.lin).into());
        PanOutput { x, m }
    }
}

impl MessagePassing for PanConv {
    type Propagated = Weighted;

    fn message(&self, args: &Weighted, _ends: &Endpoints) -> Message {
        args.message()
    }
}
