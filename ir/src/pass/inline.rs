//! Replaces calls by the nodes of what they call. Bodies of loops stay functions.
//!
//! Functions stand after those that they call, so one walk in order suffices: a callee has no calls
//! left when it is copied. Symbols are the program's, and so need no renaming.

use super::rebuild::Rebuild;
use crate::{
    op::Op,
    program::{Function, Program},
    validate::Valid,
};

pub(super) fn inline(program: &Valid) -> Program {
    let mut done: Vec<Function> = Vec::with_capacity(program.functions.len());
    for function in &program.functions {
        let mut rebuild = Rebuild::new(function);
        for node in &function.nodes {
            let callee = match &node.op {
                Op::Call(id) => done.get(id.index()),
                _ => None,
            };
            let Some(callee) = callee else {
                rebuild.copy(function, node);
                continue;
            };
            let arguments = rebuild.values(&node.inputs);
            let mut values = arguments;
            for inner in &callee.nodes {
                let map = |id: &crate::program::ValueId| values.get(id.index()).copied();
                let inputs = inner.inputs.iter().filter_map(map).collect();
                let types = inner
                    .outputs
                    .iter()
                    .filter_map(|id| callee.values.get(id.index()))
                    .cloned();
                let outputs = rebuild.push(inner.op.clone(), inputs, types);
                values.extend(outputs);
            }
            for (&output, result) in node.outputs.iter().zip(&callee.outputs) {
                if let Some(&value) = values.get(result.index()) {
                    rebuild.replace(output, value);
                }
            }
        }
        done.push(rebuild.finish(function));
    }
    Program {
        symbols: program.symbols.clone(),
        weights: program.weights.clone(),
        modules: program.modules.clone(),
        functions: done,
    }
}
