//! Recurrent cells, with the parameters and the formulas of PyTorch.

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor, activation},
};

use crate::init;

/// Configuration of a [`GruCell`].
#[derive(Config, Debug)]
pub struct GruCellConfig {
    /// Width of the input.
    pub input_size: usize,
    /// Width of the state.
    pub hidden_size: usize,
    /// Whether to add learned biases.
    #[config(default = true)]
    pub bias: bool,
}

impl GruCellConfig {
    /// Creates the cell.
    pub fn init(&self, device: &Device) -> GruCell {
        let (d_in, d_state) = (self.input_size, self.hidden_size);
        let bias = || {
            self.bias
                .then(|| init::uniform([3 * d_state], d_state, device))
        };
        GruCell {
            weight_ih: init::uniform([3 * d_state, d_in], d_state, device),
            weight_hh: init::uniform([3 * d_state, d_state], d_state, device),
            bias_ih: bias(),
            bias_hh: bias(),
        }
    }
}

/// One step of a gated recurrent unit.
///
/// ```text
/// r = σ(W_ir x + b_ir + W_hr h + b_hr)        z = σ(W_iz x + b_iz + W_hz h + b_hz)
/// n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))        h' = (1 - z) ⊙ n + z ⊙ h
/// ```
///
/// Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for Statistical
/// Machine Translation, 2014, arXiv:1406.1078. Matches `torch.nn.GRUCell`, whose rows of weights
/// are those of `r`, `z` and `n` in this order.
///
/// # Shapes
/// x: `[N, input_size]` · h, output: `[N, hidden_size]`
#[derive(Module, Debug)]
pub struct GruCell {
    /// Maps of the input, `[3 · hidden_size, input_size]`.
    pub weight_ih: Param<Tensor<2>>,
    /// Maps of the state, `[3 · hidden_size, hidden_size]`.
    pub weight_hh: Param<Tensor<2>>,
    /// Biases of the input's maps, `[3 · hidden_size]`.
    pub bias_ih: Option<Param<Tensor<1>>>,
    /// Biases of the state's maps, `[3 · hidden_size]`.
    pub bias_hh: Option<Param<Tensor<1>>>,
}

impl GruCell {
    /// The next state.
    ///
    /// # Panics
    /// If input or state do not have the widths of the cell.
    pub fn forward(&self, x: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        let map = |x, weight: &Param<Tensor<2>>, bias: &Option<Param<Tensor<1>>>| {
            let weight = weight.val().transpose();
            kiln_ops::linear(x, weight, bias.as_ref().map(Param::val))
        };
        let input = map(x, &self.weight_ih, &self.bias_ih);
        let state = map(h.clone(), &self.weight_hh, &self.bias_hh);
        let [_, width] = h.dims();
        let part = |of: &Tensor<2>, number: usize| of.clone().narrow(1, number * width, width);
        let gate = |number| kiln_ops::sigmoid(part(&input, number) + part(&state, number));
        let (reset, keep) = (gate(0), gate(1));
        let new = activation::tanh(part(&input, 2) + reset * part(&state, 2));
        new.clone() - keep.clone() * new + keep * h
    }
}
