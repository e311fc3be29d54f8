//! Pooling by learned keys.

use burn::{
    config::Config,
    module::{Module, Param},
    nn::{
        Initializer,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Bool, Device, Tensor, activation::softmax},
};
use kiln_core::{Arguments, Named, Signatures, leaves, signature::Type};
use kiln_ops::{Layer, clamp, matmul, powf_scalar};

use crate::{
    config::{ConfigError, LayerConfig},
    dense::{Linear, LinearConfig},
};

/// Configuration of a [`MemPooling`].
#[derive(Config, Debug)]
pub struct MemPoolingConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of heads.
    pub heads: usize,
    /// Number of clusters.
    pub num_clusters: usize,
    /// The temperature τ.
    #[config(default = 1.0)]
    pub tau: f64,
}

impl LayerConfig for MemPoolingConfig {
    type Layer = MemPooling;

    const REQUIRED: &'static [&'static str] =
        &["in_channels", "out_channels", "heads", "num_clusters"];

    fn blank() -> Self {
        Self::new(0, 0, 0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.heads > 0, "heads", "at least one head", "0")?;
        let some = self.num_clusters > 0;
        ConfigError::unless(some, "num_clusters", "at least one cluster", "0")?;
        let got = self.tau.to_string();
        ConfigError::unless(self.tau > 0.0, "tau", "a number above 0", got)
    }

    fn make(&self, device: &Device) -> MemPooling {
        let (min, max) = (-1.0, 1.0);
        let k = Initializer::Uniform { min, max };
        let conv = Conv2dConfig::new([self.heads, 1], [1, 1]).with_bias(false);
        let lin = LinearConfig::new(self.in_channels, self.out_channels).with_bias(false);
        MemPooling {
            k: k.init([self.heads, self.num_clusters, self.in_channels], device),
            conv: conv.init(device),
            lin: lin.init(device),
            config: self.clone(),
        }
    }
}

/// Pools nodes to clusters by their distances to learned keys, with several heads.
///
/// ```text
/// S^h_ij = (1 + ‖x_i - k^h_j‖² / τ)^(-(1 + τ) / 2), by the sum over j
/// S  = softmax over j of Σ_h w_h S^h_ij
/// X' = S^T X W
/// ```
///
/// Source: Khasahmadi et al., Memory-Based Graph Networks, 2020, arXiv:2002.09518. Matches
/// `torch_geometric.nn.MemPooling` (2.8) on dense batches.
///
/// # Shapes
/// x: `[B, N, in_channels]` · mask: which nodes are there, `[B, N]`, or none · output: `[B,
/// num_clusters, out_channels]` and the shares of the nodes in clusters, `[B, N, num_clusters]`
///
/// # Numerics
/// Distances come from products of rows, as PyTorch's do where there are more than 25.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_nn::{LayerConfig as _, pool::MemPoolingConfig};
///
/// let device = Device::flex();
/// let pool = MemPoolingConfig::new(3, 4, 2, 5).init(&device);
/// let (x, s) = pool.forward(Tensor::ones([2, 7, 3], &device), None);
/// assert_eq!((x.dims(), s.dims()), ([2, 5, 4], [2, 7, 5]));
/// ```
#[derive(Module, Debug)]
pub struct MemPooling {
    /// The keys, `[heads, num_clusters, in_channels]`.
    pub k: Param<Tensor<3>>,
    /// The weight of each head, `[1, heads, 1, 1]`.
    pub conv: Conv2d,
    /// The map of the clusters' features.
    pub lin: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: MemPoolingConfig,
}

/// Batches of nodes, and which of them are there.
#[derive(Clone, Debug)]
pub struct MemArgs {
    /// Features, `[B, N, F]`.
    pub x: Tensor<3>,
    /// Which nodes are there, `[B, N]`; without it all are.
    pub mask: Option<Tensor<2, Bool>>,
}

leaves!(MemArgs { x, mask });

impl From<(Tensor<3>, Option<Tensor<2, Bool>>)> for MemArgs {
    fn from((x, mask): (Tensor<3>, Option<Tensor<2, Bool>>)) -> Self {
        Self { x, mask }
    }
}

impl Arguments for MemArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            mask: values.booleans("mask"),
        }
    }
}

impl MemPooling {
    /// Features of the clusters, and the shares of the nodes in them.
    ///
    /// # Panics
    /// If features do not have the width of the layer, or there is not one entry of the mask per
    /// node.
    pub fn forward(
        &self,
        x: Tensor<3>,
        mask: impl Into<Option<Tensor<2, Bool>>>,
    ) -> (Tensor<3>, Tensor<3>) {
        self.call((x, mask.into()))
    }

    /// The divergence of shares, `[B, N, K]`, from the same shares made clearer: a loss that makes
    /// clusters distinct. `[1]`
    ///
    /// ```text
    /// P_ij = S_ij² / Σ_n S_nj, by the sum over j        loss = Σ P ln( P / S ) / B
    /// ```
    pub fn kl_loss(s: Tensor<3>) -> Tensor<1> {
        const LEAST: f64 = 1e-15;
        let [graphs, ..] = s.dims();
        let clearer = s.clone() * s.clone() / s.clone().sum_dim(1);
        let is_none = s.clone().sum_dim(2).equal_elem(0.0);
        let sum = clearer.clone().sum_dim(2).mask_fill(is_none, 1.0);
        let p = clamp(clearer / sum, Some(LEAST), None);
        let s = clamp(s, Some(LEAST), None);
        (p.clone() * (p.log() - s.log())).sum() / crate::config::count(graphs)
    }
}

impl Layer for MemPooling {
    const NAME: &'static str = "MemPooling";

    type Config = MemPoolingConfig;
    type Args = MemArgs;
    type Output = (Tensor<3>, Tensor<3>);

    fn signatures(&self) -> Signatures {
        let x = ["B".into(), "N".into(), self.config.in_channels.into()];
        Signatures::new()
            .with("x", Type::float(x))
            .with("mask", Type::bool(["B".into(), "N".into()]).optional())
    }

    fn compute(&self, MemArgs { x, mask }: MemArgs) -> (Tensor<3>, Tensor<3>) {
        let (heads, clusters) = (self.config.heads, self.config.num_clusters);
        let [graphs, nodes, width] = x.dims();
        let rows = x.clone().reshape([graphs * nodes, width]);
        let keys = self
            .k
            .val()
            .reshape([heads * clusters, width])
            .swap_dims(0, 1);
        let square = |x: Tensor<2>, axis| (x.clone() * x).sum_dim(axis);
        let product = kiln_ops::linear(rows.clone(), keys.clone(), None);
        let distance = square(rows, 1) + square(keys, 0) - product.mul_scalar(2.0);
        let tau = self.config.tau;
        let near = distance.div_scalar(tau).add_scalar(1.0);
        let near = powf_scalar(near, -(tau + 1.0) / 2.0);
        let near = near.reshape([graphs * nodes, heads, clusters]);
        let share = near.clone() / near.sum_dim(2);
        let weight = self.conv.weight.val().reshape([1, heads, 1]);
        let share = softmax((share * weight).sum_dim(1), 2);
        let share = share.reshape([graphs, nodes, clusters]);
        let share = match mask {
            Some(mask) => {
                let there = mask.float().cast(share.dtype());
                share * there.unsqueeze_dim(2)
            }
            None => share,
        };
        let pooled = matmul(share.clone().swap_dims(1, 2), x);
        let pooled = pooled.reshape([graphs * clusters, width]);
        let pooled = self.lin.forward(pooled);
        let out = self.config.out_channels;
        (pooled.reshape([graphs, clusters, out]), share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that is not there counts for nothing. The number is PyG's.
    #[test]
    fn clearer_shares_are_pygs() {
        let s = [
            [[0.5, 0.5], [0.25, 0.75], [0.0, 0.0]],
            [[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]],
        ];
        let s = Tensor::<3>::from_floats(s, &Device::flex());
        let loss: f32 = MemPooling::kl_loss(s).into_scalar();
        assert!((loss - 0.088_633_7).abs() < 1e-6, "{loss}");
    }
}
