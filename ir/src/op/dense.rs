//! Products of matrices, and the layers that neural networks consist of.

use super::{scalar::Float, spec::operations};

operations! {
    /// Products of matrices, and the layers that neural networks consist of.
    DenseOp {
        /// Matrix product of the last two axes, `a [.., n, k]`, `b [.., k, m]` to `[.., n, m]`; the
        /// others broadcast.
        Matmul "matmul" (a: Float, b: Same) -> 1 is fresh;
        /// `x · wᵀ + b` with `x [.., in]`, `w [out, in]`, `b [out]`.
        Linear "linear" (x: Float, weight: Same, bias: Same optional) -> 1 is fresh;
        /// Normalisation over the last axis.
        LayerNorm "layer_norm" {
            /// Added to the variance.
            epsilon: Float,
        } (x: Float, weight: Same, bias: Same optional) -> 1 is fresh;
        /// Batch normalisation, channels in axis 1, by running statistics.
        ///
        /// With a momentum it normalises by the batch's own statistics while the model is trained,
        /// and the running ones, which are buffers, follow: `(1 - momentum) * running + momentum *
        /// batch`.
        BatchNorm "batch_norm" {
            /// Added to the variance.
            epsilon: Float,
            /// Share of the newest batch in the running statistics; without it they never change.
            momentum: Option<Float> = None,
        } (x: Float, weight: Same, bias: Same, mean: Same, variance: Same) -> 1 is fresh;
        /// `batch` while the model is trained, `outside` otherwise.
        ///
        /// While it is trained `running`, which is a buffer, becomes `(1 - momentum) * running +
        /// momentum * newest`.
        RunningStatistic "running_statistic" {
            /// Share of the newest batch in the running statistic.
            momentum: Float,
            /// Whether the module that has the running statistic counts its batches.
            counts: bool,
        } (outside: Float, batch: Same, newest: Same, running: Same) -> 1;
    }
}
