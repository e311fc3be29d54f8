//! Sums weighted by a network.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
};
use crate::{
    config::{ConfigError, LayerConfig},
    sequential::{NodeTransform as _, Sequential, relu_network},
};

/// Configuration of an [`AttentionalAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct AttentionalConfig {
    /// Widths of the network of the weights, from that of the elements to 1: linear layers with
    /// ReLU between them. PyG has a module here.
    pub gate_nn: Vec<usize>,
    /// Widths of the network of what is summed, if there is one.
    #[config(default = "None")]
    pub nn: Option<Vec<usize>>,
}

impl LayerConfig for AttentionalConfig {
    type Layer = AttentionalAggregation;

    const REQUIRED: &'static [&'static str] = &["gate_nn"];

    fn blank() -> Self {
        Self::new(Vec::new())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ok = self.gate_nn.len() >= 2 && self.gate_nn.last() == Some(&1);
        let expected = "at least two widths, the last of them 1";
        ConfigError::unless(ok, "gate_nn", expected, format!("{:?}", self.gate_nn))?;
        check_network("nn", self.nn.as_deref())
    }

    fn make(&self, device: &Device) -> AttentionalAggregation {
        AttentionalAggregation {
            gate_nn: relu_network(&self.gate_nn, device),
            nn: self.nn.as_ref().map(|nn| relu_network(nn, device)),
            config: self.clone(),
        }
    }
}

/// Checks the widths of a network.
pub(super) fn check_network(
    name: &'static str,
    widths: Option<&[usize]>,
) -> Result<(), ConfigError> {
    let ok = widths.is_none_or(|widths| widths.len() >= 2);
    ConfigError::unless(ok, name, "at least two widths", format!("{widths:?}"))
}

/// Sums elements weighted by the softmax of what a network makes of them.
///
/// ```text
/// out_i = Σ_j softmax_j( g(m_ji) ) · h(m_ji)
/// ```
///
/// Source: Li et al., Graph Matching Networks for Learning the Similarity of Graph Structured
/// Objects, 2019, arXiv:1904.12787. Matches `torch_geometric.nn.AttentionalAggregation` (2.8) with
/// one weight for all features.
#[derive(Module, Debug)]
pub struct AttentionalAggregation {
    /// The network `g`.
    pub gate_nn: Sequential,
    /// The network `h`.
    pub nn: Option<Sequential>,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: AttentionalConfig,
}

impl Combine for AttentionalAggregation {
    fn input(&self) -> Option<usize> {
        self.config.gate_nn.first().copied()
    }

    fn width(&self, element: usize) -> usize {
        let last = self.config.nn.as_ref().and_then(|nn| nn.last());
        last.copied().unwrap_or(element)
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let gate = elements.map(|x| self.gate_nn.transform(x)).rows();
        let weight = elements.softmax(gate).squeeze_dim(1);
        match &self.nn {
            Some(nn) => elements.map(|x| nn.transform(x)).weighted_sum(weight),
            None => elements.weighted_sum(weight),
        }
    }
}

aggregation_layers!(AttentionalAggregation(AttentionalConfig));
