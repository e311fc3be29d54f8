//! Layers on the device under test beside the CPU: results and gradients at sizes at which GPUs
//! take other kernels than for the small graphs of the fixtures.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Gradients, Tensor, TensorData},
};
use kiln_core::{AnyTensor, EdgeIndex, Groups, Value};
use kiln_nn::{
    AnyLayer, Overloads as _,
    build::from_args,
    pool::{global_add_pool, global_mean_pool},
    store::StateDict,
};
use serde_json::{Value as Json, json};

/// Largest difference, relative to the largest number of the tensor.
const TOLERANCE: f64 = 1e-5;

const NUM_NODES: usize = 3001;
const NUM_EDGES: usize = 20_000;
const WIDTH: usize = 64;

/// Numbers between -1 and 1 that look random.
fn numbers(count: usize, salt: u32) -> Vec<f32> {
    let number = |i: u32| {
        let bits = (i ^ salt.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0x9e37_79b9);
        let bits = (bits ^ bits >> 15).wrapping_mul(0x2c1b_3c6d);
        let upper = u16::try_from((bits ^ bits >> 13) >> 16).unwrap();
        let lower = u16::try_from((bits ^ bits >> 11) & 0xff).unwrap();
        f32::from(upper) / 32_768.0 + f32::from(lower) / 8_388_608.0 - 1.0
    };
    (0..u32::try_from(count).unwrap()).map(number).collect()
}

/// Ends of edges: a few nodes have very many.
fn ends(salt: u32) -> Vec<i64> {
    let node = |number: f32| {
        let square = f64::from(number) * f64::from(number);
        #[expect(clippy::cast_possible_truncation, reason = "a number of a node")]
        let node = (square * 3000.0) as i64;
        node
    };
    numbers(NUM_EDGES, salt).into_iter().map(node).collect()
}

/// The gradients of all parameters, in order.
struct Collect<'a> {
    gradients: &'a Gradients,
    found: Vec<Vec<f64>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // GIN's epsilon is not trained.
        if let Some(gradient) = param.val().grad(self.gradients) {
            let gradient = gradient.into_data();
            self.found.push(gradient.iter::<f64>().collect());
        }
    }
}

/// The result and the gradients of features and parameters, of weights that are the same on each
/// device.
fn run(kind: &str, args: &Json, state: &StateDict, device: &Device) -> Vec<Vec<f64>> {
    let device = device.clone().autodiff();
    let model = from_args(kind, args, &device).unwrap();
    let model = state.clone().load_into(model).unwrap();
    let floats = |shape: [usize; 2], salt| -> Tensor<2> {
        Tensor::from_data(
            TensorData::new(numbers(shape[0] * shape[1], salt), shape),
            &device,
        )
    };
    let x = floats([NUM_NODES, WIDTH], 1).require_grad();
    let edges = EdgeIndex::from_arrays(&ends(2), &ends(3), NUM_NODES, NUM_NODES, &device).unwrap();
    let arguments = vec![
        Value::Tensor(AnyTensor::from(x.clone())),
        Value::EdgeIndex(edges),
    ];
    let Value::Tensor(out) = model.overloads()[0].call(&model, arguments) else {
        panic!("expected a tensor");
    };
    let out = out.float::<2>();
    let gradients = (out.clone() * floats(out.dims(), 4)).backward();
    let read = |x: Tensor<2>| x.into_data().iter::<f64>().collect::<Vec<_>>();
    let mut parameters = Collect {
        gradients: &gradients,
        found: Vec::new(),
    };
    model.visit(&mut parameters);
    let mut all = vec![read(x.grad(&gradients).unwrap()), read(out)];
    all.append(&mut parameters.found);
    all
}

#[test]
fn layers_and_their_gradients() {
    let layers = [
        ("GCNConv", json!({"in_channels": WIDTH, "out_channels": 48})),
        ("GCNConv", json!({"in_channels": WIDTH, "out_channels": 37})),
        (
            "SAGEConv",
            json!({"in_channels": WIDTH, "out_channels": 48}),
        ),
        ("GINConv", json!({"nn": [WIDTH, 48, 40]})),
        (
            "GATConv",
            json!({"in_channels": WIDTH, "out_channels": 12, "heads": 4}),
        ),
        (
            "GATv2Conv",
            json!({"in_channels": WIDTH, "out_channels": 12, "heads": 4}),
        ),
        (
            "GraphConv",
            json!({"in_channels": WIDTH, "out_channels": 48}),
        ),
    ];
    for (kind, args) in layers {
        let cpu = Device::flex();
        cpu.seed(1);
        let model: AnyLayer = from_args(kind, &args, &cpu).unwrap();
        let state = StateDict::of(&model).unwrap();
        let expected = run(kind, &args, &state, &cpu);
        let got = run(kind, &args, &state, &crate::device());
        assert_eq!(got.len(), expected.len());
        for (part, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert_near(&format!("{kind} {args}, part {part}"), got, expected);
        }
    }
}

#[track_caller]
fn assert_near(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-2, |top: f64, it| top.max(it.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let apart = (got - expected).abs() / largest;
        assert!(
            apart <= TOLERANCE,
            "{what}: value {i} is {got}, on the CPU {expected}, relative to {largest}"
        );
    }
}

/// As many numbers that are alike as the mean of a loss has; of a batch, as many as software
/// drivers run in one loop.
#[test]
fn pools_of_many_nodes() {
    let device = crate::device();
    for (nodes, has_batch) in [(1_u32 << 21, false), (60_000, true)] {
        let (count, value) = (usize::try_from(nodes).unwrap(), 3.85_f32);
        let x = Tensor::<2>::full([count, 3], value, &device);
        let groups = if has_batch {
            Groups::new(Tensor::zeros([count], &device), 1).unwrap()
        } else {
            Groups::one(count, &device)
        };
        let sum = f64::from(value) * f64::from(nodes);
        for (pool, expected) in [
            (global_add_pool as fn(_, &_) -> Tensor<2>, sum),
            (global_mean_pool, f64::from(value)),
        ] {
            let out = pool(x.clone(), &groups);
            assert_eq!(out.dims(), [1, 3]);
            let got: Vec<f64> = out.into_data().iter::<f64>().collect();
            assert_near("pool", &got, &[expected; 3]);
        }
    }
}
