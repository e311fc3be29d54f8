//! Integers while a program runs: as wide as the program says, or known to fit.
//!
//! Most integers of a program are `i64`. Where a device computes with 64 bits, those that are known
//! to fit may have 32: inputs that came so, indices (`indices.rs`), and numbers that are made here.
//! They stay so as long as they are moved, compared, or read as indices, since kernels read indices
//! of either width. Before anything else is computed from them, they become 64 bits wide, once for
//! a run. Integers of the types `i32` and `u8` have 32 or 64 bits in the same way, and are wrapped
//! to their own after each operation that may leave them.
//!
//! Other devices (WGSL without `SHADER_INT64`) have 32 bits. There each integer is compared with
//! them before it becomes one of theirs: inputs, constants, sizes, and what operations compute, by
//! bounds that follow from the least and greatest integers of their operands. An `i64` that may not
//! fit is an error.

use burn::{
    backend::{Dispatch, DispatchTensor, TensorMetadata, ops::FloatTensorOps},
    tensor::{DType, Shape, Tensor},
};

use super::{
    ExecError, Kind,
    eval::Eval,
    site::Site,
    width::{Width, is_narrow, widen},
};
use crate::{
    op::{
        Binary, Class, ElementwiseOp, GraphOp, Op, Reduce, ReduceOp, Reduction, Scalar, ShapeOp,
        Unary,
    },
    program::{ElemType, Node, ValueId},
};

/// Whether an operation makes its integers 64 bits wide, whatever they are.
pub(super) fn widens(op: &Op) -> bool {
    op.effects().widens.holds(op.word())
}

/// Whether what an operation computes may be outside its integer type, until it is wrapped.
pub(super) fn leaves_type(op: &Op) -> bool {
    widens(op) || matches!(op, Op::Elementwise(ElementwiseOp::Cast { .. }))
}

/// The operands of a node that are not positions.
pub(super) fn numbers(node: &Node) -> impl Iterator<Item = &ValueId> {
    let is_number = |position| {
        let operand = node.op.spec().and_then(|spec| spec.operand(position));
        operand.is_none_or(|operand| operand.class != Class::Int)
    };
    let operands = node.inputs.iter().enumerate();
    operands.filter_map(move |(position, id)| is_number(position).then_some(id))
}

/// Makes the integers that an operation reads as wide as it needs them, or proves that its results
/// fit.
pub(super) fn prepare(
    eval: &mut Eval<'_>,
    site: Site<'_>,
    values: &mut [Option<DispatchTensor>],
) -> Result<(), ExecError> {
    // Operations of a body make them as wide as they need them.
    if matches!(site.op(), Op::Scan(_)) {
        return Ok(());
    }
    match eval.width {
        Width::Wide => {
            // Positions have a type of their own: kernels read those of either width.
            for are_positions in [false, true] {
                let integers = site
                    .integers()
                    .filter(|one| one.is_position == are_positions);
                let has = |dtype: DType| {
                    let mut tensors = integers
                        .clone()
                        .filter_map(|one| values[one.id.index()].as_ref());
                    tensors.any(|tensor| tensor.dtype() == dtype)
                };
                if !has(DType::I32) {
                    continue;
                }
                let widens = has(DType::I64)
                    || !are_positions
                        && (widens(site.op()) || !are_narrow(eval, &site.op().scalars())?);
                if widens {
                    for one in integers {
                        let value = &mut values[one.id.index()];
                        *value = value.take().map(widen);
                    }
                }
            }
            Ok(())
        }
        Width::Narrow => {
            let Some(bounds) = results(eval, site, values)? else {
                return Ok(());
            };
            let mut narrow = [0; 2];
            for (narrow, bound) in narrow.iter_mut().zip(bounds) {
                let error = |_| {
                    let what = format!("{} may give", eval.text(site));
                    eval.width.error(what, &bound)
                };
                *narrow = i32::try_from(bound).map_err(error)?.into();
            }
            for output in site.outputs() {
                eval.bounds.set(*output, Some(narrow));
            }
            Ok(())
        }
    }
}

fn are_narrow(eval: &Eval<'_>, scalars: &[&Scalar]) -> Result<bool, ExecError> {
    for scalar in scalars {
        if let Scalar::Int(size) = scalar
            && !is_narrow(eval.int("the scalar", size)?)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Bounds of the integers that an operation computes. `None` if it only moves or compares its
/// operands.
fn results(
    eval: &mut Eval<'_>,
    site: Site<'_>,
    values: &[Option<DispatchTensor>],
) -> Result<Option<[i128; 2]>, ExecError> {
    match site.op() {
        Op::Elementwise(ElementwiseOp::Full {
            value,
            elem: ElemType::I64,
            ..
        }) => Ok(eval.integer(value)?.map(|value| [value.into(); 2])),
        Op::Elementwise(ElementwiseOp::Arange { start, end }) => {
            let [start, end] = [eval.int("the start", start)?, eval.int("the end", end)?];
            let last = i128::from(end) - 1;
            Ok((last >= start.into()).then_some([start.into(), last]))
        }
        Op::Elementwise(ElementwiseOp::Cast {
            elem: ElemType::I64,
        }) => Ok(float_extremes(site, values)),
        op => {
            let numbers = site.integers();
            let numbers = numbers.filter(|one| !one.is_position && one.elem == ElemType::I64);
            let Some(last) = numbers.clone().last() else {
                return Ok(None);
            };
            let mut scalars = Vec::new();
            for scalar in op.scalars() {
                scalars.extend(narrow_scalar(eval, site, scalar)?);
            }
            let (true, Some(tensor)) = (widens(op), &values[last.id.index()]) else {
                return Ok(None);
            };
            let mut operands = Vec::with_capacity(2);
            for one in numbers {
                match eval.bounds.of(one.id, values) {
                    Some(bounds) => operands.push(bounds),
                    // There are no elements, or all elements are NaN.
                    None => return Ok(None),
                }
            }
            operands.extend(scalars.into_iter().map(|scalar| [scalar.into(); 2]));
            Ok(Some(computed(op, &operands, &tensor.shape())))
        }
    }
}

/// The value of a scalar, if it is an integer, on a device of 32 bits.
fn narrow_scalar(
    eval: &Eval<'_>,
    site: Site<'_>,
    scalar: &Scalar,
) -> Result<Option<i32>, ExecError> {
    let value = eval.integer(scalar)?;
    let narrow = |value: i64| {
        let error = |_| eval.width.error(format!("{} has", eval.text(site)), &value);
        i32::try_from(value).map_err(error)
    };
    value.map(narrow).transpose()
}

/// Bounds of the integers that floats become.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates far beyond 32 bits"
)]
fn float_extremes(site: Site<'_>, values: &[Option<DispatchTensor>]) -> Option<[i128; 2]> {
    let first = site.operands().next()?;
    let tensor = values.get(first.id.index())?.as_ref()?;
    if first.kind != Kind::Float || tensor.shape().num_elements() == 0 {
        return None;
    }
    let read = |tensor| {
        let data = Tensor::<1>::from_dispatch(tensor).into_data();
        data.iter::<f64>().next().filter(|value| !value.is_nan())
    };
    let least = read(Dispatch::float_min(tensor.clone()))?;
    let greatest = read(Dispatch::float_max(tensor.clone()))?;
    Some([least.trunc() as i128, greatest.trunc() as i128])
}

/// Bounds of what may be any integer.
const ANY: [i128; 2] = [i64::MIN as i128, i64::MAX as i128];

/// Bounds of what an operation computes from operands of these bounds, the last of which has the
/// shape.
fn computed(op: &Op, operands: &[[i128; 2]], shape: &Shape) -> [i128; 2] {
    let largest = |[low, high]: [i128; 2]| low.abs().max(high.abs());
    let within = |bound: i128| [-bound, bound];
    let count = |axes: &[u32]| -> i128 {
        let sizes = axes.iter().map(|&axis| shape[axis as usize]);
        sizes.fold(1, |count, size| count.saturating_mul(size as i128))
    };
    let added = |[low, high]: [i128; 2], [least, most]: [i128; 2], count: i128| {
        [
            low.saturating_add(least.saturating_mul(count).min(0)),
            high.saturating_add(most.saturating_mul(count).max(0)),
        ]
    };
    match (op, operands) {
        (
            Op::Elementwise(ElementwiseOp::Unary {
                function: Unary::Neg,
            }),
            &[[low, high]],
        ) => [-high, -low],
        (
            Op::Elementwise(ElementwiseOp::Unary {
                function: Unary::Abs,
            }),
            &[x],
        ) => [0, largest(x)],
        (
            Op::Reduce(ReduceOp::Reduce {
                reduction: Reduction::Sum,
                axes,
            }),
            &[[low, high]],
        ) => {
            let count = count(axes);
            [low.saturating_mul(count), high.saturating_mul(count)]
        }
        (Op::Reduce(ReduceOp::CumSum { dim }), &[[low, high]]) => {
            let count = count(&[*dim]);
            [
                low.saturating_mul(count).min(low),
                high.saturating_mul(count).max(high),
            ]
        }
        (Op::Graph(GraphOp::Scatter { reduce, .. }), &[x]) => match reduce {
            Reduce::Mul => within(power(largest(x), count(&[0]))),
            _ => added([0; 2], x, count(&[0])),
        },
        (Op::Shape(ShapeOp::ScatterElements { dim, reduce }), &[x, value]) => match reduce {
            Reduce::Mul => within(largest(x).saturating_mul(power(largest(value), count(&[*dim])))),
            _ => added(x, value, count(&[*dim])),
        },
        (
            Op::Reduce(ReduceOp::Reduce {
                reduction: Reduction::Prod,
                axes,
            }),
            &[x],
        ) => within(power(largest(x), count(axes))),
        (
            Op::Elementwise(
                ElementwiseOp::Binary { function: binary }
                | ElementwiseOp::BinaryScalar {
                    function: binary,
                    rhs: _,
                },
            ),
            &[a, b],
        ) => {
            let ([a_low, a_high], [b_low, b_high]) = (a, b);
            match binary {
                Binary::Add => [a_low + b_low, a_high + b_high],
                Binary::Sub => [a_low - b_high, a_high - b_low],
                Binary::Mul => {
                    let corners = [
                        a_low * b_low,
                        a_low * b_high,
                        a_high * b_low,
                        a_high * b_high,
                    ];
                    corners
                        .iter()
                        .fold([corners[0]; 2], |[low, high], &corner| {
                            [low.min(corner), high.max(corner)]
                        })
                }
                Binary::Pow if a_low >= 0 => [0, power(a_high, b_high)],
                Binary::Pow => within(power(largest(a), b_high)),
                Binary::Div if b_low > 0 => [a_low.min(0), a_high.max(0)],
                // The remainder is nearer to 0 than the divisor.
                Binary::Rem => within(largest(b)),
                Binary::Div => within(largest(a)),
                _ => ANY,
            }
        }
        _ => ANY,
    }
}

/// `base^exponent` for a base of at least 0; at most as much as can be said, and at least 1.
fn power(base: i128, exponent: i128) -> i128 {
    let exponent = u32::try_from(exponent.max(0)).unwrap_or(u32::MAX);
    base.checked_pow(exponent).unwrap_or(i128::MAX).max(1)
}
