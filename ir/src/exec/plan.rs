//! What a prepared call does once, and what each run does.
//!
//! Inputs of integers and size parameters are the graph. A node is executed by each run if another
//! input reaches it, also by way of a size that depends on values, or if it is random; and once if only
//! the graph and weights reach it.

use std::collections::HashSet;

use super::{Kind, integers};
use crate::{
    op::{Binary, Op, Reduce},
    program::{ElemType, Function, Node, SymbolId, ValueId, ValueType},
    size::Size,
};

/// The nodes of a function, parted.
pub(super) struct Plan {
    /// By value: whether it may be another in each run.
    varies: Vec<bool>,
    /// Numbers of the nodes that each run executes.
    each_run: Vec<usize>,
    /// Results of the other nodes that a run reads or returns.
    pub(super) kept: Vec<ValueId>,
    /// Whether a device can repeat a run without the host: nothing is read back, and results are
    /// not the memory of inputs.
    pub(super) is_replayable: bool,
}

impl Plan {
    pub(super) fn new(function: &Function) -> Self {
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
            is_replayable &= !reads_back(function, node, &varies);
            if let Op::Nonzero = node.op {
                bound.extend(node.outputs.iter().filter_map(|&id| length(function, id)));
            }
            let may_be_view = reached(&is_view) && !makes_memory(&node.op);
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
        let kept = defined.copied().filter(|id| is_kept[id.index()]).collect();
        Self {
            varies,
            each_run,
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
        let nodes = self.each_run(function).collect::<Vec<_>>().into_iter();
        let widens = nodes.filter(|node| integers::widens(&node.op));
        let ids = widens
            .flat_map(|node| &node.inputs)
            .chain(&function.outputs);
        let is_integer = |id: &ValueId| match function.values.get(id.index()) {
            Some(ValueType::Tensor(ty)) => ty.elem == ElemType::I64,
            Some(ValueType::Int(_)) | None => false,
        };
        ids.copied().filter(is_integer)
    }

    /// The nodes that each run executes.
    pub(super) fn each_run<'f>(
        &self,
        function: &'f Function,
    ) -> impl Iterator<Item = &'f Node> + Clone {
        let nodes = self.each_run.iter();
        nodes.filter_map(|&number| function.nodes.get(number))
    }

    /// The nodes that are executed once.
    pub(super) fn once<'f>(
        &self,
        function: &'f Function,
    ) -> impl Iterator<Item = &'f Node> + Clone {
        let nodes = function.nodes.iter().enumerate();
        nodes.filter_map(|(number, node)| {
            let is_once = self.each_run.binary_search(&number).is_err();
            is_once.then_some(node)
        })
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

/// Whether a node that each run executes needs values on the host.
fn reads_back(function: &Function, node: &Node, varies: &[bool]) -> bool {
    let is_integer = |id: &ValueId| match function.values.get(id.index()) {
        Some(ValueType::Tensor(ty)) => ty.elem == ElemType::I64,
        Some(ValueType::Int(_)) | None => false,
    };
    // Where the ends of edges are that are sorted. Those of products are sorted in the kernel.
    let ends = match node.op {
        // How many there are.
        Op::Nonzero => return true,
        // Whether there is a divisor of 0, and how large exponents are.
        Op::Binary(Binary::Div | Binary::Rem | Binary::Pow) => {
            return node.inputs.iter().any(is_integer);
        }
        Op::Spmm { reduce, .. } if reduce != Reduce::Mul => 1..3,
        Op::EdgeAttention { .. } | Op::SpmmNormalized { .. } | Op::SpmmWithLoops => 1..3,
        Op::InverseSqrtDegree { .. } => 0..2,
        _ => return false,
    };
    let ends = node.inputs.get(ends).unwrap_or_default();
    ends.iter().any(|id| varies[id.index()])
}

/// Whether the result of an operation is certainly not the memory of an input that is used elsewhere.
fn makes_memory(op: &Op) -> bool {
    matches!(
        op,
        Op::Unary(_)
            | Op::Binary(_)
            | Op::LeakyRelu(_)
            | Op::Softmax(_)
            | Op::LogSoftmax(_)
            | Op::Matmul
            | Op::Linear
            | Op::LayerNorm { .. }
            | Op::BatchNorm { .. }
            | Op::Gather
            | Op::Scatter { .. }
            | Op::SegmentReduce(_)
            | Op::SegmentSoftmax { .. }
            | Op::Spmm { .. }
            | Op::SpmmCsr { .. }
            | Op::EdgeAttention { .. }
            | Op::SpmmNormalized { .. }
            | Op::SpmmWithLoops
            | Op::InverseSqrtDegree { .. }
    )
}
