//! The operations as data: how they are written down while a forward pass is recorded, and read
//! back by whoever executes or exports the recording.
//!
//! Burn records an extension's operation as a [`CustomOpIr`]: a name, input and output tensors
//! (identity, shape, type) and scalars. [`GraphOp`] is that record in typed form. One definition
//! serves four users: recording and lazy fusion describe an operation,
//! replay executes it, and readers of a recorded graph
//! [`decode`](GraphOp::decode) it.
//!
//! | name | inputs | scalars | outputs |
//! |---|---|---|---|
//! | `kiln::gather` | x, index | | `[E, ..]` |
//! | `kiln::scatter` | x, index | size, reduce | `[size, ..]` |
//! | `kiln::segment_reduce` | x, ptr | reduce | `[n, ..]` |
//! | `kiln::segment_softmax` | x, index | size | `[E, ..]` |
//! | `kiln::spmm` | x, src, dst, (weight) | size, reduce | `[size, F]` |
//! | `kiln::spmm_csr` | x, rowptr, col, (value) | reduce | `[n, F]` |
//! | `kiln::edge_dot` | a, b, row, col | | `[E]` |
//! | `kiln::match_sum` | a, b, v, row, col | | `[n, F]` |
//! | `kiln::degree` | index | size | `[size]` |
//! | `kiln::coo_to_csr` | index | size | `[size + 1]`, `[E]` |
//! | `kiln::ptr_to_index` | ptr | entries | `[entries]` |
//! | `kiln::nonzero` | mask | length | `[length]` |
//! | `kiln::self_loop_position` | src, dst | size | `[size]` |
//! | `kiln::arange` | | start, end | `[end - start]` |
//! | `kiln::dropout` | x | prob | `[..]` |
//! | `kiln::spmm_normalized` | x, src, dst, scale | loop | `[N, F]` |
//! | `kiln::spmm_with_loops` | x, src, dst, weight, self_loop | | `[N, F]` |
//! | `kiln::inverse_sqrt_degree` | src, dst | size, loop | `[size]` |
//! | `kiln::edge_attention` | x, src, dst, score_src, score_dst | size, loops, slope, prob | `[size, H, C]` |
//!
//! Sizes are unsigned scalars, `reduce` is a [`Reduce::code`], `prob` and `slope` are floats,
//! `loops` is 1 or 0, and `loop` stands for two scalars: 1 or 0, and the weight of a loop. Inputs
//! in parentheses are optional: their presence is the number of inputs. The types of outputs are
//! those in the record's output tensors.
//!
//! The last four are operations that run along sorted edges ([`crate::aggregate_normalized`] and
//! others), of which a recording holds the plain lists.

pub(crate) mod dense;
mod execute;
pub(crate) mod sorted;

use burn::backend::{
    DType, Shape,
    ir::{CustomOpIr, ScalarIr, TensorId, TensorIr},
};

use crate::Reduce;

/// A recorded operation with its attributes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GraphOp {
    /// [`crate::gather`].
    Gather,
    /// [`crate::scatter`].
    Scatter {
        /// Number of destinations.
        size: usize,
        /// How rows meet.
        reduce: Reduce,
    },
    /// [`crate::segment_reduce`].
    SegmentReduce {
        /// How rows meet.
        reduce: Reduce,
    },
    /// [`crate::segment_softmax`].
    SegmentSoftmax {
        /// Number of destinations.
        size: usize,
    },
    /// [`crate::spmm`]; weighted if there are four inputs.
    Spmm {
        /// Number of destinations.
        size: usize,
        /// How rows meet.
        reduce: Reduce,
    },
    /// [`crate::spmm_csr`]; weighted if there are four inputs.
    SpmmCsr {
        /// How rows meet.
        reduce: Reduce,
    },
    /// [`GraphOps::edge_dot`], part of gradients.
    EdgeDot,
    /// [`GraphOps::match_sum`], part of gradients.
    MatchSum,
    /// [`crate::degree`].
    Degree {
        /// Number of destinations.
        size: usize,
    },
    /// [`crate::coo_to_csr`].
    CooToCsr {
        /// Number of rows.
        size: usize,
    },
    /// [`crate::ptr_to_index`].
    PtrToIndex {
        /// Number of entries.
        entries: usize,
    },
    /// [`crate::nonzero`].
    Nonzero {
        /// The number that stands for the unknown length while recording.
        length: usize,
    },
    /// [`crate::self_loop_position`].
    SelfLoopPosition {
        /// Number of nodes.
        size: usize,
    },
    /// [`crate::arange`].
    Arange {
        /// First value.
        start: usize,
        /// First value not included.
        end: usize,
    },
    /// [`crate::dropout`].
    Dropout {
        /// Probability of a zero.
        prob: f64,
    },
    /// [`crate::aggregate_normalized`].
    SpmmNormalized {
        /// Weight of the loop of each node, if edges from a node to itself give way to one.
        self_loop: Option<f64>,
    },
    /// [`crate::aggregate_with_loops`].
    SpmmWithLoops,
    /// [`crate::Endpoints::inverse_sqrt_degree`].
    InverseSqrtDegree {
        /// Number of nodes.
        size: usize,
        /// Weight of the loop of each node, if edges from a node to itself give way to one.
        self_loop: Option<f64>,
    },
    /// [`crate::edge_attention`].
    EdgeAttention {
        /// Number of destinations.
        size: usize,
        /// Whether edges from a node to itself give way to one loop for each node that is both a
        /// source and a destination.
        self_loops: bool,
        /// Slope of the leaky ReLU.
        negative_slope: f64,
        /// Probability with which a weight is dropped while training.
        dropout: f64,
    },
}

/// Why a recorded operation is not one of this crate's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpDecodeError {
    /// The name is not in this crate's list.
    #[error("unknown operation `{id}`, expected one of {}", GraphOp::IDS.join(", "))]
    UnknownId {
        /// The recorded name.
        id: String,
    },
    /// Another number of input or output tensors.
    #[error("operation `{id}` expects {expected} {side} tensors, got {got}")]
    Arity {
        /// The recorded name.
        id: &'static str,
        /// `input` or `output`.
        side: &'static str,
        /// The allowed numbers.
        expected: &'static str,
        /// The recorded number.
        got: usize,
    },
    /// Other scalars.
    #[error("operation `{id}` expects scalars ({expected}), got {got:?}")]
    Scalars {
        /// The recorded name.
        id: &'static str,
        /// What they mean, in order.
        expected: &'static str,
        /// The recorded scalars.
        got: Vec<ScalarIr>,
    },
}

impl GraphOp {
    /// The names of all operations.
    pub const IDS: [&'static str; 19] = [
        "kiln::gather",
        "kiln::scatter",
        "kiln::segment_reduce",
        "kiln::segment_softmax",
        "kiln::spmm",
        "kiln::spmm_csr",
        "kiln::edge_dot",
        "kiln::match_sum",
        "kiln::degree",
        "kiln::coo_to_csr",
        "kiln::ptr_to_index",
        "kiln::nonzero",
        "kiln::self_loop_position",
        "kiln::arange",
        "kiln::dropout",
        "kiln::spmm_normalized",
        "kiln::spmm_with_loops",
        "kiln::inverse_sqrt_degree",
        "kiln::edge_attention",
    ];

    /// The recorded name.
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Gather => "kiln::gather",
            Self::Scatter { .. } => "kiln::scatter",
            Self::SegmentReduce { .. } => "kiln::segment_reduce",
            Self::SegmentSoftmax { .. } => "kiln::segment_softmax",
            Self::Spmm { .. } => "kiln::spmm",
            Self::SpmmCsr { .. } => "kiln::spmm_csr",
            Self::EdgeDot => "kiln::edge_dot",
            Self::MatchSum => "kiln::match_sum",
            Self::Degree { .. } => "kiln::degree",
            Self::CooToCsr { .. } => "kiln::coo_to_csr",
            Self::PtrToIndex { .. } => "kiln::ptr_to_index",
            Self::Nonzero { .. } => "kiln::nonzero",
            Self::SelfLoopPosition { .. } => "kiln::self_loop_position",
            Self::Arange { .. } => "kiln::arange",
            Self::Dropout { .. } => "kiln::dropout",
            Self::SpmmNormalized { .. } => "kiln::spmm_normalized",
            Self::SpmmWithLoops => "kiln::spmm_with_loops",
            Self::InverseSqrtDegree { .. } => "kiln::inverse_sqrt_degree",
            Self::EdgeAttention { .. } => "kiln::edge_attention",
        }
    }

    /// The recorded scalars.
    fn scalars(&self) -> Vec<ScalarIr> {
        let size = |size: usize| ScalarIr::UInt(size as u64);
        let code = |reduce: Reduce| ScalarIr::UInt(reduce.code());
        let flag = |flag: bool| ScalarIr::UInt(u64::from(flag));
        let self_loop = |weight: Option<f64>| {
            let weight_or_0 = ScalarIr::Float(weight.unwrap_or_default());
            [flag(weight.is_some()), weight_or_0]
        };
        match *self {
            Self::Gather | Self::EdgeDot | Self::MatchSum | Self::SpmmWithLoops => Vec::new(),
            Self::Scatter { size: n, reduce } | Self::Spmm { size: n, reduce } => {
                vec![size(n), code(reduce)]
            }
            Self::SegmentReduce { reduce } | Self::SpmmCsr { reduce } => vec![code(reduce)],
            Self::SegmentSoftmax { size: n }
            | Self::Degree { size: n }
            | Self::CooToCsr { size: n }
            | Self::SelfLoopPosition { size: n }
            | Self::PtrToIndex { entries: n }
            | Self::Nonzero { length: n } => vec![size(n)],
            Self::Arange { start, end } => vec![size(start), size(end)],
            Self::Dropout { prob } => vec![ScalarIr::Float(prob)],
            Self::SpmmNormalized { self_loop: weight } => self_loop(weight).to_vec(),
            Self::InverseSqrtDegree {
                size: n,
                self_loop: weight,
            } => {
                let [is_some, weight] = self_loop(weight);
                vec![size(n), is_some, weight]
            }
            Self::EdgeAttention {
                size: n,
                self_loops,
                negative_slope,
                dropout,
            } => vec![
                size(n),
                flag(self_loops),
                ScalarIr::Float(negative_slope),
                ScalarIr::Float(dropout),
            ],
        }
    }

    /// Writes the operation down. `dtype` is the output type where inputs do not give it
    /// ([`degree`](crate::degree), [`nonzero`](crate::nonzero), [`arange`](crate::arange), and what
    /// counts edges).
    pub(crate) fn describe(
        &self,
        inputs: &[TensorIr],
        dtype: Option<DType>,
        mut new_id: impl FnMut() -> TensorId,
    ) -> CustomOpIr {
        let with_rows = |tensor: &TensorIr, rows: usize| {
            let mut shape = tensor.shape.clone();
            shape[0] = rows;
            shape
        };
        let dtype = dtype
            .or_else(|| inputs.first().map(|x| x.dtype))
            .unwrap_or(DType::I64);
        let shapes: Vec<Shape> = match *self {
            Self::Gather => vec![with_rows(&inputs[0], inputs[1].shape[0])],
            Self::Scatter { size, .. }
            | Self::Spmm { size, .. }
            | Self::EdgeAttention { size, .. } => {
                vec![with_rows(&inputs[0], size)]
            }
            Self::SegmentReduce { .. } | Self::SpmmCsr { .. } => {
                vec![with_rows(&inputs[0], inputs[1].shape[0] - 1)]
            }
            Self::SegmentSoftmax { .. }
            | Self::Dropout { .. }
            | Self::MatchSum
            | Self::SpmmNormalized { .. }
            | Self::SpmmWithLoops => {
                vec![inputs[0].shape.clone()]
            }
            Self::EdgeDot => vec![inputs[2].shape.clone()],
            Self::Degree { size: n }
            | Self::SelfLoopPosition { size: n }
            | Self::PtrToIndex { entries: n }
            | Self::Nonzero { length: n }
            | Self::InverseSqrtDegree { size: n, .. } => vec![Shape::new([n])],
            Self::CooToCsr { size } => vec![Shape::new([size + 1]), inputs[0].shape.clone()],
            Self::Arange { start, end } => vec![Shape::new([end.saturating_sub(start)])],
        };
        let outputs: Vec<TensorIr> = shapes
            .into_iter()
            .map(|shape| TensorIr::uninit(new_id(), shape, dtype))
            .collect();
        CustomOpIr::with_scalars(self.id(), inputs, &outputs, self.scalars())
    }

    /// Reads a recorded operation.
    ///
    /// # Errors
    /// If the name is unknown, or tensors or scalars are not those of the operation.
    pub fn decode(desc: &CustomOpIr) -> Result<Self, OpDecodeError> {
        let op = match desc.id.as_str() {
            "kiln::gather" => Self::Gather,
            "kiln::scatter" => {
                let (size, reduce) = size_and_reduce(desc, "kiln::scatter")?;
                Self::Scatter { size, reduce }
            }
            "kiln::segment_reduce" => Self::SegmentReduce {
                reduce: reduce(desc, "kiln::segment_reduce")?,
            },
            "kiln::segment_softmax" => Self::SegmentSoftmax {
                size: size(desc, "kiln::segment_softmax")?,
            },
            "kiln::spmm" => {
                let (size, reduce) = size_and_reduce(desc, "kiln::spmm")?;
                Self::Spmm { size, reduce }
            }
            "kiln::spmm_csr" => Self::SpmmCsr {
                reduce: reduce(desc, "kiln::spmm_csr")?,
            },
            "kiln::edge_dot" => Self::EdgeDot,
            "kiln::match_sum" => Self::MatchSum,
            "kiln::degree" => Self::Degree {
                size: size(desc, "kiln::degree")?,
            },
            "kiln::coo_to_csr" => Self::CooToCsr {
                size: size(desc, "kiln::coo_to_csr")?,
            },
            "kiln::ptr_to_index" => Self::PtrToIndex {
                entries: size(desc, "kiln::ptr_to_index")?,
            },
            "kiln::nonzero" => Self::Nonzero {
                length: size(desc, "kiln::nonzero")?,
            },
            "kiln::self_loop_position" => Self::SelfLoopPosition {
                size: size(desc, "kiln::self_loop_position")?,
            },
            "kiln::arange" => match desc.scalars.as_slice() {
                [ScalarIr::UInt(start), ScalarIr::UInt(end)] => {
                    let id = "kiln::arange";
                    Self::Arange {
                        start: to_usize(*start, desc, id)?,
                        end: to_usize(*end, desc, id)?,
                    }
                }
                _ => return Err(bad_scalars(desc, "kiln::arange", "start, end")),
            },
            "kiln::dropout" => match desc.scalars.as_slice() {
                [ScalarIr::Float(prob)] => Self::Dropout { prob: *prob },
                _ => return Err(bad_scalars(desc, "kiln::dropout", "prob")),
            },
            "kiln::spmm_normalized" => {
                let id = "kiln::spmm_normalized";
                Self::SpmmNormalized {
                    self_loop: self_loop(&desc.scalars, || {
                        bad_scalars(desc, id, "loop, its weight")
                    })?,
                }
            }
            "kiln::spmm_with_loops" => Self::SpmmWithLoops,
            "kiln::inverse_sqrt_degree" => {
                let id = "kiln::inverse_sqrt_degree";
                let bad = || bad_scalars(desc, id, "size, loop, its weight");
                match desc.scalars.as_slice() {
                    [ScalarIr::UInt(size), weight @ ..] => Self::InverseSqrtDegree {
                        size: to_usize(*size, desc, id)?,
                        self_loop: self_loop(weight, bad)?,
                    },
                    _ => return Err(bad()),
                }
            }
            "kiln::edge_attention" => {
                let id = "kiln::edge_attention";
                match desc.scalars.as_slice() {
                    &[
                        ScalarIr::UInt(size),
                        ScalarIr::UInt(loops @ 0..=1),
                        ScalarIr::Float(negative_slope),
                        ScalarIr::Float(dropout),
                    ] => Self::EdgeAttention {
                        size: to_usize(size, desc, id)?,
                        self_loops: loops == 1,
                        negative_slope,
                        dropout,
                    },
                    _ => return Err(bad_scalars(desc, id, "size, loops, slope, prob")),
                }
            }
            id => return Err(OpDecodeError::UnknownId { id: id.to_owned() }),
        };
        op.check_arity(desc)?;
        Ok(op)
    }

    fn check_arity(&self, desc: &CustomOpIr) -> Result<(), OpDecodeError> {
        let (inputs, outputs): (&'static str, &'static str) = match self {
            Self::Arange { .. } => ("0", "1"),
            Self::CooToCsr { .. } => ("1", "2"),
            Self::Degree { .. }
            | Self::PtrToIndex { .. }
            | Self::Nonzero { .. }
            | Self::Dropout { .. } => ("1", "1"),
            Self::Gather
            | Self::Scatter { .. }
            | Self::SegmentReduce { .. }
            | Self::SegmentSoftmax { .. }
            | Self::SelfLoopPosition { .. }
            | Self::InverseSqrtDegree { .. } => ("2", "1"),
            Self::Spmm { .. } | Self::SpmmCsr { .. } => ("3 or 4", "1"),
            Self::EdgeDot | Self::SpmmNormalized { .. } => ("4", "1"),
            Self::MatchSum | Self::SpmmWithLoops | Self::EdgeAttention { .. } => ("5", "1"),
        };
        for (side, expected, got) in [
            ("input", inputs, desc.inputs.len()),
            ("output", outputs, desc.outputs.len()),
        ] {
            if !expected.split(" or ").any(|n| n.parse() == Ok(got)) {
                return Err(OpDecodeError::Arity {
                    id: self.id(),
                    side,
                    expected,
                    got,
                });
            }
        }
        Ok(())
    }
}

fn bad_scalars(desc: &CustomOpIr, id: &'static str, expected: &'static str) -> OpDecodeError {
    OpDecodeError::Scalars {
        id,
        expected,
        got: desc.scalars.clone(),
    }
}

fn to_usize(value: u64, desc: &CustomOpIr, id: &'static str) -> Result<usize, OpDecodeError> {
    usize::try_from(value).map_err(|_| bad_scalars(desc, id, "sizes that fit in memory"))
}

/// The weight of a loop, if there is one.
fn self_loop(
    scalars: &[ScalarIr],
    bad: impl FnOnce() -> OpDecodeError,
) -> Result<Option<f64>, OpDecodeError> {
    match *scalars {
        [ScalarIr::UInt(0), ScalarIr::Float(_)] => Ok(None),
        [ScalarIr::UInt(1), ScalarIr::Float(weight)] => Ok(Some(weight)),
        _ => Err(bad()),
    }
}

fn size(desc: &CustomOpIr, id: &'static str) -> Result<usize, OpDecodeError> {
    match desc.scalars.as_slice() {
        [ScalarIr::UInt(size)] => to_usize(*size, desc, id),
        _ => Err(bad_scalars(desc, id, "size")),
    }
}

fn reduce(desc: &CustomOpIr, id: &'static str) -> Result<Reduce, OpDecodeError> {
    match desc.scalars.as_slice() {
        [ScalarIr::UInt(code)] => Reduce::from_code(*code),
        _ => None,
    }
    .ok_or_else(|| bad_scalars(desc, id, "reduce"))
}

fn size_and_reduce(desc: &CustomOpIr, id: &'static str) -> Result<(usize, Reduce), OpDecodeError> {
    let (size, reduce) = match desc.scalars.as_slice() {
        [ScalarIr::UInt(size), ScalarIr::UInt(code)] => (*size, Reduce::from_code(*code)),
        _ => return Err(bad_scalars(desc, id, "size, reduce")),
    };
    let reduce = reduce.ok_or_else(|| bad_scalars(desc, id, "size, reduce"))?;
    Ok((to_usize(size, desc, id)?, reduce))
}
