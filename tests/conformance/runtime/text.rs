//! The program printed and parsed.

use kiln::{
    burn::tensor::TensorData,
    ir::{self, Model, Session},
};

use super::{Case, Runtime};

pub(crate) struct Text;

impl Runtime for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn run(&self, case: &Case<'_>) -> Vec<TensorData> {
        let program = ir::validate(ir::parse(&ir::print(&case.model.program)).unwrap()).unwrap();
        let model = Model::new(program, case.model.weights.clone()).unwrap();
        case.run(&Session::new(&model, &case.device).unwrap())
    }
}
