//! NaN and infinities are where PyG has them, in results and gradients:
//! `pyg/nonfinite`, made by `pyg/nonfinite.py`.

use std::fmt::Write as _;

use burn::tensor::TensorData;

use crate::{
    fixture::{Fixture, Kind, difference},
    outcome::{Outcome, outcome},
    parity::TOLERANCE,
};

/// The kind that `pyg/nonfinite.py` writes as a number.
fn kind(number: u8) -> Kind {
    [
        Kind::Finite,
        Kind::Nan,
        Kind::Infinite,
        Kind::NegativeInfinite,
    ][usize::from(number)]
}

/// What is wrong with a gradient, whose expectation is kinds, if anything.
fn difference_of_kinds(got: &TensorData, expected: &TensorData) -> Option<String> {
    let kinds = expected.iter::<u8>().map(kind);
    let mut pairs = got.iter::<f64>().zip(kinds).enumerate();
    pairs.find_map(|(at, (got, expected))| {
        (Kind::of(got) != expected).then(|| format!("[{at}] = {got}, PyG {expected:?}"))
    })
}

fn check(report: &mut String, fixture: &Fixture, got: &Outcome) {
    for (number, expected) in fixture.below("out.") {
        let number: usize = number.parse().unwrap();
        if let Some(difference) = difference(&got.outputs[number], &expected, TOLERANCE) {
            writeln!(report, "{}: out.{number}{difference}", fixture.name).unwrap();
        }
    }
    if got.gradients.is_empty() {
        return;
    }
    for (name, expected) in fixture.below("grad.") {
        if fixture.is_by_another_order(&name) {
            continue;
        }
        let name = format!("grad.{name}");
        let missing = || panic!("{}: no {name}", fixture.name);
        let got = got.gradients.get(&name).unwrap_or_else(missing);
        if let Some(difference) = difference_of_kinds(got, &expected) {
            writeln!(report, "{}: {name}{difference}", fixture.name).unwrap();
        }
    }
}

#[test]
fn what_is_not_finite_is_where_pyg_has_it() {
    let device = crate::device();
    let mut report = String::new();
    let mut count = 0;
    for fixture in Fixture::nonfinite().into_iter().flatten() {
        for device in [device.clone(), device.clone().autodiff()] {
            check(&mut report, &fixture, &outcome(&fixture, &device));
        }
        count += 1;
    }
    assert!(report.is_empty(), "differs from PyG:\n{report}");
    assert!(count > 500, "only {count} runs");
}
