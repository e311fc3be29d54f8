//! The multi-layer perceptron.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_core::{Groups, Signatures, signature::Type};
use kiln_ops::Layer;

use crate::{
    activation::Activation,
    config::{ConfigError, LayerConfig, check_dropout},
    dropout::Dropout,
    linear::{Linear, LinearConfig},
    norm::{AnyNorm, NormArgs, NormConfig, with_groups},
};

/// Configuration of an [`Mlp`]: the widths of all layers, or those of input, hidden layers and
/// output with the number of layers.
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Widths of the input, of each hidden layer and of the output.
    pub channel_list: Vec<usize>,
    /// Width of the input; with it `channel_list` has no effect.
    #[config(default = "None")]
    pub in_channels: Option<usize>,
    /// Width of hidden layers.
    #[config(default = "None")]
    pub hidden_channels: Option<usize>,
    /// Width of the output.
    #[config(default = "None")]
    pub out_channels: Option<usize>,
    /// Number of linear layers.
    #[config(default = "None")]
    pub num_layers: Option<usize>,
    /// Probability with which hidden features are dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Activation function of the hidden layers, if any.
    #[config(default = "Some(Activation::Relu)")]
    pub act: Option<Activation>,
    /// Whether the activation comes before the normalisation.
    #[config(default = false)]
    pub act_first: bool,
    /// Normalisation of hidden features, if any.
    #[config(default = "Some(NormConfig::batch_norm())")]
    pub norm: Option<NormConfig>,
    /// Whether the last layer is only linear; otherwise it too gets normalisation, activation and
    /// dropout.
    #[config(default = true)]
    pub plain_last: bool,
    /// Whether the layers have biases.
    #[config(default = true)]
    pub bias: bool,
}

impl MlpConfig {
    /// Widths of the input, of each hidden layer and of the output.
    fn channels(&self) -> Result<Vec<usize>, ConfigError> {
        let Some(in_channels) = self.in_channels else {
            let (list, enough) = (&self.channel_list, self.channel_list.len() >= 2);
            let expected = "at least two widths, or `in_channels`";
            ConfigError::unless(enough, "channel_list", expected, format!("{list:?}"))?;
            return Ok(list.clone());
        };
        let given = |name, expected, value: Option<usize>| {
            value.filter(|&value| value > 0).ok_or_else(|| ConfigError {
                name,
                expected,
                got: value.map_or("none".to_owned(), |value| value.to_string()),
            })
        };
        let width = "a width beside `in_channels`";
        let num_layers = given("num_layers", "at least one layer", self.num_layers)?;
        let mut channels = vec![in_channels];
        if num_layers > 1 {
            let hidden = given("hidden_channels", width, self.hidden_channels)?;
            channels.resize(num_layers, hidden);
        }
        channels.push(given("out_channels", width, self.out_channels)?);
        Ok(channels)
    }
}

impl MlpConfig {
    /// Number of the widths up to the last that is normalised.
    fn num_hidden(&self, channels: &[usize]) -> usize {
        channels.len().saturating_sub(usize::from(self.plain_last))
    }
}

impl LayerConfig for MlpConfig {
    type Layer = Mlp;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new(Vec::new())
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)?;
        let channels = self.channels()?;
        let mut widths = channels[1..self.num_hidden(&channels)].iter();
        widths.try_for_each(|&width| NormConfig::check(self.norm.as_ref(), width))
    }

    fn make(&self, device: &Device) -> Mlp {
        let channels = self.channels().unwrap_or_default();
        let lins = channels.windows(2).map(|d| {
            let config = LinearConfig::new(d[0], d[1]);
            config.with_bias(self.bias).init(device)
        });
        let widths = channels[1..self.num_hidden(&channels)].iter();
        let norms = widths.map(|&width| NormConfig::make(self.norm.as_ref(), width, device));
        Mlp {
            lins: lins.collect(),
            norms: norms.collect(),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// Linear layers with normalisation, activation and dropout between them.
///
/// Matches `torch_geometric.nn.MLP` (2.8). Departs: one dropout probability and one choice of bias
/// for all layers.
///
/// # Shapes
/// x: `[N, channels[0]]`, with a normalisation that looks at graphs also the graph of each row, or
/// without if there is one · output: `[N, channels[last]]`, where `channels` are the widths of all
/// layers
#[derive(Module, Debug)]
pub struct Mlp {
    /// The linear layers.
    pub lins: Vec<Linear>,
    /// Normalisation behind each linear layer but a plain last one.
    pub norms: Vec<Option<AnyNorm>>,
    /// Dropout behind each of those layers.
    pub dropout: Dropout,
    /// What the network was made from.
    #[module(skip)]
    pub config: MlpConfig,
}

impl Mlp {
    /// Applies the network: to the nodes of one graph, or with groups to those of several.
    ///
    /// # Panics
    /// If the width of the features is not that of the first layer.
    pub fn forward(&self, args: impl Into<NormArgs>) -> Tensor<2> {
        self.call(args)
    }
}

impl Layer for Mlp {
    const NAME: &'static str = "MLP";

    type Config = MlpConfig;
    type Args = NormArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.lins[0].in_channels();
        let x = Type::float(["N".into(), width.into()]);
        let norm = self.norms.first().and_then(Option::as_ref);
        with_groups(norm, Signatures::new().with("x", x))
    }

    fn compute(&self, NormArgs { x, groups }: NormArgs) -> Tensor<2> {
        let MlpConfig { act, act_first, .. } = self.config;
        let hidden = self.lins.iter().zip(&self.norms);
        let x = hidden.fold(x, |x, (lin, norm)| {
            let x = if norm.is_none() && act == Some(Activation::Relu) {
                lin.forward_relu(x)
            } else {
                let norm = norm.as_ref().map(|norm| (norm, groups.as_ref()));
                normalize_activate(lin.forward(x), norm, act, act_first)
            };
            self.dropout.forward(x)
        });
        // A plain last layer has no normalisation, so the fold has left it out.
        match self.lins.get(self.norms.len()) {
            Some(last) => last.forward(x),
            None => x,
        }
    }
}

/// Normalisation and activation in the order asked for.
pub(super) fn normalize_activate(
    x: Tensor<2>,
    norm: Option<(&AnyNorm, Option<&Groups>)>,
    act: Option<Activation>,
    act_first: bool,
) -> Tensor<2> {
    let normalize = |x| match norm {
        Some((norm, groups)) => norm.forward(x, groups),
        None => x,
    };
    let activate = |x| match act {
        Some(act) => act.apply(x),
        None => x,
    };
    if act_first {
        normalize(activate(x))
    } else {
        activate(normalize(x))
    }
}
