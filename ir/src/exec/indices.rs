//! Inputs that are indices: integers that some operation proves to be below a size, or that nobody
//! reads otherwise.
//!
//! Such an input may have 32 bits if all the sizes are below 2^31, and message passing is faster
//! with them. An index out of range stays one, so the operation finds it as before.

use super::{Kind, site::Site};
use crate::{
    op::{ElementwiseOp, GraphOp, IndexRule, Op, Scan, ScanOperand, ShapeOp},
    program::{Function, Node, Program, TensorType, ValueId, ValueType},
    size::Size,
};

/// For each input of a function, the sizes that its integers are below. `None` if they may be any.
pub(super) fn inputs(program: &Program, function: &Function) -> Vec<Option<Vec<Size>>> {
    let mut uses = vec![Use::default(); function.values.len()];
    for id in &function.outputs {
        uses[id.index()].is_number = true;
    }
    for node in function.nodes.iter().rev() {
        if let Op::Scan(scan) = &node.op {
            captured(program, node, scan, &mut uses);
            continue;
        }
        let site = Site { function, node };
        for (position, operand) in site.operands().enumerate() {
            let id = operand.id;
            if operand.kind != Kind::Int {
                continue;
            }
            let result = node.outputs.first().map(|id| uses[id.index()].clone());
            let own = &mut uses[id.index()];
            match role(site, position) {
                Role::Index(bounds) => {
                    own.is_index = true;
                    own.bounds.extend(bounds);
                }
                Role::Unproven(bounds) => own.bounds.extend(bounds),
                Role::Moved { whole } => {
                    let result = result.unwrap_or_default();
                    own.is_index |= whole && result.is_index;
                    own.is_number |= !result.is_narrow();
                    own.bounds.extend(result.bounds);
                }
                Role::Number => own.is_number = true,
            }
        }
    }
    let bounds = |id: &ValueId| {
        let own = uses.get(id.index())?;
        own.is_narrow().then(|| own.bounds.clone())
    };
    function.inputs.iter().map(bounds).collect()
}

/// Notes what a loop makes of its operands: of captured ones what the body does, of others numbers.
fn captured(program: &Program, node: &Node, scan: &Scan, uses: &mut [Use]) {
    let body = program.functions.get(scan.body.index());
    let inner = body.map(|body| inputs(program, body)).unwrap_or_default();
    let mut inner = inner.into_iter();
    for (position, id) in node.inputs.iter().enumerate() {
        let bounds = inner.next().flatten();
        let own = &mut uses[id.index()];
        match bounds.filter(|_| scan.operand(position) == ScanOperand::Captured) {
            // Without steps, nothing has shown that they are within the bounds.
            Some(bounds) => own.bounds.extend(bounds),
            None => own.is_number = true,
        }
    }
}

/// What is made of a value.
#[derive(Clone, Debug, Default)]
struct Use {
    /// Whether all its integers are read as indices.
    is_index: bool,
    /// Whether it is read as something else, too.
    is_number: bool,
    /// Sizes that its indices are below.
    bounds: Vec<Size>,
}

impl Use {
    fn is_narrow(&self) -> bool {
        self.is_index || !self.is_number
    }
}

/// What an operation does with an operand.
enum Role {
    /// Reads its integers as indices below these sizes.
    Index(Vec<Size>),
    /// The same, but others may stand among them.
    Unproven(Vec<Size>),
    /// Has them, or some of them, in its result.
    Moved { whole: bool },
    /// Anything else.
    Number,
}

fn role(site: Site<'_>, position: usize) -> Role {
    let types: Vec<&TensorType> = site
        .node
        .inputs
        .iter()
        .filter_map(|id| match site.function.values.get(id.index()) {
            Some(ValueType::Tensor(ty)) => Some(ty),
            Some(ValueType::Int(_)) | None => None,
        })
        .collect();
    let rows = types.first().and_then(|ty| ty.dims.first());
    let all = |sizes: [Option<&Size>; 2]| sizes.into_iter().flatten().cloned().collect();
    match (site.op(), position) {
        // Results are rows, and numbers of edges, of the type of the operand.
        (Op::Graph(GraphOp::PtrToIndex { entries: size } | GraphOp::CooToCsr { size }), 0) => {
            Role::Index(all([Some(size), rows]))
        }
        (Op::Graph(GraphOp::SelfLoopPosition { size }), 0 | 1) => {
            Role::Unproven(all([Some(size), rows]))
        }
        (
            Op::Shape(
                ShapeOp::Reshape { .. }
                | ShapeOp::Permute { .. }
                | ShapeOp::Expand { .. }
                | ShapeOp::Cat { .. },
            ),
            _,
        ) => Role::Moved { whole: true },
        (Op::Shape(ShapeOp::Slice { .. } | ShapeOp::RepeatDim { .. }), _)
        | (
            Op::Shape(ShapeOp::Select { .. } | ShapeOp::GatherElements { .. })
            | Op::Elementwise(ElementwiseOp::MaskFill { .. }),
            0,
        )
        | (Op::Elementwise(ElementwiseOp::MaskWhere), 0 | 2) => Role::Moved { whole: false },
        (op, _) => {
            let rules = op.index_rules(&types).into_iter();
            let own = rules.filter(|(operand, _)| *operand == position);
            let bounds: Vec<Size> = own
                .map(|(_, IndexRule::Below(size) | IndexRule::Pointer(size))| size)
                .collect();
            if bounds.is_empty() {
                Role::Number
            } else {
                Role::Index(bounds)
            }
        }
    }
}

/// Whether all sizes are known and below 2^31.
pub(super) fn are_small(bounds: &[Size], evaluate: impl Fn(&Size) -> Option<i64>) -> bool {
    bounds.iter().all(|bound| {
        let value = evaluate(bound);
        value.is_some_and(|value| i32::try_from(value).is_ok())
    })
}
