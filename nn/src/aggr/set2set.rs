//! Attention by a recurrent query.

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
    rnn::{Lstm, LstmConfig},
};

/// Configuration of a [`Set2Set`].
#[derive(Config, Debug, PartialEq)]
pub struct Set2SetConfig {
    /// Width of the elements.
    pub in_channels: usize,
    /// Number of steps.
    pub processing_steps: usize,
}

impl LayerConfig for Set2SetConfig {
    type Layer = Set2Set;

    const REQUIRED: &'static [&'static str] = &["in_channels", "processing_steps"];

    fn blank() -> Self {
        Self::new(0, 1)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let some = self.in_channels > 0;
        ConfigError::unless(some, "in_channels", "at least one", "0")
    }

    fn make(&self, device: &Device) -> Set2Set {
        let width = self.in_channels;
        Set2Set {
            lstm: LstmConfig::new(2 * width, width).init(device),
            config: self.clone(),
        }
    }
}

/// Asks the elements several times by a query that a recurrent network makes of the answers.
///
/// ```text
/// q = LSTM(q*)        α_j = softmax_j( m_ji · q )        r = Σ_j α_j m_ji        q* = q ‖ r
/// ```
///
/// Source: Vinyals, Bengio, Kudlur, Order Matters: Sequence to Sequence for Sets, 2016,
/// arXiv:1511.06391. Matches `torch_geometric.nn.Set2Set` (2.8) with an LSTM of one layer.
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, 2 F]`
#[derive(Module, Debug)]
pub struct Set2Set {
    /// The recurrent network.
    pub lstm: Lstm,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: Set2SetConfig,
}

impl Combine for Set2Set {
    fn input(&self) -> Option<usize> {
        Some(self.config.in_channels)
    }

    fn width(&self, element: usize) -> usize {
        2 * element
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        let x = elements.rows();
        let ([_, width], sets) = (x.dims(), elements.num_sets());
        let zeros = |width| Tensor::zeros([sets, width], (&x.device(), x.dtype()));
        let (mut state, mut cell) = (zeros(width), zeros(width));
        let mut answer = zeros(2 * width);
        for _ in 0..self.config.processing_steps {
            (state, cell) = self.lstm.forward(answer, state, cell);
            let scores = (x.clone() * elements.lift(state.clone())).sum_dim(1);
            let weight = elements.softmax(scores).squeeze_dim(1);
            answer = Tensor::cat(vec![state.clone(), elements.weighted_sum(weight)], 1);
        }
        answer
    }
}

aggregation_layers!(Set2Set(Set2SetConfig));
