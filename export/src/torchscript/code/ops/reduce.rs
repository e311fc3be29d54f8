//! Reductions along axes, and normalisation by them.

use kiln_ir::{ReduceOp, Reduction};

use super::{Expression, Writer};

impl Writer<'_, '_> {
    pub(super) fn reduce(&self, op: &ReduceOp) -> Expression {
        let x = self.operands.name(0);
        let text = match op {
            ReduceOp::Reduce { reduction, axes } => reduced(*reduction, x, axes),
            ReduceOp::ArgMax { dim } => {
                return Expression::named(format!("torch.argmax({x}, {dim}, True)"), "argmax");
            }
            ReduceOp::Softmax { dim } => format!("torch.softmax({x}, {dim})"),
            ReduceOp::LogSoftmax { dim } => format!("torch.log_softmax({x}, {dim})"),
        };
        text.into()
    }
}

/// A reduction that keeps the axes.
fn reduced(reduction: Reduction, x: &str, axes: &[u32]) -> String {
    let at_once = |function: &str| format!("torch.{function}({x}, {axes:?}, True)");
    let one_by_one = |function: &str| {
        axes.iter().fold(x.to_owned(), |x, axis| {
            format!("torch.{function}({x}, {axis}, True)")
        })
    };
    if axes.is_empty() {
        return x.to_owned();
    }
    match reduction {
        Reduction::Sum => at_once("sum"),
        Reduction::Mean => at_once("mean"),
        Reduction::Max => at_once("amax"),
        Reduction::Min => at_once("amin"),
        Reduction::Prod => one_by_one("prod"),
        Reduction::Any => one_by_one("any"),
        Reduction::All => one_by_one("all"),
    }
}
