//! Passes that put one operation in the place of several, on recorded layers: `tests/files/pass`.
//!
//! The device is that of `KILN_TEST_BACKEND`.

use std::{collections::BTreeMap, fs};

use burn::tensor::Device;
use kiln_ir::{
    Binary, Float, Model, Op, Program, Reduce, Scalar, Session, Size, SymbolId, Type, Valid,
    ValueId, ValueType, Weights, parse, pass, validate,
};

use crate::{
    files::files,
    support::{Inputs, assert_close, device, edges, floats, values},
};

/// Operations that move rows along edges, in the program that a session executes.
const FUSED: [(&str, &[&str]); 6] = [
    ("attention", &["edge_attention"]),
    ("attention_dropout", &["edge_attention"]),
    ("attention_pair", &["edge_attention"]),
    ("attention_plain", &["edge_attention"]),
    ("normalization", &["inverse_sqrt_degree", "spmm_normalized"]),
    ("normalization_plain", &["scatter", "spmm_normalized"]),
];

/// The recorded layers by name, with calls inlined.
fn programs() -> BTreeMap<String, Valid> {
    let inlined = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let program = validate(parse(&fs::read_to_string(path).unwrap()).unwrap()).unwrap();
        let program = pass::run(program, &[pass::INLINE, pass::CSE, pass::DCE]).unwrap();
        (name, program)
    };
    files("pass").into_iter().map(inlined).collect()
}

fn executed(program: Valid) -> Valid {
    pass::run(program, &pass::EXECUTION).unwrap()
}

/// Names of the operations that move rows along edges, in the order of the alphabet.
fn along_edges(program: &Program) -> Vec<&'static str> {
    let nodes = program.functions.iter().flat_map(|one| &one.nodes);
    let mut names: Vec<_> = nodes.filter_map(|node| name(&node.op)).collect();
    names.sort_unstable();
    names
}

fn name(op: &Op) -> Option<&'static str> {
    Some(match op {
        Op::Gather => "gather",
        Op::Scatter { .. } => "scatter",
        Op::SegmentSoftmax { .. } => "segment_softmax",
        Op::Spmm { .. } => "spmm",
        Op::EdgeAttention { .. } => "edge_attention",
        Op::SpmmNormalized { .. } => "spmm_normalized",
        Op::InverseSqrtDegree { .. } => "inverse_sqrt_degree",
        _ => return None,
    })
}

/// The program with a value as a further result of its method.
fn returning(program: &Valid, value: ValueId) -> Valid {
    let mut program = Program::clone(program);
    let function = program.functions.last_mut().unwrap();
    function.outputs.push(value);
    let Some(ValueType::Tensor(ty)) = function.values.get(value.index()) else {
        panic!("no tensor");
    };
    let method = &mut program.modules[0].methods[0];
    method.result = Type::Tuple(vec![method.result.clone(), Type::Tensor(ty.clone())]);
    validate(program).unwrap()
}

/// Results of nodes that are floats of a type that `is_one` accepts.
fn floats_of(program: &Valid, is_one: impl Fn(&[Size]) -> bool) -> Vec<ValueId> {
    let function = program.functions.last().unwrap();
    let results = function.nodes.iter().flat_map(|node| &node.outputs);
    let is_float = |id: &ValueId| match function.values.get(id.index()) {
        Some(ValueType::Tensor(ty)) => ty.elem.is_float() && is_one(&ty.dims),
        _ => false,
    };
    results.copied().filter(is_float).collect()
}

/// Results of nodes whose rows are edges.
fn of_edges(program: &Valid) -> Vec<ValueId> {
    let symbol = program.symbols.iter().position(|one| one.name == "E");
    floats_of(program, |dims| {
        let symbols = dims.iter().flat_map(Size::symbols);
        symbols.map(SymbolId::index).any(|it| Some(it) == symbol)
    })
}

/// The value that the last node of an operation makes.
fn result_of(program: &Valid, is_it: impl Fn(&Op) -> bool) -> ValueId {
    let nodes = &program.functions.last().unwrap().nodes;
    nodes.iter().rfind(|node| is_it(&node.op)).unwrap().outputs[0]
}

#[test]
fn parts_become_one_operation() {
    let mut programs = programs();
    for (name, expected) in FUSED {
        let program = executed(programs.remove(name).unwrap());
        assert_eq!(along_edges(&program), expected, "{name}");
        // Nothing has a row for each edge any more, but where loops are not counted.
        let rest = usize::from(name == "normalization_plain");
        assert_eq!(of_edges(&program).len(), rest, "{name}");
    }
    assert!(programs.is_empty(), "{:?}", programs.keys());
}

#[test]
fn parts_that_are_read_elsewhere_stay() {
    for (name, program) in programs() {
        let parts = if name.starts_with("attention") {
            of_edges(&program)
        } else {
            // The sum, and what a node adds of its own. Coefficients may be read elsewhere.
            let own = |op: &Op| matches!(op, Op::Spmm { .. });
            let sum = result_of(&program, own);
            if name == "normalization" {
                vec![sum]
            } else {
                vec![]
            }
        };
        for part in parts {
            let program = executed(returning(&program, part));
            let names = along_edges(&program);
            assert!(names.contains(&"spmm"), "{name}: {part:?}: {names:?}");
            let is_fused = |name: &&str| ["edge_attention", "spmm_normalized"].contains(name);
            assert!(!names.iter().any(is_fused), "{name}: {part:?}");
        }
    }
}

#[test]
fn what_is_almost_a_pattern_stays() {
    /// A change of one node that matters to the result.
    type Change = (&'static str, fn(&mut Op) -> bool);
    let changes: [Change; 9] = [
        // Loops that still count something.
        ("attention", |op| match op {
            Op::MaskFill(value) => set(value, -1.0),
            _ => false,
        }),
        // Loops with other scores than edges. The first activation is that of the edges.
        ("attention", |op| match op {
            Op::LeakyRelu(slope) => {
                *slope = Float(0.3);
                true
            }
            _ => false,
        }),
        ("attention", |op| match op {
            Op::Spmm { reduce, .. } => {
                *reduce = Reduce::Mean;
                true
            }
            _ => false,
        }),
        // Heads in another order.
        ("attention", |op| match op {
            Op::BinaryScalar(Binary::Mul, Scalar::Int(factor)) => {
                *factor = Size::fixed(2);
                true
            }
            _ => false,
        }),
        ("attention_pair", |op| match op {
            Op::BinaryScalar(Binary::GreaterEqual, Scalar::Int(first)) => {
                *first = Size::fixed(1);
                true
            }
            _ => false,
        }),
        ("normalization", |op| match op {
            Op::Spmm { reduce, .. } => {
                *reduce = Reduce::Max;
                true
            }
            _ => false,
        }),
        ("normalization", |op| match op {
            Op::MaskFill(value) => set(value, 0.5),
            _ => false,
        }),
        ("normalization_plain", |op| match op {
            Op::Full { value, .. } => set(value, 2.0),
            _ => false,
        }),
        ("normalization_plain", |op| match op {
            Op::Spmm { reduce, .. } => {
                *reduce = Reduce::Mean;
                true
            }
            _ => false,
        }),
    ];
    let programs = programs();
    for (number, (name, change)) in changes.into_iter().enumerate() {
        let mut program = Program::clone(&programs[name]);
        let nodes = &mut program.functions.last_mut().unwrap().nodes;
        assert!(
            nodes.iter_mut().any(|node| change(&mut node.op)),
            "{number}"
        );
        let names = along_edges(&executed(validate(program).unwrap()));
        assert!(names.contains(&"spmm"), "{number}: {names:?}");
    }
}

fn set(scalar: &mut Scalar, to: f64) -> bool {
    *scalar = Scalar::Float(Float(to));
    true
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

/// The program with a change that no result shows and that keeps its parts apart.
fn in_parts(name: &str, program: &Valid) -> Valid {
    if name.starts_with("attention") {
        return returning(program, of_edges(program)[0]);
    }
    if name == "normalization" {
        let sum = result_of(program, |op| matches!(op, Op::Spmm { .. }));
        return returning(program, sum);
    }
    // Ones that differ from 1 by less than a float can tell.
    let mut program = Program::clone(program);
    let nodes = &mut program.functions.last_mut().unwrap().nodes;
    let is_set = |op: &mut Op| match op {
        Op::Full { value, .. } => set(value, 1.0 + 1e-12),
        _ => false,
    };
    assert!(nodes.iter_mut().any(|node| is_set(&mut node.op)));
    validate(program).unwrap()
}

#[test]
fn results_are_those_of_the_parts() {
    let (device, _guard) = device();
    // With loops, edges that stand twice, nodes without edges, and neither nodes nor edges.
    let graphs: [(usize, &[[i64; 2]]); 4] = [
        (
            4,
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
    for (name, program) in programs() {
        let parts = in_parts(&name, &program);
        let sessions = [program, parts].map(|it| Session::new(&model(it), &device).unwrap());
        let has_product = |at: usize| along_edges(sessions[at].program()).contains(&"spmm");
        assert_eq!([has_product(0), has_product(1)], [false, true], "{name}");
        for (nodes, graph) in graphs {
            let mut inputs = Inputs::new();
            if name == "attention_pair" {
                // One destination more, which has no source of its number.
                inputs.insert("x.0".to_owned(), floats([nodes, 8], 1, &device));
                inputs.insert("x.1".to_owned(), floats([nodes + 1, 8], 2, &device));
            } else {
                inputs.insert("x".to_owned(), floats([nodes, 8], 1, &device));
            }
            inputs.insert("edge_index".to_owned(), edges(graph, &device));
            let method = sessions[0].methods()[0].name.clone();
            let mut results = sessions.iter().map(|session| {
                let outputs = session.run(&method, inputs.clone()).unwrap();
                outputs.into_iter().next().unwrap().1
            });
            let (got, expected) = (results.next().unwrap(), results.next().unwrap());
            assert_close(&format!("{name} {nodes}"), got, expected, 1e-6);
        }
    }
}

#[test]
fn dropout_is_for_training() {
    let device = Device::flex();
    let model = model(programs().remove("attention_dropout").unwrap());
    let on = |device: &Device| {
        let session = Session::new(&model, device).unwrap();
        let mut inputs = Inputs::from([("x".to_owned(), floats([4, 8], 1, device))]);
        let graph = [[0, 1], [1, 2], [2, 0], [3, 3], [0, 2], [3, 1]];
        inputs.insert("edge_index".to_owned(), edges(&graph, device));
        let method = &session.methods()[0].name;
        let run = || values(session.run(method, inputs.clone()).unwrap().remove(0).1).1;
        (0..10).map(|_| run()).collect::<Vec<_>>()
    };
    let outputs = on(&device);
    assert!(outputs.iter().all(|output| *output == outputs[0]));
    let outputs = on(&device.autodiff());
    assert!(outputs.iter().any(|output| *output != outputs[0]));
}
