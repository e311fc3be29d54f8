//! The native file, written and read.

use kiln::{
    burn::tensor::TensorData,
    ir::{Model, Session},
};

use super::{Case, Runtime};

pub(crate) struct Native;

impl Runtime for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn run(&self, case: &Case<'_>) -> Vec<TensorData> {
        let model = Model::from_bytes(&case.model.to_bytes().unwrap()).unwrap();
        case.run(&Session::new(&model, &case.device).unwrap())
    }
}
