//! The convolution of molecular fingerprints: maps by degree.

use super::prelude::*;

/// Configuration of an [`MfConv`].
#[derive(Config, Debug)]
pub struct MfConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// The largest degree that has maps of its own; nodes of larger ones take its maps.
    #[config(default = 10)]
    pub max_degree: usize,
    /// Whether to add learned biases.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for MfConvConfig {
    type Layer = MfConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn make(&self, device: &Device) -> MfConv {
        let [d_src, d_dst] = self.in_channels.both();
        let linears = |width, bias| {
            let config = LinearConfig::new(width, self.out_channels).with_bias(bias);
            (0..=self.max_degree).map(|_| config.init(device)).collect()
        };
        MfConv {
            lins_l: linears(d_src, self.bias),
            lins_r: linears(d_dst, false),
            config: self.clone(),
        }
    }
}

/// Adds a linear map of the neighbours' sum and one of the node's own features, both by the number
/// of the neighbours.
///
/// ```text
/// x_i' = W_l^(deg(i)) Σ_{j ∈ N(i)} x_j + b^(deg(i)) + W_r^(deg(i)) x_i
/// ```
///
/// Source: Duvenaud et al., Convolutional Networks on Graphs for Learning Molecular Fingerprints,
/// 2015, arXiv:1509.09292. Matches `torch_geometric.nn.MFConv` (2.8).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` whose second entry may be absent (its term
/// is left out then) · edges: `E` from `N` to `M` nodes · output: `[M, out_channels]`
///
/// # Numerics
/// Each node goes through the maps of its own degree alone. Values of an adjacency have no effect.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = MfConvConfig::new(3.into(), 4).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct MfConv {
    /// Map of the neighbours' sum, by degree.
    pub lins_l: Vec<Linear>,
    /// Map of the node itself, by degree.
    pub lins_r: Vec<Linear>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: MfConvConfig,
}

impl Layer for MfConv {
    const NAME: &'static str = "MFConv";

    type Config = MfConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        Signatures::conv(d_src, d_dst).size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let sum = self.propagate(&edges, x_j);
        let [nodes, _] = sum.dims();
        let most = count(self.config.max_degree);
        let degree = Endpoints::of(&edges).degree().clamp_max(most);
        let (mut rows, mut mapped) = (Vec::new(), Vec::new());
        for (number, (lin_l, lin_r)) in (0_u32..).zip(self.lins_l.iter().zip(&self.lins_r)) {
            let those = kiln_ops::nonzero(degree.clone().equal_elem(number));
            let own = lin_l.forward(kiln_ops::gather(sum.clone(), those.clone()));
            mapped.push(match &x_i {
                Some(x_i) => lin_r.forward_add(kiln_ops::gather(x_i.clone(), those.clone()), own),
                None => own,
            });
            rows.push(those);
        }
        // Each row of the result stands in one place.
        let (mapped, rows) = (Tensor::cat(mapped, 0), Tensor::cat(rows, 0));
        kiln_ops::scatter(mapped, rows, nodes, Reduce::Sum)
    }
}

impl MessagePassing for MfConv {
    type Propagated = Tensor<2>;

    fn message(&self, x: &Tensor<2>, _ends: &Endpoints) -> Message {
        Message::source(x.clone())
    }
}
