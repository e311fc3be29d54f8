//! The multi-layer perceptron.

use burn::{
    config::Config,
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use kiln_core::signature::{Overload, Overloads, Signature};
use kiln_ops::scope;

use crate::{
    activation::Activation,
    dropout::Dropout,
    init,
    norm::{BatchNorm, BatchNormConfig},
    overload::{Arguments, nodes, value},
    sequential::NodeTransform,
};

/// Configuration of an [`Mlp`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Widths of the input, of each hidden layer and of the output (PyG: `channel_list`).
    pub channels: Vec<usize>,
    /// Probability with which hidden features are dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Activation function of the hidden layers, if any.
    #[config(default = "Some(Activation::Relu)")]
    pub act: Option<Activation>,
    /// Whether the activation comes before the normalisation.
    #[config(default = false)]
    pub act_first: bool,
    /// Whether hidden features are batch-normalised (PyG: `norm`).
    #[config(default = true)]
    pub batch_norm: bool,
    /// Whether the last layer is only linear; otherwise it too gets normalisation, activation and
    /// dropout.
    #[config(default = true)]
    pub plain_last: bool,
    /// Whether the layers have biases.
    #[config(default = true)]
    pub bias: bool,
}

impl MlpConfig {
    /// Creates the network.
    ///
    /// # Panics
    /// If there are fewer than two widths.
    pub fn init(&self, device: &Device) -> Mlp {
        assert!(
            self.channels.len() >= 2,
            "expected the widths of input and output, got {} widths",
            self.channels.len()
        );
        let lins = self
            .channels
            .windows(2)
            .map(|d| init::linear(d[0], d[1], self.bias, device));
        let last = self.channels.len() - usize::from(self.plain_last);
        let norms = self.channels[1..last].iter().map(|width| {
            self.batch_norm
                .then(|| BatchNormConfig::new(*width).init(device))
        });
        Mlp {
            lins: lins.collect(),
            norms: norms.collect(),
            dropout: Dropout::new(self.dropout),
            act: self.act,
            act_first: self.act_first,
        }
    }
}

/// Linear layers with normalisation, activation and dropout between them.
///
/// Matches `torch_geometric.nn.MLP` (2.8). Departs: one dropout probability and one choice of bias
/// for all layers.
///
/// # Shapes
/// x: `[N, channels[0]]` · output: `[N, channels[last]]`
#[derive(Module, Debug)]
pub struct Mlp {
    /// The linear layers.
    pub lins: Vec<Linear>,
    /// Normalisation behind each linear layer but a plain last one.
    pub norms: Vec<Option<BatchNorm>>,
    /// Dropout behind each of those layers.
    pub dropout: Dropout,
    /// The activation function.
    #[module(skip)]
    pub act: Option<Activation>,
    /// Whether the activation comes before the normalisation.
    pub act_first: bool,
}

impl Mlp {
    const KIND: &'static str = "MLP";

    /// Applies the network.
    ///
    /// # Panics
    /// If the width of the features is not that of the first layer.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let scope = scope::layer(self, Self::KIND, "forward");
        let x = scope.input("x", x);
        let hidden = self.lins.iter().zip(&self.norms);
        let x = hidden.fold(x, |x, (lin, norm)| {
            let x = if norm.is_none() && self.act == Some(Activation::Relu) {
                lin.transform_relu(x)
            } else {
                normalize_activate(lin.transform(x), norm.as_ref(), self.act, self.act_first)
            };
            self.dropout.forward(x)
        });
        // A plain last layer has no normalisation, so the fold has left it out.
        let out = match self.lins.get(self.norms.len()) {
            Some(last) => last.transform(x),
            None => x,
        };
        scope.exit(out)
    }
}

/// Normalisation and activation in the order asked for.
pub(super) fn normalize_activate(
    x: Tensor<2>,
    norm: Option<&BatchNorm>,
    act: Option<Activation>,
    act_first: bool,
) -> Tensor<2> {
    let normalize = |x| match norm {
        Some(norm) => norm.forward(x),
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

impl Overloads for Mlp {
    fn overloads(&self) -> Vec<Overload<Self>> {
        let d_input = self.lins[0].weight.dims()[0];
        let signature = Signature::new().with("x", nodes(d_input));
        vec![Overload::new("forward", signature, |mlp: &Self, args| {
            value(mlp.forward(Arguments::new(args).tensor()))
        })]
    }

    fn kind(&self) -> &'static str {
        Self::KIND
    }
}
