//! A convolution among neighbours beside attention among all nodes of a graph.

use burn::tensor::Int;
use kiln_core::{AnyTensor, Arguments, Groups, Leaves, Named, leaf_name};
use serde::{Deserialize, Serialize};

use super::{
    any_conv::{AnyConv, ConvConfig},
    prelude::*,
};
use crate::{
    activation::Activation,
    dropout::Dropout,
    multihead::MultiheadAttention,
    norm::{AnyNorm, NormConfig},
    sequential::{NodeTransform as _, Sequential, SequentialLayer},
    utils::num_groups,
};

/// Configuration of a [`GpsConv`].
#[derive(Config, Debug)]
pub struct GpsConvConfig {
    /// Width of the features.
    pub channels: usize,
    /// The convolution among neighbours, from `channels` to the same width, if there is one.
    #[config(default = "None")]
    pub conv: Option<ConvConfig>,
    /// Number of attention heads, which divides `channels`.
    #[config(default = 1)]
    pub heads: usize,
    /// Probability with which intermediate features are dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// The activation function.
    #[config(default = "Activation::Relu")]
    pub act: Activation,
    /// The normalisation, if there is one.
    #[config(default = "Some(NormConfig::batch_norm())")]
    pub norm: Option<NormConfig>,
    /// What the attention is.
    #[config(default = "GlobalAttention::Multihead")]
    pub attn_type: GlobalAttention,
    /// Options of the attention.
    #[config(default = "None")]
    pub attn_kwargs: Option<GlobalAttentionOptions>,
}

/// The attention among all nodes of a graph. PyG has `performer` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GlobalAttention {
    /// Inner products of several heads.
    Multihead,
}

/// Options of the attention among all nodes of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAttentionOptions {
    /// Probability with which an attention weight is dropped while training.
    pub dropout: f64,
}

impl GpsConvConfig {
    fn inner(&self) -> Result<Option<ConvConfig>, ConfigError> {
        self.conv.as_ref().map(ConvConfig::complete).transpose()
    }

    fn attention_dropout(&self) -> f64 {
        self.attn_kwargs.map_or(0.0, |options| options.dropout)
    }
}

impl LayerConfig for GpsConvConfig {
    type Layer = GpsConv;

    const REQUIRED: &'static [&'static str] = &["channels"];

    fn blank() -> Self {
        Self::new(0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.heads > 0 && self.channels.is_multiple_of(self.heads);
        let got = format!("{} heads of {} channels", self.heads, self.channels);
        ConfigError::unless(ok, "heads", "a number that divides `channels`", got)?;
        check_dropout(self.dropout)?;
        check_dropout(self.attention_dropout())?;
        NormConfig::check(self.norm.as_ref(), self.channels)?;
        self.inner().map(|_| ())
    }

    fn make(&self, device: &Device) -> GpsConv {
        let channels = self.channels;
        let conv = self.inner().unwrap_or_else(|error| panic!("{error}"));
        let linear = |d_in, d_out| {
            let config = LinearConfig::new(d_in, d_out);
            SequentialLayer::Linear(config.init(device))
        };
        let dropout = || SequentialLayer::Dropout(Dropout::new(self.dropout));
        let norm = || NormConfig::make(self.norm.as_ref(), channels, device);
        GpsConv {
            conv: conv.map(|conv| conv.make(device)),
            attn: MultiheadAttention::new(channels, self.heads, self.attention_dropout(), device),
            mlp: vec![
                linear(channels, 2 * channels),
                SequentialLayer::Activation(self.act.into()),
                dropout(),
                linear(2 * channels, channels),
                dropout(),
            ],
            norm1: norm(),
            norm2: norm(),
            norm3: norm(),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
        }
    }
}

/// A convolution among neighbours beside attention among all nodes of a graph, and a network of
/// each node.
///
/// ```text
/// h  = norm1(x + conv(x, edges)) + norm2(x + attention(x))
/// x' = norm3(h + mlp(h))
/// ```
///
/// Source: Rampášek et al., Recipe for a General, Powerful, Scalable Graph Transformer, 2022,
/// arXiv:2205.12454. Matches `torch_geometric.nn.GPSConv` (2.8) with `attn_type="multihead"`.
///
/// # Shapes
/// x: `[N, channels]` · edges: `E` among `N` nodes, with the weights or features that the
/// convolution takes · batch: the graph of each node, `[N]`, in any order; without it there is one
/// graph · output: `[N, channels]`
///
/// # Numerics
/// Attention takes a weight for each pair of nodes and each head without `batch`; with it `N²`
/// booleans, from which the pairs within graphs are selected.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = GcnConvConfig::new(4, 4).into();
/// let conv = GpsConvConfig::new(4).with_conv(Some(conv)).with_heads(2).init(&device);
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 4], &device), &edges).dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GpsConv {
    /// The convolution among neighbours.
    pub conv: Option<AnyConv>,
    /// The attention among all nodes of a graph.
    pub attn: MultiheadAttention,
    /// The network of each node.
    pub mlp: Sequential,
    /// Normalisation behind the convolution.
    pub norm1: Option<AnyNorm>,
    /// Normalisation behind the attention.
    pub norm2: Option<AnyNorm>,
    /// Normalisation of the result.
    pub norm3: Option<AnyNorm>,
    /// Dropout of intermediate features.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GpsConvConfig,
}

/// What [`GpsConv`] takes.
#[derive(Clone, Debug)]
pub struct GpsArgs {
    /// Nodes and edges.
    pub conv: ConvArgs,
    /// The graph of each node, `[N]`; one graph if there is none.
    pub batch: Option<Tensor<1, Int>>,
}

impl From<ConvArgs> for GpsArgs {
    fn from(conv: ConvArgs) -> Self {
        Self { conv, batch: None }
    }
}

impl Leaves for GpsArgs {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            conv: self.conv.map_leaves(name, f),
            batch: self.batch.map_leaves(&leaf_name(name, "batch"), f),
        }
    }
}

impl Arguments for GpsArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            batch: values.integers("batch"),
            conv: ConvArgs::from_named(values),
        }
    }
}

impl Layer for GpsConv {
    const NAME: &'static str = "GPSConv";

    type Config = GpsConvConfig;
    type Args = GpsArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let batch = Type::int(["N".into()]).optional();
        let own = Signatures::conv_of_one_set(self.config.channels).with("batch", batch);
        match &self.conv {
            Some(conv) => conv.add_arguments(own),
            None => own,
        }
    }

    fn compute(&self, GpsArgs { conv, batch }: GpsArgs) -> Tensor<2> {
        let (x, _) = conv.x.clone().floats::<2>();
        // With a norm that looks at graphs, the number of graphs is read back.
        let takes_groups = self.norm2.as_ref().is_some_and(AnyNorm::takes_groups);
        let groups = batch.clone().filter(|_| takes_groups).map(|batch| {
            let count = num_groups(batch.clone());
            Groups::new_unchecked(batch, count)
        });
        let normalize = |h: Tensor<2>, norm: &Option<AnyNorm>| match norm {
            Some(norm) => norm.forward(h, groups.as_ref()),
            None => h,
        };
        let finish = |h: Tensor<2>, norm: &Option<AnyNorm>| {
            let h = self.dropout.forward(h) + x.clone();
            normalize(h, norm)
        };
        let attended = finish(self.attn.forward(x.clone(), batch), &self.norm2);
        let out = match &self.conv {
            Some(local) => finish(local.forward(conv.x, conv.edges), &self.norm1) + attended,
            None => attended,
        };
        let out = out.clone() + self.mlp.transform(out);
        normalize(out, &self.norm3)
    }
}
