//! From several recordings of one forward pass to one with symbolic sizes.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::TensorData;
use kiln_core::size_to_i64;
use kiln_ops::scope::{Notes, ScopeInfo};

use super::{
    capture,
    error::{Place, RecordError},
    lift::{self, Raw},
    recording::{Parameter, Recording, Step, Structure, name},
    witness::Witnesses,
};
use crate::{
    op::{Attribute, Class, ElementwiseOp, Float, Op, attribute::Value},
    program::{ElemType, Program, SymbolId, TensorType},
    size::Size,
    text::Words,
    validate::infer,
};

/// A recording whose sizes are symbolic.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) steps: Vec<MergedStep>,
    pub(super) scopes: Vec<ScopeInfo>,
    pub(super) params: BTreeMap<usize, Parameter>,
    pub(super) constants: BTreeMap<usize, Constant>,
    pub(super) result: Structure,
}

/// A tensor that the forward pass made from data.
#[derive(Debug)]
pub(super) enum Constant {
    /// The same data in all recordings.
    Data(TensorData),
    /// `0, 1, 2, ..` up to a size.
    Arange(Size),
}

/// One step with symbolic sizes; see [`Step`].
#[derive(Debug)]
pub(super) enum MergedStep {
    Op {
        op: Op,
        inputs: Vec<usize>,
        outputs: Vec<MergedTensor>,
    },
    Data,
    Input {
        tensor: usize,
    },
    Output {
        tensor: usize,
    },
    Begin {
        scope: usize,
    },
    Enter {
        outer: usize,
        inner: usize,
    },
    Leave {
        inner: usize,
        outer: usize,
    },
    End,
    ScanBegin {
        times: Size,
        reverse: bool,
    },
    Carry {
        outer: usize,
        inner: usize,
    },
    Row {
        outer: usize,
        inner: usize,
    },
    Next {
        inner: usize,
        outer: usize,
    },
    Stack {
        inner: usize,
        outer: usize,
    },
    ScanEnd,
}

/// A tensor that an operation defines.
#[derive(Debug)]
pub(super) struct MergedTensor {
    pub(super) number: usize,
    pub(super) elem: ElemType,
    pub(super) dims: Vec<Size>,
}

/// What recordings are merged with: the method, its inputs, and the symbols.
pub(super) struct Context<'a> {
    /// Symbols and weights.
    pub(super) program: &'a Program,
    /// Name of the method.
    pub(super) method: &'a str,
    /// Types of its tensors, in the order in which the forward pass gets them.
    pub(super) inputs: &'a [TensorType],
    /// Symbols of sizes that depend on data, in order.
    pub(super) fresh: &'a [SymbolId],
}

/// Merges recordings, those that only test the others last.
pub(super) fn merge(
    context: &Context<'_>,
    recordings: Vec<Recording>,
    witnesses: Witnesses,
) -> Result<Merged, RecordError> {
    let mut merger = Merger {
        context,
        recordings: &recordings,
        witnesses,
        types: HashMap::new(),
        open: Vec::new(),
        loops: Vec::new(),
        conversions: 0,
    };
    let constants = merger.constants()?;
    let steps = merger.steps()?;
    let first = recordings.into_iter().next();
    let first = first.ok_or_else(|| RecordError::Capture {
        place: Place {
            method: context.method.to_owned(),
            layers: Vec::new(),
        },
        message: "no recording".to_owned(),
    })?;
    Ok(Merged {
        steps,
        scopes: first.notes.scopes,
        params: first.params,
        constants,
        result: first.result,
    })
}

struct Merger<'a> {
    context: &'a Context<'a>,
    recordings: &'a [Recording],
    witnesses: Witnesses,
    /// Types of tensors by number.
    types: HashMap<usize, TensorType>,
    /// Scopes that are open.
    open: Vec<usize>,
    /// Loops that have begun.
    loops: Vec<Loop>,
    /// Number of conversions so far, whose results are numbered downwards.
    conversions: usize,
}

/// A loop that has begun.
struct Loop {
    times: Size,
    /// Carried values whose next ones are to come, the first one last.
    carried: Vec<usize>,
}

impl Merger<'_> {
    fn place(&self) -> Place {
        let notes = self.recordings.first().map(|first| Notes {
            open: self.open.clone(),
            ..first.notes.clone()
        });
        capture::place(self.context.method, &notes.unwrap_or_default())
    }

    fn differs(&self, difference: String) -> RecordError {
        RecordError::SizeDependent {
            place: self.place(),
            difference,
        }
    }

    /// Tensors made from data: the same in all recordings, or numbers in order.
    fn constants(&mut self) -> Result<BTreeMap<usize, Constant>, RecordError> {
        let mut constants = BTreeMap::new();
        let Some(first) = self.recordings.first() else {
            return Ok(constants);
        };
        for (&number, shape) in &first.params {
            let dims = shape.dims.iter().map(|&dim| Size::fixed(dim)).collect();
            let elem = shape.elem;
            self.types.insert(number, TensorType { elem, dims });
        }
        for (&number, data) in &first.constants {
            let all: Vec<&TensorData> = self
                .recordings
                .iter()
                .filter_map(|recording| recording.constants.get(&number))
                .collect();
            let constant = self
                .constant(&all)
                .filter(|_| all.len() == self.recordings.len());
            let (Some(constant), Some(elem)) = (constant, lift::data_elem(data.dtype())) else {
                let shapes = all.iter().take(2).map(|data| format!("{:?}", data.shape()));
                return Err(RecordError::BakedConstant {
                    place: self.place(),
                    shape: shapes.collect::<Vec<_>>().join(" and "),
                });
            };
            let dims = match &constant {
                Constant::Data(data) => data.shape().iter().map(|&dim| fixed(dim)).collect(),
                Constant::Arange(end) => vec![end.clone()],
            };
            self.types.insert(number, TensorType { elem, dims });
            constants.insert(number, constant);
        }
        Ok(constants)
    }

    fn constant(&mut self, data: &[&TensorData]) -> Option<Constant> {
        let first = *data.first()?;
        if data.iter().all(|other| *other == first) {
            return Some(Constant::Data(first.clone()));
        }
        let is_arange = |data: &&TensorData| {
            (data.dtype().is_int() || data.dtype().is_uint())
                && data.shape().num_dims() == 1
                && data
                    .iter::<i64>()
                    .zip(0..)
                    .all(|(value, position)| value == position)
        };
        if !data.iter().all(is_arange) {
            return None;
        }
        let lengths: Vec<i64> = data
            .iter()
            .map(|data| size_to_i64(data.num_elements()))
            .collect();
        self.witnesses.fit(&lengths).map(Constant::Arange)
    }

    fn steps(&mut self) -> Result<Vec<MergedStep>, RecordError> {
        let Some((first, others)) = self.recordings.split_first() else {
            return Ok(Vec::new());
        };
        for other in others {
            if other.notes.fresh.len() != first.notes.fresh.len() {
                return Err(
                    self.differs("another number of results whose size depends on data".into())
                );
            }
            if other.result != first.result {
                return Err(self.differs("results of another structure".into()));
            }
        }
        let mut inputs = self.context.inputs.iter();
        let mut fresh = self.context.fresh.iter();
        let mut merged = Vec::with_capacity(first.steps.len());
        for (position, step) in first.steps.iter().enumerate() {
            let mut raws = Vec::with_capacity(self.recordings.len());
            for recording in self.recordings {
                let other = recording.steps.get(position);
                if !other.is_some_and(|other| same_step(step, other)) {
                    return Err(self.differs(format!(
                        "step {position} is `{}` at one size and `{}` at another",
                        describe(Some(step)),
                        describe(other)
                    )));
                }
                if let Some(Step::Op(raw)) = other {
                    raws.push(raw);
                }
            }
            let step = match step {
                Step::Op(_) => self.op(&raws, &mut fresh, &mut merged)?,
                Step::Data { .. } => MergedStep::Data,
                &Step::Input { tensor } => {
                    if let Some(ty) = inputs.next() {
                        self.define(tensor, ty.clone());
                    }
                    MergedStep::Input { tensor }
                }
                &Step::Output { tensor } => MergedStep::Output { tensor },
                &Step::Begin { scope } => {
                    self.open.push(scope);
                    MergedStep::Begin { scope }
                }
                &Step::Enter { outer, inner } => {
                    self.rename(outer, inner);
                    MergedStep::Enter { outer, inner }
                }
                &Step::Leave { inner, outer } => {
                    self.rename(inner, outer);
                    MergedStep::Leave { inner, outer }
                }
                Step::End => {
                    self.open.pop();
                    MergedStep::End
                }
                Step::ScanBegin { reverse, .. } => self.begin_loop(position, *reverse)?,
                &Step::Carry { outer, inner } => {
                    self.rename(outer, inner);
                    if let Some(open) = self.loops.last_mut() {
                        open.carried.insert(0, inner);
                    }
                    MergedStep::Carry { outer, inner }
                }
                &Step::Row { outer, inner } => {
                    self.row(outer, inner)?;
                    MergedStep::Row { outer, inner }
                }
                &Step::Next { inner, outer } => {
                    self.next(inner, outer)?;
                    MergedStep::Next { inner, outer }
                }
                &Step::Stack { inner, outer } => {
                    self.stack(inner, outer);
                    MergedStep::Stack { inner, outer }
                }
                Step::ScanEnd => {
                    self.loops.pop();
                    MergedStep::ScanEnd
                }
            };
            merged.push(step);
        }
        if let Some(longer) = others
            .iter()
            .find(|one| one.steps.len() > first.steps.len())
        {
            return Err(self.differs(format!(
                "`{}` follows at one size and nothing at another",
                describe(longer.steps.get(first.steps.len()))
            )));
        }
        Ok(merged)
    }

    fn define(&mut self, tensor: usize, ty: TensorType) {
        for dim in &ty.dims {
            self.witnesses.remember(dim);
        }
        self.types.insert(tensor, ty);
    }

    fn rename(&mut self, from: usize, to: usize) {
        if let Some(ty) = self.types.get(&from).cloned() {
            self.types.insert(to, ty);
        }
    }

    /// The loop whose beginning is at a position.
    fn begin_loop(&mut self, position: usize, reverse: bool) -> Result<MergedStep, RecordError> {
        let times = |recording: &Recording| match recording.steps.get(position) {
            Some(Step::ScanBegin { times, .. }) => Some(*times),
            _ => None,
        };
        let seen: Vec<i64> = self.recordings.iter().filter_map(times).collect();
        let times = self.witnesses.fit(&seen);
        let times = times.ok_or_else(|| RecordError::SizeNotFound {
            place: self.place(),
            what: "the number of steps".to_owned(),
            operation: LOOP.to_owned(),
            observed: observed(&seen),
        })?;
        self.loops.push(Loop {
            times: times.clone(),
            carried: Vec::new(),
        });
        Ok(MergedStep::ScanBegin { times, reverse })
    }

    /// A row of a sequence, which must have one for each step.
    fn row(&mut self, sequence: usize, row: usize) -> Result<(), RecordError> {
        let (Some(ty), Some(open)) = (self.types.get(&sequence), self.loops.last()) else {
            return Ok(());
        };
        let words = Words(self.context.program);
        match ty.dims.split_first() {
            Some((rows, dims)) if *rows == open.times => {
                let (elem, dims) = (ty.elem, dims.to_vec());
                self.define(row, TensorType { elem, dims });
                Ok(())
            }
            _ => Err(RecordError::Unproven {
                place: self.place(),
                operation: LOOP.to_owned(),
                problem: format!(
                    "expected a sequence of {} rows, got {}",
                    words.size(&open.times),
                    words.tensor_type(ty)
                ),
            }),
        }
    }

    /// What a step leaves for the next, which must have the type that it got.
    fn next(&mut self, left: usize, last: usize) -> Result<(), RecordError> {
        let got = self.loops.last_mut().and_then(|open| open.carried.pop());
        let (Some(expected), Some(ty)) = (
            got.and_then(|got| self.types.get(&got)),
            self.types.get(&left),
        ) else {
            return Ok(());
        };
        if ty != expected {
            let words = Words(self.context.program);
            return Err(RecordError::Unproven {
                place: self.place(),
                operation: LOOP.to_owned(),
                problem: format!(
                    "a step gets {} and leaves {}",
                    words.tensor_type(expected),
                    words.tensor_type(ty)
                ),
            });
        }
        self.rename(left, last);
        Ok(())
    }

    /// The rows that all steps leave.
    fn stack(&mut self, row: usize, all: usize) {
        if let (Some(ty), Some(open)) = (self.types.get(&row), self.loops.last()) {
            let dims = [open.times.clone()]
                .into_iter()
                .chain(ty.dims.iter().cloned());
            let (elem, dims) = (ty.elem, dims.collect());
            self.define(all, TensorType { elem, dims });
        }
    }

    /// An operation: its attributes by what the recordings show, its results by what follows.
    fn op<'f>(
        &mut self,
        raws: &[&Raw],
        fresh: &mut impl Iterator<Item = &'f SymbolId>,
        before: &mut Vec<MergedStep>,
    ) -> Result<MergedStep, RecordError> {
        let [first, ..] = raws else {
            return Ok(MergedStep::Data);
        };
        let inputs = self.converted(first, before);
        let mut op = first.op.clone();
        self.same_floats(raws)?;
        let numbers: Vec<Vec<i64>> = raws
            .iter()
            .map(|raw| {
                raw.op
                    .sizes()
                    .into_iter()
                    .filter_map(Size::as_fixed)
                    .collect()
            })
            .collect();
        for (slot, size) in op.sizes_mut().into_iter().enumerate() {
            let seen: Vec<i64> = numbers
                .iter()
                .filter_map(|all| all.get(slot).copied())
                .collect();
            *size = self
                .witnesses
                .fit(&seen)
                .ok_or_else(|| RecordError::SizeNotFound {
                    place: self.place(),
                    what: attribute(&first.op, slot),
                    operation: name(&first.op),
                    observed: observed(&seen),
                })?;
        }
        let types = self.infer(first, &inputs, &op, fresh)?;
        let mut outputs = Vec::with_capacity(types.len());
        for (result, (ty, output)) in types.into_iter().zip(&first.outputs).enumerate() {
            self.check(raws, result, &ty)?;
            self.define(output.number, ty.clone());
            outputs.push(MergedTensor {
                number: output.number,
                elem: ty.elem,
                dims: ty.dims,
            });
        }
        Ok(MergedStep::Op {
            op,
            inputs,
            outputs,
        })
    }

    /// The operands of an operation, after conversions where a program needs other integers than
    /// Burn: positions of 64 bits, and numbers of one type. Those that Burn's default has made 64
    /// bits wide in the program have 32 beside others that are declared so.
    fn converted(&mut self, raw: &Raw, before: &mut Vec<MergedStep>) -> Vec<usize> {
        let spec = raw.op.spec();
        let is_position = |position: usize| {
            let operand = spec.and_then(|spec| spec.operand(position));
            operand.is_some_and(|operand| operand.class == Class::Int)
        };
        let elem = |types: &HashMap<usize, TensorType>, number: &usize| {
            types.get(number).map(|ty| ty.elem)
        };
        let numbers = raw.inputs.iter().enumerate();
        let mut numbers = numbers.filter(|(position, _)| !is_position(*position));
        let is_short = numbers.any(|(_, number)| elem(&self.types, number) == Some(ElemType::I32));
        let mut inputs = raw.inputs.clone();
        for (position, number) in inputs.iter_mut().enumerate() {
            let to = match elem(&self.types, number) {
                Some(ElemType::I32 | ElemType::U8) if is_position(position) => ElemType::I64,
                Some(ElemType::I64) if is_short && !is_position(position) => ElemType::I32,
                _ => continue,
            };
            let dims = self.types.get(number).map(|ty| ty.dims.clone());
            let dims = dims.unwrap_or_default();
            let converted = usize::MAX - self.conversions;
            self.conversions += 1;
            before.push(MergedStep::Op {
                op: ElementwiseOp::Cast { elem: to }.into(),
                inputs: vec![*number],
                outputs: vec![MergedTensor {
                    number: converted,
                    elem: to,
                    dims: dims.clone(),
                }],
            });
            self.define(converted, TensorType { elem: to, dims });
            *number = converted;
        }
        inputs
    }

    /// Types of the results, which follow from those of the operands.
    fn infer<'f>(
        &self,
        raw: &Raw,
        inputs: &[usize],
        op: &Op,
        fresh: &mut impl Iterator<Item = &'f SymbolId>,
    ) -> Result<Vec<TensorType>, RecordError> {
        let unproven = |problem: String| RecordError::Unproven {
            place: self.place(),
            operation: name(&raw.op),
            problem,
        };
        let inputs: Option<Vec<&TensorType>> =
            inputs.iter().map(|number| self.types.get(number)).collect();
        let inputs = inputs.ok_or_else(|| unproven("a tensor of unknown origin".to_owned()))?;
        let mut types = infer(self.context.program, op, &inputs)
            .map_err(|problem| unproven(problem.to_string()))?;
        if op.effects().makes_size
            && let [ty] = types.as_mut_slice()
        {
            let symbol = fresh.next();
            let symbol =
                symbol.ok_or_else(|| unproven("a size that nothing announced".to_owned()))?;
            ty.dims = vec![Size::symbol(*symbol)];
        }
        if types.len() == raw.outputs.len() {
            Ok(types)
        } else {
            Err(unproven(format!("{} results", raw.outputs.len())))
        }
    }

    /// Whether a result has its type in all recordings.
    fn check(&self, raws: &[&Raw], result: usize, ty: &TensorType) -> Result<(), RecordError> {
        for (axis, dim) in ty.dims.iter().enumerate() {
            let output = |raw: &&Raw| raw.outputs.get(result)?.dims.get(axis).copied();
            let seen: Vec<i64> = raws.iter().filter_map(output).collect();
            if !self.witnesses.explains(dim, &seen) {
                let raw = raws.first();
                return Err(RecordError::SizeNotFound {
                    place: self.place(),
                    what: format!("axis {axis} of result {result}"),
                    operation: raw.map(|raw| name(&raw.op)).unwrap_or_default(),
                    observed: observed(&seen),
                });
            }
        }
        let elem = raws
            .first()
            .and_then(|raw| Some((raw, raw.outputs.get(result)?.elem)));
        match elem {
            // Which integers they are follows from the operands.
            Some((_, elem)) if elem.is_int() && ty.elem.is_int() => Ok(()),
            Some((raw, elem)) if elem != ty.elem => Err(RecordError::Unproven {
                place: self.place(),
                operation: name(&raw.op),
                problem: format!("expected {} as result {result}, got {elem}", ty.elem),
            }),
            _ => Ok(()),
        }
    }

    fn same_floats(&self, raws: &[&Raw]) -> Result<(), RecordError> {
        let floats = |raw: &Raw| -> Vec<Float> {
            let mut op = raw.op.clone();
            op.floats_mut().into_iter().map(|float| *float).collect()
        };
        let [first, others @ ..] = raws else {
            return Ok(());
        };
        let expected = floats(first);
        let other = others
            .iter()
            .map(|raw| floats(raw))
            .find(|other| *other != expected);
        other.map_or(Ok(()), |other| {
            Err(RecordError::FloatDependsOnSize {
                place: self.place(),
                operation: name(&first.op),
                observed: format!("{expected:?} and {other:?}"),
            })
        })
    }
}

/// A loop, in messages.
const LOOP: &str = "Scan";

fn fixed(dim: usize) -> Size {
    Size::fixed(size_to_i64(dim))
}

/// Which size of an operation's attributes stands at a position.
fn attribute(op: &Op, slot: usize) -> String {
    let of = |(attribute, value): (&Attribute, Value)| -> Vec<String> {
        let itself = format!("the attribute `{}`", attribute.name);
        match value {
            Value::Size(_) => vec![itself],
            Value::Scalar(scalar) | Value::OptionalScalar(Some(scalar)) => {
                scalar.as_size().map(|_| itself).into_iter().collect()
            }
            Value::Sizes(sizes) => (0..sizes.len())
                .map(|axis| format!("axis {axis}"))
                .collect(),
            Value::Ranges(ranges) => {
                let ends = |axis| ["start", "end"].map(|end| format!("the {end} of axis {axis}"));
                (0..ranges.len()).flat_map(ends).collect()
            }
            Value::Word(_)
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Integers(_)
            | Value::Float(_)
            | Value::OptionalFloat(_)
            | Value::OptionalScalar(None) => Vec::new(),
        }
    };
    let mut all = op.attributes().into_iter().flat_map(of);
    all.nth(slot).unwrap_or_default()
}

fn describe(step: Option<&Step>) -> String {
    match step {
        Some(Step::Op(raw)) => name(&raw.op),
        Some(Step::Data { .. }) => "constant".to_owned(),
        Some(Step::Begin { .. } | Step::Enter { .. }) => "begin of a layer".to_owned(),
        Some(Step::Leave { .. } | Step::End) => "end of a layer".to_owned(),
        Some(Step::Input { .. }) => "input".to_owned(),
        Some(Step::Output { .. }) => "output".to_owned(),
        Some(Step::ScanBegin { .. } | Step::Carry { .. } | Step::Row { .. }) => {
            "begin of a loop".to_owned()
        }
        Some(Step::Next { .. } | Step::Stack { .. } | Step::ScanEnd) => "end of a loop".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// Whether two steps do the same on the same tensors, whatever their numbers.
fn same_step(a: &Step, b: &Step) -> bool {
    let (a, b) = match (a, b) {
        (Step::Op(a), Step::Op(b)) => (a, b),
        (Step::ScanBegin { reverse: a, .. }, Step::ScanBegin { reverse: b, .. }) => return a == b,
        _ => return a == b,
    };
    let same_outputs = a.outputs.len() == b.outputs.len()
        && a.outputs
            .iter()
            .zip(&b.outputs)
            .all(|(a, b)| a.number == b.number && a.elem == b.elem && a.dims.len() == b.dims.len());
    same_outputs && a.inputs == b.inputs && without_numbers(&a.op) == without_numbers(&b.op)
}

/// The operation with all its sizes and floats set to zero: what must agree between recordings.
fn without_numbers(op: &Op) -> Op {
    let mut op = op.clone();
    for size in op.sizes_mut() {
        *size = Size::default();
    }
    for float in op.floats_mut() {
        float.0 = 0.0;
    }
    op
}

fn observed(seen: &[i64]) -> String {
    let numbers: Vec<String> = seen.iter().map(ToString::to_string).collect();
    format!("{} at {} different sizes", numbers.join(", "), seen.len())
}
