//! A linear map for each type of rows.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};
use kiln_core::{Arguments, Named, Signatures, leaves, signature::Type, size_to_i64};
use kiln_ops::{Layer, Reduce, gather, nonzero, scatter};

use crate::{
    config::{ConfigError, LayerConfig},
    init,
    linear::WeightInitializer,
};

/// Configuration of a [`HeteroLinear`].
#[derive(Config, Debug)]
pub struct HeteroLinearConfig {
    /// Width of the input.
    pub in_channels: usize,
    /// Width of the output.
    pub out_channels: usize,
    /// Number of types.
    pub num_types: usize,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights are drawn.
    #[config(default = "WeightInitializer::KaimingUniform")]
    pub weight_initializer: WeightInitializer,
}

impl LayerConfig for HeteroLinearConfig {
    type Layer = HeteroLinear;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "num_types"];
    const NEUTRAL: &'static [(&'static str, &'static str)] =
        &[("is_sorted", "false"), ("is_sorted", "true")];

    fn blank() -> Self {
        Self::new(0, 0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.num_types > 0;
        ConfigError::unless(ok, "num_types", "at least one type", "0")
    }

    fn make(&self, device: &Device) -> HeteroLinear {
        let (types, width) = (self.num_types, self.in_channels);
        let shape = [types, width, self.out_channels];
        let weight = match self.weight_initializer {
            WeightInitializer::Glorot => init::glorot(shape, device),
            WeightInitializer::KaimingUniform => init::uniform(shape, width, device),
        };
        let bias = || {
            // As PyTorch's, also beside other weights.
            init::uniform([types, self.out_channels], width, device)
        };
        HeteroLinear {
            weight,
            bias: self.bias.then(bias),
            config: self.clone(),
        }
    }
}

/// Maps each row by the linear map of its type.
///
/// ```text
/// x_i' = x_i W_t(i) + b_t(i)
/// ```
///
/// Rows whose type is none become 0.
///
/// Matches `torch_geometric.nn.HeteroLinear` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · type_vec: `[N]`, in `0..num_types`, in any order · output: `[N,
/// out_channels]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_nn::{LayerConfig as _, dense::HeteroLinearConfig};
///
/// let device = Device::flex();
/// let lin = HeteroLinearConfig::new(3, 4, 2).init(&device);
/// let type_vec = Tensor::<1, Int>::from_ints([0, 1, 0], &device);
/// assert_eq!(lin.forward(Tensor::ones([3, 3], &device), type_vec).dims(), [3, 4]);
/// ```
#[derive(Module, Debug)]
pub struct HeteroLinear {
    /// The weights, `[num_types, in_channels, out_channels]`.
    pub weight: Param<Tensor<3>>,
    /// The biases, `[num_types, out_channels]`.
    pub bias: Option<Param<Tensor<2>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: HeteroLinearConfig,
}

/// Rows and their types.
#[derive(Clone, Debug)]
pub struct HeteroLinearArgs {
    /// The rows, `[N, F]`.
    pub x: Tensor<2>,
    /// The type of each row, `[N]`.
    pub type_vec: Tensor<1, Int>,
}

leaves!(HeteroLinearArgs { x, type_vec });

impl From<(Tensor<2>, Tensor<1, Int>)> for HeteroLinearArgs {
    fn from((x, type_vec): (Tensor<2>, Tensor<1, Int>)) -> Self {
        Self { x, type_vec }
    }
}

impl Arguments for HeteroLinearArgs {
    fn from_named(values: &mut Named) -> Self {
        let x = values.tensor("x");
        let type_vec = values.integers("type_vec");
        let type_vec = type_vec.unwrap_or_else(|| panic!("expected `type_vec`, got none"));
        Self { x, type_vec }
    }
}

impl HeteroLinear {
    /// Applies the maps.
    ///
    /// # Panics
    /// If there is not one type for each row, or the width of the rows is not that of the maps.
    pub fn forward(&self, x: Tensor<2>, type_vec: Tensor<1, Int>) -> Tensor<2> {
        self.call((x, type_vec))
    }
}

impl Layer for HeteroLinear {
    const NAME: &'static str = "HeteroLinear";

    type Config = HeteroLinearConfig;
    type Args = HeteroLinearArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::new()
            .with(
                "x",
                Type::float(["N".into(), self.config.in_channels.into()]),
            )
            .with("type_vec", Type::int(["N".into()]))
    }

    fn compute(&self, HeteroLinearArgs { x, type_vec }: HeteroLinearArgs) -> Tensor<2> {
        let ([nodes, _], [entries]) = (x.dims(), type_vec.dims());
        assert!(
            nodes == entries,
            "expected one type for each of {nodes} rows, got {entries} types"
        );
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        let of_type = |number: usize| {
            let rows = nonzero(type_vec.clone().equal_elem(size_to_i64(number)));
            let weight = weight.clone().narrow(0, number, 1).squeeze_dim(0);
            let bias = bias
                .clone()
                .map(|bias| bias.narrow(0, number, 1).squeeze_dim(0));
            let out = kiln_ops::linear(gather(x.clone(), rows.clone()), weight, bias);
            (rows, out)
        };
        let (rows, out): (Vec<_>, Vec<_>) = (0..self.config.num_types).map(of_type).unzip();
        scatter(
            Tensor::cat(out, 0),
            Tensor::cat(rows, 0),
            nodes,
            Reduce::Sum,
        )
    }
}
