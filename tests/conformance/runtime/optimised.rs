//! The recorded program after the passes of every session.

use kiln::{burn::tensor::TensorData, ir::Session};

use super::{Case, Runtime};

pub(crate) struct Optimised;

impl Runtime for Optimised {
    fn name(&self) -> &'static str {
        "optimised"
    }

    fn run(&self, case: &Case<'_>) -> Vec<TensorData> {
        case.run(&Session::new(&case.model, &case.device).unwrap())
    }
}
