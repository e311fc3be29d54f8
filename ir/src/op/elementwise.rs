//! Constants, elementwise operations, and those with masks.

use super::{Binary, Float, Scalar, Unary, operations};
use crate::{program::ElemType, size::Size};

/// Functions of two arguments whose results may be greater than both.
const ARITHMETIC: &[&str] = &["add", "sub", "mul", "div", "rem", "pow"];

operations! {
    /// Constants, elementwise operations, and those with masks.
    ///
    /// Sizes broadcast as in PyTorch: equal, or 1 on one side. Ranks are equal.
    Elementwise: ElementwiseOp {
        /// A tensor filled with one value.
        Full "full" {
            /// Value.
            value: Scalar,
            /// Element type.
            elem: ElemType,
            /// Sizes.
            dims: Vec<Size>,
        } () -> 1;
        /// `start, start + 1, ..., end - 1`: `i64[end - start]`.
        Arange "arange" {
            /// First value.
            start: Size,
            /// First value not included.
            end: Size,
        } () -> 1;
        /// An elementwise function: `neg`, `abs` and `sign` of numbers, `not` of booleans, the
        /// others of floats.
        Unary "*" {
            /// The function.
            function: Unary,
        } (x: Any) -> 1 is fresh, widens(&["neg", "abs"]);
        /// An elementwise function of two tensors, which broadcast: arithmetic of numbers;
        /// comparisons, which give booleans (`greater` and the like of numbers only); `and`, `or`
        /// and `xor` of booleans.
        Binary "*" {
            /// The function.
            function: Binary,
        } (a: Any, b: Same) -> 1
            is fresh, widens(ARITHMETIC), reads_integers(&["div", "rem", "pow"]);
        /// The same of a tensor and a scalar, which stands on the right.
        BinaryScalar "*_scalar" {
            /// The function.
            function: Binary,
            /// The scalar.
            rhs: Scalar,
        } (x: Any) -> 1 is widens(ARITHMETIC);
        /// `x` where `x >= 0`, `slope * x` elsewhere.
        LeakyRelu "leaky_relu" {
            /// Slope for negative values.
            slope: Float,
        } (x: Float) -> 1 is fresh;
        /// Values limited to a range; the upper bound where the bounds cross.
        Clamp "clamp" {
            /// Lower bound.
            min: Option<Scalar> = None,
            /// Upper bound.
            max: Option<Scalar> = None,
        } (x: Number) -> 1;
        /// The same values as another element type.
        Cast "cast" {
            /// Element type of the result.
            elem: ElemType,
        } (x: Any) -> 1;
        /// `value` where `mask` is true, `x` elsewhere; all broadcast.
        MaskWhere "mask_where" (x: Any, mask: Bool, value: Same) -> 1;
        /// A scalar where `mask` is true, `x` elsewhere.
        MaskFill "mask_fill" {
            /// The scalar.
            value: Scalar,
        } (x: Any, mask: Bool) -> 1;
        /// While the model is trained, zeros with a probability, and the rest scaled to keep the
        /// mean.
        Dropout "dropout" {
            /// The probability.
            prob: Float,
        } (x: Float) -> 1 is random("prob");
    }
}
