//! Linear maps of node features.

use core::ops::{Deref, DerefMut};

use burn::{
    config::Config,
    module::{Content, Param},
    module::{Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor},
    nn,
    tensor::{Device, Tensor},
};
use kiln_core::{Signatures, signature::Type};
use kiln_ops::Layer;
use serde::{Deserialize, Serialize};

use crate::{config::LayerConfig, init, transparent::transparent_module};

/// How the weights of a [`Linear`] are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightInitializer {
    /// Uniform in `±√(6 / (in + out))`.
    Glorot,
    /// Uniform in `±1 / √in`, as PyTorch's linear layers are.
    #[default]
    KaimingUniform,
}

/// Configuration of a [`Linear`].
#[derive(Config, Debug)]
pub struct LinearConfig {
    /// Width of the input.
    pub in_channels: usize,
    /// Width of the output.
    pub out_channels: usize,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights are drawn.
    #[config(default = "WeightInitializer::KaimingUniform")]
    pub weight_initializer: WeightInitializer,
}

impl LinearConfig {
    /// A map without bias and with Glorot's weights: the form in which most convolutions transform
    /// features.
    pub fn glorot(in_channels: usize, out_channels: usize) -> Self {
        Self::new(in_channels, out_channels)
            .with_bias(false)
            .with_weight_initializer(WeightInitializer::Glorot)
    }

    /// Creates the layer.
    pub fn init(&self, device: &Device) -> Linear {
        let config =
            nn::LinearConfig::new(self.in_channels, self.out_channels).with_bias(self.bias);
        let config = match self.weight_initializer {
            WeightInitializer::Glorot => {
                config.with_initializer(nn::Initializer::XavierUniform { gain: 1.0 })
            }
            WeightInitializer::KaimingUniform => config,
        };
        Linear(config.init(device))
    }
}

impl LayerConfig for LinearConfig {
    type Layer = Linear;

    const NEUTRAL: &'static [(&'static str, &'static str)] = &[("bias_initializer", "null")];

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn make(&self, device: &Device) -> Linear {
        self.init(device)
    }
}

/// Burn's linear layer with a forward pass that suits many nodes.
///
/// ```text
/// x' = x W + b
/// ```
///
/// Results are those of Burn's `forward`; [`kiln_ops::linear`] says what differs. Parameters have
/// the names of Burn's layer, which [`Deref`] gives. Matches `torch_geometric.nn.Linear` (2.8).
///
/// # Shapes
/// x: `[N, in]` · weight: `[in, out]` · bias: `[out]` · output: `[N, out]`
#[derive(Clone, Debug)]
pub struct Linear(nn::Linear);

transparent_module!(Linear { Self });

impl Linear {
    /// Width of the input.
    pub fn in_channels(&self) -> usize {
        self.weight.dims()[0]
    }

    /// Width of the output.
    pub fn out_channels(&self) -> usize {
        self.weight.dims()[1]
    }

    /// The values of the bias.
    pub fn bias_val(&self) -> Option<Tensor<1>> {
        self.bias.as_ref().map(Param::val)
    }

    /// The map with a bias of zeros.
    pub(crate) fn with_zero_bias(self) -> Self {
        let Self(mut linear) = self;
        let [_, width] = linear.weight.dims();
        linear.bias = Some(init::zeros(width, &linear.weight.device()));
        Self(linear)
    }

    /// Applies the map.
    ///
    /// # Panics
    /// If the width of the features is not that of the map.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kiln_ops::linear(x, self.weight.val(), self.bias_val())
    }

    /// The map of `x ‖ 0`, with the bias: what is left out is added by [`add_last`](Self::add_last)
    /// or by [`map_from`](Self::map_from). `x: [N, F]` with `F` up to the width of the input.
    pub(crate) fn forward_first(&self, x: Tensor<2>) -> Tensor<2> {
        let [_, width] = x.dims();
        let weight = self.weight.val().narrow(0, 0, width);
        kiln_ops::linear(x, weight, self.bias_val())
    }

    /// The map of `0 ‖ x ‖ 0`, without the bias, where `x` starts at feature `start`.
    pub(crate) fn map_from(&self, start: usize, x: Tensor<2>) -> Tensor<2> {
        let [_, width] = x.dims();
        kiln_ops::linear(x, self.weight.val().narrow(0, start, width), None)
    }

    /// `term` plus the map of `0 ‖ x`, without the bias.
    pub(crate) fn add_last(&self, x: Tensor<2>, term: Tensor<2>) -> Tensor<2> {
        let [_, width] = x.dims();
        let start = self.in_channels() - width;
        kiln_ops::linear_add(x, self.weight.val().narrow(0, start, width), term)
    }

    /// Applies the map behind `f`, which multiplies rows by numbers and adds them up, or before it
    /// where that makes rows narrower.
    ///
    /// # Panics
    /// If the width of the features is not that of the map.
    pub(crate) fn around(&self, x: Tensor<2>, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        if self.out_channels() >= self.in_channels() {
            return self.forward(f(x));
        }
        let out = f(kiln_ops::linear(x, self.weight.val(), None));
        add_bias(out, self.bias_val())
    }

    /// Applies the map and ReLU at once.
    ///
    /// # Panics
    /// If the width of the features is not that of the map.
    pub fn forward_relu(&self, x: Tensor<2>) -> Tensor<2> {
        kiln_ops::linear_relu(x, self.weight.val(), self.bias_val())
    }

    /// Applies the map and adds a term at once. `term: [N, out]`
    ///
    /// # Panics
    /// If the shapes disagree.
    pub fn forward_add(&self, x: Tensor<2>, term: Tensor<2>) -> Tensor<2> {
        let out = kiln_ops::linear_add(x, self.weight.val(), term);
        add_bias(out, self.bias_val())
    }
}

impl Layer for Linear {
    const NAME: &'static str = "Linear";

    type Config = LinearConfig;
    type Args = Tensor<2>;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.in_channels().into();
        Signatures::new().with("x", Type::float(["N".into(), width]))
    }

    fn compute(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward(x)
    }
}

/// Adds a bias to each row, where there is one.
pub(crate) fn add_bias(x: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    match bias {
        Some(bias) => kiln_ops::add_bias(x, bias),
        None => x,
    }
}

impl From<nn::Linear> for Linear {
    fn from(linear: nn::Linear) -> Self {
        Self(linear)
    }
}

impl Deref for Linear {
    type Target = nn::Linear;

    fn deref(&self) -> &nn::Linear {
        &self.0
    }
}

impl DerefMut for Linear {
    fn deref_mut(&mut self) -> &mut nn::Linear {
        &mut self.0
    }
}
