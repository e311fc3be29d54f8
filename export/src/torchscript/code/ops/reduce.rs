//! Reductions along axes, normalisation by them, and sums and order along them.

use kiln_ir::{ElemType, ReduceOp, Reduction};

use super::{super::types, Error, Expression, Writer};

impl Writer<'_, '_> {
    pub(super) fn reduce(&mut self, op: &ReduceOp) -> Result<Expression, Error> {
        let (x, y) = (self.operands.name(0), self.operands.name(1));
        let text = match op {
            ReduceOp::Reduce { reduction, axes } => reduced(*reduction, x, axes, self.sum_dtype()),
            ReduceOp::ArgMax { dim } => {
                let text = format!("torch.argmax({x}, {dim}, True)");
                return Ok(Expression::named(text, "argmax"));
            }
            ReduceOp::Softmax { dim } => format!("torch.softmax({x}, {dim})"),
            ReduceOp::LogSoftmax { dim } => format!("torch.log_softmax({x}, {dim})"),
            ReduceOp::CumSum { dim } => {
                format!("torch.cumsum({x}, {dim}{})", self.sum_dtype())
            }
            ReduceOp::Sort { dim, descending } => {
                let descending = types::boolean(*descending);
                let options = format!("stable=True, dim={dim}, descending={descending}");
                return Ok(self.with_positions(format!("torch.sort({x}, {options})")));
            }
            ReduceOp::TopK { dim, k, largest } => {
                let (k, largest) = (self.scope.size(k)?, types::boolean(*largest));
                let function = self.library.function("top_k");
                return Ok(self.with_positions(format!("{function}({x}, {k}, {dim}, {largest})")));
            }
            ReduceOp::Searchsorted { right } => {
                let right = types::boolean(*right);
                let text = format!("torch.searchsorted({x}, {y}, out_int32=False, right={right})");
                return Ok(Expression::named(text, "position"));
            }
        };
        Ok(text.into())
    }

    /// The argument that keeps the type of sums and products; PyTorch's are of 64 bits otherwise.
    fn sum_dtype(&self) -> &'static str {
        match self.operands.elem() {
            Some(ElemType::I32) => ", dtype=3",
            Some(ElemType::U8) => ", dtype=0",
            _ => "",
        }
    }

    /// An expression for elements of the first operand, and for their positions.
    fn with_positions(&self, text: String) -> Expression {
        Expression {
            text,
            names: vec![self.operands.line().to_owned(), "position".to_owned()],
        }
    }
}

/// A reduction that keeps the axes.
fn reduced(reduction: Reduction, x: &str, axes: &[u32], dtype: &str) -> String {
    let at_once =
        |function: &str, dtype: &str| format!("torch.{function}({x}, {axes:?}, True{dtype})");
    let one_by_one = |function: &str, dtype: &str| {
        axes.iter().fold(x.to_owned(), |x, axis| {
            format!("torch.{function}({x}, {axis}, True{dtype})")
        })
    };
    if axes.is_empty() {
        return x.to_owned();
    }
    match reduction {
        Reduction::Sum => at_once("sum", dtype),
        Reduction::Mean => at_once("mean", ""),
        Reduction::Max => at_once("amax", ""),
        Reduction::Min => at_once("amin", ""),
        Reduction::Prod => one_by_one("prod", dtype),
        Reduction::Any => one_by_one("any", ""),
        Reduction::All => one_by_one("all", ""),
    }
}
