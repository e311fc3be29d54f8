//! The operations that recordings hold, on plain lists of edges.

use burn::backend::{
    DType, Shape,
    ir::{ScalarIr, TensorIr},
};

use super::{
    record::{Record, with_rows},
    table::operations,
};
use crate::Reduce;

operations! {
    /// A recorded operation with its attributes.
    ///
    /// The last four run along sorted edges; a recording holds the plain lists.
    pub enum GraphOp {
        /// [`crate::gather`].
        Gather "kiln::gather" (x, index) -> 1;
        /// [`crate::scatter`].
        Scatter "kiln::scatter" (x, index) -> 1 {
            /// Number of destinations.
            size: usize,
            /// How rows meet.
            reduce: Reduce,
        };
        /// [`crate::segment_reduce`].
        SegmentReduce "kiln::segment_reduce" (x, ptr) -> 1 {
            /// How rows meet.
            reduce: Reduce,
        };
        /// [`crate::segment_softmax`].
        SegmentSoftmax "kiln::segment_softmax" (x, index) -> 1 {
            /// Number of destinations.
            size: usize,
        };
        /// [`crate::spmm`]; weighted if there are four inputs.
        Spmm "kiln::spmm" (x, src, dst, weight: Optional) -> 1 {
            /// Number of destinations.
            size: usize,
            /// How rows meet.
            reduce: Reduce,
        };
        /// [`crate::spmm_csr`]; weighted if there are four inputs.
        SpmmCsr "kiln::spmm_csr" (x, rowptr, col, value: Optional) -> 1 {
            /// How rows meet.
            reduce: Reduce,
        };
        /// [`crate::degree`].
        Degree "kiln::degree" (index) -> 1 {
            /// Number of destinations.
            size: usize,
        };
        /// [`crate::coo_to_csr`].
        CooToCsr "kiln::coo_to_csr" (index) -> 2 {
            /// Number of rows.
            size: usize,
        };
        /// [`crate::ptr_to_index`].
        PtrToIndex "kiln::ptr_to_index" (ptr) -> 1 {
            /// Number of entries.
            entries: usize,
        };
        /// [`crate::nonzero`].
        Nonzero "kiln::nonzero" (mask) -> 1 {
            /// The number that stands for the unknown length while recording.
            length: usize,
        };
        /// [`crate::size_of()`].
        SizeOf "kiln::size_of" (size) -> 1 {
            /// The number that stands for the unknown size while recording.
            length: usize,
        };
        /// [`crate::self_loop_position`].
        SelfLoopPosition "kiln::self_loop_position" (src, dst) -> 1 {
            /// Number of nodes.
            size: usize,
        };
        /// [`crate::arange`].
        Arange "kiln::arange" () -> 1 {
            /// First value.
            start: usize,
            /// First value not included.
            end: usize,
        };
        /// [`crate::dropout`].
        Dropout "kiln::dropout" (x) -> 1 {
            /// Probability of a zero.
            prob: f64,
        };
        /// [`crate::detach`](crate::detach()).
        Detach "kiln::detach" (x) -> 1;
        /// [`crate::running_statistic`](crate::running_statistic()).
        RunningStatistic "kiln::running_statistic" (outside, batch, newest, running) -> 1 {
            /// Share of the newest batch.
            momentum: f64,
            /// Whether batches are counted.
            counts: bool,
        };
        /// [`crate::aggregate_normalized`].
        SpmmNormalized "kiln::spmm_normalized" (x, src, dst, scale) -> 1 {
            /// Weight of the loop of each node, if edges from a node to itself give way to one.
            self_loop: Option<f64>,
        };
        /// [`crate::aggregate_with_loops`].
        SpmmWithLoops "kiln::spmm_with_loops" (x, src, dst, weight, self_loop) -> 1;
        /// [`crate::Endpoints::inverse_sqrt_degree`].
        InverseSqrtDegree "kiln::inverse_sqrt_degree" (src, dst) -> 1 {
            /// Number of nodes.
            size: usize,
            /// Weight of the loop of each node, if edges from a node to itself give way to one.
            self_loop: Option<f64>,
        };
        /// [`crate::edge_attention`].
        EdgeAttention "kiln::edge_attention" (x, src, dst, score_src, score_dst) -> 1 {
            /// Number of destinations.
            size: usize,
            /// Whether edges from a node to itself give way to one loop for each node that is both
            /// a source and a destination.
            self_loops: bool,
            /// Slope of the leaky ReLU.
            negative_slope: f64,
            /// Probability with which a weight is dropped while training.
            dropout: f64,
        };
    }
}

impl Record for GraphOp {
    fn head(&self) -> (&'static str, Vec<ScalarIr>) {
        (self.id(), self.scalars())
    }

    fn results(&self, inputs: &[TensorIr], dtype: Option<DType>) -> Vec<(Shape, DType)> {
        let dtype = dtype
            .or_else(|| inputs.first().map(|x| x.dtype))
            .unwrap_or(DType::I64);
        let shape = match *self {
            Self::Gather => with_rows(&inputs[0], inputs[1].shape[0]),
            Self::Scatter { size, .. }
            | Self::Spmm { size, .. }
            | Self::EdgeAttention { size, .. } => with_rows(&inputs[0], size),
            Self::SegmentReduce { .. } | Self::SpmmCsr { .. } => {
                with_rows(&inputs[0], inputs[1].shape[0] - 1)
            }
            Self::SegmentSoftmax { .. }
            | Self::Dropout { .. }
            | Self::Detach
            | Self::RunningStatistic { .. }
            | Self::SpmmNormalized { .. }
            | Self::SpmmWithLoops => inputs[0].shape.clone(),
            Self::Degree { size: n }
            | Self::SelfLoopPosition { size: n }
            | Self::PtrToIndex { entries: n }
            | Self::Nonzero { length: n }
            | Self::SizeOf { length: n }
            | Self::InverseSqrtDegree { size: n, .. } => Shape::new([n]),
            Self::CooToCsr { size } => {
                let order = inputs[0].shape.clone();
                return vec![(Shape::new([size + 1]), dtype), (order, dtype)];
            }
            Self::Arange { start, end } => Shape::new([end.saturating_sub(start)]),
        };
        vec![(shape, dtype)]
    }
}
