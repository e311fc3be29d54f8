//! Operations that are several in one: as they are recorded, `tests/files/fused`, and in their
//! parts.
//!
//! Programs that were recorded in parts, `tests/files/parts`, have the same results. The device is
//! that of `KILN_TEST_BACKEND`.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::{Device, Tensor};
use kiln_core::AnyTensor;
use kiln_ir::{
    ElementwiseOp, GraphOp, Model, Op, Program, Session, Valid, Weights, parse, pass, validate,
};

use crate::{
    files::files,
    support::{Inputs, assert_close, device, edges, floats, values},
};

/// The operations of recorded layers that have parts.
const FUSED: [(&str, &[&str]); 7] = [
    ("attention", &["edge_attention"]),
    ("attention_dropout", &["edge_attention"]),
    ("attention_pair", &["edge_attention"]),
    ("attention_plain", &["edge_attention"]),
    ("normalization", &["spmm_normalized"]),
    ("normalization_plain", &["spmm_normalized"]),
    ("normalization_weighted", &["spmm_with_loops"]),
];

/// The programs of a folder by name.
fn programs(folder: &str) -> BTreeMap<String, Valid> {
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let program = validate(parse(&fs::read_to_string(path).unwrap()).unwrap()).unwrap();
        (name, program)
    };
    files(folder).into_iter().map(read).collect()
}

fn lowered(program: Valid) -> Valid {
    pass::run(program, &[pass::LOWER]).unwrap()
}

fn ops(program: &Program) -> impl Iterator<Item = &Op> {
    let nodes = program.functions.iter().flat_map(|one| &one.nodes);
    nodes.map(|node| &node.op)
}

/// Names of the operations that have parts.
fn with_parts(program: &Program) -> Vec<String> {
    let with_parts = ops(program).filter(|op| op.effects().is_fused);
    with_parts.map(|op| op.name().into_owned()).collect()
}

/// A model with weights that are neither alike nor large.
fn model(program: Valid) -> Model {
    let mut weights = Weights::new();
    for (weight, seed) in program.weights.iter().zip(1_usize..) {
        let count = usize::try_from(weight.shape.iter().product::<u64>()).unwrap();
        let value =
            |i: usize| f32::from(i16::try_from((i * 7 + seed * 5) % 19).unwrap()) / 19.0 - 0.5;
        let bytes: Vec<u8> = (0..count).flat_map(|i| value(i).to_le_bytes()).collect();
        weights
            .insert(&weight.name, weight.elem, weight.shape.clone(), bytes)
            .unwrap();
    }
    Model::new(program, weights).unwrap()
}

/// Numbers of nodes and edges: with loops, edges that stand twice, nodes without edges, and neither
/// nodes nor edges.
const GRAPHS: [(usize, &[[i64; 2]]); 4] = [
    (
        5,
        &[
            [0, 1],
            [1, 2],
            [2, 0],
            [3, 3],
            [0, 2],
            [3, 1],
            [0, 2],
            [0, 0],
            [0, 0],
        ],
    ),
    (3, &[[1, 1]]),
    (2, &[]),
    (1, &[[0, 0], [0, 0]]),
];

/// The inputs of a layer on a graph.
fn inputs(program: &Program, (nodes, graph): (usize, &[[i64; 2]]), device: &Device) -> Inputs {
    let method = &program.modules[0].methods[0];
    let leaves = method.leaves();
    let mut inputs = Inputs::new();
    for leaf in &leaves {
        let tensor = match leaf.name.as_str() {
            "x" | "x.0" => floats([nodes, 8], 1, device),
            // One target more, which has no source of its number.
            "x.1" => floats([nodes + 1, 8], 2, device),
            "edge_weight" => floats([graph.len()], 3, device).float::<1>().abs().into(),
            _ => edges(graph, device),
        };
        inputs.insert(leaf.name.clone(), tensor);
    }
    inputs
}

fn run(session: &Session, inputs: Inputs) -> AnyTensor {
    let method = session.methods()[0].name.clone();
    session.run(&method, inputs).unwrap().remove(0).1
}

/// How far results may be apart.
const TOLERANCE: f64 = 1e-6;

#[test]
fn operations_with_parts_are_lowered() {
    let mut programs = programs("fused");
    for (name, expected) in FUSED {
        let program = programs.remove(name).unwrap();
        assert_eq!(with_parts(&program), expected, "{name}");
        assert!(with_parts(&lowered(program)).is_empty(), "{name}");
    }
    assert!(programs.is_empty(), "{:?}", programs.keys());
    for spec in Op::specs().filter(|spec| spec.effects.is_fused) {
        let is_it = |(_, names): &(&str, &[&str])| names.contains(&spec.name);
        assert!(FUSED.iter().any(is_it), "{}", spec.name);
    }
}

/// A model with the same weights in a file of the first version, if there is one.
fn in_version_1(name: &str) -> Option<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files/native/v1")
        .join(name)
        .with_extension("kiln");
    path.exists().then(|| Model::load(path).unwrap())
}

#[test]
fn parts_compute_the_same() {
    let (device, _guard) = device();
    let mut in_parts = programs("parts");
    for (name, program) in programs("fused") {
        let in_parts = in_parts.remove(&name).map(model);
        let ways = [
            Some(model(lowered(program.clone()))),
            in_parts,
            in_version_1(&name),
        ];
        let sessions = ways.map(|way| way.map(|way| Session::new(&way, &device).unwrap()));
        let session = Session::new(&model(program.clone()), &device).unwrap();
        for graph in GRAPHS {
            let results = || run(&session, inputs(&program, graph, &device));
            for other in sessions.iter().flatten() {
                let what = format!("{name} {graph:?}");
                let other = run(other, inputs(other.program(), graph, &device));
                assert_close(&what, other, results(), TOLERANCE);
            }
        }
    }
    assert!(in_parts.is_empty(), "{:?}", in_parts.keys());
    let found = ["attention", "normalization"].map(|name| in_version_1(name).is_some());
    assert_eq!(found, [true, true]);
}

/// Requires equality, also of what is not finite.
#[track_caller]
fn assert_same(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().filter(|value| value.is_finite());
    let scale = scale.fold(1.0_f64, |scale, value| scale.max(value.abs()));
    for (position, (a, b)) in got.iter().zip(expected).enumerate() {
        let is_same = if b.is_finite() {
            (a - b).abs() <= TOLERANCE * scale
        } else {
            a.total_cmp(b).is_eq() || a.is_nan() && b.is_nan()
        };
        assert!(is_same, "{what}, element {position}: {a}, expected {b}");
    }
}

/// The inputs with gradients by name, of which one element of one is replaced.
fn tracked(inputs: &Inputs, name: &str, element: usize, value: f64, device: &Device) -> Inputs {
    fn replace<const D: usize>(
        x: &AnyTensor,
        at: Option<(usize, f64)>,
        device: &Device,
    ) -> AnyTensor {
        let mut data = x.clone().float::<D>().into_data();
        if let Some((element, value)) = at {
            #[expect(clippy::cast_possible_truncation, reason = "not finite")]
            let value = value as f32;
            data.as_mut_slice::<f32>().unwrap()[element] = value;
        }
        Tensor::<D>::from_data(data, device).require_grad().into()
    }
    let one = |(input, x): (&String, &AnyTensor)| {
        let at = (input == name).then_some((element, value));
        let x = match x.shape().num_dims() {
            _ if input == "edge_index" => x.clone(),
            1 => replace::<1>(x, at, device),
            _ => replace::<2>(x, at, device),
        };
        (input.clone(), x)
    };
    inputs.iter().map(one).collect()
}

/// What is not finite spreads in parts as it does in one operation, in results and in gradients.
#[test]
fn parts_are_exact_about_what_is_left_out() {
    let (plain, _guard) = device();
    let device = plain.clone().autodiff();
    for (name, program) in programs("fused") {
        if name.contains("dropout") {
            continue;
        }
        let ways = [program.clone(), lowered(program.clone())];
        let sessions = ways.map(|way| Session::new(&model(way), &device).unwrap());
        for graph in GRAPHS {
            let all = inputs(&program, graph, &plain);
            for (input, x) in all.iter().filter(|(input, _)| *input != "edge_index") {
                let count = x.shape().num_elements();
                for element in (0..count).step_by(if input == "edge_weight" { 1 } else { 5 }) {
                    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                        let results = sessions.each_ref().map(|session| {
                            let inputs = tracked(&all, input, element, value, &device);
                            let out = run(session, inputs.clone()).float::<2>();
                            let gradients = out.clone().sum().backward();
                            let of = |x: AnyTensor| match x.shape().num_dims() {
                                1 => x.float::<1>().grad(&gradients).map(AnyTensor::from),
                                _ => x.float::<2>().grad(&gradients).map(AnyTensor::from),
                            };
                            let floats =
                                inputs.into_iter().filter(|(name, _)| name != "edge_index");
                            let gradients =
                                floats.map(|(name, x)| (name, values(of(x).unwrap()).1));
                            (values(out.inner().into()).1, gradients.collect::<Vec<_>>())
                        });
                        let what = format!("{name} {graph:?}, {input}[{element}] = {value}");
                        let [(expected, expected_gradients), (got, gradients)] = results;
                        assert_same(&what, &got, &expected);
                        for ((name, expected), (_, got)) in
                            expected_gradients.into_iter().zip(gradients)
                        {
                            assert_same(&format!("{what}, gradient of {name}"), &got, &expected);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn dropout_is_for_training() {
    let device = Device::flex();
    let program = programs("fused").remove("attention_dropout").unwrap();
    let parts = lowered(program.clone());
    let dropouts = |program: &Valid| -> Vec<f64> {
        let probability = |op: &Op| match op {
            Op::Elementwise(ElementwiseOp::Dropout { prob: probability }) => Some(probability.0),
            Op::Graph(GraphOp::EdgeAttention { dropout, .. }) => Some(dropout.0),
            _ => None,
        };
        ops(program).filter_map(probability).collect()
    };
    assert_eq!([&program, &parts].map(dropouts), [[0.6], [0.6]]);
    for program in [program, parts] {
        let on = |device: &Device| {
            let session = Session::new(&model(program.clone()), device).unwrap();
            let inputs = inputs(&program, GRAPHS[0], device);
            let run = || values(run(&session, inputs.clone())).1;
            (0..10).map(|_| run()).collect::<Vec<_>>()
        };
        let outputs = on(&device);
        assert!(outputs.iter().all(|output| *output == outputs[0]));
        let outputs = on(&device.clone().autodiff());
        assert!(outputs.iter().any(|output| *output != outputs[0]));
    }
}
