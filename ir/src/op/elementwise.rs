//! Constants, elementwise operations, and those with masks.

use super::{
    attribute::words,
    scalar::{Float, Scalar},
    spec::operations,
};
use crate::{size::Size, types::ElemType};

/// Functions of two arguments whose results may be greater than both.
const ARITHMETIC: &[&str] = &["add", "sub", "mul", "div", "rem", "pow"];

operations! {
    /// Constants, elementwise operations, and those with masks.
    ///
    /// Sizes broadcast as in PyTorch: equal, or 1 on one side. Ranks are equal.
    ElementwiseOp {
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
        /// The same values, through which no gradient flows.
        Detach "detach" (x: Float) -> 1;
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

/// Elementwise functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the mathematical ones")]
pub enum Unary {
    Neg,
    Abs,
    Sign,
    Exp,
    Log,
    Log1p,
    Sqrt,
    Recip,
    Erf,
    Sin,
    Cos,
    Tan,
    Tanh,
    Sigmoid,
    LogSigmoid,
    Relu,
    Gelu,
    Floor,
    Ceil,
    Round,
    Not,
}

/// Elementwise functions of two arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the mathematical ones")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Lower,
    LowerEqual,
    And,
    Or,
    Xor,
}

words!(Unary {
    Neg "neg", Abs "abs", Sign "sign", Exp "exp", Log "log", Log1p "log1p", Sqrt "sqrt",
    Recip "recip", Erf "erf", Sin "sin", Cos "cos", Tan "tan", Tanh "tanh", Sigmoid "sigmoid",
    LogSigmoid "log_sigmoid", Relu "relu", Gelu "gelu", Floor "floor", Ceil "ceil", Round "round",
    Not "not",
});

words!(Binary {
    Add "add", Sub "sub", Mul "mul", Div "div", Rem "rem", Pow "pow", Equal "equal",
    NotEqual "not_equal", Greater "greater", GreaterEqual "greater_equal", Lower "lower",
    LowerEqual "lower_equal", And "and", Or "or", Xor "xor",
});
