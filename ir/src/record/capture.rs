//! One recording: runs a forward pass on a capture device and brings what Burn captured into a form
//! that can be compared with other recordings.

use core::ops::Deref;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use burn::{
    backend::ir::{OperationIr, ScalarIr, TensorId},
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Bool, BoolStore, DType, Device, Int, Shape, Tensor},
};
use kiln_core::{
    AnyTensor, Kind, Value,
    signature::{Dim, Type},
    size_to_i64,
};
use kiln_ops::{
    Overload,
    scope::{self, Notes, marker},
};

use super::{
    error::{Place, RecordError},
    lift::{self, Lifter},
    modes::Training,
    panic,
    recording::{Parameter, Recording, Step, Structure},
    witness,
};

/// What to record: a method, which of its optional leaves are present, and values for symbols.
pub(super) struct Request<'a, M> {
    pub(super) module: &'a M,
    pub(super) overload: &'a Overload<M>,
    pub(super) present: &'a [bool],
    /// How the module is trained, unless it is recorded as outside training.
    pub(super) training: Option<&'a Training>,
    /// Number of the recording, which says how large its symbols are.
    pub(super) number: usize,
    /// Type of floats that the declaration leaves open.
    pub(super) float: DType,
    /// Value of each symbol, by name.
    pub(super) size_of: &'a dyn Fn(&str) -> usize,
}

/// Capture devices that no recording uses. Burn numbers them with 16 bits and never takes a number
/// back, so a process that always took a new one would run out of them.
static IDLE: Mutex<Vec<Device>> = Mutex::new(Vec::new());

/// A capture device for one recording, which is idle again when this is dropped.
struct IdleDevice(Device);

impl IdleDevice {
    fn take() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self(idle.unwrap_or_else(Device::capture))
    }
}

impl Drop for IdleDevice {
    fn drop(&mut self) {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(self.0.clone());
    }
}

impl Deref for IdleDevice {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.0
    }
}

/// Records one forward pass.
pub(super) fn record<M: Module>(request: &Request<'_, M>) -> Result<Recording, RecordError> {
    let device = IdleDevice::take();
    let mut params = Vec::new();
    let mut result = None;
    let outcome = panic::catch(|| {
        device.capture_scope(|capture| {
            let (number, mut position) = (request.number, 0);
            let selected = move |length| {
                position += 1;
                witness::selected(number, position, length)
            };
            let guard = scope::begin(&device, selected);
            // A snapshot of its own: running statistics are shared among plain clones, and moving
            // them would take them away from the caller's module.
            let module = request.module.valid().to_device(&device);
            let module = match request.training {
                Some(training) => training.switch_on(module),
                None => module,
            };
            let mut ids = ParamTensors::default();
            module.visit(&mut ids);
            params = ids.0;
            let mut present = request.present.iter().copied();
            let arguments = request
                .overload
                .signature
                .params
                .iter()
                .map(|param| {
                    argument(
                        &param.ty,
                        request.size_of,
                        request.float,
                        &mut present,
                        false,
                    )
                })
                .collect();
            let value = request.overload.call(&module, arguments);
            let mut outputs = Vec::new();
            result = Some(results(value, &mut outputs));
            let ids: Vec<TensorId> = outputs.into_iter().map(|t| scope::unwrap(t).id()).collect();
            drop(guard);
            capture.complete([], ids)
        })
    });
    let notes = scope::take_notes();
    let place = || place(&request.overload.name, &notes);
    let captured = match outcome {
        Ok(Ok(captured)) => captured,
        Ok(Err(error)) => {
            return Err(RecordError::Capture {
                place: place(),
                message: error.to_string(),
            });
        }
        Err(message) => {
            return Err(
                if message.contains("no concrete value") || message.contains("no initialized value")
                {
                    RecordError::ReadsValue { place: place() }
                } else {
                    RecordError::Panicked {
                        place: place(),
                        message,
                    }
                },
            );
        }
    };
    let Some(result) = result else {
        return Err(RecordError::Capture {
            place: place(),
            message: "no result".to_owned(),
        });
    };

    let mut lifter = Lifter::default();
    let mut steps = Vec::with_capacity(captured.graph.operations.len());
    let mut open = Vec::new();
    for operation in &captured.graph.operations {
        let Some(step) = marker_step(operation, &mut lifter.numbering) else {
            let lifted = lifter.lift(operation).map_err(|operation| {
                let open = open.clone();
                let notes = Notes {
                    open,
                    ..notes.clone()
                };
                let place = self::place(&request.overload.name, &notes);
                RecordError::Unsupported { place, operation }
            })?;
            steps.extend(lifted.into_iter().map(Step::Op));
            continue;
        };
        if let Step::Begin { scope } = step {
            open.push(scope);
        } else if step == Step::End {
            open.pop();
        }
        steps.push(step);
    }
    // The values of parameters are those of the module; keeping them here would be a copy of the
    // model in each recording.
    let mut constants = BTreeMap::new();
    let mut known = BTreeMap::new();
    let mut seen: HashMap<ParamId, usize> = HashMap::new();
    let mut occurrence = |param| {
        let count = seen.entry(param).or_insert(0);
        *count += 1;
        *count - 1
    };
    let params: HashMap<TensorId, (ParamId, usize)> = params
        .into_iter()
        .map(|(param, tensor)| (tensor, (param, occurrence(param))))
        .collect();
    for (tensor, data) in captured.values {
        let Some(number) = lifter.numbering.existing(tensor) else {
            continue;
        };
        match (params.get(&tensor), lift::data_elem(data.dtype())) {
            (Some(&(id, occurrence)), Some(elem)) => {
                let dims = data.shape().iter().map(|&dim| size_to_i64(dim)).collect();
                let parameter = Parameter {
                    id,
                    occurrence,
                    elem,
                    dims,
                };
                known.insert(number, parameter);
            }
            _ => {
                constants.insert(number, data);
            }
        }
    }
    Ok(Recording {
        steps,
        notes,
        constants,
        params: known,
        result,
    })
}

/// Type of a module's floats: that of its first parameter of floats, or 32 bits.
pub(super) fn float_dtype<M: Module>(module: &M) -> DType {
    let mut found = FirstFloat(None);
    module.visit(&mut found);
    found.0.unwrap_or(DType::F32)
}

struct FirstFloat(Option<DType>);

impl ModuleVisitor for FirstFloat {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 = self.0.or_else(|| Some(param.val().dtype()));
    }
}

/// The place that the open scopes of a recording describe.
pub(super) fn place(method: &str, notes: &Notes) -> Place {
    let layers = notes
        .open
        .iter()
        .filter_map(|&number| notes.scopes.get(number))
        .map(|scope| format!("{}.{}", scope.kind, scope.method))
        .collect();
    Place {
        method: method.to_owned(),
        layers,
    }
}

fn marker_step(operation: &OperationIr, numbering: &mut lift::Numbering) -> Option<Step> {
    match operation {
        OperationIr::Init(desc) => Some(Step::Data {
            tensor: numbering.define(desc.out.id),
        }),
        OperationIr::Custom(desc) => {
            let input = desc.inputs.first().map(|tensor| tensor.id);
            let output = desc.outputs.first().map(|tensor| tensor.id);
            let step = match (desc.id.as_str(), input, output) {
                (marker::INPUT, None, Some(out)) => Step::Input {
                    tensor: numbering.define(out),
                },
                (marker::OUTPUT, Some(input), Some(out)) => {
                    numbering.define(out);
                    Step::Output {
                        tensor: numbering.get(input),
                    }
                }
                (marker::SCOPE_BEGIN, ..) => match desc.scalars.first() {
                    Some(ScalarIr::UInt(scope)) => Step::Begin {
                        scope: usize::try_from(*scope).unwrap_or(usize::MAX),
                    },
                    _ => return None,
                },
                (marker::SCOPE_INPUT, Some(input), Some(out)) => Step::Enter {
                    outer: numbering.get(input),
                    inner: numbering.define(out),
                },
                (marker::SCOPE_OUTPUT, Some(input), Some(out)) => Step::Leave {
                    inner: numbering.get(input),
                    outer: numbering.define(out),
                },
                (marker::SCOPE_END, ..) => Step::End,
                (marker::SCAN_BEGIN, ..) => match desc.scalars.as_slice() {
                    [ScalarIr::UInt(times), ScalarIr::UInt(reverse)] => Step::ScanBegin {
                        times: size_to_i64(usize::try_from(*times).unwrap_or(usize::MAX)),
                        reverse: *reverse != 0,
                    },
                    _ => return None,
                },
                (marker::SCAN_CARRY, Some(input), Some(out)) => Step::Carry {
                    outer: numbering.get(input),
                    inner: numbering.define(out),
                },
                (marker::SCAN_ROW, Some(input), Some(out)) => Step::Row {
                    outer: numbering.get(input),
                    inner: numbering.define(out),
                },
                (marker::SCAN_NEXT, Some(input), Some(out)) => Step::Next {
                    inner: numbering.get(input),
                    outer: numbering.define(out),
                },
                (marker::SCAN_STACK, Some(input), Some(out)) => Step::Stack {
                    inner: numbering.get(input),
                    outer: numbering.define(out),
                },
                (marker::SCAN_END, ..) => Step::ScanEnd,
                _ => return None,
            };
            Some(step)
        }
        _ => None,
    }
}

/// Builds an argument of the given type from inputs without data.
fn argument(
    ty: &Type,
    size_of: &dyn Fn(&str) -> usize,
    float: DType,
    present: &mut dyn Iterator<Item = bool>,
    optional: bool,
) -> Value {
    let size = |dim: &Dim| match dim {
        Dim::Symbol(name) => size_of(name),
        Dim::Fixed(size) => *size,
    };
    let is_present =
        |present: &mut dyn Iterator<Item = bool>| !optional || present.next() == Some(true);
    let tensor = |kind: Kind, dtype: Option<DType>, dims: &[usize]| {
        let dtype = dtype.unwrap_or(match kind {
            Kind::Float => float,
            Kind::Int => DType::I64,
            Kind::Bool => DType::Bool(BoolStore::U8),
        });
        scope::input(dtype, Shape::from(dims.to_vec()))
    };
    match ty {
        Type::Tensor { kind, dtype, dims } => {
            if !is_present(present) {
                return Value::None;
            }
            let dims: Vec<usize> = dims.iter().map(size).collect();
            Value::Tensor(tensor(*kind, *dtype, &dims))
        }
        Type::EdgeIndex { src, dst, edges } => {
            if !is_present(present) {
                return Value::None;
            }
            let index = tensor(Kind::Int, None, &[2, size(edges)]).int::<2>();
            Value::EdgeIndex(kiln_core::EdgeIndex::new_unchecked(
                index,
                size(src),
                size(dst),
            ))
        }
        Type::Adjacency { src, dst, edges } => {
            let rowptr = tensor(Kind::Int, None, &[size(dst) + 1]).int::<1>();
            let col = tensor(Kind::Int, None, &[size(edges)]).int::<1>();
            let value = (present.next() == Some(true))
                .then(|| tensor(Kind::Float, None, &[size(edges)]).float::<1>());
            Value::Adjacency(kiln_core::Adjacency::new_unchecked(
                rowptr,
                col,
                value,
                size(src),
            ))
        }
        Type::Optional(inner) => argument(inner, size_of, float, present, true),
        Type::Tuple(items) => Value::Tuple(
            items
                .iter()
                .map(|item| argument(item, size_of, float, present, optional))
                .collect(),
        ),
        Type::List(items) => {
            let items = items.iter();
            let items = items.map(|item| argument(item, size_of, float, present, optional));
            Value::List(items.collect())
        }
        Type::Dict(entries) => {
            let entry = |(key, ty): &(String, Type)| {
                (key.clone(), argument(ty, size_of, float, present, optional))
            };
            Value::Dict(entries.iter().map(entry).collect())
        }
        Type::Float if is_present(present) => Value::Tensor(tensor(Kind::Float, None, &[1])),
        Type::Int(dim) => Value::Int(size(dim)),
        Type::OneOf(literals) => match literals.first() {
            Some(literal) => Value::Literal(literal.clone()),
            None => Value::None,
        },
        Type::Size { .. } | Type::Flag | Type::Float => Value::None,
    }
}

/// Marks the tensors of a result, in order, and notes its structure.
fn results(value: Value, outputs: &mut Vec<AnyTensor>) -> Structure {
    let mut push = |tensor: AnyTensor| outputs.push(scope::output(tensor));
    match value {
        Value::Tensor(tensor) => {
            push(tensor);
            Structure::Tensor
        }
        Value::EdgeIndex(edges) => {
            push(AnyTensor::from_dispatch(edges.tensor().into_dispatch()));
            Structure::Tensor
        }
        Value::Adjacency(adjacency) => {
            push(AnyTensor::from_dispatch(adjacency.rowptr().into_dispatch()));
            push(AnyTensor::from_dispatch(adjacency.col().into_dispatch()));
            let value = adjacency.value();
            let has_value = value.is_some();
            if let Some(value) = value {
                push(AnyTensor::from_dispatch(value.into_dispatch()));
            }
            Structure::Adjacency { value: has_value }
        }
        Value::Tuple(items) => Structure::Tuple(
            items
                .into_iter()
                .map(|item| results(item, outputs))
                .collect(),
        ),
        Value::List(items) => {
            let items = items.into_iter().map(|item| results(item, outputs));
            Structure::List(items.collect())
        }
        Value::Dict(entries) => Structure::Dict(
            entries
                .into_iter()
                .map(|(key, value)| (key, results(value, outputs)))
                .collect(),
        ),
        Value::None => Structure::None,
        Value::Int(_) | Value::Literal(_) => {
            panic!("expected results made of tensors, got {value:?}")
        }
    }
}

/// Which captured tensor each parameter of a module is.
#[derive(Default)]
struct ParamTensors(Vec<(ParamId, TensorId)>);

impl ModuleVisitor for ParamTensors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = AnyTensor::from_dispatch(param.val().into_dispatch());
        self.0.push((param.id, scope::unwrap(tensor).id()));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        let tensor = AnyTensor::from_dispatch(param.val().into_dispatch());
        self.0.push((param.id, scope::unwrap(tensor).id()));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        let tensor = AnyTensor::from_dispatch(param.val().into_dispatch());
        self.0.push((param.id, scope::unwrap(tensor).id()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_used_again() {
        let (first, other) = (IdleDevice::take(), IdleDevice::take());
        assert_ne!(first.0, other.0, "both are in use");
        drop((first, other));
        let mut seen: Vec<Device> = Vec::new();
        for _ in 0..1000 {
            let device = IdleDevice::take().0.clone();
            if !seen.contains(&device) {
                seen.push(device);
            }
        }
        // Other tests may take some meanwhile.
        assert!(seen.len() < 100, "{} devices", seen.len());
    }
}
