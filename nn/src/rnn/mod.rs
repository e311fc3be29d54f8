//! Recurrent cells and networks, with the parameters and the formulas of PyTorch.

mod network;

use burn::{
    config::Config,
    module::{Module, Param},
    tensor::{Device, Tensor, activation},
};

pub use self::network::{Rnn, RnnConfig, RnnKind};
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
        gru(&input, &state, h)
    }
}

/// The next state of a gated recurrent unit, by the maps of input and state.
fn gru(input: &Tensor<2>, state: &Tensor<2>, h: Tensor<2>) -> Tensor<2> {
    let [_, width] = h.dims();
    let part = |of: &Tensor<2>, number: usize| of.clone().narrow(1, number * width, width);
    let gate = |number| kiln_ops::sigmoid(part(input, number) + part(state, number));
    let (reset, keep) = (gate(0), gate(1));
    let new = activation::tanh(part(input, 2) + reset * part(state, 2));
    new.clone() - keep.clone() * new + keep * h
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

/// A long short-term memory that reads a sequence in both directions.
///
/// Matches `torch.nn.LSTM` of one layer with `bidirectional=True`.
#[derive(Module, Debug)]
pub struct BiLstm {
    /// Maps of the input, `[4 · hidden_size, input_size]`.
    pub weight_ih_l0: Param<Tensor<2>>,
    /// Maps of the state, `[4 · hidden_size, hidden_size]`.
    pub weight_hh_l0: Param<Tensor<2>>,
    /// Biases of the input's maps, `[4 · hidden_size]`.
    pub bias_ih_l0: Param<Tensor<1>>,
    /// Biases of the state's maps, `[4 · hidden_size]`.
    pub bias_hh_l0: Param<Tensor<1>>,
    /// The first for the way back.
    pub weight_ih_l0_reverse: Param<Tensor<2>>,
    /// The second for the way back.
    pub weight_hh_l0_reverse: Param<Tensor<2>>,
    /// The third for the way back.
    pub bias_ih_l0_reverse: Param<Tensor<1>>,
    /// The fourth for the way back.
    pub bias_hh_l0_reverse: Param<Tensor<1>>,
}

impl LstmConfig {
    /// Creates a layer that reads in both directions.
    pub fn init_both(&self, device: &Device) -> BiLstm {
        let [there, back] = [(); 2].map(|()| self.init(device));
        BiLstm {
            weight_ih_l0: there.weight_ih_l0,
            weight_hh_l0: there.weight_hh_l0,
            bias_ih_l0: there.bias_ih_l0,
            bias_hh_l0: there.bias_hh_l0,
            weight_ih_l0_reverse: back.weight_ih_l0,
            weight_hh_l0_reverse: back.weight_hh_l0,
            bias_ih_l0_reverse: back.bias_ih_l0,
            bias_hh_l0_reverse: back.bias_hh_l0,
        }
    }
}

impl BiLstm {
    /// The states of both directions at each place of a sequence, side by side.
    ///
    /// # Shapes
    /// sequence: `[N, input_size]` each · output: `[N, 2 · hidden_size]` each
    ///
    /// # Panics
    /// If an element does not have the width of the layer.
    pub fn forward(&self, sequence: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let there = Lstm {
            weight_ih_l0: self.weight_ih_l0.clone(),
            weight_hh_l0: self.weight_hh_l0.clone(),
            bias_ih_l0: self.bias_ih_l0.clone(),
            bias_hh_l0: self.bias_hh_l0.clone(),
        };
        let back = Lstm {
            weight_ih_l0: self.weight_ih_l0_reverse.clone(),
            weight_hh_l0: self.weight_hh_l0_reverse.clone(),
            bias_ih_l0: self.bias_ih_l0_reverse.clone(),
            bias_hh_l0: self.bias_hh_l0_reverse.clone(),
        };
        let there = there.states(sequence.iter());
        let mut back = back.states(sequence.iter().rev());
        back.reverse();
        let both = there.into_iter().zip(back);
        both.map(|(there, back)| Tensor::cat(vec![there, back], 1))
            .collect()
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
    /// The states behind each element of a sequence, from a state of zeros.
    fn states<'a>(&self, sequence: impl Iterator<Item = &'a Tensor<2>>) -> Vec<Tensor<2>> {
        let mut states = Vec::new();
        let mut last: Option<(Tensor<2>, Tensor<2>)> = None;
        for x in sequence {
            let [_, width] = self.weight_hh_l0.dims();
            let zeros = || Tensor::zeros([x.dims()[0], width], (&x.device(), x.dtype()));
            let (h, c) = last.unwrap_or_else(|| (zeros(), zeros()));
            let (h, c) = self.forward(x.clone(), h, c);
            states.push(h.clone());
            last = Some((h, c));
        }
        states
    }

    /// The next state and the next cell.
    ///
    /// # Panics
    /// If input, state or cell do not have the widths of the layer.
    pub fn forward(&self, x: Tensor<2>, h: Tensor<2>, c: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let map = |x, weight: &Param<Tensor<2>>, bias: &Param<Tensor<1>>| {
            kiln_ops::linear(x, weight.val().transpose(), Some(bias.val()))
        };
        let gates = map(x, &self.weight_ih_l0, &self.bias_ih_l0)
            + map(h, &self.weight_hh_l0, &self.bias_hh_l0);
        lstm(&gates, c)
    }
}

/// The next state and the next cell of a long short-term memory, by the maps of input and state.
fn lstm(gates: &Tensor<2>, c: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let [_, width] = c.dims();
    let part = |number: usize| gates.clone().narrow(1, number * width, width);
    let [input, forget, output] = [0, 1, 3].map(|number| kiln_ops::sigmoid(part(number)));
    let c = forget * c + input * activation::tanh(part(2));
    (output * activation::tanh(c.clone()), c)
}
