//! Reductions along axes, normalisation by them, and sums and order along them.

use super::{attribute::words, spec::operations};
use crate::size::Size;

operations! {
    /// Reductions along axes, normalisation by them, and sums and order along them.
    ReduceOp {
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
        /// Sums of the elements up to each, itself included, along an axis.
        CumSum "cumsum" {
            /// The axis.
            dim: u32,
        } (x: Number) -> 1 is fresh, widens_always;
        /// Elements in order along an axis, and the position of each in `x`. Equal elements stay as
        /// they stand; NaN counts as greater than all numbers.
        Sort "sort" {
            /// The axis.
            dim: u32,
            /// Whether the greatest are first.
            descending: bool,
        } (x: Number) -> 2 is fresh, reads_back;
        /// The first `k` elements along an axis after it is sorted, and the position of each in
        /// `x`.
        TopK "top_k" {
            /// The axis.
            dim: u32,
            /// How many, at most the size of the axis.
            k: Size,
            /// Whether they are the greatest, in descending order, or the least, in ascending
            /// order.
            largest: bool,
        } (x: Number) -> 2 is fresh, reads_back;
        /// For each value the position in a sorted sequence `[S]` at which it would keep the order:
        /// `values [..]` to `[..]`.
        Searchsorted "searchsorted" {
            /// Whether a value comes behind the elements that are equal to it, and not before them.
            right: bool,
        } (sequence: Number, values: Same) -> 1 is fresh, reads_back;
    }
}

/// Reductions along axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the mathematical ones")]
pub enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    Any,
    All,
}

words!(Reduction {
    Sum "sum", Mean "mean", Max "max", Min "min", Prod "prod", Any "any", All "all",
});
