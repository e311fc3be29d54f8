//! Definitions and uses of a function's values, for passes that look for several nodes at once.

use crate::{
    op::{Binary, Op, Scalar},
    program::{ElemType, Function, Node, ValueId, ValueType},
    size::Size,
};

/// Where values come from, and how often they are read.
pub(super) struct Values<'f> {
    function: &'f Function,
    defined: Vec<Option<&'f Node>>,
    uses: Vec<usize>,
}

impl<'f> Values<'f> {
    pub(super) fn new(function: &'f Function) -> Self {
        let mut defined = vec![None; function.values.len()];
        let mut uses = vec![0; function.values.len()];
        for node in &function.nodes {
            // Of several results none is a part of a pattern.
            if let [output] = node.outputs.as_slice() {
                defined[output.index()] = Some(node);
            }
        }
        let reads = function.nodes.iter().flat_map(|node| &node.inputs);
        for id in reads.chain(&function.outputs) {
            uses[id.index()] += 1;
        }
        Self {
            function,
            defined,
            uses,
        }
    }

    /// Operation and inputs of the node whose only result is the value.
    pub(super) fn op(&self, id: ValueId) -> Option<(&'f Op, &'f [ValueId])> {
        let node = (*self.defined.get(id.index())?)?;
        Some((&node.op, &node.inputs))
    }

    /// As [`op`](Self::op), for a value that only one node reads, once.
    pub(super) fn op_of_one_use(&self, id: ValueId) -> Option<(&'f Op, &'f [ValueId])> {
        if self.uses.get(id.index()) == Some(&1) {
            self.op(id)
        } else {
            None
        }
    }

    /// Element type and sizes of a tensor.
    pub(super) fn ty(&self, id: ValueId) -> Option<(ElemType, &'f [Size])> {
        match self.function.values.get(id.index())? {
            ValueType::Tensor(ty) => Some((ty.elem, &ty.dims)),
            ValueType::Int(_) => None,
        }
    }

    /// Sizes of a tensor.
    pub(super) fn dims(&self, id: ValueId) -> Option<&'f [Size]> {
        Some(self.ty(id)?.1)
    }

    /// What the value is a `reshape` of.
    pub(super) fn reshaped(&self, id: ValueId) -> Option<ValueId> {
        match self.op(id)? {
            (Op::Reshape(_), &[x]) => Some(x),
            _ => None,
        }
    }

    /// The number that a tensor is filled with.
    pub(super) fn filled(&self, id: ValueId) -> Option<f64> {
        match self.op(id)? {
            (Op::Full { value, .. }, _) => float(value),
            _ => None,
        }
    }

    /// Whether the value is `start, ..., end - 1`.
    pub(super) fn is_range(&self, id: ValueId, end: &Size) -> bool {
        let range = Op::Arange {
            start: Size::fixed(0),
            end: end.clone(),
        };
        matches!(self.op(id), Some((op, _)) if *op == range)
    }

    /// Whether the value tells which of two lists of ends are equal.
    pub(super) fn is_equal(&self, id: ValueId, ends: [ValueId; 2]) -> bool {
        let [a, b] = ends;
        match self.op(id) {
            Some((Op::Binary(Binary::Equal), inputs)) => inputs == [a, b] || inputs == [b, a],
            _ => false,
        }
    }

    /// Whether a value depends on nothing but integers and booleans: no gradient flows into it.
    pub(super) fn is_of_graph(&self, id: ValueId) -> bool {
        let mut seen = vec![false; self.function.values.len()];
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if core::mem::replace(&mut seen[id.index()], true) {
                continue;
            }
            let is_float = self.ty(id).is_some_and(|(elem, _)| elem.is_float());
            match self.op(id) {
                Some((Op::Weight(_) | Op::Call(_), _)) | None if is_float => return false,
                Some((_, inputs)) => open.extend(inputs),
                None => {}
            }
        }
        true
    }

    /// Factors of a product of tensors of the same shape, in the order in which they are written.
    pub(super) fn factors(&self, id: ValueId) -> Vec<ValueId> {
        // A product of more is not looked for, and not walked through.
        const MOST: usize = 8;
        let mut factors = vec![id];
        let mut at = 0;
        while let Some(&factor) = factors.get(at) {
            match self.op(factor) {
                Some((Op::Binary(Binary::Mul), &[a, b]))
                    if factors.len() < MOST
                        && self.dims(a) == self.dims(id)
                        && self.dims(b) == self.dims(id) =>
                {
                    factors.splice(at..=at, [a, b]);
                }
                _ => at += 1,
            }
        }
        factors
    }
}

/// The value of a scalar that is a float.
pub(super) fn float(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Float(value) => Some(value.0),
        Scalar::Int(_) | Scalar::Bool(_) => None,
    }
}

/// Both orders of two operands.
pub(super) fn orders([a, b]: [ValueId; 2]) -> [[ValueId; 2]; 2] {
    [[a, b], [b, a]]
}
