//! A stack of convolutions with normalisation, activation and dropout between them.
//!
//! ```text
//! x → conv → norm → act → dropout → ... → conv → y
//! ```
//!
//! With jumping knowledge every convolution is followed by norm, act and dropout, the outputs of all
//! of them are combined, and a linear layer makes the result.

use burn::{
    module::{Module, ModuleDisplay},
    nn::Linear,
    tensor::{Device, Tensor},
};
use kiln_core::{
    Edges,
    signature::{Overload, Overloads, Signature},
};
use kiln_ops::scope;

use super::{jumping_knowledge::JumpingKnowledge, mlp::normalize_activate};
use crate::{
    activation::Activation,
    dropout::Dropout,
    init,
    norm::{BatchNorm, BatchNormConfig},
    overload::{Arguments, GraphForm, edge_attr, edge_weight, nodes, value},
    sequential::NodeTransform,
};

/// What a model asks of one of its convolutions.
#[derive(Clone, Copy, Debug)]
pub struct LayerSpec {
    /// Width of the input features.
    pub d_input: usize,
    /// Width of the output features.
    pub d_output: usize,
    /// Whether this convolution makes the model's output.
    pub is_output: bool,
    /// The model's dropout probability.
    pub dropout: f64,
    /// The model's activation function.
    pub act: Option<Activation>,
    /// Whether the model's activation comes before normalisation.
    pub act_first: bool,
    /// Whether the model normalises.
    pub batch_norm: bool,
}

/// What each edge carries; a convolution takes what it supports.
#[derive(Clone, Debug, Default)]
pub struct EdgeInputs {
    /// One weight an edge, `[E]`.
    pub weight: Option<Tensor<1>>,
    /// Features of the edges, `[E, D]`.
    pub attr: Option<Tensor<2>>,
}

/// A convolution that a [`BasicGnn`] can be made of.
pub trait BasicConv: Module + ModuleDisplay {
    /// The options of the convolution.
    type Options: Clone + core::fmt::Debug;

    /// Name of the model made of it, such as `GCN`.
    const MODEL: &'static str;

    /// Options with their default values.
    fn default_options() -> Self::Options;

    /// Creates one layer of a model.
    fn init_layer(options: &Self::Options, layer: &LayerSpec, device: &Device) -> Self;

    /// Applies the convolution.
    fn convolve(&self, x: Tensor<2>, edges: &Edges, inputs: &EdgeInputs) -> Tensor<2>;

    /// Whether edges may have weights.
    fn takes_edge_weight() -> bool {
        false
    }

    /// Width of the edges' features, if the convolution uses them.
    fn d_edge(&self) -> Option<usize> {
        None
    }
}

/// Configuration of a [`BasicGnn`].
#[derive(Clone, Debug)]
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
    /// Whether hidden features are batch-normalised.
    pub batch_norm: bool,
    /// How the layers' outputs are combined; without it the last convolution makes the output.
    pub jk: Option<JumpingKnowledge>,
    /// Options of the convolutions.
    pub conv: C::Options,
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
            batch_norm: false,
            jk: None,
            conv: C::default_options(),
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
    pub fn with_batch_norm(mut self, batch_norm: bool) -> Self {
        self.batch_norm = batch_norm;
        self
    }

    /// Combines the outputs of all layers.
    pub fn with_jk(mut self, jk: JumpingKnowledge) -> Self {
        self.jk = Some(jk);
        self
    }

    /// Sets the options of the convolutions. Where they are a layer's configuration, the widths in
    /// it have no effect: the model sets them.
    pub fn with_conv(mut self, conv: C::Options) -> Self {
        self.conv = conv;
        self
    }

    /// Creates the model.
    ///
    /// # Panics
    /// If there is no layer, or the dropout probability is not in `[0, 1)`.
    pub fn init(&self, device: &Device) -> BasicGnn<C> {
        assert!(self.num_layers > 0, "expected at least one layer");
        let hidden = self.hidden_channels;
        let out_channels = self.out_channels.unwrap_or(hidden);
        let convs = (0..self.num_layers).map(|i| {
            let is_last = i + 1 == self.num_layers;
            let is_output = is_last && self.jk.is_none() && self.out_channels.is_some();
            let layer = LayerSpec {
                d_input: if i == 0 { self.in_channels } else { hidden },
                d_output: if is_output { out_channels } else { hidden },
                is_output,
                dropout: self.dropout,
                act: self.act,
                act_first: self.act_first,
                batch_norm: self.batch_norm,
            };
            C::init_layer(&self.conv, &layer, device)
        });
        let num_norms = self.num_layers - usize::from(self.jk.is_none());
        let norms = (0..num_norms).map(|_| {
            self.batch_norm
                .then(|| BatchNormConfig::new(hidden).init(device))
        });
        BasicGnn {
            convs: convs.collect(),
            norms: norms.collect(),
            lin: self.jk.map(|jk| {
                init::linear(
                    jk.width(hidden, self.num_layers),
                    out_channels,
                    true,
                    device,
                )
            }),
            dropout: Dropout::new(self.dropout),
            in_channels: self.in_channels,
            act_first: self.act_first,
            act: self.act,
            jk: self.jk,
        }
    }
}

/// A stack of convolutions of type `C`.
///
/// Matches `torch_geometric.nn.models.BasicGNN` (2.8). Departs: batch normalisation is the only
/// normalisation, and jumping knowledge has no LSTM.
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes · output: `[N, out_channels]`
#[derive(Module, Debug)]
pub struct BasicGnn<C: Module> {
    /// The convolutions.
    pub convs: Vec<C>,
    /// Normalisation behind each convolution that is not the output.
    pub norms: Vec<Option<BatchNorm>>,
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
    pub jk: Option<JumpingKnowledge>,
}

impl<C: BasicConv> BasicGnn<C> {
    /// Applies the model.
    ///
    /// # Panics
    /// If the width of the features is not the model's.
    pub fn forward(&self, x: Tensor<2>, edges: impl Into<Edges>) -> Tensor<2> {
        self.forward_with(x, edges, EdgeInputs::default())
    }

    /// Applies the model with weights or features of edges, as far as its convolution takes them.
    ///
    /// # Panics
    /// If the width of the features is not the model's.
    pub fn forward_with(
        &self,
        x: Tensor<2>,
        edges: impl Into<Edges>,
        inputs: EdgeInputs,
    ) -> Tensor<2> {
        let scope = scope::layer(self, C::MODEL, "forward");
        let mut x = scope.input("x", x);
        let edges = scope.input("edge_index", edges.into());
        let inputs = EdgeInputs {
            weight: scope.input("edge_weight", inputs.weight),
            attr: scope.input("edge_attr", inputs.attr),
        };

        let mut outputs = Vec::new();
        for (i, conv) in self.convs.iter().enumerate() {
            x = conv.convolve(x, &edges, &inputs);
            if let Some(norm) = self.norms.get(i) {
                x = normalize_activate(x, norm.as_ref(), self.act, self.act_first);
                x = self.dropout.forward(x);
            }
            if self.jk.is_some() {
                outputs.push(x.clone());
            }
        }
        if let Some(jk) = self.jk {
            x = jk.combine(outputs);
        }
        if let Some(lin) = &self.lin {
            x = lin.transform(x);
        }
        scope.exit(x)
    }
}

impl<C: BasicConv> Overloads for BasicGnn<C> {
    fn overloads(&self) -> Vec<Overload<Self>> {
        let [coo, ..] = GraphForm::ALL;
        let mut signature = Signature::new()
            .with("x", nodes(self.in_channels))
            .with("edge_index", coo.edges());
        let takes_weight = C::takes_edge_weight();
        if takes_weight {
            signature = signature.with("edge_weight", edge_weight());
        }
        let d_edge = self.convs[0].d_edge();
        if let Some(d_edge) = d_edge {
            signature = signature.with("edge_attr", edge_attr(d_edge));
        }
        vec![Overload::new(
            "forward",
            signature,
            move |model: &Self, args| {
                let mut args = Arguments::new(args);
                let (x, edges) = (args.tensor(), args.edges());
                let inputs = EdgeInputs {
                    weight: if takes_weight { args.optional() } else { None },
                    attr: d_edge.and_then(|_| args.optional()),
                };
                value(model.forward_with(x, edges, inputs))
            },
        )]
    }

    fn kind(&self) -> &'static str {
        C::MODEL
    }
}
