//! Layer normalisation with a scale and a shift of each type of nodes.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use kiln_core::{
    Signature, Signatures,
    signature::{Dim, Type},
};
use kiln_ops::Layer;

use super::{
    affine::{check_eps, check_width, ones, zeros},
    layer_norm::nodes,
    types::{TypeArgs, check_types, scaled_by_type},
};
use crate::config::{ConfigError, LayerConfig};

/// Configuration of a [`HeteroLayerNorm`].
#[derive(Config, Debug)]
pub struct HeteroLayerNormConfig {
    /// Number of features.
    pub in_channels: usize,
    /// Number of types.
    pub num_types: usize,
    /// Added to the variance.
    #[config(default = 1e-5)]
    pub eps: f64,
    /// Whether scale and shift are learned.
    #[config(default = true)]
    pub affine: bool,
}

impl LayerConfig for HeteroLayerNormConfig {
    type Layer = HeteroLayerNorm;

    const REQUIRED: &'static [&'static str] = &["in_channels", "num_types"];
    const NEUTRAL: &'static [(&'static str, &'static str)] = &[("mode", "\"node\"")];

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_width(self.in_channels)?;
        check_types(self.num_types)?;
        check_eps(self.eps)
    }

    fn make(&self, device: &Device) -> HeteroLayerNorm {
        let shape = [self.num_types, self.in_channels];
        HeteroLayerNorm {
            weight: self.affine.then(|| ones(shape, device)),
            bias: self.affine.then(|| zeros(shape, device)),
            config: self.clone(),
        }
    }
}

/// Normalises the features of each node, with a scale and a shift of each type.
///
/// ```text
/// x_i' = (x_i - E[x_i]) / √(Var[x_i] + ε) ⊙ γ_t + β_t        t the type of i
/// ```
///
/// Source: Ba et al., Layer Normalization, 2016, arXiv:1607.06450. Matches
/// `torch_geometric.nn.HeteroLayerNorm` (2.8).
///
/// # Shapes
/// x: `[N, F]` · types: the type of each node, `[N]`, or of sorted nodes where each type starts,
/// `[types + 1]` · output: `[N, F]`
#[derive(Module, Debug)]
pub struct HeteroLayerNorm {
    /// The scales `γ`, `[types, F]`.
    pub weight: Option<Param<Tensor<2>>>,
    /// The shifts `β`, `[types, F]`.
    pub bias: Option<Param<Tensor<2>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: HeteroLayerNormConfig,
}

impl HeteroLayerNorm {
    /// Normalises features of nodes with their types.
    ///
    /// # Panics
    /// If the number of features is not the layer's, or there is not one type for each node.
    pub fn forward(&self, args: impl Into<TypeArgs>) -> Tensor<2> {
        self.call(args)
    }
}

impl Layer for HeteroLayerNorm {
    const NAME: &'static str = "HeteroLayerNorm";

    type Config = HeteroLayerNormConfig;
    type Args = TypeArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let x = Type::float(["N".into(), self.config.in_channels.into()]);
        let types = |name: &str, length: Dim| Signature::new().with(name, Type::int([length]));
        let each = types("type_vec", "N".into());
        let sorted = types("type_ptr", (self.config.num_types + 1).into());
        let own = Signatures::new().with("x", x);
        own.alternatives("types", vec![each, sorted])
    }

    fn compute(&self, args: TypeArgs) -> Tensor<2> {
        let (x, types) = args.parts();
        let out = nodes(x, self.config.eps);
        scaled_by_type(out, &types, self.weight.as_ref(), self.bias.as_ref())
    }
}
