//! The gated graph convolution: messages that update a recurrent cell.

use super::prelude::*;
use crate::rnn::{GruCell, GruCellConfig};

/// Configuration of a [`GatedGraphConv`].
#[derive(Config, Debug)]
pub struct GatedGraphConvConfig {
    /// Width of the output features. Narrower inputs are filled up with zeros.
    pub out_channels: usize,
    /// Number of steps.
    pub num_layers: usize,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: AggrConfig,
    /// Whether the cell has learned biases.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for GatedGraphConvConfig {
    type Layer = GatedGraphConv;

    const REQUIRED: &'static [&'static str] = &["out_channels", "num_layers"];

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn make(&self, device: &Device) -> GatedGraphConv {
        let width = self.out_channels;
        let cell = GruCellConfig::new(width, width).with_bias(self.bias);
        GatedGraphConv {
            weight: init::uniform([self.num_layers, width, width], width, device),
            rnn: cell.init(device),
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

/// Lets each node's recurrent cell take the sum of its neighbours' messages, several times.
///
/// ```text
/// h⁰ = x ‖ 0        h_i^(l+1) = GRU( Σ_{j ∈ N(i)} e_ji Θ_l h_j^l,  h_i^l )
/// ```
///
/// Source: Li et al., Gated Graph Sequence Neural Networks, 2016, arXiv:1511.05493. Matches
/// `torch_geometric.nn.GatedGraphConv` (2.8).
///
/// # Shapes
/// x: `[N, F]` with `F` up to `out_channels`, and equal to it in recordings · edges: `E` among `N`
/// nodes, with weights `[E]` or without · output: `[N, out_channels]`
///
/// # Panics
/// If the features are wider than the output.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = GatedGraphConvConfig::new(4, 2).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GatedGraphConv {
    /// The map of each step, `[num_layers, out_channels, out_channels]`.
    pub weight: Param<Tensor<3>>,
    /// The cell.
    pub rnn: GruCell,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GatedGraphConvConfig,
}

impl Layer for GatedGraphConv {
    const NAME: &'static str = "GatedGraphConv";

    type Config = GatedGraphConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.out_channels).edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (mut x, _) = x.floats();
        let ([nodes, width], out_channels) = (x.dims(), self.config.out_channels);
        assert!(
            width <= out_channels,
            "expected features of at most {out_channels} columns, got {width}"
        );
        if width < out_channels {
            let zeros = Tensor::zeros([nodes, out_channels - width], (&x.device(), x.dtype()));
            x = Tensor::cat(vec![x, zeros], 1);
        }
        for step in 0..self.config.num_layers {
            let weight = self.weight.val().narrow(0, step, 1).squeeze_dim(0);
            let mapped = kiln_ops::linear(x.clone(), weight, None);
            let message = self.propagate(&edges, Weighted::new(mapped, &edges));
            x = self.rnn.forward(message, x);
        }
        x
    }
}

impl MessagePassing for GatedGraphConv {
    type Propagated = Weighted;

    fn message(&self, args: &Weighted, _ends: &Endpoints) -> Message {
        args.message()
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;
    use kiln_core::EdgeIndex;

    use super::*;
    use crate::conv::Conv;

    #[test]
    fn narrow_features_are_filled_up_with_zeros() {
        let device = Device::flex();
        let conv = GatedGraphConvConfig::new(5, 2).init(&device);
        let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[1, 2, 2], 3, 3, &device).unwrap();
        let x = Tensor::<2>::random([3, 2], Distribution::Default, &device);
        let wide = Tensor::cat(vec![x.clone(), Tensor::zeros([3, 3], &device)], 1);
        let (narrow, wide) = (conv.forward(x, &edges), conv.forward(wide, &edges));
        assert_eq!(narrow.into_data(), wide.into_data());
    }
}
