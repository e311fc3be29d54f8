//! Operations that move elements and change shapes.

use kiln_ir::{ElemType, Reduce, ShapeOp, Size, TensorType};

use super::{super::types, Error, Expression, Writer};

impl Writer<'_, '_> {
    pub(super) fn shape(&mut self, op: &ShapeOp) -> Result<Expression, Error> {
        let (x, y) = (self.operands.name(0), self.operands.name(1));
        let text = match op {
            ShapeOp::Reshape { dims } => format!("torch.reshape({x}, {})", self.scope.sizes(dims)?),
            ShapeOp::Permute { axes } => format!("torch.permute({x}, {axes:?})"),
            ShapeOp::Expand { dims } => format!("torch.expand({x}, {})", self.scope.sizes(dims)?),
            ShapeOp::Slice { ranges } => return self.slice(ranges),
            ShapeOp::Cat { dim } => {
                let names: Vec<_> = self.operands.inputs.iter().map(|(name, _)| name).collect();
                format!("torch.cat({}, {dim})", types::list(&names))
            }
            ShapeOp::RepeatDim { dim, times } => {
                let times = self.scope.size(times)?;
                let repeats: Vec<&str> = (0_u32..)
                    .zip(self.operands.dims())
                    .map(|(axis, _)| if axis == *dim { times.as_str() } else { "1" })
                    .collect();
                format!("torch.repeat({x}, {})", types::list(&repeats))
            }
            ShapeOp::Select { dim } => format!("torch.index_select({x}, {dim}, {y})"),
            ShapeOp::ScatterElements { dim, reduce } => {
                let function = self.library.function("scatter_elements");
                let value = self.operands.name(2);
                let reduce = match reduce {
                    Reduce::Sum => "sum",
                    Reduce::Mean => "mean",
                    Reduce::Max => "amax",
                    Reduce::Min => "amin",
                    Reduce::Mul => "prod",
                };
                format!("{function}({x}, {dim}, {y}, {value}, \"{reduce}\")")
            }
            ShapeOp::GatherElements { dim } => format!("torch.gather({x}, {dim}, {y})"),
        };
        Ok(text.into())
    }

    /// The axes that a slice shortens, one `torch.slice` each.
    fn slice(&mut self, ranges: &[(Size, Size)]) -> Result<Expression, Error> {
        let mut text = self.operands.name(0).to_owned();
        for (axis, (start, end)) in ranges.iter().enumerate() {
            if start.as_fixed() != Some(0) || self.operands.dims().get(axis) != Some(end) {
                let (start, end) = (self.scope.size(start)?, self.scope.size(end)?);
                text = format!("torch.slice({text}, {axis}, {start}, {end})");
            }
        }
        let row = ranges.first().and_then(|(start, _)| start.as_fixed());
        let is_of_edges = self
            .operands
            .inputs
            .first()
            .is_some_and(|(_, ty)| is_edge_index(ty));
        Ok(match row {
            Some(0) if is_of_edges => Expression::named(text, "src"),
            Some(1) if is_of_edges => Expression::named(text, "dst"),
            _ => text.into(),
        })
    }
}

/// Whether a tensor looks like edges in COO form, sources first.
fn is_edge_index(ty: &TensorType) -> bool {
    match (ty.elem, ty.dims.as_slice()) {
        (ElemType::I64, [rows, _]) => rows.as_fixed() == Some(2),
        _ => false,
    }
}
