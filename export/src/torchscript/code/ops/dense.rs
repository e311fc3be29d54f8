//! Products of matrices, and the layers that neural networks consist of.

use kiln_ir::DenseOp;

use super::{super::types, Error, Writer};

impl Writer<'_, '_> {
    pub(super) fn dense(&mut self, op: &DenseOp) -> Result<String, Error> {
        let operands = self.operands;
        let (x, y) = (operands.name(0), operands.name(1));
        let bias = operands.optional(2).unwrap_or("None");
        Ok(match op {
            DenseOp::Matmul => format!("torch.matmul({x}, {y})"),
            DenseOp::Linear => format!("torch.linear({x}, {y}, {bias})"),
            DenseOp::LayerNorm { epsilon } => {
                let width = operands
                    .dims()
                    .last_chunk::<1>()
                    .map_or(&[][..], |last| last);
                let width = self.scope.sizes(width)?;
                let epsilon = types::float(epsilon.0);
                format!("torch.layer_norm({x}, {width}, {y}, {bias}, {epsilon})")
            }
            DenseOp::BatchNorm { epsilon, momentum } => {
                let (training, momentum) = match (momentum, &operands.training) {
                    (None, _) => ("False", 0.1),
                    (Some(momentum), Some(training)) => (training.as_str(), momentum.0),
                    (Some(_), None) => {
                        let what = "batch normalisation whose statistics are no buffers";
                        return Err(self.unsupported(what.to_owned()));
                    }
                };
                let (mean, variance) = (operands.name(3), operands.name(4));
                let (momentum, epsilon) = (types::float(momentum), types::float(epsilon.0));
                format!(
                    "torch.batch_norm({x}, {y}, {bias}, {mean}, {variance}, {training}, {momentum}, \
                     {epsilon}, True)"
                )
            }
            DenseOp::RunningStatistic {
                momentum,
                counts: _,
            } => {
                let Some(training) = &operands.training else {
                    let what = "a running statistic that is no buffer";
                    return Err(self.unsupported(what.to_owned()));
                };
                let function = self.library.function("running_statistic");
                let (newest, running) = (operands.name(2), operands.name(3));
                let momentum = types::float(momentum.0);
                format!("{function}({x}, {y}, {newest}, {running}, {momentum}, {training})")
            }
        })
    }
}
