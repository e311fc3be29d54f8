//! Recurrent networks of several layers, over sequences of any length.

use core::fmt;

use burn::{
    module::{
        Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault,
        ModuleMapper, ModuleVisitor, Param,
    },
    tensor::{Device, Tensor},
};
use kiln_ops::{linear, scan, scan_reversed};

use super::{gru, lstm};
use crate::{
    config::{ConfigError, check_dropout},
    dropout::Dropout,
    init,
    shape::{reshape, side_by_side},
};

/// The cell of a recurrent network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RnnKind {
    /// The gated recurrent unit, as in a [`GruCell`](super::GruCell).
    Gru,
    /// The long short-term memory, as in an [`Lstm`](super::Lstm).
    Lstm,
}

impl RnnKind {
    /// Number of maps of the input, and of the state.
    fn maps(self) -> usize {
        match self {
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }
}

/// Configuration of an [`Rnn`]: the arguments of `torch.nn.GRU` and `torch.nn.LSTM`.
#[derive(Clone, Debug)]
pub struct RnnConfig {
    /// Width of the input.
    pub input_size: usize,
    /// Width of the state.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_layers: usize,
    /// Whether to add learned biases.
    pub bias: bool,
    /// Probability with which the outputs of each layer but the last are dropped while training.
    pub dropout: f64,
    /// Whether each layer reads the sequence from its end too.
    pub bidirectional: bool,
}

impl RnnConfig {
    /// Whether the arguments go together.
    ///
    /// # Errors
    /// If the network cannot work with an argument.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.hidden_size > 0, "out_channels", "at least one", "0")?;
        ConfigError::unless(self.num_layers > 0, "num_layers", "at least one", "0")?;
        check_dropout(self.dropout)
    }

    /// Width of the output.
    pub fn width(&self) -> usize {
        self.hidden_size * self.directions()
    }

    fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// Creates the network.
    pub fn init(&self, kind: RnnKind, device: &Device) -> Rnn {
        let rows = kind.maps() * self.hidden_size;
        let uniform = |width| init::uniform([rows, width], self.hidden_size, device);
        let bias = || init::uniform([rows], self.hidden_size, device);
        let cells = (0..self.num_layers).flat_map(|layer| {
            let input = if layer == 0 {
                self.input_size
            } else {
                self.width()
            };
            (0..self.directions()).map(move |_| Cell {
                weight_ih: uniform(input),
                weight_hh: uniform(self.hidden_size),
                bias_ih: self.bias.then(bias),
                bias_hh: self.bias.then(bias),
            })
        });
        Rnn {
            cells: cells.collect(),
            dropout: Dropout::new(self.dropout),
            kind,
            config: self.clone(),
        }
    }
}

/// The parameters of a layer in one direction.
#[derive(Module, Debug)]
struct Cell {
    weight_ih: Param<Tensor<2>>,
    weight_hh: Param<Tensor<2>>,
    bias_ih: Option<Param<Tensor<1>>>,
    bias_hh: Option<Param<Tensor<1>>>,
}

/// The state of each sequence, and of a long short-term memory its cell. `[N, hidden_size]`
type State = (Tensor<2>, Option<Tensor<2>>);

impl Cell {
    /// The maps of the inputs of all steps. `[T, N, F]` gives `[T, N, maps · hidden_size]`.
    fn inputs(&self, x: Tensor<3>) -> Tensor<3> {
        let ([steps, rows, width], [maps, _]) = (x.dims(), self.weight_ih.dims());
        let weight = self.weight_ih.val().transpose();
        let bias = self.bias_ih.as_ref().map(Param::val);
        let inputs = linear(reshape(x, [steps * rows, width]), weight, bias);
        reshape(inputs, [steps, rows, maps])
    }

    /// The next state, by the map of the input.
    fn step(&self, (h, c): State, input: &Tensor<2>) -> State {
        let weight = self.weight_hh.val().transpose();
        let state = linear(h.clone(), weight, self.bias_hh.as_ref().map(Param::val));
        match c {
            None => (gru(input, &state, h), None),
            Some(c) => {
                let (h, c) = lstm(&(input.clone() + state), c);
                (h, Some(c))
            }
        }
    }
}

/// A gated recurrent unit or a long short-term memory of one or more layers, over sequences of any
/// length.
///
/// Matches `torch.nn.GRU` and `torch.nn.LSTM` that begin with states of zeros.
#[derive(Clone, Debug)]
pub struct Rnn {
    /// Those of each layer, forward before backward.
    cells: Vec<Cell>,
    dropout: Dropout,
    kind: RnnKind,
    config: RnnConfig,
}

impl Rnn {
    /// Outputs of the last step.
    ///
    /// # Shapes
    /// x: `[T, N, input_size]` for `T` steps of `N` sequences · output: `[N, hidden_size]`, or
    /// `[N, 2 · hidden_size]` in both directions
    ///
    /// # Panics
    /// If there is no step, or the width of the input is not that of the network.
    pub fn last(&self, x: Tensor<3>) -> Tensor<2> {
        let layers: Vec<&[Cell]> = self.cells.chunks(self.config.directions()).collect();
        let Some((last, before)) = layers.split_last() else {
            unreachable!("a network has at least one layer")
        };
        let x = before.iter().fold(x, |x, layer| {
            let outs = layer.iter().enumerate();
            let outs = outs.map(|(way, cell)| self.outputs(cell, x.clone(), way == 1));
            self.dropout.forward(side_by_side(outs.collect(), 2))
        });
        let [steps, ..] = x.dims();
        let outs = last.iter().enumerate().map(|(way, cell)| {
            let x = match way {
                // From the end, the last step is the first to be read.
                1 => x.clone().narrow(0, steps - 1, 1),
                _ => x.clone(),
            };
            let inputs = cell.inputs(x);
            let ([steps, ..], first) = (inputs.dims(), self.first(&inputs));
            let step = |state, input: Tensor<2>| (cell.step(state, &input), ());
            let ((h, _), ()) = scan(steps, first, inputs, step);
            h
        });
        side_by_side(outs.collect(), 1)
    }

    /// Outputs of all steps of a layer in one direction. `[T, N, hidden_size]`
    fn outputs(&self, cell: &Cell, x: Tensor<3>, reverse: bool) -> Tensor<3> {
        let inputs = cell.inputs(x);
        let ([steps, ..], first) = (inputs.dims(), self.first(&inputs));
        let step = |state, input: Tensor<2>| {
            let state = cell.step(state, &input);
            (state.clone(), state.0)
        };
        let (_, outputs) = if reverse {
            scan_reversed(steps, first, inputs, step)
        } else {
            scan(steps, first, inputs, step)
        };
        outputs
    }

    /// The state before the first step.
    fn first(&self, inputs: &Tensor<3>) -> State {
        let [_, rows, _] = inputs.dims();
        let shape = [rows, self.config.hidden_size];
        let zeros = || Tensor::zeros(shape, (&inputs.device(), inputs.dtype()));
        (zeros(), (self.kind == RnnKind::Lstm).then(zeros))
    }

    /// What PyTorch adds to the names of parameters: `_l1_reverse` for the second layer from the
    /// end.
    fn suffix(config: &RnnConfig, cell: usize) -> String {
        let directions = config.directions();
        let way = if cell % directions == 1 {
            "_reverse"
        } else {
            ""
        };
        format!("_l{}{way}", cell / directions)
    }
}

/// Passes parameters on under names with an addition.
struct WithSuffix<'a, T> {
    inner: &'a mut T,
    suffix: String,
}

impl<V: ModuleVisitor> ModuleVisitor for WithSuffix<'_, V> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.inner.visit_float(param);
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        let name = format!("{name}{}", self.suffix);
        self.inner.enter_module(&name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        let name = format!("{name}{}", self.suffix);
        self.inner.exit_module(&name, container);
    }
}

impl<M: ModuleMapper> ModuleMapper for WithSuffix<'_, M> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.inner.map_float(param)
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        let name = format!("{name}{}", self.suffix);
        self.inner.enter_module(&name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        let name = format!("{name}{}", self.suffix);
        self.inner.exit_module(&name, container);
    }
}

/// The name of the type for visitors.
const CONTAINER: &str = "Struct:Rnn";

/// Parameters have PyTorch's names: `weight_ih_l0`, `bias_hh_l1_reverse`.
impl Module for Rnn {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let devices = self.cells.collect_devices(devices);
        self.dropout.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        let (cells, dropout) = (self.cells.fork(device), self.dropout.fork(device));
        Self {
            cells,
            dropout,
            ..self
        }
    }

    fn to_device(self, device: &Device) -> Self {
        let (cells, dropout) = (self.cells.to_device(device), self.dropout.to_device(device));
        Self {
            cells,
            dropout,
            ..self
        }
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (number, cell) in self.cells.iter().enumerate() {
            let suffix = Self::suffix(&self.config, number);
            let inner = &mut *visitor;
            cell.visit(&mut WithSuffix { inner, suffix });
        }
        visitor.enter_module("dropout", CONTAINER);
        self.dropout.visit(visitor);
        visitor.exit_module("dropout", CONTAINER);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let cells = self.cells.into_iter().enumerate().map(|(number, cell)| {
            let suffix = Self::suffix(&self.config, number);
            let inner = &mut *mapper;
            Module::map(cell, &mut WithSuffix { inner, suffix })
        });
        let cells = cells.collect();
        mapper.enter_module("dropout", CONTAINER);
        let dropout = Module::map(self.dropout, mapper);
        mapper.exit_module("dropout", CONTAINER);
        Self {
            cells,
            dropout,
            kind: self.kind,
            config: self.config,
        }
    }

    fn valid(&self) -> Self {
        Self {
            cells: self.cells.valid(),
            dropout: self.dropout.valid(),
            kind: self.kind,
            config: self.config.clone(),
        }
    }

    fn train(self) -> Self {
        let (cells, dropout) = (self.cells.train(), self.dropout.train());
        Self {
            cells,
            dropout,
            ..self
        }
    }

    fn materialize(self) -> Self {
        let (cells, dropout) = (self.cells.materialize(), self.dropout.materialize());
        Self {
            cells,
            dropout,
            ..self
        }
    }
}

impl ModuleDisplayDefault for Rnn {
    fn content(&self, content: Content) -> Option<Content> {
        Some(content.add("cells", &self.cells))
    }
}

impl ModuleDisplay for Rnn {}

impl fmt::Display for Rnn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(DisplaySettings::default()))
    }
}
