//! What a prepared call does once, and what each run does.
//!
//! Inputs of integers and size parameters are the graph. A node is executed by each run if another
//! input reaches it, also by way of a size that depends on values, or if it is random; and once if
//! only the graph and weights reach it.

use std::collections::HashSet;

use super::{BoundsPolicy, Kind, integers, schedule::Schedule};
use crate::{
    op::{Bound, Operand},
    program::{Function, Node, SymbolId, ValueId, ValueType},
    size::Size,
};

/// The nodes of a function, parted.
pub(super) struct Plan {
    /// By value: whether it may be another in each run.
    varies: Vec<bool>,
    /// What each run executes.
    pub(super) each_run: Schedule,
    /// What is executed once.
    pub(super) once: Schedule,
    /// Results of the other nodes that a run reads or returns.
    pub(super) kept: Vec<ValueId>,
    /// Whether a device can repeat a run without the host: nothing is read back, and results are
    /// not the memory of inputs.
    pub(super) is_replayable: bool,
}

impl Plan {
    pub(super) fn new(function: &Function, policy: BoundsPolicy) -> Self {
        let kind = |id: ValueId| match function.values.get(id.index()) {
            Some(ValueType::Tensor(ty)) => Some(Kind::of(ty.elem)),
            Some(ValueType::Int(_)) | None => None,
        };
        let mut varies = vec![false; function.values.len()];
        // Values that may be another name of a changing input.
        let mut is_view = varies.clone();
        for &input in &function.inputs {
            let changes = matches!(kind(input), Some(Kind::Float | Kind::Bool));
            varies[input.index()] = changes;
            is_view[input.index()] = changes;
        }
        let mut each_run = Vec::new();
        let mut is_replayable = true;
        // Symbols that each run binds anew.
        let mut bound = HashSet::new();
        for (number, node) in function.nodes.iter().enumerate() {
            let reached = |varies: &[bool]| node.inputs.iter().any(|id| varies[id.index()]);
            let is_sized = || symbols(node).any(|symbol| bound.contains(&symbol));
            if !reached(&varies) && !node.op.is_random() && !is_sized() {
                continue;
            }
            each_run.push(number);
            is_replayable &=
                !reads_back(function, node, &varies) && !is_checked(node, &varies, policy);
            if node.op.effects().makes_size {
                bound.extend(node.outputs.iter().filter_map(|&id| length(function, id)));
            }
            let may_be_view = reached(&is_view) && !node.op.effects().is_fresh;
            for output in &node.outputs {
                varies[output.index()] = true;
                is_view[output.index()] = may_be_view;
            }
        }
        is_replayable &= !function.outputs.iter().any(|id| is_view[id.index()]);
        // Without an axis there is nothing to write along.
        let ends = function.inputs.iter().chain(&function.outputs);
        is_replayable &= !ends
            .copied()
            .any(|id| varies[id.index()] && is_scalar(function, id));

        let mut is_kept = vec![false; function.values.len()];
        let run = each_run.iter().filter_map(|&at| function.nodes.get(at));
        for id in run.flat_map(|node| &node.inputs).chain(&function.outputs) {
            is_kept[id.index()] = !varies[id.index()] && kind(*id).is_some();
        }
        for input in &function.inputs {
            is_kept[input.index()] = false;
        }
        let defined = function.nodes.iter().flat_map(|node| &node.outputs);
        let kept: Vec<ValueId> = defined.copied().filter(|id| is_kept[id.index()]).collect();
        let is_once = |number: &usize| each_run.binary_search(number).is_err();
        let once: Vec<usize> = (0..function.nodes.len()).filter(is_once).collect();
        Self {
            varies,
            once: Schedule::new(function, once.into_iter(), &kept),
            each_run: Schedule::new(function, each_run.into_iter(), &function.outputs),
            kept,
            is_replayable,
        }
    }

    /// Whether a value may be another in each run.
    pub(super) fn varies(&self, id: ValueId) -> bool {
        self.varies.get(id.index()).is_some_and(|&varies| varies)
    }

    /// The values, there before a run, of which each run would make integers of 64 bits.
    pub(super) fn widened<'f>(&self, function: &'f Function) -> impl Iterator<Item = ValueId> + 'f {
        let nodes: Vec<&Node> = self.each_run.nodes(function).collect();
        let nodes = nodes.into_iter();
        let widens = nodes.filter(|node| integers::widens(&node.op));
        let ids = widens.flat_map(integers::numbers).chain(&function.outputs);
        let is_integer = |id: &ValueId| match function.values.get(id.index()) {
            Some(ValueType::Tensor(ty)) => ty.elem.is_int(),
            Some(ValueType::Int(_)) | None => false,
        };
        ids.copied().filter(is_integer)
    }
}

/// Symbols whose values a node needs.
fn symbols(node: &Node) -> impl Iterator<Item = SymbolId> {
    node.op.sizes().into_iter().flat_map(Size::symbols)
}

/// The symbol that the length of a value binds.
fn length(function: &Function, id: ValueId) -> Option<SymbolId> {
    match function.values.get(id.index())? {
        ValueType::Tensor(ty) => ty.dims.first()?.as_symbol(),
        ValueType::Int(_) => None,
    }
}

fn is_scalar(function: &Function, id: ValueId) -> bool {
    match function.values.get(id.index()) {
        Some(ValueType::Tensor(ty)) => ty.dims.is_empty(),
        Some(ValueType::Int(_)) | None => false,
    }
}

/// Whether positions that a node reads are checked on the host in each run.
fn is_checked(node: &Node, varies: &[bool], policy: BoundsPolicy) -> bool {
    let operands = node.op.spec().map_or(&[][..], |spec| spec.operands);
    let is_checked = |operand: &Operand| match operand.bound {
        Some(Bound::Below(_)) => policy == BoundsPolicy::Check,
        Some(Bound::Pointer(_)) => policy != BoundsPolicy::Trust,
        None => false,
    };
    let mut operands = operands.iter().zip(&node.inputs);
    operands.any(|(operand, id)| is_checked(operand) && varies[id.index()])
}

/// Whether a node that each run executes needs values on the host.
fn reads_back(function: &Function, node: &Node, varies: &[bool]) -> bool {
    let (effects, word) = (node.op.effects(), node.op.word());
    let is_integer = |id: &ValueId| match function.values.get(id.index()) {
        Some(ValueType::Tensor(ty)) => ty.elem.is_int(),
        Some(ValueType::Int(_)) | None => false,
    };
    // Edges are sorted again where their ends are others.
    let is_sorted = |position| {
        let operand = node.op.spec().and_then(|spec| spec.operand(position));
        operand.is_some_and(|operand| operand.is_sorted.holds(word))
    };
    let mut operands = node.inputs.iter().enumerate();
    effects.reads_back.holds(word)
        || effects.reads_integers.holds(word) && node.inputs.iter().any(is_integer)
        || operands.any(|(position, id)| is_sorted(position) && varies[id.index()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// Whether a device can repeat a function of floats `x`, of booleans and of edges made of
    /// floats.
    fn is_replayable(node: &str, result: &str, policy: BoundsPolicy) -> bool {
        let program = parse(&format!(
            "kiln 1
            symbols $E, $K
            module @ = Net {{
            }}
            fn @forward(x %0: f32[$E], mask %1: bool[$E], index %2: i64[$E], e %3: f32[$E]) -> (%6) {{
              %4: i64[$E] = cast{{elem=i64}}(%3)
              %5: f32[$E, 1] = reshape{{dims=[$E, 1]}}(%0)
              %6: {result} = {node}
            }}"
        ));
        Plan::new(&program.expect("a program").functions[0], policy).is_replayable
    }

    #[test]
    fn what_reads_back_or_is_a_view_is_not_repeated() {
        for (node, result, expected) in [
            ("relu(%0)", "f32[$E]", true),
            ("reshape{dims=[$E]}(%0)", "f32[$E]", false),
            ("nonzero(%1)", "i64[$K]", false),
            ("repeat_interleave(%4)", "i64[$K]", false),
            ("cumsum{dim=0}(%0)", "f32[$E]", true),
            ("searchsorted{right=true}(%0, %0)", "i64[$E]", false),
            ("div(%0, %0)", "f32[$E]", true),
            ("div(%4, %4)", "i64[$E]", false),
            ("add(%4, %4)", "i64[$E]", true),
            // Edges that runs do not change.
            ("spmm{reduce=sum, size=$E}(%5, %2, %2)", "f32[$E, 1]", true),
            ("spmm{reduce=sum, size=$E}(%5, %4, %2)", "f32[$E, 1]", false),
            ("spmm{reduce=max, size=$E}(%5, %2, %4)", "f32[$E, 1]", false),
            // Its kernel sorts edges on the device.
            ("spmm{reduce=mul, size=$E}(%5, %4, %4)", "f32[$E, 1]", true),
            (
                "spmm_normalized{self_loop=none}(%5, %4, %2, %0)",
                "f32[$E, 1]",
                false,
            ),
            ("spmm_with_loops(%5, %2, %4, %0, %0)", "f32[$E, 1]", false),
            (
                "inverse_sqrt_degree{self_loop=none, size=$E, elem=f32}(%2, %4)",
                "f32[$E]",
                false,
            ),
            ("scatter{reduce=sum, size=$E}(%0, %4)", "f32[$E]", true),
        ] {
            let policy = BoundsPolicy::Trust;
            assert_eq!(is_replayable(node, result, policy), expected, "{node}");
        }
    }

    /// Checks read positions that runs make; those of edges that stay are known.
    #[test]
    fn what_is_checked_in_each_run_is_not_repeated() {
        for (node, expected) in [
            ("scatter{reduce=sum, size=$E}(%0, %4)", [false, true, true]),
            ("scatter{reduce=sum, size=$E}(%0, %2)", [true; 3]),
        ] {
            let policies = [
                BoundsPolicy::Check,
                BoundsPolicy::Clamp,
                BoundsPolicy::Trust,
            ];
            let found = policies.map(|policy| is_replayable(node, "f32[$E]", policy));
            assert_eq!(found, expected, "{node}");
        }
    }
}
