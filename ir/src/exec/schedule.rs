//! The order in which nodes of a function are executed, and when each value is read for the last
//! time. Made once: runs only follow it.

use burn::backend::DispatchTensor;

use super::Operand;
use crate::{
    op::IndexRule,
    program::{ElemType, Function, Node, TensorType, ValueId, ValueType},
};

/// Nodes in order, and what each reads.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) steps: Vec<Step>,
    results: Vec<Read>,
    /// By value: whether it is read at all.
    is_read: Vec<bool>,
}

/// A node in its turn.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Number of the node in the function.
    node: usize,
    /// The operands that are tensors.
    operands: Vec<Read>,
    /// What its operands must be whose integers are positions, by the number of the operand.
    pub(super) positions: Vec<(usize, IndexRule)>,
}

/// A value that is read.
#[derive(Clone, Copy, Debug)]
struct Read {
    id: ValueId,
    elem: ElemType,
    is_last: bool,
}

impl Schedule {
    /// Executes these nodes of a function, by number, for these results.
    pub(super) fn new(
        function: &Function,
        nodes: impl DoubleEndedIterator<Item = usize>,
        results: &[ValueId],
    ) -> Self {
        let mut is_read = vec![false; function.values.len()];
        let mut read = |id: &ValueId| {
            Some(Read {
                id: *id,
                elem: tensor_type(function, *id)?.elem,
                is_last: !core::mem::replace(&mut is_read[id.index()], true),
            })
        };
        // From the end, the first reading met is the last.
        let mut backward = |ids: &[ValueId]| {
            let mut reads: Vec<Read> = ids.iter().rev().filter_map(&mut read).collect();
            reads.reverse();
            reads
        };
        let results = backward(results);
        let step = |number: usize| {
            let node = function.nodes.get(number)?;
            let types = node
                .inputs
                .iter()
                .filter_map(|id| tensor_type(function, *id));
            let types: Vec<&TensorType> = types.collect();
            Some(Step {
                node: number,
                operands: backward(&node.inputs),
                positions: node.op.index_rules(&types),
            })
        };
        let mut steps: Vec<Step> = nodes.rev().filter_map(step).collect();
        steps.reverse();
        Self {
            steps,
            results,
            is_read,
        }
    }

    /// The nodes in order.
    pub(super) fn nodes<'f>(&self, function: &'f Function) -> impl Iterator<Item = &'f Node> {
        self.steps.iter().filter_map(|step| step.node(function))
    }

    /// All nodes of a function.
    pub(super) fn whole(function: &Function) -> Self {
        Self::new(function, 0..function.nodes.len(), &function.outputs)
    }
}

impl Step {
    /// The node.
    pub(super) fn node<'f>(&self, function: &'f Function) -> Option<&'f Node> {
        function.nodes.get(self.node)
    }
}

/// The type of a value that is a tensor.
pub(super) fn tensor_type(function: &Function, id: ValueId) -> Option<&TensorType> {
    match function.values.get(id.index())? {
        ValueType::Tensor(ty) => Some(ty),
        ValueType::Int(_) => None,
    }
}

/// The values of a function that are there, each until it has been read for the last time.
pub(super) struct Values<'s> {
    schedule: &'s Schedule,
    /// By number.
    pub(super) tensors: Vec<Option<DispatchTensor>>,
}

impl<'s> Values<'s> {
    /// The values that are there before, without those that nothing reads.
    pub(super) fn new(schedule: &'s Schedule, mut tensors: Vec<Option<DispatchTensor>>) -> Self {
        tensors.resize(schedule.is_read.len(), None);
        for (tensor, is_read) in tensors.iter_mut().zip(&schedule.is_read) {
            tensor.take_if(|_| !is_read);
        }
        Self { schedule, tensors }
    }

    /// Whether something reads a value.
    pub(super) fn is_read(&self, id: ValueId) -> bool {
        self.schedule.is_read[id.index()]
    }

    pub(super) fn define(&mut self, id: ValueId, tensor: DispatchTensor) {
        if self.is_read(id) {
            self.tensors[id.index()] = Some(tensor);
        }
    }

    /// The operands of a step, which `freed` is told of where nothing else reads them.
    pub(super) fn operands(&mut self, step: &Step, mut freed: impl FnMut(ValueId)) -> Vec<Operand> {
        let mut operands = Vec::with_capacity(step.operands.len());
        for read in &step.operands {
            if read.is_last {
                freed(read.id);
            }
            operands.extend(self.take(*read).map(|tensor| (tensor, read.elem)));
        }
        operands
    }

    /// The results.
    pub(super) fn results(mut self) -> Vec<Option<DispatchTensor>> {
        let results = self.schedule.results.iter();
        results.map(|read| self.take(*read)).collect()
    }

    fn take(&mut self, read: Read) -> Option<DispatchTensor> {
        let tensor = &mut self.tensors[read.id.index()];
        if read.is_last {
            tensor.take()
        } else {
            tensor.clone()
        }
    }
}
