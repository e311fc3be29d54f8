//! A network of each element, and one of their sum.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use kiln_ops::Reduce;

use super::{
    attentional::check_network,
    elements::Elements,
    layer::{Combine, aggregation_layers},
};
use crate::{
    config::{ConfigError, LayerConfig},
    sequential::{NodeTransform as _, Sequential, relu_network},
};

/// Configuration of a [`DeepSetsAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct DeepSetsConfig {
    /// Widths of the network of each element, if there is one: linear layers with ReLU between
    /// them. PyG has a module here.
    #[config(default = "None")]
    pub local_nn: Option<Vec<usize>>,
    /// Widths of the network of the sum, if there is one.
    #[config(default = "None")]
    pub global_nn: Option<Vec<usize>>,
}

impl LayerConfig for DeepSetsConfig {
    type Layer = DeepSetsAggregation;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_network("local_nn", self.local_nn.as_deref())?;
        check_network("global_nn", self.global_nn.as_deref())
    }

    fn make(&self, device: &Device) -> DeepSetsAggregation {
        let network = |widths: &Option<Vec<usize>>| {
            let widths = widths.as_ref();
            widths.map(|widths| relu_network(widths, device))
        };
        DeepSetsAggregation {
            local_nn: network(&self.local_nn),
            global_nn: network(&self.global_nn),
            config: self.clone(),
        }
    }
}

/// Applies a network to each element, adds up, and applies another to the sum.
///
/// ```text
/// out_i = g( Σ_j h(m_ji) )
/// ```
///
/// Source: Zaheer et al., Deep Sets, 2017, arXiv:1703.06114. Matches
/// `torch_geometric.nn.DeepSetsAggregation` (2.8).
#[derive(Module, Debug)]
pub struct DeepSetsAggregation {
    /// The network `h`.
    pub local_nn: Option<Sequential>,
    /// The network `g`.
    pub global_nn: Option<Sequential>,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: DeepSetsConfig,
}

impl Combine for DeepSetsAggregation {
    fn input(&self) -> Option<usize> {
        let networks = [&self.config.local_nn, &self.config.global_nn];
        networks
            .into_iter()
            .flatten()
            .find_map(|widths| widths.first())
            .copied()
    }

    fn width(&self, element: usize) -> usize {
        let networks = [&self.config.global_nn, &self.config.local_nn];
        let last = networks
            .into_iter()
            .flatten()
            .find_map(|widths| widths.last());
        last.copied().unwrap_or(element)
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let sum = match &self.local_nn {
            Some(local) => elements.map(|x| local.transform(x)).reduce(Reduce::Sum),
            None => elements.reduce(Reduce::Sum),
        };
        match &self.global_nn {
            Some(global) => global.transform(sum),
            None => sum,
        }
    }
}

aggregation_layers!(DeepSetsAggregation(DeepSetsConfig));
