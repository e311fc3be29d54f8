//! Reductions along axes, and normalisation by them.

use super::{Reduction, operations};

operations! {
    /// Reductions along axes, and normalisation by them.
    Reduce: ReduceOp {
        /// Axes reduced to size 1; they are kept.
        Reduce "reduce_*" {
            /// How.
            reduction: Reduction,
            /// The axes.
            axes: Vec<u32>,
        } (x: Any) -> 1 is widens(&["sum", "prod"]);
        /// Position of the largest element along an axis, which is kept with size 1.
        ArgMax "arg_max" {
            /// The axis.
            dim: u32,
        } (x: Number) -> 1;
        /// Softmax along an axis.
        Softmax "softmax" {
            /// The axis.
            dim: u32,
        } (x: Float) -> 1 is fresh;
        /// Logarithm of the softmax along an axis.
        LogSoftmax "log_softmax" {
            /// The axis.
            dim: u32,
        } (x: Float) -> 1 is fresh;
    }
}
