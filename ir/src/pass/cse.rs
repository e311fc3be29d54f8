//! Computes nodes with the same operation and inputs once.
//!
//! `nonzero` stays, because each binds a symbol of its own; so do calls and loops that contain one,
//! and what is random while training.

use std::collections::HashMap;

use super::rebuild::Rebuild;
use crate::{
    op::Op,
    program::{Function, Program, ValueId},
    validate::Valid,
};

pub(super) fn merge_common_nodes(program: &Valid) -> Program {
    let mut result = Program::clone(program);
    for function in &mut result.functions {
        *function = merge(program, function);
    }
    result
}

fn merge(program: &Valid, function: &Function) -> Function {
    let mut rebuild = Rebuild::new(function);
    let mut seen: HashMap<(&Op, Vec<ValueId>), Vec<ValueId>> = HashMap::new();
    for node in &function.nodes {
        if !program.is_pure(&node.op) {
            rebuild.copy(function, node);
            continue;
        }
        let key = (&node.op, rebuild.values(&node.inputs));
        if let Some(outputs) = seen.get(&key) {
            for (&old, &new) in node.outputs.iter().zip(outputs) {
                rebuild.replace(old, new);
            }
        } else {
            rebuild.copy(function, node);
            seen.insert(key, rebuild.values(&node.outputs));
        }
    }
    rebuild.finish(function)
}
