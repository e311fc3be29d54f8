//! A call that is run many times with inputs of the same shapes.

use core::{fmt, marker::PhantomData};
use std::collections::BTreeMap;

use burn::backend::{DispatchTensor, TensorMetadata as _};
use burn::tensor::{Shape, StreamId};
use kiln_core::AnyTensor;

use super::{
    Argument, ExecError, Kind, Session,
    argument::arguments,
    eval::Eval,
    graph::Graphs,
    inputs,
    plan::Plan,
    replay::{self, Replay},
    signature::{CasePlan, Signature},
};
use crate::{
    program::{ElemType, Function, Method, ValueId, ValueType},
    text::Words,
};

/// A call of a method with inputs of fixed shapes, made by [`Session::prepare`].
///
/// The call owns its inputs. A run takes new values for some of them and keeps the others:
///
/// - *Inputs of integers are the graph.* What depends on them and on weights alone is computed
///   once: edges stay sorted, and normalised coefficients stay. A run that changes such an input
///   does this anew, and so takes as long as a first run.
/// - *Floats and booleans* may change in each run at no further cost.
///
/// On a device that can note launches (CUDA), runs on an unchanged graph are repeated by the device
/// at one command, which for small graphs takes a fraction of the time: [`replays`](Self::replays)
/// tells. On others each run launches its kernels.
///
/// Results are tensors of their own. A later run does not change them, and they may outlive the
/// call. Who reads them before the next run saves their copies with
/// [`run_in_place`](Self::run_in_place).
///
/// The call stays on the thread that prepared it, because a device orders the work of each thread
/// by itself. While CUDA notes launches (in `prepare`, and in the second run after a change of the
/// graph), other threads should not use the device: their work would fail the noting, or fail
/// itself.
///
/// ```
/// # let text = "kiln 1
/// # symbols $N, $E
/// # module @ = Net {
/// #   method forward(x: f32[$N, 1], edge_index: i64[2, $E]) -> f32[$N, 1] {
/// #     case () -> @forward
/// #   }
/// # }
/// # fn @forward(x %0: f32[$N, 1], edge_index %1: i64[2, $E]) -> (%6) {
/// #   %2: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)
/// #   %3: i64[$E] = reshape{dims=[$E]}(%2)
/// #   %4: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)
/// #   %5: i64[$E] = reshape{dims=[$E]}(%4)
/// #   %6: f32[$N, 1] = spmm{reduce=sum, size=$N}(%0, %3, %5)
/// # }
/// # ";
/// # use kiln_ir::{Model, Weights, parse, validate};
/// # let model = Model::new(validate(parse(text)?)?, Weights::new())?;
/// use std::collections::BTreeMap;
///
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_core::AnyTensor;
/// use kiln_ir::Session;
///
/// // A model that sums over neighbours.
/// let device = Device::flex();
/// let session = Session::new(&model, &device)?;
/// let x = Tensor::<2>::from_floats([[1.0], [2.0]], &device);
/// let edges = Tensor::<2, Int>::from_ints([[0, 1], [1, 0]], &device);
/// let inputs = BTreeMap::from([
///     ("x".to_owned(), AnyTensor::from(x)),
///     ("edge_index".to_owned(), edges.into()),
/// ]);
/// let mut call = session.prepare("forward", inputs)?;
/// for value in [3.0, 4.0] {
///     let x = Tensor::<2>::full([2, 1], value, &device);
///     let (_, output) = call.run_with(BTreeMap::from([("x".to_owned(), x)]))?.remove(0);
///     assert_eq!(output.float::<2>().into_data().as_slice::<f32>()?, [value, value]);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Prepared<'s> {
    session: &'s Session,
    method: &'s Method,
    signature: &'s Signature,
    case: &'s CasePlan,
    function: &'s Function,
    eval: Eval<'s>,
    plan: Plan,
    /// Those that are tensors, which are the function's first.
    inputs: Vec<Input>,
    /// Stands before what it reads, so that it goes first.
    replay: State,
    /// Values by number: inputs, and results of what is done once.
    held: Vec<Option<DispatchTensor>>,
    graphs: Graphs,
    /// Those of the last run in place.
    results: Vec<(String, AnyTensor)>,
    /// Whether what is done once has been done for these inputs.
    is_settled: bool,
    /// Where the device orders the work of this call.
    stream: StreamId,
    thread: PhantomData<*const ()>,
}

/// An input of the function.
struct Input {
    name: String,
    elem: ElemType,
    /// Whether it has indices of 32 bits.
    is_index: bool,
    shape: Shape,
    /// Whether it may be another in each run. If not, it is a part of the graph.
    varies: bool,
}

/// Whether the device repeats runs.
enum State {
    /// Not yet: the next run tries.
    Due,
    /// It does.
    Ready(Replay),
    /// It cannot.
    Never,
}

/// What becomes of the results of noted launches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Results {
    /// They leave as tensors of their own.
    Copied,
    /// They are the memory that the next run writes.
    InPlace,
}

impl Session {
    /// Prepares a call of a method for many runs: binds the inputs, sorts edges, and runs it a few
    /// times. Method and inputs are those of [`run`](Self::run).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn prepare<A: Into<Argument>>(
        &self,
        method: &str,
        inputs: BTreeMap<String, A>,
    ) -> Result<Prepared<'_>, ExecError> {
        self.prepare_arguments(method, arguments(inputs))
    }

    fn prepare_arguments(
        &self,
        method: &str,
        inputs: BTreeMap<String, Argument>,
    ) -> Result<Prepared<'_>, ExecError> {
        let (method, signature) = self.method(method, &inputs)?;
        let (case, call) = inputs::bind(self, method, signature, inputs)?;
        // A valid case names a function.
        let function = &self.program.functions[call.function.index()];
        let plan = Plan::new(&self.program, function, self.policy);
        let eval = Eval::new(self, &method.name, &call);
        let arguments = call.names.into_iter().zip(&call.arguments);
        let inputs = arguments
            .zip(&function.inputs)
            .zip(&call.indices)
            .filter_map(|(((name, tensor), id), &is_index)| {
                Some(Input {
                    name,
                    is_index,
                    elem: elem(function, *id)?,
                    shape: tensor.as_ref()?.shape(),
                    varies: plan.varies(*id),
                })
            });
        let mut prepared = Prepared {
            session: self,
            method,
            signature,
            case,
            function,
            eval,
            inputs: inputs.collect(),
            plan,
            replay: State::Due,
            held: call.arguments,
            graphs: Graphs::default(),
            results: Vec::new(),
            is_settled: false,
            stream: StreamId::current(),
            thread: PhantomData,
        };
        prepared.settle()?;
        prepared.execute()?;
        prepared.note();
        Ok(prepared)
    }
}

impl Prepared<'_> {
    /// Runs the call with the inputs that it has. Results are those of [`Session::run`].
    ///
    /// # Errors
    /// As [`Session::run`].
    ///
    /// # Panics
    /// As [`Session::run`].
    pub fn run(&mut self) -> Result<Vec<(String, AnyTensor)>, ExecError> {
        self.run_as(BTreeMap::new(), Results::Copied)
    }

    /// Runs the call with new values for some inputs, which it keeps for later runs.
    ///
    /// # Errors
    /// If an input is unknown, was absent when the call was prepared, or has another type or shape
    /// than then; no input has changed in this case. Otherwise as [`Session::run`].
    ///
    /// # Panics
    /// As [`Session::run`].
    pub fn run_with<A: Into<Argument>>(
        &mut self,
        changed: BTreeMap<String, A>,
    ) -> Result<Vec<(String, AnyTensor)>, ExecError> {
        self.run_as(arguments(changed), Results::Copied)
    }

    /// As [`run_with`](Self::run_with), but where the device repeats runs, results stay in the
    /// memory that each run writes. That saves a copy of each.
    ///
    /// The next run of whatever kind overwrites them and their clones. So whatever reads them must
    /// have been called before it, on this thread. Data of GPUs (`into_data`) is copied when it is
    /// first looked at: look at it before the next run, by `as_bytes` or `iter`.
    ///
    /// # Errors
    /// As [`run_with`](Self::run_with).
    ///
    /// # Panics
    /// As [`Session::run`].
    pub fn run_in_place<A: Into<Argument>>(
        &mut self,
        changed: BTreeMap<String, A>,
    ) -> Result<&[(String, AnyTensor)], ExecError> {
        self.results.clear();
        self.results = self.run_as(arguments(changed), Results::InPlace)?;
        Ok(&self.results)
    }

    fn run_as(
        &mut self,
        changed: BTreeMap<String, Argument>,
        results: Results,
    ) -> Result<Vec<(String, AnyTensor)>, ExecError> {
        let changed = self.check(changed)?;
        let outputs = self.stream.executes(|| self.run_here(changed, results))?;
        let names = self.case.results.iter().map(|(name, _)| name.clone());
        let outputs = outputs.into_iter().flatten().map(AnyTensor::from_dispatch);
        Ok(names.zip(outputs).collect())
    }

    /// Whether the device repeats runs at one command, and they are not launched kernel by kernel.
    pub fn replays(&self) -> bool {
        matches!(self.replay, State::Ready(_))
    }

    /// New values by number of the input.
    fn check(
        &self,
        mut changed: BTreeMap<String, Argument>,
    ) -> Result<Vec<(usize, AnyTensor)>, ExecError> {
        inputs::literals(self.signature, &mut changed)?;
        let sizes = inputs::sizes(self.signature, &mut changed)?;
        let checked = self.case.binding.check_given(&sizes, &self.eval.symbols);
        checked.map_err(|error| {
            let program = &self.session.program;
            inputs::bind_error(program, self.method, self.signature, &[], error)
        })?;
        if let Some(name) = changed.keys().find(|name| !self.signature.has(name)) {
            let name = name.clone();
            let method = Words(&self.session.program).signature(self.method);
            return Err(ExecError::UnknownInput { name, method });
        }
        let changed = inputs::tensors(self.session, self.signature, changed)?;
        let check = |(name, tensor)| self.check_one(name, tensor);
        changed.into_iter().map(check).collect()
    }

    fn check_one(&self, name: String, tensor: AnyTensor) -> Result<(usize, AnyTensor), ExecError> {
        let mut known = self.inputs.iter().enumerate();
        let Some((number, input)) = known.find(|(_, input)| input.name == name) else {
            return Err(ExecError::NotPrepared { name });
        };
        if !inputs::is_of(input.elem, &tensor) || tensor.shape() != input.shape {
            let dims: Vec<String> = input.shape.iter().map(ToString::to_string).collect();
            return Err(ExecError::Type {
                name,
                expected: format!("{}[{}]", input.elem, dims.join(", ")),
                got: inputs::type_of(&tensor),
            });
        }
        Ok((number, tensor))
    }

    /// [`run_with`](Self::run_with) on the call's stream.
    fn run_here(
        &mut self,
        changed: Vec<(usize, AnyTensor)>,
        results: Results,
    ) -> Result<Vec<Option<DispatchTensor>>, ExecError> {
        let import = |(number, tensor): (usize, AnyTensor)| {
            let input = &self.inputs[number];
            let (name, is_index) = (&input.name, input.is_index);
            let tensor = inputs::on_device(self.session, name, input.elem, is_index, tensor)?;
            Ok((number, tensor))
        };
        let changed = changed.into_iter().map(import);
        let changed: Vec<_> = changed.collect::<Result<_, ExecError>>()?;
        for (number, tensor) in changed {
            self.change(number, tensor);
        }
        if !self.is_settled {
            self.settle()?;
            return self.execute();
        }
        if matches!(self.replay, State::Due) {
            self.note();
        }
        match self.repeat(results) {
            Some(results) => Ok(results),
            None => self.execute(),
        }
    }

    fn change(&mut self, number: usize, tensor: DispatchTensor) {
        let (Some(input), Some(held)) = (self.inputs.get(number), self.held.get_mut(number)) else {
            return;
        };
        if !input.varies {
            self.is_settled = false;
            self.replay = self.replay.anew();
            *held = Some(tensor);
            return;
        }
        *held = Some(match (&self.replay, held.take()) {
            // The noted launches read this memory.
            (State::Ready(_), Some(old)) if old.can_mut() => {
                replay::overwrite(old, tensor, Kind::of(input.elem))
            }
            (State::Ready(_), _) => {
                self.replay = State::Never;
                tensor
            }
            (State::Due | State::Never, _) => tensor,
        });
    }

    /// Does what is done once.
    fn settle(&mut self) -> Result<(), ExecError> {
        self.held.truncate(self.inputs.len());
        self.graphs = Graphs::default();
        self.eval.bounds.clear();
        self.eval.memory.keep(&[]);
        self.eval.looped = 0;
        let kept = self.session.execute(
            self.function,
            &self.plan.parts.once,
            self.held.clone(),
            &mut self.eval,
            &mut self.graphs,
        )?;
        self.eval.memory.keep(&self.plan.parts.kept);
        self.held.resize(self.function.values.len(), None);
        for (id, tensor) in self.plan.parts.kept.iter().zip(kept) {
            self.held[id.index()] = tensor;
        }
        for id in self.plan.widened(self.function) {
            let held = &mut self.held[id.index()];
            *held = held.take().map(|tensor| self.session.width.widen(tensor));
        }
        self.is_settled = true;
        Ok(())
    }

    /// Does what each run does, and launches it.
    fn execute(&mut self) -> Result<Vec<Option<DispatchTensor>>, ExecError> {
        self.eval.looped = 0;
        let results = self.session.execute(
            self.function,
            &self.plan.parts.each,
            self.held.clone(),
            &mut self.eval,
            &mut self.graphs,
        );
        self.graphs.forget(&self.plan.parts.reach);
        self.eval.bounds.forget(|id| self.plan.varies(id));
        self.eval.memory.keep(&self.plan.parts.kept);
        let ids = self.function.outputs.iter();
        let result = |(id, tensor): (&ValueId, Option<DispatchTensor>)| {
            let elem = elem(self.function, *id)?;
            Some(self.session.width.result(tensor?, elem))
        };
        Ok(ids.zip(results?).map(result).collect())
    }

    /// Has the device note what a run launches, if it can.
    fn note(&mut self) {
        self.replay = State::Never;
        let device = self.session.device.as_dispatch();
        if !self.plan.is_replayable || !replay::has_launches(device) {
            return;
        }
        // Memory that nobody else has, to be overwritten by later runs.
        for (input, held) in self.inputs.iter().zip(&mut self.held) {
            if let (true, Some(held)) = (input.varies, held) {
                *held = replay::copy(held, Kind::of(input.elem));
            }
        }
        if let Some(replay) = Replay::new(device, || self.execute()) {
            self.replay = State::Ready(replay);
        }
    }

    /// Has the device repeat a run, if it has noted one.
    #[expect(
        unsafe_code,
        reason = "the call keeps what the launches read and write"
    )]
    fn repeat(&mut self, results: Results) -> Option<Vec<Option<DispatchTensor>>> {
        let State::Ready(replay) = &self.replay else {
            return None;
        };
        // SAFETY: a run reads weights, which the session keeps as long as `self` lives, and `held`;
        // it returns `results`. `held` and `results` live as long as `replay`: whoever exchanges a
        // value of `held` for other memory drops `replay` (`change`; `settle`, which follows it).
        // Inputs in `held` are copies of ours, and results leave as copies or as further holders of
        // memory that is never written in place while it has several, so nobody else writes them,
        // and nobody writes the other values. `self` does not leave its thread, and all its work is
        // within `stream.executes`.
        if !unsafe { replay.repeat(self.session.device.as_dispatch()) } {
            self.replay = State::Never;
            return None;
        }
        let copy = |(id, result): (&ValueId, &Option<DispatchTensor>)| {
            let result = result.as_ref()?;
            Some(match elem(self.function, *id) {
                Some(elem) if results == Results::Copied && self.plan.varies(*id) => {
                    replay::copy(result, Kind::of(elem))
                }
                _ => result.clone(),
            })
        };
        let outputs = self.function.outputs.iter();
        Some(outputs.zip(&replay.results).map(copy).collect())
    }
}

/// The element type of a value that is a tensor.
fn elem(function: &Function, id: ValueId) -> Option<ElemType> {
    match function.values.get(id.index())? {
        ValueType::Tensor(ty) => Some(ty.elem),
        ValueType::Int(_) => None,
    }
}

impl State {
    /// The state after a change of the graph.
    fn anew(&self) -> Self {
        match self {
            Self::Never => Self::Never,
            Self::Due | Self::Ready(_) => Self::Due,
        }
    }
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("method", &self.method.name)
            .field("replays", &self.replays())
            .finish_non_exhaustive()
    }
}
