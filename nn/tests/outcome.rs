//! What a fixture's module computes: results, and gradients by all inputs and parameters.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Bool, Device, Gradients, Int, Shape, Tensor, TensorData},
};
use kiln_core::{Adjacency, AnyTensor, EdgeIndex, Groups, Kind, Value, signature::Type};
use kiln_nn::{
    AnyLayer, Overloads as _,
    pool::{global_add_pool, global_max_pool, global_mean_pool},
    store::StateDict,
};

use crate::fixture::{Fixture, matches};

/// The inputs of a fixture on a device; on an autodiff device those with a gradient are tracked.
pub(crate) struct Inputs {
    device: Device,
    tensors: BTreeMap<String, TensorData>,
    /// Tracked inputs by name.
    tracked: Vec<(String, AnyTensor)>,
}

impl Inputs {
    pub(crate) fn new(fixture: &Fixture, device: &Device) -> Self {
        Self {
            device: device.clone(),
            tensors: fixture.below("in."),
            tracked: Vec::new(),
        }
    }

    pub(crate) fn float<const D: usize>(&mut self, name: &str) -> Option<Tensor<D>> {
        let mut tensor = Tensor::from_data(self.tensors.get(name)?.clone(), &self.device);
        if self.device.is_autodiff() {
            tensor = tensor.require_grad();
            self.tracked
                .push((name.to_owned(), AnyTensor::from(tensor.clone())));
        }
        Some(tensor)
    }

    pub(crate) fn int<const D: usize>(&self, name: &str) -> Option<Tensor<D, Int>> {
        Some(Tensor::from_data(
            self.tensors.get(name)?.clone(),
            &self.device,
        ))
    }

    fn bool<const D: usize>(&self, name: &str) -> Option<Tensor<D, Bool>> {
        let data = self.tensors.get(name)?.clone();
        Some(Tensor::from_data(data, &self.device))
    }

    /// The argument of the given name and type.
    pub(crate) fn argument(&mut self, name: &str, ty: &Type, size: &[usize]) -> Value {
        match (name, ty) {
            ("x", Type::Tuple(items)) => {
                let src = self.argument("x_src", &items[0], size);
                let dst = self.argument("x_dst", &items[1], size);
                Value::Tuple(vec![src, dst])
            }
            (_, Type::EdgeIndex { .. }) => {
                let edges = self.int(name).unwrap();
                Value::EdgeIndex(EdgeIndex::new(edges, size[0], size[1]).unwrap())
            }
            (_, Type::Adjacency { .. }) => {
                let value = self.float::<1>(&part(name, "value"));
                let [rowptr, col] = ["rowptr", "col"].map(|end| part(name, end));
                let (rowptr, col) = (self.int(&rowptr).unwrap(), self.int(&col).unwrap());
                Value::Adjacency(Adjacency::new(rowptr, col, value, size[0]).unwrap())
            }
            (_, Type::Optional(ty)) if self.tensors.contains_key(name) => {
                self.argument(name, ty, size)
            }
            (_, Type::Tensor { kind, dims, .. }) => Value::Tensor(match (kind, dims.len()) {
                (Kind::Float, 1) => AnyTensor::from(self.float::<1>(name).unwrap()),
                (Kind::Float, 2) => AnyTensor::from(self.float::<2>(name).unwrap()),
                (Kind::Float, 3) => AnyTensor::from(self.float::<3>(name).unwrap()),
                (Kind::Int, 1) => AnyTensor::from(self.int::<1>(name).unwrap()),
                (Kind::Int, 2) => AnyTensor::from(self.int::<2>(name).unwrap()),
                (Kind::Bool, 2) => AnyTensor::from(self.bool::<2>(name).unwrap()),
                other => panic!("no input for {name}: {other:?}"),
            }),
            (_, Type::Int(_)) => Value::Int(*size.last().unwrap()),
            (_, Type::OneOf(literals)) => Value::Literal(literals[0].clone()),
            (_, Type::Optional(_) | Type::Size { .. } | Type::Flag) => Value::None,
            other => panic!("no input for {other:?}"),
        }
    }
}

/// The fixture's name of a part of an adjacency.
fn part(adjacency: &str, part: &str) -> String {
    match adjacency {
        "edge_index" => part.to_owned(),
        other => format!("{other}.{part}"),
    }
}

/// The tensors in a result, in order.
fn leaves(value: Value) -> Vec<AnyTensor> {
    match value {
        Value::Tensor(tensor) => vec![tensor],
        Value::Tuple(values) => values.into_iter().flat_map(leaves).collect(),
        Value::Adjacency(adjacency) => {
            let ends = [adjacency.rowptr(), adjacency.col()].map(AnyTensor::from);
            let value = adjacency.value().map(AnyTensor::from);
            ends.into_iter().chain(value).collect()
        }
        Value::EdgeIndex(edges) => vec![edges.tensor().into()],
        Value::None => Vec::new(),
        other => panic!("not a result: {other:?}"),
    }
}

/// The results of a layer or model in the fixture's variant.
pub(crate) fn run(fixture: &Fixture, module: &AnyLayer, inputs: &mut Inputs) -> Vec<AnyTensor> {
    let overloads = module.overloads();
    let overload = overloads
        .iter()
        .find(|overload| matches(&overload.signature, &fixture.variant))
        .unwrap_or_else(|| panic!("{}: no variant {}", fixture.name, fixture.variant));
    let params = overload.signature.params.iter();
    let arguments = params
        .map(|param| inputs.argument(&param.name, &param.ty, &fixture.size))
        .collect();
    leaves(overload.call(module, arguments))
}

fn pooled(fixture: &Fixture, inputs: &mut Inputs) -> Vec<AnyTensor> {
    let pool = match fixture.conv.as_str() {
        "global_add_pool" => global_add_pool,
        "global_mean_pool" => global_mean_pool,
        _ => global_max_pool,
    };
    let x = inputs.float::<2>("x").unwrap();
    let groups = match inputs.int("batch") {
        Some(batch) => Groups::new(batch, fixture.size[0]).unwrap(),
        None => Groups::one(x.dims()[0], &x.device()),
    };
    vec![AnyTensor::from(pool(x, &groups))]
}

/// The values that a tensor has now: data of GPUs is copied when it is first looked at, and a
/// gradient may have taken the memory by then.
pub(crate) fn to_data(tensor: AnyTensor) -> TensorData {
    fn read<const D: usize>(tensor: AnyTensor) -> TensorData {
        match tensor.kind() {
            Kind::Float => tensor.float::<D>().into_data(),
            Kind::Int => tensor.int::<D>().into_data(),
            Kind::Bool => tensor.bool::<D>().into_data(),
        }
    }
    let data = match tensor.shape().num_dims() {
        1 => read::<1>(tensor),
        2 => read::<2>(tensor),
        3 => read::<3>(tensor),
        rank => panic!("a tensor of rank {rank}"),
    };
    data.as_bytes();
    data
}

/// Replaces every parameter by its gradient.
struct ToGradients<'a>(&'a Gradients);

impl ModuleMapper for ToGradients<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = param.val();
        let gradient = value
            .grad(self.0)
            .unwrap_or_else(|| Tensor::zeros(value.shape(), &value.device().inner()));
        Param::initialized(param.id, gradient)
    }
}

fn gradient<const D: usize>(tensor: AnyTensor, gradients: &Gradients) -> Option<TensorData> {
    tensor.float::<D>().grad(gradients).map(Tensor::into_data)
}

/// The sum of all outputs, each times its cotangent.
fn loss(outputs: Vec<AnyTensor>, fixture: &Fixture, device: &Device) -> Tensor<1> {
    let cotangents = fixture.below("cot.");
    let mut loss = Tensor::zeros([1], device);
    for (i, output) in outputs.into_iter().enumerate() {
        if let Some(cotangent) = cotangents.get(&i.to_string()) {
            let cotangent = cotangent.clone();
            loss = loss
                + match cotangent.shape().num_dims() {
                    1 => (output.float::<1>() * Tensor::from_data(cotangent, device)).sum(),
                    2 => (output.float::<2>() * Tensor::from_data(cotangent, device)).sum(),
                    _ => (output.float::<3>() * Tensor::from_data(cotangent, device)).sum(),
                };
        }
    }
    loss
}

/// What a fixture's module or function computes.
pub(crate) struct Outcome {
    pub(crate) outputs: Vec<TensorData>,
    /// By the names that they have in the fixture, on an autodiff device.
    pub(crate) gradients: BTreeMap<String, TensorData>,
}

/// Runs a fixture in evaluation mode, and back on an autodiff device.
pub(crate) fn outcome(fixture: &Fixture, device: &Device) -> Outcome {
    let module = (!fixture.is_pool()).then(|| {
        // Evaluation mode, but with gradients.
        fixture
            .module(device)
            .freeze()
            .set_require_grad(device.is_autodiff())
    });
    outcome_of(module, fixture, device)
}

/// What a module computes of a fixture's inputs, or without one a pooling function.
pub(crate) fn outcome_of(module: Option<AnyLayer>, fixture: &Fixture, device: &Device) -> Outcome {
    let mut inputs = Inputs::new(fixture, device);
    let results = match &module {
        Some(module) => run(fixture, module, &mut inputs),
        None => pooled(fixture, &mut inputs),
    };
    let outputs = results.iter().cloned().map(to_data).collect();
    let mut found = BTreeMap::new();
    if device.is_autodiff() {
        let gradients = loss(results, fixture, device).backward();
        for (name, tensor) in inputs.tracked {
            let shape = tensor.shape();
            let gradient = match shape.num_dims() {
                1 => gradient::<1>(tensor, &gradients),
                2 => gradient::<2>(tensor, &gradients),
                _ => gradient::<3>(tensor, &gradients),
            };
            let gradient = gradient.unwrap_or_else(|| TensorData::zeros::<f32, Shape>(shape));
            found.insert(format!("grad.in.{name}"), gradient);
        }
        if let Some(module) = module {
            let state = StateDict::of(&module.map(&mut ToGradients(&gradients))).unwrap();
            let parameters = state.tensors.into_iter();
            found.extend(parameters.map(|(name, it)| (format!("grad.param.{name}"), it)));
        }
    }
    Outcome {
        outputs,
        gradients: found,
    }
}
