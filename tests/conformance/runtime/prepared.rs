//! A call prepared once, and run for the second time.

use kiln::{burn::tensor::TensorData, ir::Session};

use super::{Case, Runtime};
use crate::execute;

pub(crate) struct Prepared;

impl Runtime for Prepared {
    fn name(&self) -> &'static str {
        "prepared"
    }

    fn run(&self, case: &Case<'_>) -> Vec<TensorData> {
        let session = Session::new(&case.model, &case.device).unwrap();
        let inputs = execute::upload(&case.inputs, &case.device);
        let mut call = session.prepare(&case.overload.name, inputs).unwrap();
        drop(execute::download(call.run().unwrap()));
        execute::download(call.run().unwrap())
    }
}
