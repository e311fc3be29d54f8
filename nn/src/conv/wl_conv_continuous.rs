//! The Weisfeiler-Leman operator on continuous attributes.

use super::prelude::*;

/// Configuration of a [`WlConvContinuous`].
#[derive(Config, Debug)]
pub struct WlConvContinuousConfig {}

impl LayerConfig for WlConvContinuousConfig {
    type Layer = WlConvContinuous;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, _device: &Device) -> WlConvContinuous {
        WlConvContinuous {
            config: self.clone(),
        }
    }
}

/// Averages a node and the weighted mean of its neighbours.
///
/// ```text
/// x_i' = ½ (x_i + 1 / deg(i) Σ_{j ∈ N(i)} e_ji x_j)        deg(i) = Σ_j e_ji
/// ```
///
/// Source: Togninalli et al., Wasserstein Weisfeiler-Lehman Graph Kernels, 2019, arXiv:1906.01277.
/// Matches `torch_geometric.nn.WLConvContinuous` (2.8).
///
/// # Shapes
/// x: `[N, F]`, or a pair `([N, F], [M, F])` whose second entry may be absent (the result is the
/// mean of the neighbours then) · edges: `E` from `N` to `M` nodes, with weights `[E]` or without ·
/// output: `[M, F]`
///
/// # Numerics
/// The mean over no edges, and over weights whose sum is 0, is 0.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = WlConvContinuousConfig::new().init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct WlConvContinuous {
    /// What the layer was made from.
    #[module(skip)]
    pub config: WlConvContinuousConfig,
}

impl Layer for WlConvContinuous {
    const NAME: &'static str = "WLConvContinuous";

    type Config = WlConvContinuousConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv("F", "F").edge_weight().size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let sum = self.propagate(&edges, Weighted::new(x_j, &edges));
        let degree = Endpoints::of(&edges).weighted_degree(&sum);
        let isolated = degree.clone().equal_elem(0.0);
        let inverse = degree.recip().mask_fill(isolated, 0.0);
        let mean = sum * inverse.unsqueeze_dim(1);
        match x_i {
            Some(x_i) => (x_i + mean) * 0.5,
            None => mean,
        }
    }
}

impl MessagePassing for WlConvContinuous {
    type Propagated = Weighted;

    fn message(&self, args: &Weighted, _ends: &Endpoints) -> Message {
        args.message()
    }
}
