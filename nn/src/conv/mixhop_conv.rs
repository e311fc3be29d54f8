//! Higher powers of the adjacency matrix, side by side.

use super::prelude::*;
use crate::utils::{GcnNorm, GcnNormOptions, Normalized};

/// Configuration of a [`MixHopConv`].
#[derive(Config, Debug)]
pub struct MixHopConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features of each power.
    pub out_channels: usize,
    /// The powers, in the order of their results; by default 0, 1 and 2.
    #[config(default = "None")]
    pub powers: Option<Vec<usize>>,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl MixHopConvConfig {
    fn powers(&self) -> Vec<usize> {
        self.powers.clone().unwrap_or_else(|| vec![0, 1, 2])
    }
}

impl LayerConfig for MixHopConvConfig {
    type Layer = MixHopConv;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let some = !self.powers().is_empty();
        ConfigError::unless(some, "powers", "at least one power", "none")
    }

    fn make(&self, device: &Device) -> MixHopConv {
        let powers = self.powers();
        let lin = LinearConfig::new(self.in_channels, self.out_channels).with_bias(false);
        let most = powers.iter().max().copied().unwrap_or_default();
        let lins = (0..=most).map(|power| powers.contains(&power).then(|| lin.init(device)));
        let width = powers.len() * self.out_channels;
        MixHopConv {
            lins: lins.collect(),
            bias: self.bias.then(|| init::zeros(width, device)),
            config: self.clone(),
        }
    }
}

/// Puts linear maps of the features of several numbers of hops side by side.
///
/// ```text
/// X' = ‖_{p ∈ P} (D̂^(-1/2) Â D̂^(-1/2))^p X W_p + b        Â = A + I
/// ```
///
/// Source: Abu-El-Haija et al., MixHop: Higher-Order Graph Convolutional Architectures via
/// Sparsified Neighborhood Mixing, 2019, arXiv:1905.00067. Matches `torch_geometric.nn.MixHopConv`
/// (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · output:
/// `[N, |P| · out_channels]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = MixHopConvConfig::new(3, 4).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 12]);
/// ```
#[derive(Module, Debug)]
pub struct MixHopConv {
    /// The map of each power, where the power is asked for.
    pub lins: Vec<Option<Linear>>,
    /// The bias, `[|P| · out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: MixHopConvConfig,
}

impl Layer for MixHopConv {
    const NAME: &'static str = "MixHopConv";

    type Config = MixHopConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels).edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (mut x, _) = x.floats();
        let options = GcnNormOptions::with_loops(self.config.add_self_loops);
        let norm = GcnNorm::of(&edges, Some(options), &x);
        let mut outs = Vec::with_capacity(self.lins.len());
        for (power, lin) in self.lins.iter().enumerate() {
            if power > 0 {
                let norm = norm.clone();
                x = self.propagate(&edges, Normalized { x, norm });
            }
            outs.push(lin.as_ref().map(|lin| lin.forward(x.clone())));
        }
        let powers = self.config.powers().into_iter();
        let out = Tensor::cat(powers.filter_map(|power| outs[power].clone()).collect(), 1);
        add_bias(out, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for MixHopConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
