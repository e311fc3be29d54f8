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

/// Configuration of an [`Lstm`].
#[derive(Config, Debug)]
pub struct LstmConfig {
    /// Width of the input.
    pub input_size: usize,
    /// Width of the state.
    pub hidden_size: usize,
}

impl LstmConfig {
    /// Creates the layer.
    pub fn init(&self, device: &Device) -> Lstm {
        let (d_in, d_state) = (self.input_size, self.hidden_size);
        Lstm {
            weight_ih_l0: init::uniform([4 * d_state, d_in], d_state, device),
            weight_hh_l0: init::uniform([4 * d_state, d_state], d_state, device),
            bias_ih_l0: init::uniform([4 * d_state], d_state, device),
            bias_hh_l0: init::uniform([4 * d_state], d_state, device),
        }
    }
}

/// One step of a long short-term memory.
///
/// ```text
/// i = σ(W_ii x + b_ii + W_hi h + b_hi)        f = σ(W_if x + b_if + W_hf h + b_hf)
/// g = tanh(W_ig x + b_ig + W_hg h + b_hg)        o = σ(W_io x + b_io + W_ho h + b_ho)
/// c' = f ⊙ c + i ⊙ g        h' = o ⊙ tanh(c')
/// ```
///
/// Source: Hochreiter, Schmidhuber, Long Short-Term Memory, Neural Computation, 1997. Matches
/// `torch.nn.LSTM` of one layer, whose rows of weights are those of `i`, `f`, `g` and `o` in this
/// order.
///
/// # Shapes
/// x: `[N, input_size]` · h, c, outputs: `[N, hidden_size]`
#[derive(Module, Debug)]
pub struct Lstm {
    /// Maps of the input, `[4 · hidden_size, input_size]`.
    pub weight_ih_l0: Param<Tensor<2>>,
    /// Maps of the state, `[4 · hidden_size, hidden_size]`.
    pub weight_hh_l0: Param<Tensor<2>>,
    /// Biases of the input's maps, `[4 · hidden_size]`.
    pub bias_ih_l0: Param<Tensor<1>>,
    /// Biases of the state's maps, `[4 · hidden_size]`.
    pub bias_hh_l0: Param<Tensor<1>>,
}

impl Lstm {
    /// The next state and the next cell.
    ///
    /// # Panics
    /// If input, state or cell do not have the widths of the layer.
    pub fn forward(&self, x: Tensor<2>, h: Tensor<2>, c: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let map = |x, weight: &Param<Tensor<2>>, bias: &Param<Tensor<1>>| {
            kiln_ops::linear(x, weight.val().transpose(), Some(bias.val()))
        };
        let [_, width] = h.dims();
        let gates = map(x, &self.weight_ih_l0, &self.bias_ih_l0)
            + map(h, &self.weight_hh_l0, &self.bias_hh_l0);
        let part = |number: usize| gates.clone().narrow(1, number * width, width);
        let [input, forget, output] = [0, 1, 3].map(|number| kiln_ops::sigmoid(part(number)));
        let c = forget * c + input * activation::tanh(part(2));
        (output * activation::tanh(c.clone()), c)
    }
}
