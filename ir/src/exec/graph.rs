//! Operations on graphs, by the kernels of `kiln-ops`.

use burn::backend::DispatchTensor;
use kiln_ops::dispatch;

use super::{
    ExecError, Operand, VALIDATED,
    eval::{Eval, float_dtype},
};
use crate::op::Op;

pub(super) fn eval(
    eval: &Eval<'_>,
    op: &Op,
    operands: Vec<Operand>,
) -> Result<Vec<DispatchTensor>, ExecError> {
    let mut operands = operands.into_iter().map(|(tensor, _)| tensor);
    let x = operands.next().expect(VALIDATED);
    let mut next = || operands.next().expect(VALIDATED);
    let destinations = |size| eval.size("the number of destinations", size);
    let one = match op {
        Op::Gather => dispatch::gather(x, next()),
        Op::Scatter { reduce, size } => dispatch::scatter(x, next(), destinations(size)?, *reduce),
        Op::SegmentReduce(reduce) => dispatch::segment_reduce(x, next(), *reduce),
        Op::SegmentSoftmax { size } => dispatch::segment_softmax(x, next(), destinations(size)?),
        Op::Spmm { reduce, size } => {
            let (src, dst) = (next(), next());
            dispatch::spmm(x, src, dst, operands.next(), destinations(size)?, *reduce)
        }
        Op::SpmmCsr { reduce } => {
            let (rowptr, col) = (next(), next());
            dispatch::spmm_csr(x, rowptr, col, operands.next(), *reduce)
        }
        Op::Degree { size, elem } => dispatch::degree(x, destinations(size)?, float_dtype(*elem)),
        Op::PtrToIndex { entries } => {
            dispatch::ptr_to_index(x, eval.size("the number of entries", entries)?)
        }
        Op::CooToCsr { size } => {
            let (pointers, order) = dispatch::coo_to_csr(x, eval.size("the number of rows", size)?);
            return Ok(vec![pointers, order]);
        }
        Op::Nonzero => dispatch::nonzero(x),
        Op::SelfLoopPosition { size } => {
            dispatch::self_loop_position(x, next(), eval.size("the number of nodes", size)?)
        }
        _ => unreachable!("not an operation on graphs: {op:?}"),
    };
    Ok(vec![one])
}
