//! Integers that are positions, and what becomes of those out of range.

use burn::{
    backend::{Dispatch, DispatchTensor, Scalar, TensorMetadata, ops::IntTensorOps},
    tensor::{Int, Shape, Tensor},
};

use super::{ExecError, Operand, eval::Eval, schedule::Step, site::Site};
use crate::{
    id::ValueId,
    op::{GraphOp, IndexRule, Op, ReduceOp, ShapeOp},
    program::ValueType,
};

/// What a session does with indices that are out of range.
///
/// The kernels themselves differ: those of the CPU panic, and those of GPUs may read whatever is
/// in memory. So programs and inputs that nobody has checked are for the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BoundsPolicy {
    /// They are an error, which names the operation and the tensor. Indices that are checked are
    /// read once: for each run, or by a prepared call once as long as its graph stays.
    #[default]
    Check,
    /// The nearest position that there is takes their place. Nothing is read back. Where there is
    /// no position at all, an index is an error; so are row pointers as by `Check`.
    Clamp,
    /// There are none: the caller knows.
    Trust,
}

/// Checks the positions among the operands of a step, or puts them within range.
pub(super) fn apply(
    eval: &mut Eval<'_>,
    site: Site<'_>,
    step: &Step,
    operands: &mut [Operand],
) -> Result<(), ExecError> {
    if eval.policy == BoundsPolicy::Trust {
        return Ok(());
    }
    for (position, rule) in &step.positions {
        let (Some(&id), Some((tensor, _))) =
            (site.node.inputs.get(*position), operands.get_mut(*position))
        else {
            continue;
        };
        if tensor.shape().num_elements() == 0 && matches!(rule, IndexRule::Below(_)) {
            continue;
        }
        match rule {
            IndexRule::Below(size) => {
                let size = eval.int("the bound of an index", size)?;
                let is_within = |[least, greatest]: [i64; 2]| least >= 0 && greatest < size;
                if eval.bounds.known(id).is_some_and(is_within) {
                    continue;
                }
                if eval.policy == BoundsPolicy::Clamp && size > 0 {
                    let (least, greatest) = (Scalar::Int(0), Scalar::Int(size - 1));
                    *tensor = Dispatch::int_clamp(tensor.clone(), least, greatest);
                } else if !eval.bounds.read(id, tensor).is_none_or(is_within) {
                    return Err(outside(eval, site, id, tensor, size));
                }
            }
            IndexRule::Pointer(size) => {
                let size = eval.int("the end of a row pointer", size)?;
                if eval.bounds.pointer(id) != Some(size) {
                    pointer(eval, site, id, tensor, size)?;
                    eval.bounds.set_pointer(id, size);
                }
            }
        }
    }
    Ok(())
}

/// Keeps what is known of the integers of a step's results: that they are positions, or those of an
/// operand.
pub(super) fn follow(eval: &mut Eval<'_>, site: Site<'_>, outputs: &[DispatchTensor]) {
    if eval.policy == BoundsPolicy::Trust {
        return;
    }
    let first = site.node.inputs.first();
    let size = |axis: usize| {
        let ValueType::Tensor(ty) = site.function.values.get(first?.index())? else {
            return None;
        };
        eval.symbols.evaluate(ty.dims.get(axis)?)
    };
    let below = |size: Option<i64>| size.filter(|&size| size > 0).map(|size| [0, size - 1]);
    let moved = || {
        let mut operands = site.integers().filter(|one| !one.is_position);
        let first = eval.bounds.known(operands.next()?.id)?;
        operands.try_fold(first, |[low, high], one| {
            let [least, most] = eval.bounds.known(one.id)?;
            Some([low.min(least), high.max(most)])
        })
    };
    let axis = |dim: &u32| usize::try_from(*dim).unwrap_or(usize::MAX);
    // The result with the positions, and their bounds.
    let (output, bounds) = match site.op() {
        Op::Graph(GraphOp::CooToCsr { .. }) => (1, below(size(0))),
        Op::Graph(GraphOp::Nonzero | GraphOp::RepeatInterleave) => (0, below(size(0))),
        Op::Graph(GraphOp::SizeOf) => {
            let length = outputs.first().map(|tensor| tensor.shape()[0]);
            (
                0,
                below(length.and_then(|length| i64::try_from(length).ok())),
            )
        }
        Op::Graph(GraphOp::PtrToIndex { .. }) => (0, below(size(0).map(|size| size - 1))),
        Op::Reduce(ReduceOp::Sort { dim, .. } | ReduceOp::TopK { dim, .. }) => {
            (1, below(size(axis(dim))))
        }
        Op::Reduce(ReduceOp::ArgMax { dim }) => (0, below(size(axis(dim)))),
        Op::Shape(
            ShapeOp::Reshape { .. }
            | ShapeOp::Permute { .. }
            | ShapeOp::Expand { .. }
            | ShapeOp::Slice { .. }
            | ShapeOp::Cat { .. }
            | ShapeOp::RepeatDim { .. }
            | ShapeOp::Select { .. },
        )
        | Op::Graph(GraphOp::Gather) => (0, moved()),
        _ => return,
    };
    if let (Some(&id), Some(bounds)) = (site.outputs().get(output), bounds) {
        eval.bounds.set(id, Some(bounds));
    }
}

/// The error for the first index that is out of range.
fn outside(
    eval: &Eval<'_>,
    site: Site<'_>,
    id: ValueId,
    tensor: &DispatchTensor,
    size: i64,
) -> ExecError {
    let values = values(tensor);
    let mut values = values.iter().enumerate();
    let found = values.find(|&(_, &value)| value < 0 || value >= size);
    let (position, got) = found.map_or((0, 0), |(position, &got)| (position, got));
    let expected = match size {
        ..=0 => "no index at all, as there is nothing to point to".to_owned(),
        _ => format!("an index of at least 0 and below {size}"),
    };
    error(eval, site, id, expected, got, position)
}

/// Checks that a row pointer starts with 0, never decreases, and ends with a number.
fn pointer(
    eval: &Eval<'_>,
    site: Site<'_>,
    id: ValueId,
    tensor: &DispatchTensor,
    size: i64,
) -> Result<(), ExecError> {
    let values = values(tensor);
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
        let expected = "a row pointer, which starts with 0,".to_owned();
        return Err(error(eval, site, id, expected, 0, 0));
    };
    let error = |expected: &str, got, position| {
        Err(error(eval, site, id, expected.to_owned(), got, position))
    };
    if first != 0 {
        return error("0 at the start of a row pointer", first, 0);
    }
    if let Some(at) = values.windows(2).position(|pair| pair[1] < pair[0]) {
        return error("a row pointer that never decreases", values[at + 1], at + 1);
    }
    if last != size {
        let expected = format!("{size} at the end of a row pointer");
        return error(&expected, last, values.len() - 1);
    }
    Ok(())
}

fn error(
    eval: &Eval<'_>,
    site: Site<'_>,
    id: ValueId,
    expected: String,
    got: i64,
    position: usize,
) -> ExecError {
    let mut inputs = site.function.inputs.iter();
    let input = inputs.position(|input| *input == id);
    let name = input.and_then(|input| site.function.input_names.get(input));
    ExecError::Index {
        node: eval.text(site),
        tensor: name.map_or_else(|| format!("%{}", id.0), |name| format!("\"{name}\"")),
        expected,
        got,
        position,
    }
}

/// All integers of a tensor.
fn values(tensor: &DispatchTensor) -> Vec<i64> {
    let shape = Shape::new([tensor.shape().num_elements()]);
    let tensor = Dispatch::int_reshape(tensor.clone(), shape);
    Tensor::<1, Int>::from_dispatch(tensor)
        .into_data()
        .iter::<i64>()
        .collect()
}
