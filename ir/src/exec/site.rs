//! Which operation of a program is at hand.

use super::Kind;
use crate::{
    op::{Class, Op},
    program::{ElemType, Function, Node, ValueId, ValueType},
};

/// A node, and the function around it.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) function: &'a Function,
    pub(super) node: &'a Node,
}

impl<'a> Site<'a> {
    pub(super) fn op(self) -> &'a Op {
        &self.node.op
    }

    pub(super) fn outputs(self) -> &'a [ValueId] {
        &self.node.outputs
    }

    /// Whether the node has two operands, and they are one.
    pub(super) fn is_of_itself(self) -> bool {
        matches!(self.node.inputs.as_slice(), [a, b] if a == b)
    }

    /// The operands that are tensors.
    pub(super) fn operands(self) -> impl Iterator<Item = SiteOperand> + Clone + 'a {
        let spec = self.op().spec();
        let operand = move |(position, &id): (usize, &ValueId)| {
            let ValueType::Tensor(ty) = self.function.values.get(id.index())? else {
                return None;
            };
            let operand = spec.and_then(|spec| spec.operand(position));
            Some(SiteOperand {
                id,
                elem: ty.elem,
                kind: Kind::of(ty.elem),
                is_position: operand.is_some_and(|operand| operand.class == Class::Int),
            })
        };
        self.node.inputs.iter().enumerate().filter_map(operand)
    }

    /// The operands that are tensors of integers.
    pub(super) fn integers(self) -> impl Iterator<Item = SiteOperand> + Clone + 'a {
        self.operands().filter(|operand| operand.kind == Kind::Int)
    }
}

/// An operand of a node.
#[derive(Clone, Copy)]
pub(super) struct SiteOperand {
    pub(super) id: ValueId,
    pub(super) elem: ElemType,
    pub(super) kind: Kind,
    /// Whether it must be integers, which say where, and not what.
    pub(super) is_position: bool,
}
