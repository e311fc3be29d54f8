//! Operations along sorted edges as data, for lazy fusion and for remote devices.
//!
//! They are not part of a recorded program, which is written in terms of the lists of edges
//! ([`GraphOp`](super::GraphOp)), so nothing decodes them but this crate.
//!
//! | name | inputs | scalars | outputs |
//! |---|---|---|---|
//! | `kiln::sort_edges` | row, col | size | `[size + 1]`, `[E]`, `[E]` |
//! | `kiln::aggregate` | x, (weight), csr | weighted, reduce | `[n, ..]` |
//! | `kiln::aggregate_normalized` | x, scale, csr | has loops, their weight | `[N, ..]` |
//! | `kiln::aggregate_with_loops` | x, weight, self_loop, csr | | `[N, ..]` |
//! | `kiln::aggregate_self` | x, weight, csr | | `[N, ..]` |
//! | `kiln::aggregate_mean_backward` | grad, csr, transposed | | `[N, ..]` |
//! | `kiln::edge_dot_csr` | a, b, csr | | `[E]` or `[E, H]` |
//! | `kiln::match_sum_csr` | a, b, v, csr | | `[n, F]` |
//! | `kiln::edge_softmax` | x, csr | | `[E, H]` |
//! | `kiln::edge_softmax_backward` | out, grad, csr | | `[E, H]` |
//! | `kiln::edge_attention_csr` | x, score_src, score_dst, seed, csr | options | `[n, H, C]`, `[n, H]` |
//! | `kiln::edge_attention_csr_backward` | x, score_src, score_dst, out, lse, grad, seed, csr, transposed | options | the first three |
//! | `kiln::edge_attention_v2` | x_src, x_dst, att, seed, csr | options | `[n, H, C]`, `[n, H]` |
//! | `kiln::edge_attention_v2_backward` | x_src, x_dst, att, out, lse, grad, seed, csr, transposed | options | the first three |
//! | `kiln::dot_attention` | query, key, value, seed, csr | options | `[n, H, C]`, `[n, H]` |
//! | `kiln::dot_attention_backward` | query, key, value, out, lse, grad, seed, csr, transposed | options | the first three |
//!
//! `csr` and `transposed` stand for the five tensors of a [`CsrTensors`]. Options are the slope,
//! the number of loops plus one or 0, and the probability of dropout; those of `dot_attention` are
//! the scale and the probability.

use burn::backend::{
    Backend, DType, Shape,
    ir::{BackendIr, CustomOpIr, HandleContainer, ScalarIr, TensorId, TensorIr},
    tensor::IntTensor,
};

use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes, GraphOps, Reduce,
    attention::{Saved, Score},
};

/// An operation along sorted edges with its attributes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SortedOp {
    SortEdges { size: usize },
    Aggregate { weighted: bool, reduce: Reduce },
    AggregateNormalized { self_loop: Option<f64> },
    AggregateWithLoops,
    AggregateSelf,
    AggregateMeanBackward,
    EdgeDot,
    MatchSum,
    EdgeSoftmax,
    EdgeSoftmaxBackward,
    Attention(Score),
    AttentionBackward(Score),
}

/// Tensors of a [`CsrTensors`].
const PARTS: usize = 5;

/// The tensors of compressed rows, in the order in which operations take them.
pub(crate) fn parts<B: Backend>(csr: CsrTensors<B>) -> [IntTensor<B>; PARTS] {
    [csr.ptr, csr.col, csr.edge, csr.chunk, csr.hub]
}

impl SortedOp {
    pub(crate) const IDS: [&'static str; 16] = [
        "kiln::sort_edges",
        "kiln::aggregate",
        "kiln::edge_dot_csr",
        "kiln::match_sum_csr",
        "kiln::edge_softmax",
        "kiln::edge_softmax_backward",
        "kiln::edge_attention_csr",
        "kiln::edge_attention_csr_backward",
        "kiln::aggregate_normalized",
        "kiln::aggregate_self",
        "kiln::aggregate_mean_backward",
        "kiln::edge_attention_v2",
        "kiln::edge_attention_v2_backward",
        "kiln::dot_attention",
        "kiln::dot_attention_backward",
        "kiln::aggregate_with_loops",
    ];

    fn id(&self) -> &'static str {
        Self::IDS[match self {
            Self::SortEdges { .. } => 0,
            Self::Aggregate { .. } => 1,
            Self::EdgeDot => 2,
            Self::MatchSum => 3,
            Self::EdgeSoftmax => 4,
            Self::EdgeSoftmaxBackward => 5,
            Self::Attention(Score::Sum(_)) => 6,
            Self::AttentionBackward(Score::Sum(_)) => 7,
            Self::AggregateNormalized { .. } => 8,
            Self::AggregateSelf => 9,
            Self::AggregateMeanBackward => 10,
            Self::Attention(Score::Joint(_)) => 11,
            Self::AttentionBackward(Score::Joint(_)) => 12,
            Self::Attention(Score::Dot(_)) => 13,
            Self::AttentionBackward(Score::Dot(_)) => 14,
            Self::AggregateWithLoops => 15,
        }]
    }

    fn scalars(&self) -> Vec<ScalarIr> {
        match *self {
            Self::SortEdges { size } => vec![ScalarIr::UInt(size as u64)],
            Self::Aggregate { weighted, reduce } => {
                vec![
                    ScalarIr::UInt(u64::from(weighted)),
                    ScalarIr::UInt(reduce.code()),
                ]
            }
            Self::AggregateNormalized { self_loop } => vec![
                ScalarIr::UInt(u64::from(self_loop.is_some())),
                ScalarIr::Float(self_loop.unwrap_or_default()),
            ],
            Self::AggregateWithLoops
            | Self::AggregateSelf
            | Self::AggregateMeanBackward
            | Self::EdgeDot
            | Self::MatchSum
            | Self::EdgeSoftmax
            | Self::EdgeSoftmaxBackward => vec![],
            Self::Attention(score) | Self::AttentionBackward(score) => {
                let (mut scalars, dropout) = match score {
                    Score::Sum(options) | Score::Joint(options) => {
                        let loops = options.loops.map_or(0, |loops| loops as u64 + 1);
                        let slope = ScalarIr::Float(options.negative_slope);
                        (vec![slope, ScalarIr::UInt(loops)], options.dropout)
                    }
                    Score::Dot(options) => (vec![ScalarIr::Float(options.scale)], options.dropout),
                };
                scalars.push(ScalarIr::Float(dropout.unwrap_or_default()));
                scalars
            }
        }
    }

    /// Number of tensors before the compressed rows.
    fn leading(&self) -> usize {
        match self {
            Self::SortEdges { .. }
            | Self::AggregateNormalized { .. }
            | Self::AggregateSelf
            | Self::EdgeDot
            | Self::EdgeSoftmaxBackward => 2,
            Self::Aggregate { weighted, .. } => 1 + usize::from(*weighted),
            Self::AggregateMeanBackward | Self::EdgeSoftmax => 1,
            Self::AggregateWithLoops | Self::MatchSum => 3,
            Self::Attention(_) => 4,
            Self::AttentionBackward(_) => 7,
        }
    }

    /// Writes the operation down.
    pub(crate) fn describe(
        &self,
        inputs: &[TensorIr],
        mut new_id: impl FnMut() -> TensorId,
    ) -> CustomOpIr {
        let like = |tensor: &TensorIr| (tensor.shape.clone(), tensor.dtype);
        let with_rows = |tensor: &TensorIr, rows: usize| {
            let mut shape = tensor.shape.clone();
            shape[0] = rows;
            (shape, tensor.dtype)
        };
        let rows = || inputs[self.leading()].shape[0] - 1;
        let outputs: Vec<(Shape, DType)> = match *self {
            Self::SortEdges { size } => vec![
                (Shape::new([size + 1]), DType::I32),
                (inputs[0].shape.clone(), DType::I32),
                (inputs[0].shape.clone(), DType::I32),
            ],
            Self::Aggregate { .. } => vec![with_rows(&inputs[0], rows())],
            Self::EdgeDot => {
                let edges = inputs[3].shape[0];
                let shape = match inputs[0].shape.num_dims() {
                    3 => Shape::new([edges, inputs[0].shape[1]]),
                    _ => Shape::new([edges]),
                };
                vec![(shape, inputs[0].dtype)]
            }
            Self::AggregateMeanBackward => {
                let rows = inputs[1 + PARTS].shape[0] - 1;
                vec![with_rows(&inputs[0], rows)]
            }
            Self::AggregateNormalized { .. }
            | Self::AggregateWithLoops
            | Self::AggregateSelf
            | Self::MatchSum
            | Self::EdgeSoftmax
            | Self::EdgeSoftmaxBackward => {
                vec![like(&inputs[0])]
            }
            Self::Attention(Score::Sum(_)) => {
                vec![with_rows(&inputs[0], rows()), like(&inputs[2])]
            }
            Self::Attention(Score::Joint(_) | Score::Dot(_)) => {
                let out = with_rows(&inputs[0], rows());
                let wide = match out.1 {
                    DType::F64 => DType::F64,
                    _ => DType::F32,
                };
                let lse = (Shape::new([out.0[0], out.0[1]]), wide);
                vec![out, lse]
            }
            Self::AttentionBackward(_) => inputs[..3].iter().map(like).collect(),
        };
        let outputs: Vec<TensorIr> = outputs
            .into_iter()
            .map(|(shape, dtype)| TensorIr::uninit(new_id(), shape, dtype))
            .collect();
        CustomOpIr::with_scalars(self.id(), inputs, &outputs, self.scalars())
    }

    /// Reads what [`SortedOp::describe`] wrote; nothing else.
    pub(crate) fn decode(desc: &CustomOpIr) -> Option<Self> {
        let number = |at: usize| match desc.scalars.get(at) {
            Some(ScalarIr::UInt(value)) => Some(*value),
            _ => None,
        };
        let float = |at: usize| match desc.scalars.get(at) {
            Some(ScalarIr::Float(value)) => Some(*value),
            _ => None,
        };
        let dropout = |at: usize| {
            let probability = float(at)?;
            Some((probability != 0.0).then_some(probability))
        };
        let options = || {
            Some(AttentionAttributes {
                negative_slope: float(0)?,
                loops: usize::try_from(number(1)?).ok()?.checked_sub(1),
                dropout: dropout(2)?,
            })
        };
        let dot = || {
            Some(Score::Dot(DotAttentionAttributes {
                scale: float(0)?,
                dropout: dropout(1)?,
            }))
        };
        Some(match desc.id.as_str() {
            "kiln::sort_edges" => Self::SortEdges {
                size: usize::try_from(number(0)?).ok()?,
            },
            "kiln::aggregate" => Self::Aggregate {
                weighted: number(0)? == 1,
                reduce: Reduce::from_code(number(1)?)?,
            },
            "kiln::aggregate_normalized" => {
                let weight = float(1)?;
                let self_loop = (number(0)? == 1).then_some(weight);
                Self::AggregateNormalized { self_loop }
            }
            "kiln::aggregate_with_loops" => Self::AggregateWithLoops,
            "kiln::aggregate_self" => Self::AggregateSelf,
            "kiln::aggregate_mean_backward" => Self::AggregateMeanBackward,
            "kiln::edge_dot_csr" => Self::EdgeDot,
            "kiln::match_sum_csr" => Self::MatchSum,
            "kiln::edge_softmax" => Self::EdgeSoftmax,
            "kiln::edge_softmax_backward" => Self::EdgeSoftmaxBackward,
            "kiln::edge_attention_csr" => Self::Attention(Score::Sum(options()?)),
            "kiln::edge_attention_csr_backward" => Self::AttentionBackward(Score::Sum(options()?)),
            "kiln::edge_attention_v2" => Self::Attention(Score::Joint(options()?)),
            "kiln::edge_attention_v2_backward" => Self::AttentionBackward(Score::Joint(options()?)),
            "kiln::dot_attention" => Self::Attention(dot()?),
            "kiln::dot_attention_backward" => Self::AttentionBackward(dot()?),
            _ => return None,
        })
    }

    /// Runs the operation: inputs are taken from `handles`, outputs are put there.
    pub(crate) fn execute<B: BackendIr + GraphOps>(
        &self,
        handles: &mut HandleContainer<B::Handle>,
        desc: &CustomOpIr,
    ) {
        let inputs = desc.inputs.as_slice();
        let leading = self.leading();
        if let Self::SortEdges { size } = *self {
            let row = handles.get_int_tensor::<B>(&inputs[0]);
            let col = handles.get_int_tensor::<B>(&inputs[1]);
            let (ptr, col, edge) = B::sort_edges(row, col, size);
            for (output, tensor) in desc.outputs.iter().zip([ptr, col, edge]) {
                handles.register_int_tensor::<B>(&output.id, tensor);
            }
            return;
        }
        if let Self::Attention(score) | Self::AttentionBackward(score) = *self {
            self.attend::<B>(score, handles, desc);
            return;
        }
        let rows = take_csr::<B>(handles, &inputs[leading..]);
        let transposed = match self {
            Self::AggregateMeanBackward => take_csr::<B>(handles, &inputs[leading + PARTS..]),
            _ => rows.clone(),
        };
        let mut x = |at: usize| handles.get_float_tensor::<B>(&inputs[at]);
        let outputs = match *self {
            Self::SortEdges { .. } | Self::Attention(_) | Self::AttentionBackward(_) => vec![],
            Self::Aggregate {
                weighted: false,
                reduce,
            } => vec![B::aggregate(x(0), rows, transposed, reduce)],
            Self::Aggregate { reduce, .. } => {
                vec![B::aggregate_weighted(x(0), x(1), rows, transposed, reduce)]
            }
            Self::AggregateNormalized { self_loop } => {
                vec![B::aggregate_normalized(
                    x(0),
                    x(1),
                    rows,
                    transposed,
                    self_loop,
                )]
            }
            Self::AggregateWithLoops => {
                vec![B::aggregate_with_loops(x(0), x(1), x(2), rows, transposed)]
            }
            Self::AggregateSelf => vec![B::aggregate_self(x(0), x(1), rows, transposed)],
            Self::AggregateMeanBackward => {
                vec![B::aggregate_mean_backward(x(0), rows, transposed)]
            }
            Self::EdgeDot => vec![B::edge_dot_csr(x(0), x(1), rows, transposed)],
            Self::MatchSum => vec![B::match_sum_csr(x(0), x(1), x(2), rows)],
            Self::EdgeSoftmax => vec![B::edge_softmax(x(0), rows)],
            Self::EdgeSoftmaxBackward => vec![B::edge_softmax_backward(x(0), x(1), rows)],
        };
        for (output, tensor) in desc.outputs.iter().zip(outputs) {
            handles.register_float_tensor::<B>(&output.id, tensor);
        }
    }

    /// Runs attention. Tensors are taken in their order, since one that occurs twice is there until
    /// the last time: that of the rows' ends stands for a seed where there is none.
    fn attend<B: BackendIr + GraphOps>(
        &self,
        score: Score,
        handles: &mut HandleContainer<B::Handle>,
        desc: &CustomOpIr,
    ) {
        let inputs = desc.inputs.as_slice();
        let leading = self.leading();
        let mut x = |at: usize| handles.get_float_tensor::<B>(&inputs[at]);
        let features = [x(0), x(1), x(2)];
        let outputs: Vec<_> = if matches!(self, Self::Attention(_)) {
            let seed = handles.get_int_tensor::<B>(&inputs[leading - 1]);
            let rows = take_csr::<B>(handles, &inputs[leading..]);
            let (out, lse) = score.forward::<B>(features, seed, rows.clone(), rows);
            vec![out, lse]
        } else {
            let saved = Saved {
                out: x(3),
                lse: x(4),
                grad: x(5),
                seed: handles.get_int_tensor::<B>(&inputs[leading - 1]),
            };
            let rows = take_csr::<B>(handles, &inputs[leading..]);
            let transposed = take_csr::<B>(handles, &inputs[leading + PARTS..]);
            (score.backward::<B>(features, saved, rows, transposed)).into()
        };
        for (output, tensor) in desc.outputs.iter().zip(outputs) {
            handles.register_float_tensor::<B>(&output.id, tensor);
        }
    }
}

/// Takes the tensors of compressed rows from `handles`.
fn take_csr<B: BackendIr>(
    handles: &mut HandleContainer<B::Handle>,
    inputs: &[TensorIr],
) -> CsrTensors<B> {
    let mut part = |at: usize| handles.get_int_tensor::<B>(&inputs[at]);
    CsrTensors {
        ptr: part(0),
        col: part(1),
        edge: part(2),
        chunk: part(3),
        hub: part(4),
    }
}
