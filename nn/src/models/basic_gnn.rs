//! A stack of convolutions with normalisation, activation and dropout between them.
//!
//! ```text
//! x → conv → norm → act → dropout → ... → conv → y
//! ```
//!
//! With jumping knowledge every convolution is followed by norm, act and dropout, the outputs of
//! all of them are combined, and a linear layer makes the result.

use burn::{
    module::{Module, ModuleDisplay},
    tensor::{Device, Tensor},
};
use kiln_core::{
    AnyTensor, Arguments, ConvArgs, Edges, Groups, Leaves, Named, Nodes, Signatures, leaf_name,
};
use kiln_ops::Layer;
use serde::{Deserialize, Serialize};

use super::{
    jumping_knowledge::{JumpingKnowledge, LstmAttention},
    mlp::normalize_activate,
};
use crate::{
    activation::Activation,
    config::{ConfigError, LayerConfig, check_dropout},
    conv::Conv,
    dropout::Dropout,
    linear::{Linear, LinearConfig},
    norm::{AnyNorm, NormConfig, groups_of, with_groups},
};

/// What a model asks of one of its convolutions.
#[derive(Clone, Debug)]
pub struct LayerSpec {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Whether this convolution makes the model's output.
    pub is_output: bool,
    /// The model's dropout probability.
    pub dropout: f64,
    /// The model's activation function.
    pub act: Option<Activation>,
    /// Whether the model's activation comes before normalisation.
    pub act_first: bool,
    /// The model's normalisation.
    pub norm: Option<NormConfig>,
}

/// A convolution that a [`BasicGnn`] can be made of.
pub trait BasicConv: Conv<Config: LayerConfig + Clone + core::fmt::Debug> + ModuleDisplay {
    /// Name of the model made of it, such as `GCN`.
    const MODEL: &'static str;

    /// The configuration of one layer of a model.
    fn layer_config(options: &Self::Config, layer: &LayerSpec) -> Self::Config;

    /// Creates one layer of a model.
    fn init_layer(options: &Self::Config, layer: &LayerSpec, device: &Device) -> Self;

    /// Whether a model can be made of layers with these options.
    ///
    /// # Errors
    /// If one of its layers could not work with them.
    fn check_layer(options: &Self::Config, layer: &LayerSpec) -> Result<(), ConfigError> {
        Self::layer_config(options, layer).check()
    }
}

/// Configuration of a [`BasicGnn`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct BasicGnnConfig<C: BasicConv> {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the hidden features.
    pub hidden_channels: usize,
    /// Number of convolutions.
    pub num_layers: usize,
    /// Width of the output; that of the hidden features if absent.
    pub out_channels: Option<usize>,
    /// Probability with which hidden features are dropped while training.
    pub dropout: f64,
    /// Activation function, if any.
    pub act: Option<Activation>,
    /// Whether the activation comes before the normalisation.
    pub act_first: bool,
    /// Normalisation of hidden features, if any.
    pub norm: Option<NormConfig>,
    /// How the layers' outputs are combined; without it the last convolution makes the output.
    pub jk: Option<JumpingKnowledge>,
    /// Options of the convolutions; the model sets their widths.
    pub conv: C::Config,
}

impl<C: BasicConv> BasicGnnConfig<C> {
    /// A model with ReLU between its convolutions and no dropout or normalisation.
    pub fn new(in_channels: usize, hidden_channels: usize, num_layers: usize) -> Self {
        Self {
            in_channels,
            hidden_channels,
            num_layers,
            out_channels: None,
            dropout: 0.0,
            act: Some(Activation::Relu),
            act_first: false,
            norm: None,
            jk: None,
            conv: C::Config::blank(),
        }
    }

    /// Sets the width of the output.
    pub fn with_out_channels(mut self, out_channels: usize) -> Self {
        self.out_channels = Some(out_channels);
        self
    }

    /// Sets the dropout probability.
    pub fn with_dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Sets the activation function.
    pub fn with_act(mut self, act: Option<Activation>) -> Self {
        self.act = act;
        self
    }

    /// Puts the activation before the normalisation.
    pub fn with_act_first(mut self, act_first: bool) -> Self {
        self.act_first = act_first;
        self
    }

    /// Normalises hidden features.
    pub fn with_norm(mut self, norm: Option<NormConfig>) -> Self {
        self.norm = norm;
        self
    }

    /// Combines the outputs of all layers.
    pub fn with_jk(mut self, jk: JumpingKnowledge) -> Self {
        self.jk = Some(jk);
        self
    }

    /// Sets the options of the convolutions. Where they are a layer's configuration, the widths in
    /// it have no effect: the model sets them.
    pub fn with_conv(mut self, conv: impl Into<C::Config>) -> Self {
        self.conv = conv.into();
        self
    }

    /// What the model asks of its convolutions.
    fn layers(&self) -> impl Iterator<Item = LayerSpec> {
        let hidden = self.hidden_channels;
        let out_channels = self.out_channels.unwrap_or(hidden);
        (0..self.num_layers).map(move |i| {
            let is_last = i + 1 == self.num_layers;
            let is_output = is_last && self.jk.is_none() && self.out_channels.is_some();
            LayerSpec {
                in_channels: if i == 0 { self.in_channels } else { hidden },
                out_channels: if is_output { out_channels } else { hidden },
                is_output,
                dropout: self.dropout,
                act: self.act,
                act_first: self.act_first,
                norm: self.norm.clone(),
            }
        })
    }
}

impl<C: BasicConv> LayerConfig for BasicGnnConfig<C> {
    type Layer = BasicGnn<C>;

    const REQUIRED: &'static [&'static str] = &["in_channels", "hidden_channels", "num_layers"];
    const NEUTRAL: &'static [(&'static str, &'static str)] = C::Config::NEUTRAL;

    fn blank() -> Self {
        Self::new(0, 0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)?;
        ConfigError::unless(self.num_layers > 0, "num_layers", "at least one layer", "0")?;
        NormConfig::check(self.norm.as_ref(), self.hidden_channels)?;
        self.layers()
            .try_for_each(|layer| C::check_layer(&self.conv, &layer))
    }

    fn make(&self, device: &Device) -> BasicGnn<C> {
        let hidden = self.hidden_channels;
        let convs = self
            .layers()
            .map(|layer| C::init_layer(&self.conv, &layer, device));
        let num_norms = self.num_layers - usize::from(self.jk.is_none());
        let norms = (0..num_norms).map(|_| NormConfig::make(self.norm.as_ref(), hidden, device));
        let lin = |jk: JumpingKnowledge| {
            let width = jk.width(hidden, self.num_layers);
            let out_channels = self.out_channels.unwrap_or(hidden);
            LinearConfig::new(width, out_channels).init(device)
        };
        BasicGnn {
            convs: convs.collect(),
            norms: norms.collect(),
            lin: self.jk.map(lin),
            dropout: Dropout::new(self.dropout),
            in_channels: self.in_channels,
            act_first: self.act_first,
            act: self.act,
            jk: self
                .jk
                .and_then(|jk| jk.attention(hidden, self.num_layers, device)),
            jk_mode: self.jk,
        }
    }
}

/// A stack of convolutions of type `C`.
///
/// Matches `torch_geometric.nn.models.BasicGNN` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with the weights or features that `C` takes
/// · with a normalisation that looks at graphs, the graph of each node, or without one graph ·
/// output: `[N, out_channels]`
#[derive(Module, Debug)]
pub struct BasicGnn<C: Module> {
    /// The convolutions.
    pub convs: Vec<C>,
    /// Normalisation behind each convolution that is not the output.
    pub norms: Vec<Option<AnyNorm>>,
    /// How much of each layer's output is taken, for jumping knowledge by an LSTM.
    pub jk: Option<LstmAttention>,
    /// The final linear layer, with jumping knowledge.
    pub lin: Option<Linear>,
    /// Dropout behind each of those convolutions.
    pub dropout: Dropout,
    /// Width of the input features.
    pub in_channels: usize,
    /// Whether the activation comes before the normalisation.
    pub act_first: bool,
    /// The activation function.
    #[module(skip)]
    pub act: Option<Activation>,
    /// How the layers' outputs are combined.
    #[module(skip)]
    pub jk_mode: Option<JumpingKnowledge>,
}

/// What a [`BasicGnn`] takes.
#[derive(Clone, Debug)]
pub struct GnnArgs {
    /// Nodes and edges.
    pub conv: ConvArgs,
    /// The graph of each node, for a normalisation that looks at graphs; one graph if there are
    /// none.
    pub groups: Option<Groups>,
}

impl From<ConvArgs> for GnnArgs {
    fn from(conv: ConvArgs) -> Self {
        Self { conv, groups: None }
    }
}

impl From<(ConvArgs, &Groups)> for GnnArgs {
    fn from((conv, groups): (ConvArgs, &Groups)) -> Self {
        let groups = Some(groups).filter(|groups| !groups.is_one()).cloned();
        Self { conv, groups }
    }
}

impl Leaves for GnnArgs {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            conv: self.conv.map_leaves(name, f),
            groups: self.groups.map_leaves(&leaf_name(name, "batch"), f),
        }
    }
}

impl Arguments for GnnArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            groups: groups_of(values),
            conv: ConvArgs::from_named(values),
        }
    }
}

impl<C: BasicConv> BasicGnn<C> {
    /// The model on the nodes of several graphs, for a normalisation that looks at graphs.
    ///
    /// # Panics
    /// If features do not have the widths of the model, or there is not one group for each node.
    pub fn forward_batch(
        &self,
        x: impl Into<Nodes>,
        edges: impl Into<Edges>,
        groups: &Groups,
    ) -> Tensor<2> {
        self.call((ConvArgs::from((x, edges)), groups))
    }
}

impl<C: BasicConv> Layer for BasicGnn<C> {
    const NAME: &'static str = C::MODEL;

    type Config = BasicGnnConfig<C>;
    type Args = GnnArgs;
    type Output = Tensor<2>;

    /// One node set, and of what edges carry that which the convolution takes.
    fn signatures(&self) -> Signatures {
        let of_conv = self.convs[0].signatures();
        let is_carried = |name: &str| ["edge_weight", "edge_attr"].contains(&name);
        let args = Signatures::conv_of_one_set(self.in_channels);
        let args = args.with_those_of(of_conv, is_carried);
        with_groups(self.norms.first().and_then(Option::as_ref), args)
    }

    fn compute(&self, GnnArgs { conv, groups }: GnnArgs) -> Tensor<2> {
        let ConvArgs { x, edges } = conv;
        let (mut x, _) = x.floats();
        let mut outputs = Vec::new();
        for (i, conv) in self.convs.iter().enumerate() {
            x = conv.forward(x, &edges);
            if let Some(norm) = self.norms.get(i) {
                let norm = norm.as_ref().map(|norm| (norm, groups.as_ref()));
                x = normalize_activate(x, norm, self.act, self.act_first);
                x = self.dropout.forward(x);
            }
            if self.jk_mode.is_some() {
                outputs.push(x.clone());
            }
        }
        x = match (&self.jk, self.jk_mode) {
            (Some(attention), _) => attention.forward(outputs),
            (None, Some(mode)) => mode.combine(outputs),
            (None, None) => x,
        };
        match &self.lin {
            Some(lin) => lin.forward(x),
            None => x,
        }
    }
}
