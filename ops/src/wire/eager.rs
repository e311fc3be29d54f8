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
    AttentionAttributes, DotAttentionAttributes, GraphOps, Reduce, SavedAttention, Score,
    aggregate::TermsForm, linear::product_shape, sort_edges::SORT_NAMES,
};

operations! {
    /// An operation that only runs, with its attributes.
    pub(crate) enum EagerOp {
        SortEdges "kiln::sort_edges" (row, col) -> 3 { rows: usize, cols: usize, };
        Aggregate "kiln::aggregate" (x, terms: Terms, csr: Csr) -> 1 {
            form: TermsForm,
            reduce: Reduce,
        };
        EdgeDot "kiln::edge_dot_csr" (a, b, csr: Csr) -> 1;
        MatchSum "kiln::match_sum_csr" (a, b, v, csr: Csr) -> 1;
        EdgeSoftmax "kiln::edge_softmax" (x, csr: Csr) -> 1;
        EdgeSoftmaxBackward "kiln::edge_softmax_backward" (out, grad, csr: Csr) -> 1;
        Attention "kiln::attention" (first, second, third, seed, csr: Csr) -> 2 {
            score: Score,
        };
        AttentionBackward "kiln::attention_backward"
            (first, second, third, out, lse, grad, seed, csr: Csr, transposed: Csr) -> 3 {
            score: Score,
        };
        Matmul "kiln::matmul" (lhs, rhs) -> 1;
        LinearMap "kiln::linear_map" (x, weight, term: Optional) -> 1 { relu: bool, };
        LinearMapWeight "kiln::linear_map_weight" (x, grad) -> 1;
        ColumnSum "kiln::column_sum" (x) -> 1;
    }
}

impl EagerOp {
    /// See [`GraphOps::sort_edges`]. A record has no names: where it runs later, messages have
    /// those of the sort.
    pub(crate) const fn sort_edges([rows, cols]: [usize; 2], _names: [&str; 3]) -> Self {
        Self::SortEdges { rows, cols }
    }
}

/// Its number, and the weight of a loop if it has one.
impl Attribute for TermsForm {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        let number: u64 = match self {
            Self::Ones => 0,
            Self::Edges => 1,
            Self::Nodes { .. } => 2,
            Self::Loops => 3,
            Self::Own => 4,
            Self::Shares => 5,
        };
        number.write(scalars);
        if let Self::Nodes { self_loop } = self {
            self_loop.write(scalars);
        }
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        Some(match u64::read(scalars)? {
            0 => Self::Ones,
            1 => Self::Edges,
            2 => Self::Nodes {
                self_loop: Attribute::read(scalars)?,
            },
            3 => Self::Loops,
            4 => Self::Own,
            5 => Self::Shares,
            _ => return None,
        })
    }
}

/// Its number, and its options.
impl Attribute for Score {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        match self {
            Self::Gat(options) => {
                0_u64.write(scalars);
                options.write(scalars);
            }
            Self::GatV2(options) => {
                1_u64.write(scalars);
                options.write(scalars);
            }
            Self::Dot(options) => {
                2_u64.write(scalars);
                options.write(scalars);
            }
        }
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        Some(match u64::read(scalars)? {
            0 => Self::Gat(Attribute::read(scalars)?),
            1 => Self::GatV2(Attribute::read(scalars)?),
            2 => Self::Dot(Attribute::read(scalars)?),
            _ => return None,
        })
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

/// The scale, the number of loops plus one or 0, and the probability of dropout or 0.
impl Attribute for DotAttentionAttributes {
    fn write(self, scalars: &mut Vec<ScalarIr>) {
        self.scale.write(scalars);
        self.loops.map_or(0, |loops| loops + 1).write(scalars);
        self.dropout.unwrap_or_default().write(scalars);
    }

    fn read(scalars: &mut &[ScalarIr]) -> Option<Self> {
        Some(Self {
            scale: f64::read(scalars)?,
            loops: usize::read(scalars)?.checked_sub(1),
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
            Self::SortEdges { rows, .. } => {
                let entries = inputs[0].shape.clone();
                let shapes = [Shape::new([rows + 1]), entries.clone(), entries];
                return shapes.map(|shape| (shape, DType::I32)).into();
            }
            Self::Aggregate { .. } => rows(inputs.len() - CSR_TENSORS),
            Self::MatchSum | Self::EdgeSoftmax | Self::EdgeSoftmaxBackward => {
                inputs[0].shape.clone()
            }
            Self::EdgeDot => match inputs[0].shape.num_dims() {
                3 => Shape::new([dim(3, 0), dim(0, 1)]),
                _ => Shape::new([dim(3, 0)]),
            },
            Self::Attention { score } => {
                let out = rows(4);
                let lse = match (score, dtype) {
                    (Score::Gat(_), _) => inputs[2].dtype,
                    (_, DType::F64) => DType::F64,
                    _ => DType::F32,
                };
                let lse = (Shape::new([out[0], out[1]]), lse);
                return vec![(out, dtype), lse];
            }
            Self::AttentionBackward { .. } => return inputs[..3].iter().map(like).collect(),
            Self::Matmul => product_shape([&inputs[0].shape, &inputs[1].shape]),
            Self::LinearMap { .. } => Shape::new([dim(0, 0), dim(1, 1)]),
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
            Self::SortEdges { rows, cols } => {
                let (row, col) = (inputs.int(), inputs.int());
                let (ptr, col, edge) = B::sort_edges(row, col, [rows, cols], SORT_NAMES);
                return [ptr, col, edge].map(Output::Int).into();
            }
            Self::Aggregate { form, reduce } => {
                let (x, terms, csr) = (x(), inputs.terms(form), inputs.csr());
                B::aggregate(x, terms, csr.clone(), csr, reduce)
            }
            Self::EdgeDot => {
                let (a, b, csr) = (x(), x(), inputs.csr());
                B::edge_dot_csr(a, b, csr.clone(), csr)
            }
            Self::MatchSum => B::match_sum_csr(x(), x(), x(), inputs.csr()),
            Self::EdgeSoftmax => B::edge_softmax(x(), inputs.csr()),
            Self::EdgeSoftmaxBackward => B::edge_softmax_backward(x(), x(), inputs.csr()),
            Self::Attention { score } => {
                let (a, b, c, seed, csr) = (x(), x(), x(), inputs.int(), inputs.csr());
                let (out, lse) = B::edge_attention(a, b, c, seed, csr.clone(), csr, score);
                return [out, lse].map(Output::Float).into();
            }
            Self::AttentionBackward { score } => {
                let (a, b, c) = (x(), x(), x());
                let saved = SavedAttention {
                    out: x(),
                    lse: x(),
                    grad: x(),
                    seed: inputs.int(),
                };
                let (csr, transposed) = (inputs.csr(), inputs.csr());
                let (a, b, c) = B::edge_attention_backward(a, b, c, saved, csr, transposed, score);
                return [a, b, c].map(Output::Float).into();
            }
            Self::Matmul => B::matmul(x(), x()),
            Self::LinearMap { relu } => B::linear_map(x(), x(), inputs.last_float().into(), relu),
            Self::LinearMapWeight => B::linear_map_weight(x(), x()),
            Self::ColumnSum => B::column_sum(x()),
        };
        vec![Output::Float(out)]
    }
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
            loops: Some(4),
            dropout: Some(0.25),
        };
        let (uint, float) = (ScalarIr::UInt, ScalarIr::Float);
        let reduce = Reduce::Mean;
        let aggregate = |form| EagerOp::Aggregate { form, reduce };
        let self_loop = Some(2.0);
        for (op, inputs, scalars) in [
            (
                EagerOp::SortEdges { rows: 3, cols: 2 },
                2,
                vec![uint(3), uint(2)],
            ),
            (aggregate(TermsForm::Ones), 6, vec![uint(0), uint(1)]),
            (aggregate(TermsForm::Edges), 7, vec![uint(1), uint(1)]),
            (
                aggregate(TermsForm::Nodes { self_loop }),
                7,
                vec![uint(2), uint(1), float(2.0), uint(1)],
            ),
            (aggregate(TermsForm::Loops), 8, vec![uint(3), uint(1)]),
            (aggregate(TermsForm::Own), 7, vec![uint(4), uint(1)]),
            (aggregate(TermsForm::Shares), 7, vec![uint(5), uint(1)]),
            (
                EagerOp::Attention {
                    score: Score::Gat(options),
                },
                9,
                vec![uint(0), float(0.2), uint(5), float(0.0)],
            ),
            (
                EagerOp::AttentionBackward {
                    score: Score::GatV2(options),
                },
                17,
                vec![uint(1), float(0.2), uint(5), float(0.0)],
            ),
            (
                EagerOp::Attention {
                    score: Score::Dot(dot),
                },
                9,
                vec![uint(2), float(0.5), uint(5), float(0.25)],
            ),
            (EagerOp::LinearMap { relu: true }, 3, vec![uint(1)]),
        ] {
            let id = || TensorId::new(0);
            let tensor = TensorIr::uninit(id(), Shape::new([4, 2, 3]), DType::F32);
            let mut record = op.describe(&vec![tensor; inputs], None, id);
            assert_eq!(record.scalars, scalars, "{op:?}");
            assert_eq!(EagerOp::decode(&record), Ok(op));
            record.inputs.truncate(1);
            let fewer = EagerOp::decode(&record);
            assert!(fewer.is_err(), "{fewer:?}");
        }
    }
}
