//! The layer on an autodiff device: results, and the gradients by all inputs and parameters.

use kiln::burn::tensor::TensorData;

use super::{Case, Runtime};
use crate::{case, outcome};

pub(crate) struct Gradients;

/// All numbers in one row: as the gradient of a softmax is a difference of numbers of the others'
/// size, errors are relative to the largest of all.
fn joined<'a>(tensors: impl IntoIterator<Item = &'a TensorData>) -> TensorData {
    let tensors = tensors.into_iter();
    let values: Vec<f32> = tensors
        .flat_map(|tensor| tensor.iter::<f32>().collect::<Vec<_>>())
        .collect();
    let count = values.len();
    TensorData::new(values, [count])
}

impl Runtime for Gradients {
    fn name(&self) -> &'static str {
        "gradients"
    }

    fn expected(&self, case: &Case<'_>) -> Vec<TensorData> {
        let mut expected = case::outputs(case.fixture);
        expected.push(joined(case.fixture.below("grad.").values()));
        expected
    }

    fn run(&self, case: &Case<'_>) -> Vec<TensorData> {
        let found = outcome::outcome(case.fixture, &case.device.clone().autodiff());
        let named = case.fixture.below("grad.").into_keys();
        let gradients: Vec<TensorData> = named
            .map(|name| found.gradients[&format!("grad.{name}")].clone())
            .collect();
        let mut got = found.outputs;
        got.push(joined(&gradients));
        got
    }
}
