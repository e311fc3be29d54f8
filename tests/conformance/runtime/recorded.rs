//! The recorded program, operation by operation as it was recorded.

use kiln::{
    burn::tensor::TensorData,
    ir::{Session, pass},
};

use super::{Case, Runtime};

pub(crate) struct Recorded;

impl Runtime for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn run(&self, case: &Case<'_>) -> Vec<TensorData> {
        let passes = [pass::INLINE];
        case.run(&Session::with_passes(&case.model, &case.device, &passes, u64::MAX).unwrap())
    }
}
