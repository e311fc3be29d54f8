//! The layer itself, operation by operation.

use kiln::burn::{module::Module as _, tensor::TensorData};

use super::{Case, Runtime};
use crate::call;

pub(crate) struct Eager;

impl Runtime for Eager {
    fn name(&self) -> &'static str {
        "eager"
    }

    fn run(&self, case: &Case<'_>) -> Vec<TensorData> {
        let module = case.module.clone().to_device(&case.device);
        call::eager(
            &module,
            &case.overload,
            &case.inputs,
            case.counts(),
            &case.device,
        )
    }
}
