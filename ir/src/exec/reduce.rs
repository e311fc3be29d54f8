//! Reductions along axes, softmax, and sums and order along axes.

use burn::{
    backend::{
        Dispatch, DispatchTensor, TensorMetadata,
        ops::{ActivationOps, BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{Shape, Tensor},
};
use kiln_core::size_to_i64;

use super::{
    ExecError, Kind, Operand, VALIDATED, cumulative, eval::Eval, order, shape::axis, site::Site,
};
use crate::op::{ReduceOp, Reduction};

/// Entries of an axis from which sums are added up in stages. Burn adds up an axis one entry after
/// the other, and the sum of many does not hold the last bits of one.
const MANY: usize = 1 << 12;

pub(super) fn eval(
    eval: &Eval<'_>,
    site: Site<'_>,
    op: &ReduceOp,
    operands: Vec<Operand>,
) -> Result<Vec<DispatchTensor>, ExecError> {
    let mut operands = operands.into_iter();
    let (x, elem) = operands.next().expect(VALIDATED);
    let kind = Kind::of(elem);
    // Of no elements there is a sum, but no largest one.
    let selects = |dim: u32, x: &DispatchTensor| {
        if x.shape()[axis(dim)] > 0 {
            return Ok(());
        }
        let got = format!("none along axis {dim}");
        Err(eval.undefined(site, "at least one element", got))
    };
    let one = match op {
        ReduceOp::Reduce { reduction, axes } => {
            if matches!(reduction, Reduction::Max | Reduction::Min) {
                axes.iter().try_for_each(|&dim| selects(dim, &x))?;
            }
            if x.shape().num_elements() == 0 && kind == Kind::Bool {
                return Ok(vec![of_none(eval, *reduction, &x, axes)]);
            }
            axes.iter()
                .fold(x, |x, &dim| along(*reduction, kind, x, axis(dim)))
        }
        ReduceOp::ArgMax { dim } => {
            selects(*dim, &x)?;
            match kind {
                Kind::Int | Kind::Bool => Dispatch::int_argmax(x, axis(*dim)),
                Kind::Float => {
                    let last = size_to_i64(x.shape()[axis(*dim)]);
                    let dtype = eval.int_dtype(site, [0, last])?;
                    Dispatch::float_argmax(x, axis(*dim), dtype)
                }
            }
        }
        ReduceOp::Softmax { .. } | ReduceOp::LogSoftmax { .. } if x.shape().num_elements() == 0 => {
            x
        }
        ReduceOp::CumSum { dim } => cumulative::sum(x, kind, axis(*dim)),
        ReduceOp::Softmax { dim } => Dispatch::softmax(x, axis(*dim)),
        ReduceOp::LogSoftmax { dim } => Dispatch::log_softmax(x, axis(*dim)),
        ReduceOp::Sort { dim, descending } => {
            let (dim, count) = (axis(*dim), x.shape()[axis(*dim)]);
            return order::first(eval, site, (x, kind), dim, count, *descending);
        }
        ReduceOp::TopK { dim, k, largest } => {
            let (count, size) = (
                eval.size("the number of elements", k)?,
                x.shape()[axis(*dim)],
            );
            if count > size {
                let value = format!("{count}, of {size} along axis {dim}");
                return Err(eval.attribute("the number of elements", k, value));
            }
            return order::first(eval, site, (x, kind), axis(*dim), count, *largest);
        }
        ReduceOp::Searchsorted { right } => {
            let (values, _) = operands.next().expect(VALIDATED);
            order::search(eval, site, kind, x, values, *right)?
        }
    };
    Ok(vec![one])
}

/// Whether any or all of no booleans are true. Flex 0.22.1 reads one where another axis has none.
fn of_none(
    eval: &Eval<'_>,
    reduction: Reduction,
    x: &DispatchTensor,
    axes: &[u32],
) -> DispatchTensor {
    let mut shape = x.shape();
    for &dim in axes {
        shape[axis(dim)] = 1;
    }
    let dtype = eval.settings.bool_dtype;
    match reduction {
        Reduction::All => Dispatch::bool_ones(shape, eval.device(), dtype),
        _ => Dispatch::bool_zeros(shape, eval.device(), dtype),
    }
}

/// Reduces one axis to size 1.
fn along(reduction: Reduction, kind: Kind, x: DispatchTensor, dim: usize) -> DispatchTensor {
    let is_long = x.shape()[dim] >= MANY;
    match (reduction, kind) {
        (Reduction::Sum, Kind::Int) => Dispatch::int_sum_dim(x, dim),
        (Reduction::Sum, _) if is_long => by_columns(x, dim, kiln_ops::column_sum),
        (Reduction::Mean, _) if is_long => by_columns(x, dim, kiln_ops::column_mean),
        (Reduction::Sum, _) => Dispatch::float_sum_dim(x, dim),
        (Reduction::Mean, _) => Dispatch::float_mean_dim(x, dim),
        (Reduction::Max, Kind::Int) => Dispatch::int_max_dim(x, dim),
        (Reduction::Max, _) => Dispatch::float_max_dim(x, dim),
        (Reduction::Min, Kind::Int) => Dispatch::int_min_dim(x, dim),
        (Reduction::Min, _) => Dispatch::float_min_dim(x, dim),
        (Reduction::Prod, Kind::Int) => Dispatch::int_prod_dim(x, dim),
        (Reduction::Prod, _) => Dispatch::float_prod_dim(x, dim),
        (Reduction::Any, _) => Dispatch::bool_any_dim(x, dim),
        (Reduction::All, _) => Dispatch::bool_all_dim(x, dim),
    }
}

/// Reduces an axis as the rows of a matrix.
fn by_columns(x: DispatchTensor, dim: usize, reduce: fn(Tensor<2>) -> Tensor<2>) -> DispatchTensor {
    let x = Dispatch::float_swap_dims(x, 0, dim);
    let mut shape = x.shape();
    let (rows, all) = (shape[0], shape.num_elements());
    let matrix = Dispatch::float_reshape(x, Shape::new([rows, all / rows]));
    let out = reduce(Tensor::from_dispatch(matrix)).into_dispatch();
    shape[0] = 1;
    Dispatch::float_swap_dims(Dispatch::float_reshape(out, shape), 0, dim)
}
