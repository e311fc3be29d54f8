//! The operations that no recording holds: along sorted edges, and linear maps.
//!
//! Lazy fusion and remote devices write them down. A recorded program is in terms of the lists of
//! edges ([`GraphOp`](super::GraphOp)) and of Burn's own products, so nothing decodes these but
//! this crate.

use burn::backend::{
    DType, Shape,
    ir::{BackendIr, ScalarIr, TensorIr},
};

use super::{
    record::{Record, with_rows},
    run::{Inputs, Output, Run},
    table::{Attribute, CSR_TENSORS, operations},
};
use crate::{
    AttentionAttributes, DotAttentionAttributes, GraphOps, Reduce,
    attention::{Saved, Score},
    linear::product_shape,
};

operations! {
    /// An operation that only runs, with its attributes.
    pub(crate) enum EagerOp {
        SortEdges "kiln::sort_edges" (row, col) -> 3 { size: usize, };
        Aggregate "kiln::aggregate" (x, weight: Optional, csr: Csr) -> 1 {
            weighted: bool,
            reduce: Reduce,
        };
        AggregateNormalized "kiln::aggregate_normalized" (x, scale, csr: Csr) -> 1 {
            self_loop: Option<f64>,
        };
        AggregateWithLoops "kiln::aggregate_with_loops" (x, weight, self_loop, csr: Csr) -> 1;
        AggregateSelf "kiln::aggregate_self" (x, weight, csr: Csr) -> 1;
        AggregateMeanBackward "kiln::aggregate_mean_backward"
            (grad, csr: Csr, transposed: Csr) -> 1;
        EdgeDot "kiln::edge_dot_csr" (a, b, csr: Csr) -> 1;
        MatchSum "kiln::match_sum_csr" (a, b, v, csr: Csr) -> 1;
        EdgeSoftmax "kiln::edge_softmax" (x, csr: Csr) -> 1;
        EdgeSoftmaxBackward "kiln::edge_softmax_backward" (out, grad, csr: Csr) -> 1;
        EdgeAttention "kiln::edge_attention_csr" (x, score_src, score_dst, seed, csr: Csr) -> 2 {
            options: AttentionAttributes,
        };
        EdgeAttentionBackward "kiln::edge_attention_csr_backward"
            (x, score_src, score_dst, out, lse, grad, seed, csr: Csr, transposed: Csr) -> 3 {
            options: AttentionAttributes,
        };
        EdgeAttentionV2 "kiln::edge_attention_v2" (x_src, x_dst, att, seed, csr: Csr) -> 2 {
            options: AttentionAttributes,
        };
        EdgeAttentionV2Backward "kiln::edge_attention_v2_backward"
            (x_src, x_dst, att, out, lse, grad, seed, csr: Csr, transposed: Csr) -> 3 {
            options: AttentionAttributes,
        };
        DotAttention "kiln::dot_attention" (query, key, value, seed, csr: Csr) -> 2 {
            options: DotAttentionAttributes,
        };
        DotAttentionBackward "kiln::dot_attention_backward"
            (query, key, value, out, lse, grad, seed, csr: Csr, transposed: Csr) -> 3 {
            options: DotAttentionAttributes,
        };
        Matmul "kiln::matmul" (lhs, rhs) -> 1;
        LinearMap "kiln::linear_map" (x, weight) -> 1;
        LinearMapAdd "kiln::linear_map_add" (x, weight, term) -> 1;
        LinearMapRelu "kiln::linear_map_relu" (x, weight, bias) -> 1;
        LinearMapWeight "kiln::linear_map_weight" (x, grad) -> 1;
        ColumnSum "kiln::column_sum" (x) -> 1;
    }
}

impl EagerOp {
    /// Attention with a score.
    pub(crate) fn attention(score: Score) -> Self {
        match score {
            Score::Sum(options) => Self::EdgeAttention { options },
            Score::Joint(options) => Self::EdgeAttentionV2 { options },
            Score::Dot(options) => Self::DotAttention { options },
        }
    }

    /// The gradients of attention with a score.
    pub(crate) fn attention_backward(score: Score) -> Self {
        match score {
            Score::Sum(options) => Self::EdgeAttentionBackward { options },
            Score::Joint(options) => Self::EdgeAttentionV2Backward { options },
            Score::Dot(options) => Self::DotAttentionBackward { options },
        }
    }
}

/// The slope, the number of loops plus one or 0, and the probability of dropout or 0.
impl Attribute for AttentionAttributes {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        self.negative_slope.write(scalars);
        self.loops.map_or(0, |loops| loops + 1).write(scalars);
        self.dropout.unwrap_or_default().write(scalars);
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        Some(Self {
            negative_slope: f64::read(scalars)?,
            loops: usize::read(scalars)?.checked_sub(1),
            dropout: Some(f64::read(scalars)?).filter(|&probability| probability != 0.0),
        })
    }
}

/// The scale, and the probability of dropout or 0.
impl Attribute for DotAttentionAttributes {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        self.scale.write(scalars);
        self.dropout.unwrap_or_default().write(scalars);
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        Some(Self {
            scale: f64::read(scalars)?,
            dropout: Some(f64::read(scalars)?).filter(|&probability| probability != 0.0),
        })
    }
}

impl Record for EagerOp {
    fn head(&self) -> (&'static str, Vec<ScalarIr>) {
        (self.id(), self.scalars())
    }

    fn results(&self, inputs: &[TensorIr], _dtype: Option<DType>) -> Vec<(Shape, DType)> {
        let like = |tensor: &TensorIr| (tensor.shape.clone(), tensor.dtype);
        let dim = |input: usize, axis: usize| inputs[input].shape[axis];
        // A row for each row of the edges, whose pointers are input `csr`.
        let rows = |csr: usize| with_rows(&inputs[0], dim(csr, 0) - 1);
        let dtype = inputs[0].dtype;
        let shape = match *self {
            Self::SortEdges { size } => {
                let entries = inputs[0].shape.clone();
                let shapes = [Shape::new([size + 1]), entries.clone(), entries];
                return shapes.map(|shape| (shape, DType::I32)).into();
            }
            Self::Aggregate { weighted, .. } => rows(1 + usize::from(weighted)),
            Self::AggregateMeanBackward => rows(1 + CSR_TENSORS),
            Self::AggregateNormalized { .. }
            | Self::AggregateWithLoops
            | Self::AggregateSelf
            | Self::MatchSum
            | Self::EdgeSoftmax
            | Self::EdgeSoftmaxBackward => inputs[0].shape.clone(),
            Self::EdgeDot => match inputs[0].shape.num_dims() {
                3 => Shape::new([dim(3, 0), dim(0, 1)]),
                _ => Shape::new([dim(3, 0)]),
            },
            Self::EdgeAttention { .. } => return vec![(rows(4), dtype), like(&inputs[2])],
            Self::EdgeAttentionV2 { .. } | Self::DotAttention { .. } => {
                let out = rows(4);
                let wide = match dtype {
                    DType::F64 => DType::F64,
                    _ => DType::F32,
                };
                let lse = Shape::new([out[0], out[1]]);
                return vec![(out, dtype), (lse, wide)];
            }
            Self::EdgeAttentionBackward { .. }
            | Self::EdgeAttentionV2Backward { .. }
            | Self::DotAttentionBackward { .. } => return inputs[..3].iter().map(like).collect(),
            Self::Matmul => product_shape([&inputs[0].shape, &inputs[1].shape]),
            Self::LinearMap | Self::LinearMapAdd | Self::LinearMapRelu => {
                Shape::new([dim(0, 0), dim(1, 1)])
            }
            Self::LinearMapWeight => Shape::new([dim(0, 1), dim(1, 1)]),
            Self::ColumnSum => Shape::new([dim(0, 1)]),
        };
        vec![(shape, dtype)]
    }
}

impl Run for EagerOp {
    fn run<B: BackendIr + GraphOps>(&self, inputs: &mut Inputs<'_, B>) -> Vec<Output<B>> {
        let mut x = || inputs.float();
        // Nothing asks for gradients here, so that the edges are sorted one way.
        let out = match *self {
            Self::SortEdges { size } => {
                let (ptr, col, edge) = B::sort_edges(inputs.int(), inputs.int(), size);
                return [ptr, col, edge].map(Output::Int).into();
            }
            Self::Aggregate { weighted, reduce } => {
                let (x, weight) = (x(), weighted.then(x));
                let csr = inputs.csr();
                match weight {
                    Some(weight) => B::aggregate_weighted(x, weight, csr.clone(), csr, reduce),
                    None => B::aggregate(x, csr.clone(), csr, reduce),
                }
            }
            Self::AggregateNormalized { self_loop } => {
                let (x, scale, csr) = (x(), x(), inputs.csr());
                B::aggregate_normalized(x, scale, csr.clone(), csr, self_loop)
            }
            Self::AggregateWithLoops => {
                let (x, weight, self_loop, csr) = (x(), x(), x(), inputs.csr());
                B::aggregate_with_loops(x, weight, self_loop, csr.clone(), csr)
            }
            Self::AggregateSelf => {
                let (x, weight, csr) = (x(), x(), inputs.csr());
                B::aggregate_self(x, weight, csr.clone(), csr)
            }
            Self::AggregateMeanBackward => {
                B::aggregate_mean_backward(x(), inputs.csr(), inputs.csr())
            }
            Self::EdgeDot => {
                let (a, b, csr) = (x(), x(), inputs.csr());
                B::edge_dot_csr(a, b, csr.clone(), csr)
            }
            Self::MatchSum => B::match_sum_csr(x(), x(), x(), inputs.csr()),
            Self::EdgeSoftmax => B::edge_softmax(x(), inputs.csr()),
            Self::EdgeSoftmaxBackward => B::edge_softmax_backward(x(), x(), inputs.csr()),
            Self::EdgeAttention { options } => return attend(Score::Sum(options), inputs),
            Self::EdgeAttentionV2 { options } => return attend(Score::Joint(options), inputs),
            Self::DotAttention { options } => return attend(Score::Dot(options), inputs),
            Self::EdgeAttentionBackward { options } => {
                return attend_backward(Score::Sum(options), inputs);
            }
            Self::EdgeAttentionV2Backward { options } => {
                return attend_backward(Score::Joint(options), inputs);
            }
            Self::DotAttentionBackward { options } => {
                return attend_backward(Score::Dot(options), inputs);
            }
            Self::Matmul => B::matmul(x(), x()),
            Self::LinearMap => B::linear_map(x(), x()),
            Self::LinearMapAdd => B::linear_map_add(x(), x(), x()),
            Self::LinearMapRelu => B::linear_map_relu(x(), x(), x()),
            Self::LinearMapWeight => B::linear_map_weight(x(), x()),
            Self::ColumnSum => B::column_sum(x()),
        };
        vec![Output::Float(out)]
    }
}

fn attend<B: BackendIr + GraphOps>(score: Score, inputs: &mut Inputs<'_, B>) -> Vec<Output<B>> {
    let features = [inputs.float(), inputs.float(), inputs.float()];
    let (seed, csr) = (inputs.int(), inputs.csr());
    let (out, lse) = score.forward::<B>(features, seed, csr.clone(), csr);
    vec![Output::Float(out), Output::Float(lse)]
}

fn attend_backward<B: BackendIr + GraphOps>(
    score: Score,
    inputs: &mut Inputs<'_, B>,
) -> Vec<Output<B>> {
    let features = [inputs.float(), inputs.float(), inputs.float()];
    let saved = Saved {
        out: inputs.float(),
        lse: inputs.float(),
        grad: inputs.float(),
        seed: inputs.int(),
    };
    let (csr, transposed) = (inputs.csr(), inputs.csr());
    let gradients = score.backward::<B>(features, saved, csr, transposed);
    gradients.map(Output::Float).into()
}

#[cfg(test)]
mod tests {
    use burn::backend::ir::TensorId;

    use super::*;

    #[test]
    fn records_are_read_back() {
        let options = AttentionAttributes {
            negative_slope: 0.2,
            loops: Some(4),
            dropout: None,
        };
        let dot = DotAttentionAttributes {
            scale: 0.5,
            dropout: Some(0.25),
        };
        let (uint, float) = (ScalarIr::UInt, ScalarIr::Float);
        let reduce = Reduce::Mean;
        let weighted = |weighted| EagerOp::Aggregate { weighted, reduce };
        let self_loop = Some(2.0);
        for (op, inputs, scalars) in [
            (EagerOp::SortEdges { size: 3 }, 2, vec![uint(3)]),
            (weighted(false), 6, vec![uint(0), uint(1)]),
            (weighted(true), 7, vec![uint(1), uint(1)]),
            (
                EagerOp::AggregateNormalized { self_loop },
                7,
                vec![uint(1), float(2.0)],
            ),
            (EagerOp::AggregateMeanBackward, 11, vec![]),
            (
                EagerOp::EdgeAttention { options },
                9,
                vec![float(0.2), uint(5), float(0.0)],
            ),
            (
                EagerOp::EdgeAttentionV2Backward { options },
                17,
                vec![float(0.2), uint(5), float(0.0)],
            ),
            (
                EagerOp::DotAttention { options: dot },
                9,
                vec![float(0.5), float(0.25)],
            ),
            (EagerOp::LinearMapAdd, 3, vec![]),
        ] {
            let id = || TensorId::new(0);
            let tensor = TensorIr::uninit(id(), Shape::new([4, 2, 3]), DType::F32);
            let mut record = op.describe(&vec![tensor; inputs], None, id);
            assert_eq!(record.scalars, scalars, "{op:?}");
            assert_eq!(EagerOp::decode(&record), Ok(op));
            record.inputs.pop();
            let fewer = EagerOp::decode(&record);
            assert!(fewer.is_err() || op == weighted(true), "{fewer:?}");
        }
    }
}
