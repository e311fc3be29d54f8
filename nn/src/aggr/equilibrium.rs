//! Rows of least energy.
#![expect(
    clippy::used_underscore_binding,
    reason = "the names of PyG's parameters"
)]

use burn::{
    config::Config,
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
        Param,
    },
    nn,
    tensor::{Device, Tensor, activation},
};
use kiln_ops::{Reduce, matmul};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
};
use crate::{
    config::{ConfigError, LayerConfig},
    linear::{Linear, LinearConfig},
    transparent::transparent_module,
};

/// Configuration of an [`EquilibriumAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct EquilibriumConfig {
    /// Width of the elements.
    pub in_channels: usize,
    /// Width of the output.
    pub out_channels: usize,
    /// Widths of the hidden layers of the potential.
    pub num_layers: Vec<usize>,
    /// Number of steps towards the least energy.
    #[config(default = 5)]
    pub grad_iter: usize,
    /// First weight of the regularisation.
    #[config(default = 0.1)]
    pub lamb: f64,
}

impl LayerConfig for EquilibriumConfig {
    type Layer = EquilibriumAggregation;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "num_layers"];

    fn blank() -> Self {
        Self::new(0, 0, Vec::new())
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.out_channels > 0, "out_channels", "at least one", "0")
    }

    fn make(&self, device: &Device) -> EquilibriumAggregation {
        let number = |value| Param::from_tensor(Tensor::full([1], value, device));
        EquilibriumAggregation {
            lamb: number(self.lamb),
            potential: ResNetPotential::new(self, device),
            optimizer: MomentumOptimizer {
                _lr: number(0.1),
                _mom: number(0.9),
            },
            config: self.clone(),
        }
    }
}

/// Finds, by steps down the gradient, a row of little energy for each set.
///
/// ```text
/// y = argmin_y softplus(λ) · |y|² + Σ_j F(m_ji, y)
/// ```
///
/// `F` is a [`ResNetPotential`], and the mean of its values is taken where the formula has the sum;
/// `|y|²` is averaged over all sets, so that the result depends on their number.
///
/// Source: Bartunov, Fuchs, Lillicrap, Equilibrium Aggregation: Encoding Sets via Optimization,
/// 2022, arXiv:2202.12795. Matches `torch_geometric.nn.EquilibriumAggregation` (2.8).
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, out_channels]`
///
/// # Numerics
/// The gradient of the energy is a formula of the forward pass, so that it is recorded; parameters
/// are trained through it. The part of each map that elements reach is taken once, that of `y` once
/// for each set.
#[derive(Module, Debug)]
pub struct EquilibriumAggregation {
    /// Weight `λ` of the regularisation, `[1]`.
    pub lamb: Param<Tensor<1>>,
    /// The potential `F`.
    pub potential: ResNetPotential,
    /// How long the steps are.
    pub optimizer: MomentumOptimizer,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: EquilibriumConfig,
}

/// The lengths of steps, before a softplus and a sigmoid.
#[derive(Module, Debug)]
pub struct MomentumOptimizer {
    _lr: Param<Tensor<1>>,
    _mom: Param<Tensor<1>>,
}

/// A network of an element and its set's row `y`, to each of whose layers both are added again.
///
/// ```text
/// z = m ‖ y        h_0 = z        h_l = tanh( LayerNorm( W_l h_{l-1} + b_l ) ) + V_l z + c_l
/// ```
///
/// The last layer, of width 1, is `W h + b + V z + c`.
#[derive(Module, Debug)]
pub struct ResNetPotential {
    /// The maps `W`, and the normalisations of hidden layers.
    pub layers: Vec<PotentialLayer>,
    /// The maps `V`.
    pub res_trans: Vec<Linear>,
}

/// A layer of a [`ResNetPotential`].
#[derive(Clone, Debug)]
pub enum PotentialLayer {
    /// A map and a normalisation, with hyperbolic tangents behind them.
    Hidden((Linear, nn::LayerNorm)),
    /// A map.
    Last(Linear),
}

transparent_module!(PotentialLayer {
    Self::Hidden;
    Self::Last
});

impl PotentialLayer {
    fn linear(&self) -> &Linear {
        match self {
            Self::Hidden((map, _)) | Self::Last(map) => map,
        }
    }
}

/// Added to variances, as PyTorch's `LayerNorm` does.
const EPSILON: f64 = 1e-5;

/// What the gradient of a hidden layer is made of.
struct Hidden<'a> {
    map: &'a Linear,
    norm: &'a nn::LayerNorm,
    normalized: Tensor<2>,
    /// One over the standard deviation of each row.
    scale: Tensor<2>,
    out: Tensor<2>,
}

impl<'a> Hidden<'a> {
    fn new(map: &'a Linear, norm: &'a nn::LayerNorm, x: Tensor<2>) -> Self {
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        let scale = variance.add_scalar(EPSILON).sqrt().recip();
        let normalized = centred * scale.clone();
        let out = normalized.clone() * norm.gamma.val().unsqueeze_dim(0);
        let out = match &norm.beta {
            Some(beta) => out + beta.val().unsqueeze_dim(0),
            None => out,
        };
        Self {
            map,
            norm,
            normalized,
            scale,
            out: activation::tanh(out),
        }
    }

    /// The gradient by the result of the map, from that by the result of the layer.
    fn backward(&self, gradient: Tensor<2>) -> Tensor<2> {
        let out = self.out.clone();
        let gradient = gradient * (out.clone() * out).neg().add_scalar(1.0);
        let gradient = gradient * self.norm.gamma.val().unsqueeze_dim(0);
        let normalized = self.normalized.clone();
        let along = (gradient.clone() * normalized.clone()).mean_dim(1);
        let mean = gradient.clone().mean_dim(1);
        (gradient - mean - normalized * along) * self.scale.clone()
    }
}

impl ResNetPotential {
    fn new(config: &EquilibriumConfig, device: &Device) -> Self {
        let linear = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
        let input = config.in_channels + config.out_channels;
        let mut widths = vec![input];
        widths.extend(&config.num_layers);
        let hidden = widths.windows(2).map(|d| {
            let norm = nn::LayerNormConfig::new(d[1])
                .with_epsilon(EPSILON)
                .init(device);
            PotentialLayer::Hidden((linear(d[0], d[1]), norm))
        });
        let last = PotentialLayer::Last(linear(widths[widths.len() - 1], 1));
        Self {
            layers: hidden.chain([last]).collect(),
            res_trans: config
                .num_layers
                .iter()
                .chain(&[1])
                .map(|&width| linear(input, width))
                .collect(),
        }
    }

    /// The parts of the maps of `m ‖ y` that `m` gives: of the first layer, and of each `V`.
    fn of_elements(&self, x: &Tensor<2>) -> (Tensor<2>, Vec<Tensor<2>>) {
        let first = self.layers[0].linear().forward_first(x.clone());
        let again = self.res_trans.iter();
        (
            first,
            again.map(|map| map.forward_first(x.clone())).collect(),
        )
    }

    /// The gradient of the sum over all sets of the mean potential by `y`. `[n, out]`
    fn gradient(
        &self,
        (first, again): &(Tensor<2>, Vec<Tensor<2>>),
        y: &Tensor<2>,
        share: &Tensor<2>,
        elements: &Elements<'_>,
    ) -> Tensor<2> {
        let [_, d_out] = y.dims();
        let of_y = |map: &Linear| {
            let start = map.in_channels() - d_out;
            elements.lift(map.map_from(start, y.clone()))
        };
        // The layers, each with what it is given.
        let mut x = first.clone() + of_y(self.layers[0].linear());
        let mut hidden = Vec::with_capacity(self.layers.len());
        let next = self.layers.iter().skip(1);
        for (((layer, next), res), again) in
            self.layers.iter().zip(next).zip(&self.res_trans).zip(again)
        {
            let PotentialLayer::Hidden((map, norm)) = layer else {
                unreachable!("only the last layer is without normalisation")
            };
            let layer = Hidden::new(map, norm, x);
            let out = layer.out.clone() + again.clone() + of_y(res);
            x = next.linear().forward(out);
            hidden.push(layer);
        }
        // Back from the last, whose gradient is each element's share in the mean.
        let back = |gradient: &Tensor<2>, map: &Linear, start: usize| {
            let weight = map.weight.val();
            let [rows, _] = weight.dims();
            let weight = weight.narrow(0, start, rows - start);
            matmul(gradient.clone(), weight.transpose())
        };
        let by_y =
            |gradient: &Tensor<2>, map: &Linear| back(gradient, map, map.in_channels() - d_out);
        let (last, count) = (share.clone(), hidden.len());
        let mut total = by_y(&last, &self.res_trans[count]);
        let mut gradient = last;
        let mut map = self.layers[count].linear();
        for (layer, res) in hidden.iter().zip(&self.res_trans).rev() {
            let out = back(&gradient, map, 0);
            total = total + by_y(&out, res);
            gradient = layer.backward(out);
            map = layer.map;
        }
        elements.collect(total + by_y(&gradient, map), Reduce::Sum)
    }
}

impl Combine for EquilibriumAggregation {
    fn input(&self) -> Option<usize> {
        Some(self.config.in_channels)
    }

    fn width(&self, _element: usize) -> usize {
        self.config.out_channels
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let x = elements.rows();
        let (sets, width) = (elements.num_sets(), self.config.out_channels);
        let like = (&x.device(), x.dtype());
        let count = elements.count(&x).clamp_min(1.0).recip();
        let share = elements.lift(count.unsqueeze_dim(1));
        let constant = self.potential.of_elements(&x);
        let softplus = |x: Tensor<1>| activation::softplus(x, 1.0);
        // Twice the weight by the number of sets.
        let all = Tensor::<1>::ones([sets], like).sum();
        let weight = softplus(self.lamb.val()).mul_scalar(2.0) / all;
        let rate = softplus(self.optimizer.rate()).unsqueeze_dim::<2>(0);
        let kept = kiln_ops::sigmoid(self.optimizer.momentum().unsqueeze_dim::<2>(0));
        let mut y = Tensor::zeros([sets, width], like);
        let mut step = y.clone();
        for _ in 0..self.config.grad_iter {
            let gradient = self.potential.gradient(&constant, &y, &share, elements)
                + y.clone() * weight.clone().unsqueeze_dim(0);
            step = step * kept.clone() - gradient * rate.clone();
            y = y + step.clone();
        }
        y
    }
}

impl MomentumOptimizer {
    fn rate(&self) -> Tensor<1> {
        self._lr.val()
    }

    fn momentum(&self) -> Tensor<1> {
        self._mom.val()
    }
}

aggregation_layers!(EquilibriumAggregation(EquilibriumConfig));
