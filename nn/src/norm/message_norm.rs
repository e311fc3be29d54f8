//! Normalisation of aggregated messages.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use kiln_core::{Arguments, Named, Signatures, leaves, signature::Type};
use kiln_ops::Layer;

use crate::{
    config::LayerConfig,
    utils::{row_lengths, unit_rows},
};

/// Configuration of a [`MessageNorm`].
#[derive(Config, Debug)]
pub struct MessageNormConfig {
    /// Whether the number `s` is learned; it is 1 otherwise.
    #[config(default = false)]
    pub learn_scale: bool,
}

impl LayerConfig for MessageNormConfig {
    type Layer = MessageNorm;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, device: &Device) -> MessageNorm {
        let scale = Param::from_tensor(Tensor::ones([1], device));
        MessageNorm {
            scale: scale.set_require_grad(self.learn_scale),
        }
    }
}

/// Scales the aggregated messages of each node to the length of its features times a number.
///
/// ```text
/// m_i' = s · ‖x_i‖ · m_i / ‖m_i‖
/// ```
///
/// Source: Li et al., DeeperGCN: All You Need to Train Deeper GCNs, 2020, arXiv:2006.07739. Matches
/// `torch_geometric.nn.MessageNorm` (2.8) with the Euclidean norm.
///
/// # Shapes
/// x: `[N, F]` · messages: `[N, F']` · output: `[N, F']`
#[derive(Module, Debug)]
pub struct MessageNorm {
    /// The number `s`, `[1]`.
    pub scale: Param<Tensor<1>>,
}

/// What [`MessageNorm`] takes: features of nodes, and a message each.
#[derive(Clone, Debug)]
pub struct MessageNormArgs {
    /// Features of the nodes, `[N, F]`.
    pub x: Tensor<2>,
    /// Messages, `[N, F']`.
    pub msg: Tensor<2>,
}

leaves!(MessageNormArgs { x, msg });

impl From<(Tensor<2>, Tensor<2>)> for MessageNormArgs {
    fn from((x, msg): (Tensor<2>, Tensor<2>)) -> Self {
        Self { x, msg }
    }
}

impl Arguments for MessageNormArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            msg: values.tensor("msg"),
        }
    }
}

impl MessageNorm {
    /// Normalises messages.
    ///
    /// # Panics
    /// If the numbers of rows differ.
    pub fn forward(&self, x: Tensor<2>, messages: Tensor<2>) -> Tensor<2> {
        self.call((x, messages))
    }
}

impl Layer for MessageNorm {
    const NAME: &'static str = "MessageNorm";

    type Config = MessageNormConfig;
    type Args = MessageNormArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let rows = |width: &str| Type::float(["N".into(), width.into()]);
        Signatures::new()
            .with("x", rows("F"))
            .with("msg", rows("messages"))
    }

    fn compute(&self, MessageNormArgs { x, msg }: MessageNormArgs) -> Tensor<2> {
        unit_rows(msg) * row_lengths(x) * self.scale.val().unsqueeze_dim(1)
    }
}
