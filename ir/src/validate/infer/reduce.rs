//! Reductions along axes, and normalisation by them.

use super::{Infer, Problem, one};
use crate::{
    op::{ReduceOp, Reduction},
    program::{ElemType, TensorType},
    size::Size,
    validate::Kind,
};

type Types = Result<Vec<TensorType>, Problem>;

impl Infer<'_> {
    pub(super) fn reduce_op(&self, op: &ReduceOp, inputs: &[&TensorType]) -> Types {
        match op {
            ReduceOp::Reduce { reduction, axes } => self.reduce(*reduction, axes, inputs),
            ReduceOp::ArgMax { dim } => self.arg_max(*dim, inputs),
            ReduceOp::Softmax { dim } | ReduceOp::LogSoftmax { dim } => self.softmax(*dim, inputs),
        }
    }

    fn reduce(&self, reduction: Reduction, axes: &[u32], inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        match reduction {
            Reduction::Mean if !x.elem.is_float() => {
                return Err(Self::element("x", "floats", x.elem));
            }
            Reduction::Sum | Reduction::Max | Reduction::Min | Reduction::Prod
                if x.elem == ElemType::Bool =>
            {
                return Err(Self::element("x", "numbers", x.elem));
            }
            Reduction::Any | Reduction::All if x.elem != ElemType::Bool => {
                return Err(Self::element("x", ElemType::Bool.name(), x.elem));
            }
            Reduction::Mean
            | Reduction::Sum
            | Reduction::Max
            | Reduction::Min
            | Reduction::Prod
            | Reduction::Any
            | Reduction::All => {}
        }
        if axes.is_empty() {
            let expected = "at least 1".to_owned();
            return Err(Problem::new(
                16,
                Kind::Count {
                    what: "axes",
                    expected,
                    got: 0,
                },
            ));
        }
        Self::distinct(axes)?;
        let mut ty = x.clone();
        for &axis in axes {
            ty.dims = self.with_axis(&ty, axis, Size::fixed(1))?;
        }
        Ok(vec![ty])
    }

    fn arg_max(&self, dim: u32, inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        Ok(one(ElemType::I64, self.with_axis(x, dim, Size::fixed(1))?))
    }

    fn softmax(&self, dim: u32, inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        self.axis(x, dim)?;
        Ok(vec![x.clone()])
    }
}
