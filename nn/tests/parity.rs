//! Results and gradients equal PyG's on every fixture of `pyg/data`; `pyg/generate.py` says what is
//! in them.
//!
//! Every fixture runs twice: on the plain device, and in evaluation mode on the autodiff device,
//! where the gradients by all inputs and parameters are compared too. Layers are built from PyG's
//! arguments and called through their typed forward variants.

use std::{collections::BTreeMap, fmt::Write as _};

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Gradients, Int, Shape, Tensor, TensorData},
};
use kiln_core::{Adjacency, AnyTensor, EdgeIndex, Edges, Groups, Kind, Value, signature::Type};
use kiln_nn::{
    AnyLayer, Layer, Overloads as _, aggr, conv, for_each_layer, models, norm,
    pool::{global_add_pool, global_max_pool, global_mean_pool},
    store::StateDict,
};

use crate::fixture::{Fixture, data, matches};

/// Largest difference, relative to the largest number of the expected tensor, or, for gradients, of
/// all gradients of the fixture: the gradient of a softmax is a difference of numbers of that size.
pub(crate) const TOLERANCE: f64 = 1e-5;

/// The inputs of a fixture on a device; on an autodiff device those with a gradient are tracked.
struct Inputs {
    device: Device,
    tensors: BTreeMap<String, TensorData>,
    /// Tracked inputs by name.
    tracked: Vec<(String, AnyTensor)>,
}

impl Inputs {
    fn new(fixture: &Fixture, device: &Device) -> Self {
        Self {
            device: device.clone(),
            tensors: fixture.below("in."),
            tracked: Vec::new(),
        }
    }

    fn float<const D: usize>(&mut self, name: &str) -> Option<Tensor<D>> {
        let mut tensor = Tensor::from_data(self.tensors.get(name)?.clone(), &self.device);
        if self.device.is_autodiff() {
            tensor = tensor.require_grad();
            self.tracked
                .push((name.to_owned(), AnyTensor::from(tensor.clone())));
        }
        Some(tensor)
    }

    fn int<const D: usize>(&self, name: &str) -> Option<Tensor<D, Int>> {
        Some(Tensor::from_data(
            self.tensors.get(name)?.clone(),
            &self.device,
        ))
    }

    /// The argument of the given name and type.
    fn argument(&mut self, name: &str, ty: &Type, size: &[usize]) -> Value {
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
                other => panic!("no input for {name}: {other:?}"),
            }),
            (_, Type::Int(_)) => Value::Int(*size.last().unwrap()),
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
        other => panic!("not a result: {other:?}"),
    }
}

pub(crate) fn forward(fixture: &Fixture, module: &AnyLayer, device: &Device) -> Vec<AnyTensor> {
    run(fixture, module, &mut Inputs::new(fixture, device))
}

fn run(fixture: &Fixture, module: &AnyLayer, inputs: &mut Inputs) -> Vec<AnyTensor> {
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
fn to_data(tensor: AnyTensor) -> TensorData {
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

/// Largest absolute value, at least 0.01.
fn scale<'a>(tensors: impl IntoIterator<Item = &'a TensorData>) -> f64 {
    let values = tensors
        .into_iter()
        .flat_map(|tensor| tensor.iter::<f64>().collect::<Vec<_>>());
    values.fold(1e-2, |scale, value| value.abs().max(scale))
}

/// Adds a line to `report` if the tensors differ by more than the tolerance times `scale`.
fn compare(report: &mut String, name: &str, got: &TensorData, expected: &TensorData, scale: f64) {
    if got.shape() != expected.shape() {
        writeln!(
            report,
            "{name}: shape {:?}, PyG {:?}",
            got.shape(),
            expected.shape()
        )
        .unwrap();
        return;
    }
    let (got, expected): (Vec<f64>, Vec<f64>) = (got.iter().collect(), expected.iter().collect());
    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let difference = (got - expected).abs() / scale;
        if difference.is_nan() || difference > TOLERANCE {
            writeln!(
                report,
                "{name}[{i}]: {got}, PyG {expected}, relative to {scale}"
            )
            .unwrap();
            return;
        }
    }
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
                    _ => (output.float::<2>() * Tensor::from_data(cotangent, device)).sum(),
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
    let mut inputs = Inputs::new(fixture, device);
    let module = (!fixture.is_pool()).then(|| {
        // Evaluation mode, but with gradients.
        fixture
            .module(device)
            .freeze()
            .set_require_grad(device.is_autodiff())
    });
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

fn check(fixture: &Fixture, device: &Device) -> String {
    let mut report = String::new();
    let autodiff = device.clone().autodiff();
    let expected = fixture.below("out.");

    for device in [device, &autodiff] {
        let got = outcome(fixture, device);
        if got.outputs.len() != expected.len() {
            let count = got.outputs.len();
            writeln!(report, "{count} outputs, PyG {}", expected.len()).unwrap();
            return report;
        }
        for (i, got) in got.outputs.iter().enumerate() {
            let expected = &expected[&i.to_string()];
            let scale = scale([expected]);
            compare(&mut report, &format!("out.{i}"), got, expected, scale);
        }
        if !device.is_autodiff() {
            continue;
        }
        let expected = fixture.below("grad.");
        let scale = scale(expected.values());
        for (name, expected) in expected {
            let name = format!("grad.{name}");
            compare(&mut report, &name, &got.gradients[&name], &expected, scale);
        }
    }
    report
}

fn check_all(conv: &str) {
    let fixtures = Fixture::all(conv);
    assert!(!fixtures.is_empty(), "no fixtures of {conv}");
    let device = crate::device();
    let mut failed = String::new();
    for fixture in &fixtures {
        let report = check(fixture, &device);
        if !report.is_empty() {
            writeln!(failed, "{}\n{report}", fixture.name).unwrap();
        }
    }
    assert!(failed.is_empty(), "differs from PyG:\n{failed}");
}

macro_rules! one_test_each {
    ($($place:ident :: $layer:ident),+ $(,)?) => {
        $(
            #[test]
            fn $layer() {
                check_all(<$place::$layer as Layer>::NAME);
            }
        )+
    };
}

for_each_layer!(one_test_each);

const POOLS: [&str; 3] = ["global_add_pool", "global_mean_pool", "global_max_pool"];

#[test]
fn pools() {
    POOLS.into_iter().for_each(check_all);
}

/// Colours of nodes in three rounds, and histograms of the last.
#[test]
fn colors() {
    let device = crate::device();
    for fixture in Fixture::all("WLConv") {
        let mut inputs = Inputs::new(&fixture, &device);
        let (src, dst) = ("N".into(), "N".into());
        let edges = if fixture.variant == "adj" {
            let edges = "E".into();
            inputs.argument(
                "edge_index",
                &Type::Adjacency { src, dst, edges },
                &fixture.size,
            )
        } else {
            let edges = "E".into();
            inputs.argument(
                "edge_index",
                &Type::EdgeIndex { src, dst, edges },
                &fixture.size,
            )
        };
        let edges = match edges {
            Value::EdgeIndex(edges) => Edges::from(edges),
            Value::Adjacency(edges) => edges.into(),
            other => panic!("no edges: {other:?}"),
        };
        let first: Tensor<1, Int> = inputs.int("x").unwrap();
        let mut conv = conv::WlConv::new();
        let mut x = first.clone();
        let mut results = Vec::new();
        for _ in 0..3 {
            x = conv.forward(x, &edges);
            results.push(x.clone().into_data());
        }
        let one_hot = first.one_hot::<2>(3).float();
        let again = conv.forward_one_hot(one_hot, &edges);
        assert_eq!(again.into_data(), results[0], "{}", fixture.name);
        let all = Groups::one(fixture.size[0], &device);
        let batch = Groups::new(inputs.int("batch").unwrap(), 2).unwrap();
        results.push(conv.histogram(&x, &all).into_data());
        results.push(conv.histogram(&x, &batch).into_data());
        for (number, got) in results.into_iter().enumerate() {
            let expected = &fixture.below("out.")[&number.to_string()];
            let got = got.convert::<i64>();
            assert_eq!(&got, expected, "{}: {number}", fixture.name);
        }
        let got = conv.normalized_histogram(&x, &batch).into_data();
        let expected = &fixture.below("out.")["5"];
        let mut report = String::new();
        compare(&mut report, &fixture.name, &got, expected, 1.0);
        assert!(report.is_empty(), "{report}");
        conv.reset();
        assert_eq!(conv.num_colors(), 0);
    }
}

/// No fixture is left out.
#[test]
fn every_fixture_belongs_to_a_test() {
    let manifest = std::fs::read_to_string(data().join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    for conv in manifest["files"].as_object().unwrap().keys() {
        let is_listed = kiln_nn::NAMES.contains(&conv.as_str()) || POOLS.contains(&conv.as_str());
        let is_tested = is_listed || conv == "WLConv";
        assert!(is_tested, "no test for the fixtures of {conv}");
    }
}
