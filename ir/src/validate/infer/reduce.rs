//! Reductions along axes, normalisation by them, and sums and order along them.

use super::{Infer, Problem, one, overflow};
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
            ReduceOp::Softmax { dim } | ReduceOp::LogSoftmax { dim } | ReduceOp::CumSum { dim } => {
                self.along(*dim, inputs)
            }
            ReduceOp::Sort { dim, descending: _ } => self.sort(*dim, inputs),
            ReduceOp::TopK { dim, k, largest: _ } => self.top_k(*dim, k, inputs),
            ReduceOp::Searchsorted { right: _ } => self.searchsorted(inputs),
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

    fn along(&self, dim: u32, inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        self.axis(x, dim)?;
        Ok(vec![x.clone()])
    }

    fn sort(&self, dim: u32, inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        self.axis(x, dim)?;
        Ok(with_positions(x.elem, x.dims.clone()))
    }

    fn top_k(&self, dim: u32, k: &Size, inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        self.count("the number of elements", k)?;
        let rest = self.axis(x, dim)?.checked_sub(k).ok_or_else(overflow)?;
        if rest.as_fixed().is_some_and(|rest| rest < 0) {
            let got = self.words().size(k);
            return Err(Self::attribute(
                "the number of elements",
                "at most the size",
                got,
            ));
        }
        Ok(with_positions(x.elem, self.with_axis(x, dim, k.clone())?))
    }

    fn searchsorted(&self, inputs: &[&TensorType]) -> Types {
        let &[sequence, values] = inputs else {
            return Ok(Vec::new());
        };
        self.index("the sequence", sequence)?;
        Ok(one(ElemType::I64, values.dims.clone()))
    }
}

/// Types of elements and of their positions.
fn with_positions(elem: ElemType, dims: Vec<Size>) -> Vec<TensorType> {
    let mut types = one(elem, dims.clone());
    types.extend(one(ElemType::I64, dims));
    types
}
