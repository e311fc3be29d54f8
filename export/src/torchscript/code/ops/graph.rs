//! Message passing, by functions of the library where PyTorch has no operator of its own.

use kiln_ir::GraphOp;

use super::{super::types, Error, Expression, Writer};

impl Writer<'_, '_> {
    pub(super) fn graph(&mut self, op: &GraphOp) -> Result<Expression, Error> {
        let operands = self.operands;
        let [x, y, z] = [0, 1, 2].map(|position| operands.name(position));
        let weight = operands.optional(3).unwrap_or("None");
        let (text, name) = match op {
            GraphOp::Gather => {
                let line = operands.line();
                let name = format!("{}_j", line.strip_suffix("_j").unwrap_or(line));
                let text = format!("torch.index_select({x}, 0, {y})");
                return Ok(Expression::named(text, &name));
            }
            GraphOp::Scatter { reduce, size } => {
                let size = self.scope.size(size)?;
                let function = self.library.function(&format!("scatter_{}", reduce.name()));
                (format!("{function}({x}, {y}, {size})"), "out")
            }
            GraphOp::SegmentReduce { reduce } => {
                let function = self.library.function(&format!("segment_{}", reduce.name()));
                (format!("{function}({x}, {y})"), "out")
            }
            GraphOp::SegmentSoftmax { size } => {
                let size = self.scope.size(size)?;
                let function = self.library.function("segment_softmax");
                (format!("{function}({x}, {y}, {size})"), "alpha")
            }
            GraphOp::Spmm { reduce, size } => {
                let size = self.scope.size(size)?;
                let function = self.library.function(&format!("spmm_{}", reduce.name()));
                (
                    format!("{function}({x}, {y}, {z}, {weight}, {size})"),
                    "out",
                )
            }
            GraphOp::SpmmCsr { reduce } => {
                let function = self
                    .library
                    .function(&format!("spmm_csr_{}", reduce.name()));
                (format!("{function}({x}, {y}, {z}, {weight})"), "out")
            }
            GraphOp::Degree { size, elem } => {
                let (size, dtype) = (self.scope.size(size)?, self.scope.dtype(*elem));
                let function = self.library.function("degree");
                (format!("{function}({x}, {size}, {dtype})"), "degree")
            }
            GraphOp::PtrToIndex { entries } => {
                let entries = self.scope.size(entries)?;
                let function = self.library.function("ptr_to_index");
                (format!("{function}({x}, {entries})"), "index")
            }
            GraphOp::CooToCsr { size } => {
                let size = self.scope.size(size)?;
                let function = self.library.function("coo_to_csr");
                return Ok(Expression {
                    text: format!("{function}({x}, {size})"),
                    names: ["rowptr", "perm"].map(str::to_owned).into(),
                });
            }
            GraphOp::RepeatInterleave => (format!("torch.repeat_interleave({x})"), "position"),
            GraphOp::SizeOf => {
                let function = self.library.function("size_of");
                (format!("{function}({x})"), "position")
            }
            GraphOp::Nonzero => (format!("torch.squeeze(torch.nonzero({x}), 1)"), "position"),
            GraphOp::SelfLoopPosition { size } => {
                let size = self.scope.size(size)?;
                let function = self.library.function("self_loop_position");
                (format!("{function}({x}, {y}, {size})"), "self_loop")
            }
            GraphOp::InverseSqrtDegree {
                self_loop,
                size,
                elem,
            } => {
                let size = self.scope.size(size)?;
                let loops = self_loop.map_or("None".to_owned(), |weight| types::float(weight.0));
                let dtype = self.scope.dtype(*elem);
                let function = self.library.function("inverse_sqrt_degree");
                (
                    format!("{function}({x}, {y}, {size}, {loops}, {dtype})"),
                    "scale",
                )
            }
            GraphOp::EdgeAttention { .. }
            | GraphOp::SpmmNormalized { .. }
            | GraphOp::SpmmWithLoops => {
                let what = format!("{op:?}, which stands for several operations");
                return Err(self.unsupported(what));
            }
        };
        Ok(Expression::named(text, name))
    }
}
