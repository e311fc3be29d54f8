//! Builds a function anew, node by node, with values numbered in order of definition.

use std::collections::HashMap;

use crate::{
    op::Op,
    program::{Function, Node, TensorType, ValueId, ValueType},
};

/// A function under construction, and where the values of the old one went.
pub(super) struct Rebuild {
    function: Function,
    map: HashMap<ValueId, ValueId>,
}

impl Rebuild {
    /// A function with the name and the inputs of the given one, and no nodes yet.
    pub(super) fn new(old: &Function) -> Self {
        let function = Function {
            name: old.name.clone(),
            module: old.module,
            arguments: old.arguments.clone(),
            input_names: old.input_names.clone(),
            inputs: old.inputs.clone(),
            values: old.values.iter().take(old.inputs.len()).cloned().collect(),
            nodes: Vec::new(),
            outputs: Vec::new(),
        };
        let map = old.inputs.iter().map(|&input| (input, input)).collect();
        Self { function, map }
    }

    /// The new value of an old one that has been rebuilt.
    pub(super) fn value(&self, old: ValueId) -> ValueId {
        self.map.get(&old).copied().unwrap_or(old)
    }

    pub(super) fn values(&self, old: &[ValueId]) -> Vec<ValueId> {
        old.iter().map(|&value| self.value(value)).collect()
    }

    /// The types of new values, if all are tensors.
    pub(super) fn types(&self, new: &[ValueId]) -> Option<Vec<&TensorType>> {
        let ty = |id: &ValueId| match self.function.values.get(id.index())? {
            ValueType::Tensor(ty) => Some(ty),
            ValueType::Int(_) => None,
        };
        new.iter().map(ty).collect()
    }

    /// Lets an old value be an existing new one.
    pub(super) fn replace(&mut self, old: ValueId, new: ValueId) {
        self.map.insert(old, new);
    }

    /// Adds a node on new values; gives its outputs.
    pub(super) fn push(
        &mut self,
        op: impl Into<Op>,
        inputs: Vec<ValueId>,
        types: impl IntoIterator<Item = ValueType>,
    ) -> Vec<ValueId> {
        let mut outputs = Vec::new();
        for ty in types {
            // A valid program has at most 2²⁴ values in a function, and the validator checks again.
            outputs.push(ValueId::from_index(self.function.values.len()));
            self.function.values.push(ty);
        }
        self.function.nodes.push(Node {
            op: op.into(),
            inputs,
            outputs: outputs.clone(),
        });
        outputs
    }

    /// Adds a node of the old function.
    pub(super) fn copy(&mut self, old: &Function, node: &Node) {
        let types = node
            .outputs
            .iter()
            .filter_map(|id| old.values.get(id.index()))
            .cloned();
        let outputs = self.push(node.op.clone(), self.values(&node.inputs), types);
        self.map.extend(node.outputs.iter().copied().zip(outputs));
    }

    /// The function, with the outputs of the old one.
    pub(super) fn finish(mut self, old: &Function) -> Function {
        self.function.outputs = self.values(&old.outputs);
        self.function
    }
}
