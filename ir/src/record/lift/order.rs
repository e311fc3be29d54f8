//! Sums and order along axes.

use burn::backend::ir::{NumericOperationIr as Numeric, TensorIr};

use super::{Lifter, Raw, axis, elem, number, sizes_of};
use crate::op::{Op, ReduceOp};

impl Lifter {
    /// Lifts what sorts or adds up along an axis.
    pub(super) fn order(&mut self, op: &Numeric) -> Option<()> {
        match op {
            Numeric::CumSum(d) => {
                self.push(ReduceOp::CumSum { dim: axis(d.axis)? }, &[&d.input], &d.out)
            }
            Numeric::Sort(d) => {
                let op = sort(d.dim, d.descending)?;
                self.sorted(op, &d.input, [Some(&d.out), None], &d.out)
            }
            Numeric::ArgSort(d) => {
                let op = sort(d.dim, d.descending)?;
                self.sorted(op, &d.input, [None, Some(&d.out)], &d.out)
            }
            Numeric::SortWithIndices(d) => {
                let op = sort(d.dim, d.descending)?;
                self.sorted(op, &d.input, [Some(&d.out), Some(&d.out_indices)], &d.out)
            }
            Numeric::TopK(d) => {
                let op = top_k(d.axis, d.out.shape[d.axis])?;
                self.sorted(op, &d.input, [Some(&d.out), None], &d.out)
            }
            Numeric::ArgTopK(d) => {
                let op = top_k(d.axis, d.out.shape[d.axis])?;
                self.sorted(op, &d.input, [None, Some(&d.out)], &d.out)
            }
            Numeric::TopKWithIndices(d) => {
                let op = top_k(d.dim, d.k)?;
                self.sorted(op, &d.tensor, [Some(&d.out), Some(&d.out_indices)], &d.out)
            }
            _ => None,
        }
    }

    /// An operation that gives elements and their positions, of which Burn's gives those in `outs`.
    fn sorted(
        &mut self,
        op: impl Into<Op>,
        input: &TensorIr,
        outs: [Option<&TensorIr>; 2],
        like: &TensorIr,
    ) -> Option<()> {
        let inputs = vec![self.numbering.get(input.id)];
        let elems = [elem(input.dtype)?, crate::program::ElemType::I64];
        let mut outputs = Vec::with_capacity(2);
        for (out, elem) in outs.into_iter().zip(elems) {
            outputs.push(match out {
                Some(out) => self.output(out)?,
                None => super::RawTensor {
                    number: self.numbering.temporary(),
                    elem,
                    dims: sizes_of(like),
                },
            });
        }
        let op = op.into();
        self.raws.push(Raw {
            op,
            inputs,
            outputs,
        });
        Some(())
    }
}

fn sort(dim: usize, descending: bool) -> Option<ReduceOp> {
    let dim = axis(dim)?;
    Some(ReduceOp::Sort { dim, descending })
}

/// The greatest elements.
fn top_k(dim: usize, k: usize) -> Option<ReduceOp> {
    Some(ReduceOp::TopK {
        dim: axis(dim)?,
        k: number(k),
        largest: true,
    })
}
