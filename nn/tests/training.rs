//! What layers compute while they are trained, and the statistics that they keep, equal PyG's:
//! `pyg/training`, made by `pyg/training.py`.

use std::fmt::Write as _;

use burn::{module::Module as _, tensor::TensorData};
use kiln_nn::store::StateDict;

use crate::{
    fixture::{Fixture, cases, data, difference},
    outcome::{Inputs, outcome_of, run},
    parity::TOLERANCE,
};

/// The cases of the folder `training`.
fn fixtures() -> Vec<Fixture> {
    let folder = data().with_file_name("training");
    let files = std::fs::read_dir(&folder).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let cases = paths.iter().flat_map(|path| cases(path));
    cases
        .map(|(name, case, tensors)| Fixture::new(&name, &case, tensors))
        .collect()
}

/// The same call with other features.
fn second(fixture: &Fixture) -> Fixture {
    let mut tensors = fixture.tensors.clone();
    let x = tensors.remove("in.x2").unwrap();
    tensors.insert("in.x".to_owned(), x);
    Fixture {
        name: fixture.name.clone(),
        conv: fixture.conv.clone(),
        kwargs: fixture.kwargs.clone(),
        variant: fixture.variant.clone(),
        size: fixture.size.clone(),
        tensors,
    }
}

fn check(report: &mut String, fixture: &Fixture) {
    let device = crate::device().autodiff();
    let got = outcome_of(Some(fixture.module(&device)), fixture, &device);
    let mut compare = |name: &str, got: &TensorData, expected: &TensorData, tolerance: f64| {
        if let Some(difference) = difference(got, expected, tolerance) {
            writeln!(report, "{}: {name}{difference}", fixture.name).unwrap();
        }
    };
    compare(
        "out.0",
        &got.outputs[0],
        &fixture.below("out.")["0"],
        TOLERANCE,
    );
    for (name, expected) in fixture.below("grad.") {
        let name = format!("grad.{name}");
        // Gradients by features are differences of larger numbers.
        compare(&name, &got.gradients[&name], &expected, 5.0 * TOLERANCE);
    }
    // Gradients stand in the place of parameters now.
    let module = fixture.module(&device);
    for call in [fixture, &second(fixture)] {
        run(call, &module, &mut Inputs::new(call, &device));
    }
    let state = StateDict::of(&module.valid()).unwrap();
    let mut after = fixture.below("after.");
    after.retain(|name, _| !name.ends_with("num_batches_tracked"));
    for (name, expected) in after {
        compare(&name, &state.tensors[&name], &expected, TOLERANCE);
    }
}

#[test]
fn training_is_as_in_pyg() {
    let fixtures = fixtures();
    let mut report = String::new();
    for fixture in &fixtures {
        check(&mut report, fixture);
    }
    assert!(report.is_empty(), "differs from PyG:\n{report}");
    assert!(fixtures.len() > 20, "only {} cases", fixtures.len());
}
