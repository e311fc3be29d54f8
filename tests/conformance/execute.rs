//! Recorded programs, executed: against the eager layers at sizes that were not recorded, and
//! against PyG where numbers are not finite.
//!
//! A program runs as it was recorded, after a round trip through its native file, and after one
//! through its text form; and prepared for many runs. The device is that of `KILN_TEST_BACKEND`;
//! eager results are always computed on the CPU.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};

use kiln::{
    burn::tensor::{Device, TensorData},
    core::{AnyTensor, backend},
    ir::{self, GraphOp, Model, Op, Session, record::Recorder},
    nn::{self, Layer, Overloads, aggr, conv, dense, models, norm, pool},
};

use crate::{
    call::{self, Inputs, Sizes},
    case,
    fixture::{self, Fixture},
};

/// The device under test, and how far its results may be from the CPU's, relative to the largest.
pub(crate) fn device() -> (Device, f64) {
    let name = env::var("KILN_TEST_BACKEND").unwrap_or_else(|_| "flex".to_owned());
    let device = backend::device(&name).unwrap();
    // GPUs add in another order and have their own exponentials.
    let tolerance = if name == "flex" { 1e-6 } else { 1e-5 };
    (device, tolerance)
}

pub(crate) fn run(session: &Session, method: &str, inputs: &Inputs) -> Vec<TensorData> {
    let outputs = session
        .run(method, upload(inputs, session.device()))
        .unwrap_or_else(|error| panic!("{method}: {error}"));
    download(outputs)
}

pub(crate) fn upload(inputs: &Inputs, device: &Device) -> BTreeMap<String, AnyTensor> {
    let one = |(name, data): (&String, &TensorData)| {
        let tensor = call::upload(data.clone(), device);
        (name.clone(), tensor)
    };
    inputs.iter().map(one).collect()
}

pub(crate) fn download(outputs: Vec<(String, AnyTensor)>) -> Vec<TensorData> {
    let tensors = outputs.into_iter().map(|(_, tensor)| tensor);
    tensors.map(call::download).collect()
}

/// Whether a fixture is one of those that are called in many ways.
fn is_representative(fixture: &Fixture) -> bool {
    if case::is_aggregation(fixture) {
        return fixture.name.ends_with("-default");
    }
    let is_layer = !case::is_model(fixture) && !case::is_of_rows(fixture);
    let is_plain = ["edge_index", "nodes", "dense", "types"].contains(&fixture.variant.as_str());
    (is_plain || fixture.conv == "PANPooling")
        && (!is_layer
            || fixture.name.ends_with("-loops-heads")
            || fixture.name.ends_with("-loops-default")
            || fixture.name.contains("-loops-edge_dim"))
}

/// The tests of each layer and model.
macro_rules! for_each_layer {
    ($($place:ident :: $layer:ident),+ $(,)?) => {
        mod programs_equal_eager_layers_at_other_sizes {
            $(
                #[test]
                fn $layer() {
                    super::equal_eager_layers(<super::$place::$layer as super::Layer>::NAME);
                }
            )+
        }

        mod prepared_programs_equal_single_runs {
            $(
                #[test]
                fn $layer() {
                    let name = <super::$place::$layer as super::Layer>::NAME;
                    let replayed = super::equal_single_runs(name);
                    println!("repeated by the device: {replayed:?}");
                }
            )+
        }
    };
}

nn::for_each_layer!(for_each_layer);

#[test]
fn what_is_not_finite_is_where_pyg_has_it() {
    let (device, tolerance) = device();
    let mut count = 0;
    for runs in Fixture::nonfinite() {
        if runs[0].is_pool() {
            continue;
        }
        let module = runs[0].module(&Device::flex());
        let model = case::record(&runs[0], &module);
        let session = Session::new(&model, &device).unwrap();
        let own = case::variant(&runs[0], &module);
        for fixture in &runs {
            let got = run(&session, &own.name, &case::inputs(fixture, &own.signature));
            let expected = case::outputs(fixture);
            assert_eq!(got.len(), expected.len(), "{}", fixture.name);
            for (number, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let difference = fixture::difference(got, expected, tolerance.max(1e-5));
                assert_eq!(difference, None, "{}, result {number}", fixture.name);
            }
        }
        count += 1;
    }
    assert!(count > 50, "only {count} cases");
}

fn equal_eager_layers(conv: &str) {
    let (device, tolerance) = device();
    let mut fixtures = Fixture::all(conv);
    // Every variant that a fixture calls is among those that run here at other sizes, and the other
    // way about.
    let mut called = BTreeSet::new();
    for fixture in &fixtures {
        let module = fixture.module(&Device::flex());
        called.insert(case::variant(fixture, &module).name);
    }
    let mut run_here = BTreeSet::new();
    fixtures.retain(is_representative);
    for fixture in fixtures {
        let module = fixture.module(&Device::flex());
        let model = Recorder::new(&module).overloads().finish().unwrap();
        for (way, model) in round_trips(&model) {
            let session = Session::new(&model, &device).unwrap();
            for (seed, overload) in module.overloads().iter().enumerate() {
                run_here.insert(overload.name.clone());
                for (nodes, targets, edges) in [(1, 1, 3), (40, 23, 200), (9, 30, 0)] {
                    for optional in [false, true] {
                        let sizes = Sizes {
                            nodes,
                            targets,
                            edges,
                        };
                        let seed = seed as u64 + 100;
                        let inputs =
                            call::random_inputs(&overload.signature, sizes, optional, seed);
                        let counts = call::counts(&overload.signature, sizes);
                        let cpu = Device::flex();
                        let expected = call::eager(&module, overload, &inputs, counts, &cpu);
                        let got = run(&session, &overload.name, &inputs);
                        let name = format!("{} {way} {} {sizes:?}", fixture.name, overload.name);
                        call::assert_close(&name, &got, &expected, tolerance);
                    }
                }
            }
        }
    }
    assert_eq!(run_here, called);
}

/// Returns the variants whose launches the device repeats.
fn equal_single_runs(conv: &str) -> BTreeSet<String> {
    let (device, tolerance) = device();
    let sizes = Sizes {
        nodes: 40,
        targets: 23,
        edges: 200,
    };
    let mut replayed = BTreeSet::new();
    for fixture in Fixture::all(conv).into_iter().filter(is_representative) {
        let module = fixture.module(&Device::flex());
        let model = Recorder::new(&module).overloads().finish().unwrap();
        let session = Session::new(&model, &device).unwrap();
        for overload in module.overloads() {
            for optional in [false, true] {
                let inputs = |seed| call::random_inputs(&overload.signature, sizes, optional, seed);
                let is_float = |(_, data): &(String, TensorData)| data.dtype().is_float();
                let features = |seed| {
                    inputs(seed)
                        .into_iter()
                        .filter(is_float)
                        .collect::<Inputs>()
                };
                let mut call = session
                    .prepare(&overload.name, upload(&inputs(0), &device))
                    .unwrap();
                // Other features, another graph, and features again.
                for (graph, seed) in [(0, 1), (0, 2), (3, 3), (3, 4), (3, 5)] {
                    let changed = if graph == seed {
                        inputs(seed)
                    } else {
                        features(seed)
                    };
                    let got = call.run_with(upload(&changed, &device)).unwrap();
                    let mut all = inputs(graph);
                    all.extend(features(seed));
                    let expected = run(&session, &overload.name, &all);
                    let name = format!("{} {} {graph} {seed}", fixture.name, overload.name);
                    call::assert_close(&name, &download(got), &expected, tolerance);
                }
                if call.replays() {
                    replayed.insert(overload.name.clone());
                }
            }
        }
    }
    replayed
}

#[test]
fn recorded_message_passing_runs_in_one_operation() {
    let fused = |op: &Op| {
        matches!(
            op,
            Op::Graph(GraphOp::EdgeAttention { .. } | GraphOp::SpmmNormalized { .. })
        )
    };
    let in_parts = |op: &Op| {
        matches!(
            op,
            Op::Graph(GraphOp::Spmm { .. } | GraphOp::SegmentSoftmax { .. })
        )
    };
    let mut count = 0;
    for fixture in case::fixtures() {
        let is_one = fixture.name.ends_with("-edge_index-loops-default");
        if !is_one || !["GCNConv", "GCN", "GATConv", "GAT"].contains(&fixture.conv.as_str()) {
            continue;
        }
        let module = fixture.module(&Device::flex());
        let model = Recorder::new(&module).overloads().finish().unwrap();
        let session = Session::new(&model, &Device::flex()).unwrap();
        // Without weights and features of edges.
        let function = session.methods()[0].cases[0].function;
        let nodes = &session.program().functions[function.index()].nodes;
        let layers = if case::is_model(&fixture) { 2 } else { 1 };
        let ops = || nodes.iter().map(|node| &node.op);
        assert_eq!(
            ops().filter(|op| fused(op)).count(),
            layers,
            "{}",
            fixture.name
        );
        assert_eq!(
            ops().filter(|op| in_parts(op)).count(),
            0,
            "{}",
            fixture.name
        );
        count += 1;
    }
    assert_eq!(count, 4);
}

/// The model itself, and what remains of it after each format.
fn round_trips(model: &Model) -> Vec<(&'static str, Model)> {
    let native = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(native.program, model.program, "native");
    let text = ir::parse(&ir::print(&model.program)).unwrap();
    let text = ir::validate(text).unwrap();
    assert_eq!(text, model.program, "text");
    let text = Model::new(text, model.weights.clone()).unwrap();
    vec![
        ("as recorded", model.clone()),
        ("native", native),
        ("text", text),
    ]
}
