//! Regions of a recording: which operations belong to which layer.
//!
//! A layer opens a scope at the start of `forward`, passes its arguments through it and closes it
//! with the result:
//!
//! ```text
//! let scope = scope::layer(self, "SAGEConv", "forward"); // what `Layer::call` does
//! let x = scope.input("x", x);
//! let edges = scope.input("edge_index", edges);
//! // ... the computation ...
//! scope.exit(out)
//! ```
//!
//! Outside a recording all of this is free: nothing is allocated and every value is returned as it
//! came. During one (see `kiln_ir::Recorder`), markers on the capture device delimit the region,
//! and each argument and result is renamed at its border, so that the region becomes a method of
//! its own with exactly those inputs and outputs.
//!
//! The names of arguments come from the layer; which *instance* a region belongs to comes from the
//! parameters of the module that opened it.

use core::cell::{Cell, RefCell};

use burn::{
    backend::{
        BackendTensor, Capture, DispatchAutodiffContext, DispatchDevice, DispatchTensor,
        DispatchTensorKind,
        ir::{CustomOpIr, OperationIr, OperationOutput, ScalarIr, TensorIr},
    },
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Bool, DType, Device, Int, Shape, Tensor},
};
use burn_capture::{CaptureChannel, CaptureClient, CaptureDevice};
use burn_router::{RouterClient, RouterTensor};
use kiln_core::{AnyTensor, Change, ChangeKind, Kind, Leaves};

use crate::{
    wire::{GraphOp, record::Record as _},
    witness,
};

/// Names of the markers in a recording. A marker with a tensor is the identity on it.
pub mod marker {
    /// An input of the recording: one output, no inputs.
    pub const INPUT: &str = "kiln::input";
    /// A result of the recording.
    pub const OUTPUT: &str = "kiln::output";
    /// A scope opens. Scalar: number of the scope.
    pub const SCOPE_BEGIN: &str = "kiln::scope_begin";
    /// An argument of a scope. Scalar: number of the scope.
    pub const SCOPE_INPUT: &str = "kiln::scope_input";
    /// A result of a scope. Scalar: number of the scope.
    pub const SCOPE_OUTPUT: &str = "kiln::scope_output";
    /// A scope closes. Scalar: number of the scope.
    pub const SCOPE_END: &str = "kiln::scope_end";
    /// A loop begins. Scalars: number of steps, and 1 if it goes through rows from the last to the
    /// first. What follows up to its end is one step.
    pub const SCAN_BEGIN: &str = "kiln::scan_begin";
    /// What a step gets from the step before: the first value outside, its name inside.
    pub const SCAN_CARRY: &str = "kiln::scan_carry";
    /// A row of a sequence: `[T, ..]` outside, `[..]` inside.
    pub const SCAN_ROW: &str = "kiln::scan_row";
    /// What a step leaves for the next: the name inside, and that of the last one outside.
    pub const SCAN_NEXT: &str = "kiln::scan_next";
    /// A row that a step leaves: `[..]` inside, all rows `[T, ..]` outside.
    pub const SCAN_STACK: &str = "kiln::scan_stack";
    /// A loop ends.
    pub const SCAN_END: &str = "kiln::scan_end";
}

/// What a scope is, as the recording sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopeInfo {
    /// Class name of the layer, such as `SAGEConv`.
    pub kind: &'static str,
    /// Method name, such as `forward` or `propagate`.
    pub method: &'static str,
    /// Name of the record type in which the arguments travel, if they do.
    pub record: Option<String>,
    /// Parameters of the module that opened the scope, with their paths inside it.
    pub params: Vec<(ParamId, String)>,
    /// Names of the arguments in the order in which they were passed.
    pub inputs: Vec<String>,
    /// Modules that were left out because they have the parameters of others: the names of both.
    pub tied: Vec<[&'static str; 2]>,
}

/// Everything that a recording notes beside the captured operations.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Scopes in the order in which they were opened; markers refer to them by position.
    pub scopes: Vec<ScopeInfo>,
    /// The sizes that stand for lengths that depend on data, in order.
    pub fresh: Vec<usize>,
    /// Scopes that are open, outermost first; after a failed recording, where it failed.
    pub open: Vec<usize>,
}

struct Recording {
    client: CaptureClient,
    selected: Box<dyn FnMut(usize) -> usize>,
    notes: Notes,
}

thread_local! {
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static NOTES: RefCell<Notes> = RefCell::default();
}

/// Whether this thread is recording.
pub fn is_recording() -> bool {
    ACTIVE.get()
}

/// Whether what is done with a tensor is written down: while this thread records, and for tensors
/// of a capture device.
pub(crate) fn is_recorded<const D: usize>(x: &Tensor<D>) -> bool {
    let captured = || {
        let tensor = x.clone().into_dispatch();
        matches!(tensor.kind, DispatchTensorKind::Capture(_))
    };
    is_recording() || captured()
}

/// An open recording on this thread; ends when dropped.
#[derive(Debug)]
pub struct RecordingGuard(());

impl Drop for RecordingGuard {
    fn drop(&mut self) {
        ACTIVE.set(false);
        if let Some(recording) = RECORDING.take() {
            NOTES.set(recording.notes);
        }
    }
}

/// What this thread's last recording noted, also when it ended by a panic.
pub fn take_notes() -> Notes {
    NOTES.take()
}

/// Starts noting scopes for a recording on `device`, which must be a capture device inside its
/// capture scope. `selected` gives the length of the result of [`nonzero`](crate::nonzero) on a
/// mask of the length that it gets.
///
/// # Panics
/// If `device` is no capture device, or this thread records already.
pub fn begin(device: &Device, selected: impl FnMut(usize) -> usize + 'static) -> RecordingGuard {
    assert!(!is_recording(), "this thread is recording already");
    let client = burn_router::get_client::<CaptureChannel>(&capture_device(device));
    RECORDING.set(Some(Recording {
        client,
        selected: Box::new(selected),
        notes: Notes::default(),
    }));
    ACTIVE.set(true);
    RecordingGuard(())
}

/// A length for the positions of the true values of a mask: the recording's choice, or one that no
/// other size equals where only a capture device is used.
pub(crate) fn selected(length: usize) -> usize {
    if !is_recording() {
        return witness::fresh_size();
    }
    with(|recording| {
        let size = (recording.selected)(length);
        recording.notes.fresh.push(size);
        size
    })
}

/// Writes down an operation with one result, floats of the type of `like`, and returns that: it has
/// a shape but no values.
pub(crate) fn write_down<const D: usize, const R: usize>(
    op: GraphOp,
    like: &Tensor<D>,
    inputs: &[AnyTensor],
) -> Tensor<R> {
    let inputs: Vec<_> = inputs.iter().cloned().map(unwrap).collect();
    let client = inputs[0].client.clone();
    let inputs: Vec<_> = inputs.into_iter().map(RouterTensor::into_ir).collect();
    let desc = op.describe(&inputs, Some(like.dtype()), || client.create_empty_handle());
    let out = client.register(OperationIr::Custom(desc)).output();
    let out: Tensor<R> = wrap(Kind::Float, out).float();
    if like.device().is_autodiff() {
        out.autodiff()
    } else {
        out
    }
}

/// Registers an input of the recording: a tensor without data.
///
/// # Panics
/// Outside a recording.
pub fn input(dtype: DType, shape: Shape) -> AnyTensor {
    let kind = if dtype.is_float() {
        Kind::Float
    } else if dtype.is_bool() {
        Kind::Bool
    } else {
        Kind::Int
    };
    with(|recording| {
        let out = TensorIr::uninit(recording.client.create_empty_handle(), shape, dtype);
        let tensor = define(&recording.client, marker::INPUT, &[], out, vec![]);
        wrap(kind, tensor)
    })
}

/// Marks a result of the recording and gives it a tensor of its own.
///
/// # Panics
/// Outside a recording, or if the tensor is not on the recording's device.
pub fn output(tensor: AnyTensor) -> AnyTensor {
    with(|recording| alias(recording, marker::OUTPUT, tensor, vec![]))
}

/// Opens the scope of a layer's method.
///
/// `kind` is PyG's name of the layer. Outside a recording the scope does nothing.
pub fn layer<M: Module>(module: &M, kind: &'static str, method: &'static str) -> Scope {
    open(module, kind, method, false)
}

/// Opens the scope of a method that takes its arguments as one record, named after layer and
/// method: `MessagePassing::propagate` of a `GCNConv` takes a `GCNConvPropagate`.
pub fn record<M: Module>(module: &M, kind: &'static str, method: &'static str) -> Scope {
    open(module, kind, method, true)
}

fn open<M: Module>(module: &M, kind: &'static str, method: &'static str, is_record: bool) -> Scope {
    if !is_recording() {
        return Scope { number: None };
    }
    let mut collector = ParamCollector::default();
    module.visit(&mut collector);
    let record = is_record.then(|| {
        let (first, rest) = method.split_at(1);
        format!("{kind}{}{rest}", first.to_uppercase())
    });
    let number = with(|recording| {
        let number = recording.notes.scopes.len();
        recording.notes.scopes.push(ScopeInfo {
            kind,
            method,
            record,
            params: collector.params,
            inputs: Vec::new(),
            tied: Vec::new(),
        });
        recording.notes.open.push(number);
        mark(&recording.client, marker::SCOPE_BEGIN, vec![scalar(number)]);
        number
    });
    Scope {
        number: Some(number),
    }
}

/// An open region of a recording; see the [module](self) for how a layer uses it.
#[derive(Debug)]
#[must_use = "a scope ends with `exit`"]
pub struct Scope {
    number: Option<usize>,
}

impl Scope {
    /// Notes which modules of the layer have the parameters of others where they were left out.
    pub fn with_history(self, history: &[Change]) -> Self {
        if let Some(number) = self.number {
            let tied = history.iter().filter_map(|change| match change.kind {
                ChangeKind::Tied { name, with } => Some([name, with]),
                _ => None,
            });
            with(|recording| recording.notes.scopes[number].tied.extend(tied));
        }
        self
    }

    /// Passes an argument into the scope.
    pub fn input<T: Leaves>(&self, name: &str, value: T) -> T {
        let Some(number) = self.number else {
            return value;
        };
        value.map_leaves(name, &mut |name, tensor| {
            with(|recording| {
                recording.notes.scopes[number].inputs.push(name);
                alias(recording, marker::SCOPE_INPUT, tensor, vec![scalar(number)])
            })
        })
    }

    /// Passes the result out of the scope and closes it.
    pub fn exit<T: Leaves>(self, value: T) -> T {
        let Some(number) = self.number else {
            return value;
        };
        let value = value.map_leaves("", &mut |_, tensor| {
            with(|recording| {
                alias(
                    recording,
                    marker::SCOPE_OUTPUT,
                    tensor,
                    vec![scalar(number)],
                )
            })
        });
        with(|recording| {
            recording.notes.open.pop();
            mark(&recording.client, marker::SCOPE_END, vec![scalar(number)]);
        });
        value
    }
}

/// Begins a loop of a recording, of which one step is recorded. It and what follows panic outside a
/// recording.
pub(crate) fn scan_begin(times: usize, reverse: bool) {
    with(|recording| {
        let scalars = vec![scalar(times), scalar(usize::from(reverse))];
        mark(&recording.client, marker::SCAN_BEGIN, scalars);
    });
}

/// What a step of a loop gets from the one before; outside it is the first value.
pub(crate) fn scan_carry(tensor: AnyTensor) -> AnyTensor {
    with(|recording| alias(recording, marker::SCAN_CARRY, tensor, vec![]))
}

/// The row of a step.
pub(crate) fn scan_row(tensor: AnyTensor) -> AnyTensor {
    let dims: Vec<usize> = tensor.shape().iter().skip(1).copied().collect();
    with(|recording| renamed(recording, marker::SCAN_ROW, tensor, dims, vec![]))
}

/// What a step leaves for the next; outside it is what the last step left.
pub(crate) fn scan_next(tensor: AnyTensor) -> AnyTensor {
    with(|recording| alias(recording, marker::SCAN_NEXT, tensor, vec![]))
}

/// The rows of all steps.
pub(crate) fn scan_stack(times: usize, tensor: AnyTensor) -> AnyTensor {
    let mut dims = vec![times];
    dims.extend(tensor.shape().iter());
    with(|recording| renamed(recording, marker::SCAN_STACK, tensor, dims, vec![]))
}

/// Ends a loop.
pub(crate) fn scan_end() {
    with(|recording| mark(&recording.client, marker::SCAN_END, vec![]));
}

/// Collects the ids of a module's parameters with their paths.
#[derive(Default)]
struct ParamCollector {
    path: Vec<String>,
    params: Vec<(ParamId, String)>,
}

impl ParamCollector {
    fn push(&mut self, id: ParamId) {
        self.params.push((id, self.path.join(".")));
    }
}

impl ModuleVisitor for ParamCollector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.push(param.id);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.push(param.id);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.push(param.id);
    }
}

/// Runs `f` on this thread's recording.
fn with<R>(f: impl FnOnce(&mut Recording) -> R) -> R {
    RECORDING.with_borrow_mut(|recording| {
        f(recording
            .as_mut()
            .unwrap_or_else(|| panic!("no recording on this thread")))
    })
}

fn scalar(number: usize) -> ScalarIr {
    ScalarIr::UInt(number as u64)
}

/// The capture device behind a device.
pub(crate) fn capture_device(device: &Device) -> CaptureDevice {
    match device.as_dispatch() {
        DispatchDevice::Capture(device) => *device,
        other => panic!("expected a capture device, got {other:?}"),
    }
}

/// Notes a marker that defines a tensor.
fn define(
    client: &CaptureClient,
    id: &str,
    inputs: &[TensorIr],
    output: TensorIr,
    scalars: Vec<ScalarIr>,
) -> RouterTensor<CaptureClient> {
    let (inputs, outputs) = (inputs.to_vec(), vec![output]);
    let desc = CustomOpIr {
        id: id.to_owned(),
        inputs,
        outputs,
        scalars,
    };
    client.register(OperationIr::Custom(desc)).output()
}

/// Notes a marker without tensors.
fn mark(client: &CaptureClient, id: &str, scalars: Vec<ScalarIr>) {
    let desc = CustomOpIr {
        id: id.to_owned(),
        inputs: vec![],
        outputs: vec![],
        scalars,
    };
    client.register_op(OperationIr::Custom(desc));
}

/// Notes a marker that gives a tensor another name.
fn alias(recording: &Recording, id: &str, tensor: AnyTensor, scalars: Vec<ScalarIr>) -> AnyTensor {
    let dims = tensor.shape().iter().copied().collect();
    renamed(recording, id, tensor, dims, scalars)
}

/// As [`alias`], with another shape.
fn renamed(
    recording: &Recording,
    id: &str,
    tensor: AnyTensor,
    dims: Vec<usize>,
    scalars: Vec<ScalarIr>,
) -> AnyTensor {
    let kind = tensor.kind();
    let ir = unwrap(tensor).into_ir();
    let out = TensorIr::uninit(
        recording.client.create_empty_handle(),
        Shape::from(dims),
        ir.dtype,
    );
    let tensor = define(&recording.client, id, &[ir], out, scalars);
    wrap(kind, tensor)
}

fn wrap(kind: Kind, tensor: RouterTensor<CaptureClient>) -> AnyTensor {
    let tensor = match kind {
        Kind::Float => BackendTensor::<Capture>::Float(tensor),
        Kind::Int => BackendTensor::<Capture>::Int(tensor),
        Kind::Bool => BackendTensor::<Capture>::Bool(tensor),
    };
    AnyTensor::from_dispatch(DispatchTensor {
        kind: DispatchTensorKind::Capture(tensor),
        autodiff: DispatchAutodiffContext::Disabled,
    })
}

/// The captured tensor behind a tensor of a recording.
///
/// # Panics
/// If the tensor is on another device.
pub fn unwrap(tensor: AnyTensor) -> RouterTensor<CaptureClient> {
    let device = tensor.device();
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Capture(
            BackendTensor::Float(tensor) | BackendTensor::Int(tensor) | BackendTensor::Bool(tensor),
        ) => tensor,
        _ => panic!(
            "a tensor on {device:?} met a recording; move the module and its inputs to the recording's device"
        ),
    }
}
