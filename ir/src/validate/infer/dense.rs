//! Matrix products and normalisations.

use super::{Infer, Problem, one};
use crate::{
    op::{DenseOp, Float},
    program::TensorType,
    size::Size,
};

type Types = Result<Vec<TensorType>, Problem>;

impl Infer<'_> {
    pub(super) fn dense_op(&self, op: &DenseOp, inputs: &[&TensorType]) -> Types {
        match op {
            DenseOp::Matmul => self.matmul(inputs),
            DenseOp::Linear => self.linear(inputs),
            DenseOp::LayerNorm { epsilon } => self.layer_norm(*epsilon, inputs),
            DenseOp::BatchNorm { epsilon, momentum } => {
                momentum.map_or(Ok(()), Self::momentum)?;
                self.batch_norm(*epsilon, inputs)
            }
            DenseOp::RunningStatistic {
                momentum,
                counts: _,
            } => {
                Self::momentum(*momentum)?;
                self.running_statistic(inputs)
            }
        }
    }

    fn matmul(&self, inputs: &[&TensorType]) -> Types {
        let &[a, b] = inputs else {
            return Ok(Vec::new());
        };
        let elem = a.elem;
        let ([batch @ .., rows, inner], [other @ .., depth, columns]) =
            (a.dims.as_slice(), b.dims.as_slice())
        else {
            let short = if a.dims.len() < 2 { a } else { b };
            return Err(self.shape("operands", "rank 2 or more", short));
        };
        if inner != depth {
            let expected = format!("{} rows", self.words().size(inner));
            return Err(self.shape("b", expected, b));
        }
        let left = TensorType {
            elem,
            dims: batch.to_vec(),
        };
        let right = TensorType {
            elem,
            dims: other.to_vec(),
        };
        let mut dims = self.broadcast("batches of b", &left, &right)?;
        dims.extend([rows.clone(), columns.clone()]);
        Ok(one(elem, dims))
    }

    fn linear(&self, inputs: &[&TensorType]) -> Types {
        let &[x, weight, ref rest @ ..] = inputs else {
            return Ok(Vec::new());
        };
        let Some((features, batch)) = x.dims.split_last() else {
            return Err(self.shape("x", "rank 1 or more", x));
        };
        let [outputs, inner] = weight.dims.as_slice() else {
            return Err(self.shape("the weight", "rank 2", weight));
        };
        if inner != features {
            let expected = format!("{} columns", self.words().size(features));
            return Err(self.shape("the weight", expected, weight));
        }
        for bias in rest {
            self.vector("the bias", bias, outputs)?;
        }
        let mut dims = batch.to_vec();
        dims.push(outputs.clone());
        Ok(one(x.elem, dims))
    }

    fn layer_norm(&self, epsilon: Float, inputs: &[&TensorType]) -> Types {
        let &[x, ref rest @ ..] = inputs else {
            return Ok(Vec::new());
        };
        Self::epsilon(epsilon)?;
        let Some(features) = x.dims.last() else {
            return Err(self.shape("x", "rank 1 or more", x));
        };
        rest.iter()
            .try_for_each(|ty| self.vector("weight and bias", ty, features))?;
        Ok(vec![x.clone()])
    }

    fn batch_norm(&self, epsilon: Float, inputs: &[&TensorType]) -> Types {
        let &[x, ref rest @ ..] = inputs else {
            return Ok(Vec::new());
        };
        Self::epsilon(epsilon)?;
        let Some(channels) = x.dims.get(1) else {
            return Err(self.shape("x", "rank 2 or more", x));
        };
        rest.iter()
            .try_for_each(|ty| self.vector("weights and statistics", ty, channels))?;
        Ok(vec![x.clone()])
    }

    fn running_statistic(&self, inputs: &[&TensorType]) -> Types {
        let &[outside, batch, newest, running] = inputs else {
            return Ok(Vec::new());
        };
        for (what, expected, got) in [
            ("the statistic of the batch", outside, batch),
            ("the running statistic", newest, running),
        ] {
            if got.dims != expected.dims {
                let expected = format!("shape {}", self.words().sizes(&expected.dims));
                return Err(self.shape(what, expected, got));
            }
        }
        Ok(vec![outside.clone()])
    }

    /// Checks for a vector of the given size.
    fn vector(&self, what: &'static str, ty: &TensorType, size: &Size) -> Result<(), Problem> {
        match ty.dims.as_slice() {
            [own] if own == size => Ok(()),
            _ => Err(self.shape(what, format!("shape [{}]", self.words().size(size)), ty)),
        }
    }
}
