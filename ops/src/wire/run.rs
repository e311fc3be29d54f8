//! How written operations run.

use burn::backend::{
    Backend,
    ir::{BackendIr, CustomOpIr, HandleContainer, TensorIr},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};

use super::record::Record;
use crate::{CsrTensors, GraphOps, Terms, aggregate::TermsForm};

/// An operation that runs from its record.
pub(crate) trait Run: Record {
    /// Computes the results. Inputs are taken in their order.
    fn run<B: BackendIr + GraphOps>(&self, inputs: &mut Inputs<'_, B>) -> Vec<Output<B>>;

    /// Runs a recorded operation: inputs are taken from `handles`, outputs are put there.
    ///
    /// The record must be one of `self`.
    fn execute<B: BackendIr + GraphOps>(
        &self,
        handles: &mut HandleContainer<B::Handle>,
        desc: &CustomOpIr,
        device: &B::Device,
    ) {
        let results = self.run(&mut Inputs::<B> {
            handles,
            desc,
            device,
            taken: 0,
        });
        for (output, result) in desc.outputs.iter().zip(results) {
            match result {
                Output::Float(tensor) => handles.register_float_tensor::<B>(&output.id, tensor),
                Output::Int(tensor) => handles.register_int_tensor::<B>(&output.id, tensor),
            }
        }
    }
}

/// A computed result.
pub(crate) enum Output<B: Backend> {
    Float(FloatTensor<B>),
    Int(IntTensor<B>),
}

/// The inputs of a record that runs. They are taken one after the other: a tensor that stands twice
/// is there until the last time.
pub(crate) struct Inputs<'a, B: BackendIr> {
    handles: &'a mut HandleContainer<B::Handle>,
    pub(crate) desc: &'a CustomOpIr,
    pub(crate) device: &'a B::Device,
    taken: usize,
}

impl<'a, B: BackendIr> Inputs<'a, B> {
    fn next(&mut self) -> &'a TensorIr {
        let tensor = &self.desc.inputs[self.taken];
        self.taken += 1;
        tensor
    }

    pub(crate) fn float(&mut self) -> FloatTensor<B> {
        let tensor = self.next();
        self.handles.get_float_tensor::<B>(tensor)
    }

    pub(crate) fn int(&mut self) -> IntTensor<B> {
        let tensor = self.next();
        self.handles.get_int_tensor::<B>(tensor)
    }

    pub(crate) fn bool(&mut self) -> BoolTensor<B> {
        let tensor = self.next();
        self.handles.get_bool_tensor::<B>(tensor)
    }

    /// The last input, if there is one more.
    pub(crate) fn last_float(&mut self) -> Option<FloatTensor<B>> {
        (self.taken < self.desc.inputs.len()).then(|| self.float())
    }

    pub(crate) fn terms(&mut self, form: TermsForm) -> Terms<B> {
        match form {
            TermsForm::Ones => Terms::Ones,
            TermsForm::Edges => Terms::Edges(self.float()),
            TermsForm::Nodes { self_loop } => Terms::Nodes {
                scale: self.float(),
                self_loop,
            },
            TermsForm::Loops => Terms::Loops {
                weight: self.float(),
                self_loop: self.float(),
            },
            TermsForm::Own => Terms::Own(self.float()),
            TermsForm::Shares => Terms::Shares(self.int()),
        }
    }

    pub(crate) fn csr(&mut self) -> CsrTensors<B> {
        CsrTensors {
            ptr: self.int(),
            col: self.int(),
            edge: self.int(),
            chunk: self.int(),
            hub: self.int(),
        }
    }
}
