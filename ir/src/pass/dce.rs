//! Drops nodes whose results nothing reads, and functions that no method runs.
//!
//! Operations have no effects, so a node lives only through its outputs, through a data-dependent
//! symbol that it binds and that a size in a living node needs, or because nothing else shows such
//! a size.

use std::collections::HashSet;

use super::rebuild::Rebuild;
use crate::{
    op::Op,
    program::{Function, FunctionId, Node, Program, SymbolId, ValueId, ValueType},
    size::Size,
    validate::{Valid, first_unknown},
};

pub(super) fn drop_dead_code(program: &Valid) -> Program {
    let mut result = Program::clone(program);
    for function in &mut result.functions {
        *function = sweep(program, function);
    }
    drop_functions(&mut result);
    result
}

/// The function without dead nodes.
fn sweep(program: &Valid, function: &Function) -> Function {
    let mut shown_before = 0;
    loop {
        let (swept, kept) = sweep_but(program, function, shown_before);
        match first_unknown(&swept).and_then(|position| kept.get(position).copied()) {
            // All that stands before a node shows its sizes, since the function is valid.
            Some(position) if position > shown_before => shown_before = position,
            _ => return swept,
        }
    }
}

/// The function without dead nodes, other than those before a position whose results have symbolic
/// sizes; and the positions of the nodes that are left.
fn sweep_but(program: &Valid, function: &Function, shown_before: usize) -> (Function, Vec<usize>) {
    let mut values: HashSet<ValueId> = function.outputs.iter().copied().collect();
    let mut symbols: HashSet<SymbolId> = HashSet::new();
    let needs = |callee| program.needs(callee);
    let mut live = Vec::with_capacity(function.nodes.len());
    for (position, node) in function.nodes.iter().enumerate().rev() {
        let is_live = node.outputs.iter().any(|output| values.contains(output))
            || (position < shown_before && shows(function, node))
            || binds(program, function, node)
                .iter()
                .any(|symbol| symbols.contains(symbol));
        if is_live {
            values.extend(&node.inputs);
            symbols.extend(node.op.sizes().into_iter().flat_map(Size::symbols));
            match node.op {
                Op::Symbol(symbol) => {
                    symbols.insert(symbol);
                }
                _ => symbols.extend(node.op.callee().into_iter().flat_map(needs)),
            }
        }
        live.push(is_live);
    }
    let mut rebuild = Rebuild::new(function);
    let mut kept = Vec::with_capacity(function.nodes.len());
    let nodes = function.nodes.iter().enumerate();
    for ((position, node), is_live) in nodes.zip(live.into_iter().rev()) {
        if is_live {
            rebuild.copy(function, node);
            kept.push(position);
        }
    }
    (rebuild.finish(function), kept)
}

/// Whether a result of a node has a size that is no number.
fn shows(function: &Function, node: &Node) -> bool {
    let mut types = node
        .outputs
        .iter()
        .filter_map(|id| function.values.get(id.index()));
    types.any(|ty| match ty {
        ValueType::Tensor(ty) => ty.dims.iter().any(|dim| dim.as_fixed().is_none()),
        ValueType::Int(_) => true,
    })
}

/// Data-dependent symbols that a node binds.
fn binds(program: &Valid, function: &Function, node: &Node) -> Vec<SymbolId> {
    match &node.op {
        // What a step of a loop binds, nothing outside knows.
        Op::Call(callee) => program.binds(*callee).to_vec(),
        op if op.effects().makes_size => {
            let types = node
                .outputs
                .iter()
                .filter_map(|id| function.values.get(id.index()));
            let dims = types.flat_map(|ty| match ty {
                ValueType::Tensor(ty) => ty.dims.as_slice(),
                ValueType::Int(_) => &[],
            });
            dims.flat_map(Size::symbols).collect()
        }
        _ => Vec::new(),
    }
}

/// Removes functions that no case runs, directly or through calls.
fn drop_functions(program: &mut Program) {
    let methods = program.modules.iter().flat_map(|module| &module.methods);
    let cases = methods.flat_map(|method| &method.cases);
    let mut live: HashSet<FunctionId> = cases.map(|case| case.function).collect();
    let all = || (0..).map(FunctionId);
    // Callers stand after callees.
    for (id, function) in all()
        .zip(&program.functions)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        if live.contains(&id) {
            live.extend(function.nodes.iter().filter_map(|node| node.op.callee()));
        }
    }
    let mut kept: Vec<FunctionId> = live.into_iter().collect();
    kept.sort_unstable();
    let renumbered = |id: FunctionId| {
        let position = kept.binary_search(&id).unwrap_or_default();
        FunctionId::from_index(position)
    };
    let mut ids = all();
    program
        .functions
        .retain(|_| ids.next().is_some_and(|id| kept.binary_search(&id).is_ok()));
    for function in &mut program.functions {
        for node in &mut function.nodes {
            if let Some(callee) = node.op.callee_mut() {
                *callee = renumbered(*callee);
            }
        }
    }
    for module in &mut program.modules {
        for case in module
            .methods
            .iter_mut()
            .flat_map(|method| &mut method.cases)
        {
            case.function = renumbered(case.function);
        }
    }
}
