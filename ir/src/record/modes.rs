//! Training and inference: one program for both.
//!
//! Dropout, also that inside attention, and batch normalisation are what knows both modes. A
//! forward pass is recorded with the flags of its modules as in training: Kiln's dropout is then an
//! operation, and the momentum of a batch normalisation is read from how Burn prints the module,
//! since no parameter shows it. A recording with the flags off tells whether this is all that
//! training changes, and what Burn's own modules do in training alone, where no recording sees it,
//! is refused.

use std::collections::{HashMap, HashSet};

use burn::module::{
    DisplaySettings, Flag, Module, ModuleDisplay, ModuleMapper, ModuleVisitor, Param, ParamId,
};

use super::{
    lift::Raw,
    recording::{Recording, Step, name},
};
use crate::op::{DenseOp, ElementwiseOp, Float, GraphOp, Op};

/// How the module that is recorded behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As while it is trained.
    Training,
    /// As outside training.
    Inference,
}

/// What a module does in training that its parameters do not tell.
#[derive(Debug, Default)]
pub(super) struct Training {
    /// Flags of the module that training switches on.
    flags: HashSet<ParamId>,
    /// Momentum of each batch normalisation that is trained, by the id of its scale.
    momenta: HashMap<String, f64>,
    /// Paths of layers whose training a recording does not show.
    pub(super) unseen: Vec<String>,
}

impl Training {
    /// Of a module, in whatever mode it is now.
    pub(super) fn of<M: Module + ModuleDisplay>(module: &M) -> Self {
        let module = module.clone().train();
        let mut training = Self::default();
        module.visit(&mut training);
        let settings = DisplaySettings::new()
            .with_show_all_attributes(true)
            .with_show_param_id(true)
            .with_show_num_parameters(false)
            .with_new_line_after_attribute(true)
            .with_indentation_size(1);
        training.read(&module.format(settings));
        training
    }

    /// The module with its flags as in training.
    pub(super) fn switch_on<M: Module>(&self, module: M) -> M {
        module.map(&mut SwitchOn(&self.flags))
    }

    /// Gives batch normalisations that are trained their momentum.
    pub(super) fn know_momenta(&self, recording: &mut Recording) {
        for step in &mut recording.steps {
            if let Step::Op(Raw { op, inputs, .. }) = step
                && let (Op::Dense(DenseOp::BatchNorm { momentum, .. }), Some(scale)) =
                    (op, inputs.get(1))
                && let Some(scale) = recording.params.get(scale)
            {
                let found = self.momenta.get(&scale.id.to_string());
                *momentum = found.map(|&momentum| Float(momentum));
            }
        }
    }

    /// Reads a module as Burn prints it, with all fields and the ids of parameters: an attribute
    /// per line, indented by its depth, and a brace at the end of a line that opens a module.
    fn read(&mut self, text: &str) {
        let mut open: Vec<Printed> = Vec::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some(head) = line.strip_suffix('{') {
                let (name, kind) = head.split_once(": ").unwrap_or(("", head));
                open.push(Printed {
                    name: name.to_owned(),
                    kind: kind.trim().to_owned(),
                    attributes: HashMap::new(),
                });
            } else if line == "}" {
                let path: Vec<&str> = open.iter().map(|one| one.name.as_str()).collect();
                let path = path.iter().skip(1).copied().collect::<Vec<_>>().join(".");
                if let Some(printed) = open.pop() {
                    self.close(&path, &printed);
                }
            } else if let (Some((name, value)), Some(printed)) =
                (line.split_once(": "), open.last_mut())
            {
                printed.attributes.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn close(&mut self, path: &str, printed: &Printed) {
        if printed
            .attributes
            .get("training")
            .is_none_or(|flag| flag != "enabled")
        {
            return;
        }
        let number = |name: &str| printed.attributes.get(name)?.parse::<f64>().ok();
        match printed.kind.as_str() {
            "BatchNorm" => {
                let id = printed
                    .attributes
                    .get("gamma")
                    .and_then(|text| text.split("id: ").nth(1));
                if let (Some(id), Some(momentum)) = (id, number("momentum")) {
                    let id = id.trim_end_matches('}').to_owned();
                    self.momenta.insert(id, momentum);
                }
            }
            // Burn's own, which act on tensors with gradients only; Kiln's names its flag
            // otherwise.
            "Dropout" if number("prob") != Some(0.0) => self.unseen.push(path.to_owned()),
            "GaussianNoise" if number("std") != Some(0.0) => self.unseen.push(path.to_owned()),
            "RRelu" => self.unseen.push(path.to_owned()),
            _ => {}
        }
    }
}

/// A module in print.
struct Printed {
    name: String,
    kind: String,
    attributes: HashMap<String, String>,
}

impl ModuleVisitor for Training {
    fn visit_flag(&mut self, flag: &Param<Flag>) {
        if flag.is_enabled() {
            self.flags.insert(flag.id);
        }
    }
}

struct SwitchOn<'a>(&'a HashSet<ParamId>);

impl ModuleMapper for SwitchOn<'_> {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let is_on = self.0.contains(&flag.id);
        flag.with_value(is_on)
    }
}

/// What differs between a recording of training and one of inference at the same sizes, apart from
/// dropout and batch normalisation.
pub(super) fn difference(training: &Recording, inference: &Recording) -> Option<String> {
    if training.result != inference.result {
        return Some("results of another structure".to_owned());
    }
    let (training, inference) = (Plain::new(training), Plain::new(inference));
    let mut pairs = training.steps.iter().zip(&inference.steps);
    if let Some((a, b)) = pairs.find(|(a, b)| a != b) {
        return Some(format!(
            "`{}` in training, `{}` outside",
            a.name(),
            b.name()
        ));
    }
    let (a, b) = (training.steps.len(), inference.steps.len());
    match training.steps.get(b).or(inference.steps.get(a)) {
        Some(more) if a > b => Some(format!("`{}` follows in training only", more.name())),
        Some(more) => Some(format!("`{}` follows outside training only", more.name())),
        None => None,
    }
}

/// A recording as inference sees it: no dropout, no momentum, running statistics as they are,
/// nothing that no result needs, and tensors numbered in order of definition.
struct Plain {
    steps: Vec<PlainStep>,
}

#[derive(Debug, PartialEq)]
enum PlainStep {
    Op {
        op: Op,
        inputs: Vec<Tensor>,
    },
    Output(Tensor),
    Scan {
        times: i64,
        reverse: bool,
    },
    /// A tensor crosses the border of a loop.
    Cross(Tensor),
    ScanEnd,
}

/// A tensor of a [`Plain`] recording.
#[derive(Clone, Debug, PartialEq)]
enum Tensor {
    /// An input, by position.
    Input(usize),
    /// A parameter, by its id.
    Parameter(ParamId),
    /// A constant, by position.
    Constant(usize),
    /// A result of an operation: number of the operation, and position.
    Result(usize, usize),
    /// What crosses the border of a loop, on the other side, by position.
    Crossed(usize),
}

impl PlainStep {
    fn name(&self) -> String {
        match self {
            Self::Op { op, .. } => name(op),
            Self::Output(_) => "result".to_owned(),
            Self::Scan { .. } | Self::Cross(_) | Self::ScanEnd => "loop".to_owned(),
        }
    }
}

impl Plain {
    fn new(recording: &Recording) -> Self {
        let living = living(&recording.steps);
        let mut known: HashMap<usize, Tensor> = HashMap::new();
        let (mut inputs, mut constants, mut operations, mut crossed) = (0, 0, 0, 0);
        let mut steps = Vec::new();
        for step in &recording.steps {
            match step {
                Step::Input { tensor } => {
                    known.insert(*tensor, Tensor::Input(inputs));
                    inputs += 1;
                }
                Step::Data { tensor } => {
                    let value = match recording.params.get(tensor) {
                        Some(parameter) => Tensor::Parameter(parameter.id),
                        // Parameters that a mode does not use may lie between constants.
                        None if living.contains(tensor) => {
                            constants += 1;
                            Tensor::Constant(constants)
                        }
                        None => continue,
                    };
                    known.insert(*tensor, value);
                }
                Step::Output { tensor } => {
                    steps.extend(known.get(tensor).cloned().map(PlainStep::Output));
                }
                Step::Enter {
                    outer: from,
                    inner: to,
                }
                | Step::Leave {
                    inner: from,
                    outer: to,
                } => {
                    if let Some(tensor) = known.get(from).cloned() {
                        known.insert(*to, tensor);
                    }
                }
                Step::Begin { .. } | Step::End => {}
                &Step::ScanBegin { times, reverse } => {
                    steps.push(PlainStep::Scan { times, reverse });
                }
                Step::ScanEnd => steps.push(PlainStep::ScanEnd),
                Step::Carry {
                    outer: from,
                    inner: to,
                }
                | Step::Row {
                    outer: from,
                    inner: to,
                }
                | Step::Next {
                    inner: from,
                    outer: to,
                }
                | Step::Stack {
                    inner: from,
                    outer: to,
                } => {
                    steps.extend(known.get(from).cloned().map(PlainStep::Cross));
                    known.insert(*to, Tensor::Crossed(crossed));
                    crossed += 1;
                }
                Step::Op(raw) => {
                    if let (Some(from), [to]) = (outside_training(raw), raw.outputs.as_slice()) {
                        if let Some(tensor) = known.get(from).cloned() {
                            known.insert(to.number, tensor);
                        }
                        continue;
                    }
                    if !raw.outputs.iter().any(|out| living.contains(&out.number)) {
                        continue;
                    }
                    let mut op = raw.op.clone();
                    match &mut op {
                        Op::Dense(DenseOp::BatchNorm { momentum, .. }) => *momentum = None,
                        Op::Graph(GraphOp::EdgeAttention { dropout, .. }) => *dropout = Float(0.0),
                        _ => {}
                    }
                    let inputs = raw
                        .inputs
                        .iter()
                        .filter_map(|input| known.get(input).cloned());
                    let inputs = inputs.collect();
                    steps.push(PlainStep::Op { op, inputs });
                    for (position, out) in raw.outputs.iter().enumerate() {
                        known.insert(out.number, Tensor::Result(operations, position));
                    }
                    operations += 1;
                }
            }
        }
        Self { steps }
    }
}

/// The input that is the result of an operation outside training, if there is one.
fn outside_training(raw: &Raw) -> Option<&usize> {
    match raw.op {
        Op::Elementwise(ElementwiseOp::Dropout { .. })
        | Op::Dense(DenseOp::RunningStatistic { .. }) => raw.inputs.first(),
        _ => None,
    }
}

/// Numbers of the tensors that a result needs outside training.
fn living(steps: &[Step]) -> HashSet<usize> {
    let mut living = HashSet::new();
    for step in steps.iter().rev() {
        match step {
            Step::Output { tensor } => {
                living.insert(*tensor);
            }
            Step::Enter {
                outer: from,
                inner: to,
            }
            | Step::Leave {
                inner: from,
                outer: to,
            } => {
                if living.contains(to) {
                    living.insert(*from);
                }
            }
            Step::Op(raw) => {
                if raw.outputs.iter().any(|out| living.contains(&out.number)) {
                    match outside_training(raw) {
                        Some(input) => {
                            living.insert(*input);
                        }
                        None => living.extend(&raw.inputs),
                    }
                }
            }
            // Whatever crosses the border of a loop may be needed by another step.
            Step::Carry { outer: from, .. }
            | Step::Row { outer: from, .. }
            | Step::Next { inner: from, .. }
            | Step::Stack { inner: from, .. } => {
                living.insert(*from);
            }
            Step::Data { .. }
            | Step::Input { .. }
            | Step::Begin { .. }
            | Step::End
            | Step::ScanBegin { .. }
            | Step::ScanEnd => {}
        }
    }
    living
}
