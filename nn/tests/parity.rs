//! Results and gradients equal PyG's on every fixture of `pyg/data`; `pyg/generate.py` says what is
//! in them.
//!
//! Every fixture runs twice: on the plain device, and in evaluation mode on the autodiff device,
//! where the gradients by all inputs and parameters are compared too. Layers are built from PyG's
//! arguments and called through their typed forward variants.

use std::fmt::Write as _;

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_core::{AnyTensor, Edges, Groups, Value, signature::Type};
use kiln_nn::{AnyLayer, Layer, aggr, conv, dense, for_each_layer, models, norm, pool};

use crate::{
    fixture::{Fixture, data},
    outcome::{Inputs, outcome, run},
};

/// Largest difference, relative to the largest number of the expected tensor, or, for gradients, of
/// all gradients of the fixture: the gradient of a softmax is a difference of numbers of that size.
pub(crate) const TOLERANCE: f64 = 1e-5;

pub(crate) fn forward(fixture: &Fixture, module: &AnyLayer, device: &Device) -> Vec<AnyTensor> {
    run(fixture, module, &mut Inputs::new(fixture, device))
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
