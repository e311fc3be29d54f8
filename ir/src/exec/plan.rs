//! What a prepared call does once, and what each run does.
//!
//! Inputs of integers and size parameters are the graph. A node is executed by each run if another
//! input reaches it, also by way of a size that depends on values, or if it is random; and once if
//! only the graph and weights reach it. A loop parts its body alike, into what each step executes
//! and what only captured values and weights reach.

use std::collections::{HashMap, HashSet};

use super::{BoundsPolicy, Kind, integers, schedule::Schedule};
use crate::{
    op::{Bound, Op, Operand, Scan, ScanOperand},
    program::{Function, FunctionId, Node, SymbolId, ValueId, ValueType},
    size::Size,
    validate::Valid,
};

/// The values of a function that may be others each time, and those of the loops in it.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// By value.
    varies: Vec<bool>,
    /// Values of the bodies of loops, by the first result of the loop.
    loops: HashMap<ValueId, Reach>,
}

impl Reach {
    /// Whether a value may be another each time.
    pub(super) fn varies(&self, id: ValueId) -> bool {
        self.varies.get(id.index()).is_some_and(|&varies| varies)
    }

    /// Those of the body of a loop, if the loop may be another each time.
    pub(super) fn of_loop(&self, first: ValueId) -> Option<&Self> {
        self.loops.get(&first)
    }
}

/// The nodes of a function, parted: those that are executed once, and those that are executed each
/// time.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) reach: Reach,
    /// What is executed each time.
    pub(super) each: Schedule,
    /// What is executed once.
    pub(super) once: Schedule,
    /// Results of what is executed once that are read or returned each time.
    pub(super) kept: Vec<ValueId>,
}

impl Parts {
    /// Of a body, for each step of a loop.
    pub(super) fn of_loop(program: &Valid, scan: &Scan) -> Option<Self> {
        let body = program.functions.get(scan.body.index())?;
        let changes = |position| scan.operand(position) != ScanOperand::Captured;
        // Nothing of a step is noted without the run around it.
        let walk = Walk::new(
            program,
            body,
            &changes,
            BoundsPolicy::Trust,
            Executed::Reached,
        );
        Some(Self::new(body, walk.reach, walk.reached))
    }

    fn new(function: &Function, reach: Reach, each: Vec<usize>) -> Self {
        let mut is_kept = vec![false; function.values.len()];
        let nodes = each.iter().filter_map(|&at| function.nodes.get(at));
        for id in nodes.flat_map(|node| &node.inputs).chain(&function.outputs) {
            is_kept[id.index()] = !reach.varies(*id) && kind(function, *id).is_some();
        }
        for input in &function.inputs {
            is_kept[input.index()] = false;
        }
        let defined = function.nodes.iter().flat_map(|node| &node.outputs);
        let kept: Vec<ValueId> = defined.copied().filter(|id| is_kept[id.index()]).collect();
        let is_once = |number: &usize| each.binary_search(number).is_err();
        let once: Vec<usize> = (0..function.nodes.len()).filter(is_once).collect();
        Self {
            once: Schedule::new(function, once.into_iter(), &kept),
            each: Schedule::new(function, each.into_iter(), &function.outputs),
            kept,
            reach,
        }
    }
}

/// The loops of a program: how their steps are executed, by the body and the number of operands
/// that are others in each.
pub(super) fn loops(program: &Valid) -> HashMap<(FunctionId, usize), Parts> {
    let mut loops = HashMap::new();
    for node in program
        .functions
        .iter()
        .flat_map(|function| &function.nodes)
    {
        if let Op::Scan(scan) = &node.op {
            let key = (scan.body, varying(scan));
            if !loops.contains_key(&key) {
                loops.extend(Parts::of_loop(program, scan).map(|parts| (key, parts)));
            }
        }
    }
    loops
}

/// Number of operands that are others in each step.
pub(super) fn varying(scan: &Scan) -> usize {
    scan.carried as usize + scan.scanned as usize
}

/// What a prepared call does, parted.
pub(super) struct Plan {
    pub(super) parts: Parts,
    /// Whether a device can repeat a run without the host: nothing is read back, and results are
    /// not the memory of inputs.
    pub(super) is_replayable: bool,
}

impl Plan {
    pub(super) fn new(program: &Valid, function: &Function, policy: BoundsPolicy) -> Self {
        let changes = |position: usize| {
            let input = function.inputs.get(position);
            let kind = input.and_then(|&id| kind(function, id));
            matches!(kind, Some(Kind::Float | Kind::Bool))
        };
        let walk = Walk::new(program, function, &changes, policy, Executed::Reached);
        let mut is_replayable = walk.is_replayable;
        let changing: Vec<bool> = (0..function.inputs.len()).map(changes).collect();
        is_replayable &= !views(program, function, &changing).contains(&true);
        // Without an axis there is nothing to write along.
        let ends = function.inputs.iter().chain(&function.outputs);
        is_replayable &= !ends
            .copied()
            .any(|id| walk.reach.varies(id) && is_scalar(function, id));
        Self {
            parts: Parts::new(function, walk.reach, walk.reached),
            is_replayable,
        }
    }

    /// Whether a value may be another in each run.
    pub(super) fn varies(&self, id: ValueId) -> bool {
        self.parts.reach.varies(id)
    }

    /// The values, there before a run, of which each run would make integers of 64 bits.
    pub(super) fn widened<'f>(&self, function: &'f Function) -> impl Iterator<Item = ValueId> + 'f {
        let nodes: Vec<&Node> = self.parts.each.nodes(function).collect();
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

/// Which nodes of a function are executed each time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Executed {
    /// Those that something reaches which varies.
    Reached,
    /// All: the body of a loop that is executed.
    All,
}

/// A walk over the nodes of a function, from the inputs that vary.
struct Walk {
    reach: Reach,
    /// Numbers of the nodes that they reach.
    reached: Vec<usize>,
    /// Whether what is executed each time needs nothing on the host.
    is_replayable: bool,
}

impl Walk {
    /// `changes` tells of an input, by its position, whether it varies.
    fn new(
        program: &Valid,
        function: &Function,
        changes: &dyn Fn(usize) -> bool,
        policy: BoundsPolicy,
        executed: Executed,
    ) -> Self {
        let mut walk = Self {
            reach: Reach {
                varies: vec![false; function.values.len()],
                loops: HashMap::new(),
            },
            reached: Vec::new(),
            is_replayable: true,
        };
        for (position, input) in function.inputs.iter().enumerate() {
            walk.reach.varies[input.index()] = changes(position);
        }
        // Symbols that are bound anew each time.
        let mut bound = HashSet::new();
        for (number, node) in function.nodes.iter().enumerate() {
            let varies = &walk.reach.varies;
            let is_reached = node.inputs.iter().any(|id| varies[id.index()])
                || program.is_random(&node.op)
                || symbols(program, node).any(|symbol| bound.contains(&symbol));
            if is_reached {
                walk.reached.push(number);
            } else if executed == Executed::Reached {
                continue;
            }
            walk.is_replayable &=
                !reads_back(function, node, varies) && !is_checked(node, varies, policy);
            if let Op::Scan(scan) = &node.op
                && let Some(body) = program.functions.get(scan.body.index())
            {
                let changes = |position: usize| {
                    let operand = node.inputs.get(position);
                    scan.operand(position) != ScanOperand::Captured
                        || operand.is_some_and(|id| varies[id.index()])
                };
                let inner = Self::new(program, body, &changes, policy, Executed::All);
                walk.is_replayable &= inner.is_replayable;
                let first = node.outputs.first();
                walk.reach.loops.extend(first.map(|&id| (id, inner.reach)));
            }
            if !is_reached {
                continue;
            }
            if node.op.effects().makes_size {
                bound.extend(node.outputs.iter().filter_map(|&id| length(function, id)));
            }
            for output in &node.outputs {
                walk.reach.varies[output.index()] = true;
            }
        }
        walk
    }
}

/// For each result of a function, whether it may be another name of one of these inputs.
fn views(program: &Valid, function: &Function, inputs: &[bool]) -> Vec<bool> {
    let mut is_view = vec![false; function.values.len()];
    for (input, &given) in function.inputs.iter().zip(inputs) {
        is_view[input.index()] = given;
    }
    for node in &function.nodes {
        let operands: Vec<bool> = node.inputs.iter().map(|id| is_view[id.index()]).collect();
        if let Op::Scan(scan) = &node.op {
            let results = views_of_loop(program, scan, &operands);
            for (output, result) in node.outputs.iter().zip(results) {
                is_view[output.index()] = result;
            }
            continue;
        }
        let is_any = operands.contains(&true) && !node.op.effects().is_fresh;
        for output in &node.outputs {
            is_view[output.index()] = is_any;
        }
    }
    let results = function.outputs.iter();
    results.map(|id| is_view[id.index()]).collect()
}

/// As [`views`], for the results of a loop.
fn views_of_loop(program: &Valid, scan: &Scan, operands: &[bool]) -> Vec<bool> {
    let Some(body) = program.functions.get(scan.body.index()) else {
        return Vec::new();
    };
    let left = views(program, body, operands);
    let carried = scan.carried as usize;
    let mut pairs = operands.iter().zip(&left).take(carried);
    if pairs.any(|(&got, &left)| left && !got) {
        // The next step gets what the first did not: any of its results may be one.
        return vec![true; left.len()];
    }
    let has_steps = scan.times.as_fixed().is_some_and(|times| times > 0);
    let result = |(position, left): (usize, bool)| {
        // Without steps, carried values are the first ones.
        left || position < carried && !has_steps && operands[position]
    };
    left.into_iter().enumerate().map(result).collect()
}

/// The kind of a value that is a tensor.
fn kind(function: &Function, id: ValueId) -> Option<Kind> {
    match function.values.get(id.index()) {
        Some(ValueType::Tensor(ty)) => Some(Kind::of(ty.elem)),
        Some(ValueType::Int(_)) | None => None,
    }
}

/// Symbols whose values a node needs.
fn symbols(program: &Valid, node: &Node) -> impl Iterator<Item = SymbolId> {
    let of_body = node.op.callee().into_iter();
    let of_body = of_body.flat_map(|body| program.needs(body).to_vec());
    let own = node.op.sizes().into_iter().flat_map(Size::symbols);
    own.chain(of_body)
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
    use crate::{parse, validate};

    /// Whether a device can repeat a function of floats `x`, of booleans and of edges made of
    /// floats.
    fn is_replayable(node: &str, result: &str, policy: BoundsPolicy) -> bool {
        let program = parse(&format!(
            "kiln 1
            symbols $E, $K, $L
            module @ = Net {{
            }}
            fn @hop(x %0: f32[$E, 1], src %1: i64[$E], dst %2: i64[$E]) -> (%3) {{
              %3: f32[$E, 1] = spmm{{reduce=sum, size=$E}}(%0, %1, %2)
            }}
            fn @hops(x %0: f32[$E, 1], src %1: i64[$E], dst %2: i64[$E]) -> (%3) {{
              %3: f32[$E, 1] = scan @hop{{times=2, carried=1, scanned=0, reverse=false}}(%0, %1, %2)
            }}
            fn @count(x %0: f32[$E], mask %1: bool[$E]) -> (%0) {{
              %2: i64[$L] = nonzero(%1)
            }}
            fn @half(x %0: f32[$E], row %1: f32[]) -> (%2) {{
              %2: f32[$E] = mul_scalar{{rhs=0.5}}(%0)
            }}
            fn @forward(x %0: f32[$E], mask %1: bool[$E], index %2: i64[$E], e %3: f32[$E]) -> (%6) {{
              %4: i64[$E] = cast{{elem=i64}}(%3)
              %5: f32[$E, 1] = reshape{{dims=[$E, 1]}}(%0)
              %6: {result} = {node}
            }}"
        ));
        let program = validate(program.expect("a program")).expect("a valid program");
        let forward = program.functions.last().expect("functions");
        Plan::new(&program, forward, policy).is_replayable
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

    /// The body of a loop is executed in each run, wherever its operands come from.
    #[test]
    fn loops_are_repeated_if_their_bodies_can_be() {
        let scan = |body: &str, operands: &str| {
            format!("scan @{body}{{times=3, carried=1, scanned=0, reverse=false}}({operands})")
        };
        let row = "f32[$E, 1]";
        for (node, result, policy, expected) in [
            (scan("hop", "%5, %2, %2"), row, BoundsPolicy::Check, true),
            (scan("hops", "%5, %2, %2"), row, BoundsPolicy::Check, true),
            (scan("hop", "%5, %4, %2"), row, BoundsPolicy::Check, false),
            (scan("hops", "%5, %2, %4"), row, BoundsPolicy::Trust, false),
            (
                scan("count", "%0, %1"),
                "f32[$E]",
                BoundsPolicy::Trust,
                false,
            ),
            // It may have no steps, and is then its first value.
            (
                "scan @half{times=$E, carried=1, scanned=1, reverse=false}(%0, %0)".to_owned(),
                "f32[$E]",
                BoundsPolicy::Check,
                false,
            ),
        ] {
            assert_eq!(is_replayable(&node, result, policy), expected, "{node}");
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
