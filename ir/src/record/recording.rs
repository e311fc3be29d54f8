//! What one forward pass leaves: its steps, its tensors, its result.

use std::collections::BTreeMap;

use burn::{module::ParamId, tensor::TensorData};
use kiln_ops::scope::Notes;

use super::lift::Raw;
use crate::{op::Op, types::ElemType};

/// Structure of a method's result; the numbers count its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    Tensor,
    Adjacency {
        value: bool,
    },
    Tuple(Vec<Structure>),
    Dict(Vec<(String, Structure)>),
    List(Vec<Structure>),
    /// An optional value that is absent.
    None,
}

/// One step of a recording.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// An operation.
    Op(Raw),
    /// A tensor that was initialised with data: a weight or a constant.
    Data { tensor: usize },
    /// A declared input.
    Input { tensor: usize },
    /// A result.
    Output { tensor: usize },
    /// A scope opens.
    Begin { scope: usize },
    /// An argument enters a scope: `inner` is the name of `outer` inside.
    Enter { outer: usize, inner: usize },
    /// A result leaves a scope.
    Leave { inner: usize, outer: usize },
    /// A scope closes.
    End,
    /// A loop begins; what follows up to its end is one step.
    ScanBegin { times: i64, reverse: bool },
    /// What a step gets from the step before: `outer` is the first, `inner` its name inside.
    Carry { outer: usize, inner: usize },
    /// A row of a sequence.
    Row { outer: usize, inner: usize },
    /// What a step leaves for the next; `outer` is the last.
    Next { inner: usize, outer: usize },
    /// A row that a step leaves; `outer` is all of them.
    Stack { inner: usize, outer: usize },
    /// A loop ends.
    ScanEnd,
}

/// One recording at given sizes.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) steps: Vec<Step>,
    pub(super) notes: Notes,
    /// Data of tensors that the forward pass made from data.
    pub(super) constants: BTreeMap<usize, TensorData>,
    /// Which parameter of the module a tensor is.
    pub(super) params: BTreeMap<usize, Parameter>,
    pub(super) result: Structure,
}

/// A parameter or buffer of the module, in Burn's layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) id: ParamId,
    /// How many modules before this one have it: above 0 for tied parameters.
    pub(super) occurrence: usize,
    pub(super) elem: ElemType,
    pub(super) dims: Vec<i64>,
}

/// The operation's name for messages.
pub(super) fn name(op: &Op) -> String {
    op.spec()
        .map_or_else(|| op.name().into_owned(), |spec| spec.variant.to_owned())
}
