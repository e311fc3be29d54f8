//! The operations of a program.
//!
//! An [`Op`] is an operation with its attributes; operands are values of the [`Node`] around it. Sizes
//! in attributes are symbolic ([`Size`]); their values are known when the operation runs.
//!
//! [`Node`]: crate::program::Node
//!
//! Each operation's meaning is that of the Burn or Kiln operation of the same name. Comments give
//! the inputs in order. All float inputs of an operation have the same element type.

#![deny(clippy::wildcard_enum_match_arm)]

use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::{
    program::{ElemType, FunctionId, SymbolId, WeightId},
    size::Size,
};

pub use kiln_ops::Reduce;

/// A number in a program. Floats compare by their bits: `0.0` is not `-0.0`, and a NaN equals itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Float(pub f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float {}

impl Hash for Float {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A scalar operand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scalar {
    /// A float.
    Float(Float),
    /// An integer, possibly one that depends on sizes.
    Int(Size),
    /// A boolean.
    Bool(bool),
}

/// Elementwise operations of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// Elementwise operations of two inputs; sizes broadcast as in PyTorch (equal, or 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// Reductions along axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// An operation with its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// A weight of the program. No inputs.
    Weight(WeightId),
    /// Calls a function that stands before this one. Inputs and outputs are the callee's.
    Call(FunctionId),
    /// The value of a symbol as an integer value (of type [`ValueType::Int`]), to pass it to a
    /// callee that cannot see it in the sizes of its tensors. No inputs.
    ///
    /// [`ValueType::Int`]: crate::program::ValueType::Int
    Symbol(SymbolId),
    /// A tensor filled with one value. No inputs.
    Full {
        /** Value. */
        value: Scalar,
        /** Element type. */
        elem: ElemType,
        /** Sizes. */
        dims: Vec<Size>,
    },
    /// `start, start + 1, ..., end - 1` as `i64`. No inputs.
    Arange {
        /** First value. */
        start: Size,
        /** First value not included. */
        end: Size,
    },

    /// Elementwise operation. `(x)`
    Unary(Unary),
    /// Elementwise operation. `(a, b)`
    Binary(Binary),
    /// Elementwise operation with a scalar on the right. `(x)`
    BinaryScalar(Binary, Scalar),
    /// `x` where `x >= 0`, `slope * x` elsewhere. `(x)`
    LeakyRelu(Float),
    /// Limits values to a range; a bound may be absent. `(x)`
    Clamp {
        /** Lower bound. */
        min: Option<Scalar>,
        /** Upper bound. */
        max: Option<Scalar>,
    },
    /// Converts the element type. `(x)`
    Cast(ElemType),
    /// `value` where `mask` is true, `x` elsewhere. `(x, mask, value)`
    MaskWhere,
    /// The scalar where `mask` is true, `x` elsewhere. `(x, mask)`
    MaskFill(Scalar),
    /// Dropout with the given probability: the identity outside training. `(x)`
    Dropout(Float),

    /// New sizes, same elements in row-major order. `(x)`
    Reshape(Vec<Size>),
    /// Reorders axes. `(x)`
    Permute(Vec<u32>),
    /// Repeats axes of size 1. `(x)`
    Expand(Vec<Size>),
    /// A range of each axis, `start..end` with step 1; one entry an axis. `(x)`
    Slice(Vec<(Size, Size)>),
    /// Joins along an axis. `(x0, x1, ...)`
    Cat(u32),
    /// Repeats a whole tensor along an axis. `(x)`
    RepeatDim {
        /** Axis. */
        dim: u32,
        /** Number of times. */
        times: Size,
    },
    /// Rows (or slices along another axis) by index. `(x, index [K])`
    Select(u32),
    /// Elements by index along an axis; index has the rank of `x`. `(x, index)`
    GatherElements(u32),

    /// Reduces the axes to size 1 (they are kept). `(x)`
    Reduce(Reduction, Vec<u32>),
    /// Position of the largest element along an axis, which is kept with size 1. `(x)`
    ArgMax(u32),
    /// Softmax along an axis. `(x)`
    Softmax(u32),
    /// Logarithm of softmax along an axis. `(x)`
    LogSoftmax(u32),
    /// Matrix product of the last two axes. `(a, b)`
    Matmul,
    /// `x · wᵀ + b`. `(x [.., in], w [out, in])` or `(x, w, b [out])`
    Linear,
    /// Normalisation over the last axis. `(x, weight)` or `(x, weight, bias)`
    LayerNorm {
        /** Added to the variance. */
        epsilon: Float,
    },
    /// Batch normalisation, channels in axis 1, by running statistics. `(x, weight, bias, mean, variance)`
    ///
    /// With a momentum it normalises by the batch's own statistics while the model is trained, and
    /// the running ones, which are buffers, follow: `(1 - momentum) * running + momentum * batch`.
    BatchNorm {
        /** Added to the variance. */
        epsilon: Float,
        /** Share of the newest batch in the running statistics; without it they never change. */
        momentum: Option<Float>,
    },

    /// `out[e] = x[index[e]]`. `(x [N, ..], index [E])` gives `[E, ..]`
    Gather,
    /// Reduces rows that share a destination. `(x [E, ..], index [E])` gives `[size, ..]`
    Scatter {
        /** How. */
        reduce: Reduce,
        /** Number of destinations. */
        size: Size,
    },
    /// Reduces consecutive rows. `(x [E, ..], ptr [n + 1])` gives `[n, ..]`
    SegmentReduce(Reduce),
    /// Softmax over rows that share a destination. `(x [E, ..], index [E])` gives `[E, ..]`
    SegmentSoftmax {
        /** Number of destinations. */
        size: Size,
    },
    /// Gather, weigh and reduce in one: `out[i] = reduce over e with dst[e] = i of w[e] * x[src[e]]`.
    /// `(x [N, F], src [E], dst [E])` or `(x, src, dst, w [E])` gives `[size, F]`
    Spmm {
        /** How. */
        reduce: Reduce,
        /** Number of destinations. */
        size: Size,
    },
    /// The same by CSR. `(x [N, F], rowptr [n + 1], col [E])` or `(.., value [E])` gives `[n, F]`
    SpmmCsr {
        /** How. */
        reduce: Reduce,
    },
    /// Number of entries of each index. `(index [E])` gives `[size]`
    Degree {
        /** Number of destinations. */
        size: Size,
        /** Float type of the result. */
        elem: ElemType,
    },
    /// The row of each entry of a CSR matrix. `(rowptr [n + 1])` gives `[entries]`
    PtrToIndex {
        /** Number of entries. */
        entries: Size,
    },
    /// Row pointers and the permutation that sorts by index (stable). `(index [E])` gives `([size + 1], [E])`
    CooToCsr {
        /** Number of rows. */
        size: Size,
    },
    /// Positions of true values; how many is a symbol of its own. `(mask [E])` gives `[K]`
    Nonzero,
    /// For each node the position of its last self loop, or `E` where it has none.
    /// `(src [E], dst [E])` gives `[size]`
    SelfLoopPosition {
        /** Number of nodes. */
        size: Size,
    },

    /// Attention in one walk over the edges: scores `leaky_relu(score_src[j] + score_dst[i])`, their
    /// softmax among the edges to `i`, dropout of it, and the sum of the rows `x[j]` with these weights.
    /// `(x [N, H, C], src [E], dst [E], score_src [N, H], score_dst [size, H])` gives `[size, H, C]`.
    ///
    /// This operation, [`SpmmNormalized`](Self::SpmmNormalized) and
    /// [`SpmmWithLoops`](Self::SpmmWithLoops) are several in one. Who needs the parts has the pass
    /// [`LOWER`](crate::pass::LOWER) put them in their place. An edge that gives way to a loop is not read.
    EdgeAttention {
        /** Slope of the leaky ReLU. */
        slope: Float,
        /** Whether edges from a node to itself give way to one loop for each receiver that is also a
        sender. */
        self_loops: bool,
        /** Probability of the dropout. */
        dropout: Float,
        /** Number of destinations. */
        size: Size,
    },
    /// `out[i] = s[i] * (sum over e with dst[e] = i of s[src[e]] * x[src[e]], and w * s[i] * x[i])`.
    /// `(x [N, F], src [E], dst [E], s [N])` gives `[N, F]`
    SpmmNormalized {
        /** Weight `w` of a node's own row; edges from a node to itself then count nothing. */
        self_loop: Option<Float>,
    },
    /// One over the root of each node's number of edges, or 0 where there is none.
    /// `(src [E], dst [E])` gives `[size]`
    InverseSqrtDegree {
        /** Counted for each node; edges from a node to itself then count nothing. */
        self_loop: Option<Float>,
        /** Number of nodes. */
        size: Size,
        /** Float type of the result. */
        elem: ElemType,
    },
    /// `out[i] = sum over e with dst[e] = i and src[e] != i of w[e] * x[src[e]], and l[i] * x[i]`.
    /// `(x [N, F], src [E], dst [E], w [E], l [N])` gives `[N, F]`
    SpmmWithLoops,
}

impl Op {
    /// Whether the result may be another each time while training.
    pub(crate) fn is_random(&self) -> bool {
        match self {
            Self::Dropout(Float(prob))
            | Self::EdgeAttention {
                dropout: Float(prob),
                ..
            } => *prob > 0.0,
            Self::Weight(_)
            | Self::Call(_)
            | Self::Symbol(_)
            | Self::Full { .. }
            | Self::Arange { .. }
            | Self::Unary(_)
            | Self::Binary(_)
            | Self::BinaryScalar(..)
            | Self::LeakyRelu(_)
            | Self::Clamp { .. }
            | Self::Cast(_)
            | Self::MaskWhere
            | Self::MaskFill(_)
            | Self::Reshape(_)
            | Self::Permute(_)
            | Self::Expand(_)
            | Self::Slice(_)
            | Self::Cat(_)
            | Self::RepeatDim { .. }
            | Self::Select(_)
            | Self::GatherElements(_)
            | Self::Reduce(..)
            | Self::ArgMax(_)
            | Self::Softmax(_)
            | Self::LogSoftmax(_)
            | Self::Matmul
            | Self::Linear
            | Self::LayerNorm { .. }
            | Self::BatchNorm { .. }
            | Self::Gather
            | Self::Scatter { .. }
            | Self::SegmentReduce(_)
            | Self::SegmentSoftmax { .. }
            | Self::Spmm { .. }
            | Self::SpmmCsr { .. }
            | Self::Degree { .. }
            | Self::PtrToIndex { .. }
            | Self::CooToCsr { .. }
            | Self::Nonzero
            | Self::SelfLoopPosition { .. }
            | Self::SpmmNormalized { .. }
            | Self::SpmmWithLoops
            | Self::InverseSqrtDegree { .. } => false,
        }
    }

    /// Sizes in the attributes, whose values are needed to execute the operation.
    pub fn sizes(&self) -> Vec<&Size> {
        fn of(scalar: &Scalar) -> Option<&Size> {
            match scalar {
                Scalar::Int(size) => Some(size),
                Scalar::Float(_) | Scalar::Bool(_) => None,
            }
        }
        match self {
            Self::Full {
                value,
                elem: _,
                dims,
            } => of(value).into_iter().chain(dims).collect(),
            Self::Arange { start, end } => vec![start, end],
            Self::BinaryScalar(_, scalar) | Self::MaskFill(scalar) => {
                of(scalar).into_iter().collect()
            }
            Self::Clamp { min, max } => [min, max].into_iter().flatten().filter_map(of).collect(),
            Self::Reshape(dims) | Self::Expand(dims) => dims.iter().collect(),
            Self::Slice(ranges) => ranges
                .iter()
                .flat_map(|(start, end)| [start, end])
                .collect(),
            Self::RepeatDim {
                dim: _,
                times: size,
            }
            | Self::Scatter { reduce: _, size }
            | Self::SegmentSoftmax { size }
            | Self::Spmm { reduce: _, size }
            | Self::Degree { size, elem: _ }
            | Self::PtrToIndex { entries: size }
            | Self::CooToCsr { size }
            | Self::SelfLoopPosition { size }
            | Self::EdgeAttention { size, .. }
            | Self::InverseSqrtDegree { size, .. } => vec![size],
            Self::Weight(_)
            | Self::Call(_)
            | Self::Symbol(_)
            | Self::Unary(_)
            | Self::Binary(_)
            | Self::LeakyRelu(_)
            | Self::Cast(_)
            | Self::MaskWhere
            | Self::Dropout(_)
            | Self::Permute(_)
            | Self::Cat(_)
            | Self::Select(_)
            | Self::GatherElements(_)
            | Self::Reduce(..)
            | Self::ArgMax(_)
            | Self::Softmax(_)
            | Self::LogSoftmax(_)
            | Self::Matmul
            | Self::Linear
            | Self::LayerNorm { epsilon: _ }
            | Self::BatchNorm { .. }
            | Self::Gather
            | Self::SegmentReduce(_)
            | Self::SpmmCsr { reduce: _ }
            | Self::Nonzero
            | Self::SpmmNormalized { self_loop: _ }
            | Self::SpmmWithLoops => Vec::new(),
        }
    }
    /// As [`sizes`](Self::sizes), to change them.
    pub(crate) fn sizes_mut(&mut self) -> Vec<&mut Size> {
        fn of(scalar: &mut Scalar) -> Option<&mut Size> {
            match scalar {
                Scalar::Int(size) => Some(size),
                Scalar::Float(_) | Scalar::Bool(_) => None,
            }
        }
        match self {
            Self::Full {
                value,
                elem: _,
                dims,
            } => of(value).into_iter().chain(dims).collect(),
            Self::Arange { start, end } => vec![start, end],
            Self::BinaryScalar(_, scalar) | Self::MaskFill(scalar) => {
                of(scalar).into_iter().collect()
            }
            Self::Clamp { min, max } => [min, max].into_iter().flatten().filter_map(of).collect(),
            Self::Reshape(dims) | Self::Expand(dims) => dims.iter_mut().collect(),
            Self::Slice(ranges) => ranges
                .iter_mut()
                .flat_map(|(start, end)| [start, end])
                .collect(),
            Self::RepeatDim {
                dim: _,
                times: size,
            }
            | Self::Scatter { reduce: _, size }
            | Self::SegmentSoftmax { size }
            | Self::Spmm { reduce: _, size }
            | Self::Degree { size, elem: _ }
            | Self::PtrToIndex { entries: size }
            | Self::CooToCsr { size }
            | Self::SelfLoopPosition { size }
            | Self::EdgeAttention { size, .. }
            | Self::InverseSqrtDegree { size, .. } => vec![size],
            Self::Weight(_)
            | Self::Call(_)
            | Self::Symbol(_)
            | Self::Unary(_)
            | Self::Binary(_)
            | Self::LeakyRelu(_)
            | Self::Cast(_)
            | Self::MaskWhere
            | Self::Dropout(_)
            | Self::Permute(_)
            | Self::Cat(_)
            | Self::Select(_)
            | Self::GatherElements(_)
            | Self::Reduce(..)
            | Self::ArgMax(_)
            | Self::Softmax(_)
            | Self::LogSoftmax(_)
            | Self::Matmul
            | Self::Linear
            | Self::LayerNorm { .. }
            | Self::BatchNorm { .. }
            | Self::Gather
            | Self::SegmentReduce(_)
            | Self::SpmmCsr { .. }
            | Self::Nonzero
            | Self::SpmmNormalized { .. }
            | Self::SpmmWithLoops => Vec::new(),
        }
    }

    /// Floats in the attributes.
    pub(crate) fn floats_mut(&mut self) -> Vec<&mut Float> {
        fn of(scalar: &mut Scalar) -> Option<&mut Float> {
            match scalar {
                Scalar::Float(float) => Some(float),
                Scalar::Int(_) | Scalar::Bool(_) => None,
            }
        }
        match self {
            Self::Full { value, .. } => of(value).into_iter().collect(),
            Self::BinaryScalar(_, scalar) | Self::MaskFill(scalar) => {
                of(scalar).into_iter().collect()
            }
            Self::Clamp { min, max } => [min, max].into_iter().flatten().filter_map(of).collect(),
            Self::LeakyRelu(float) | Self::Dropout(float) | Self::LayerNorm { epsilon: float } => {
                vec![float]
            }
            Self::BatchNorm { epsilon, momentum } => {
                [epsilon].into_iter().chain(momentum).collect()
            }
            Self::EdgeAttention { slope, dropout, .. } => vec![slope, dropout],
            Self::SpmmNormalized { self_loop } | Self::InverseSqrtDegree { self_loop, .. } => {
                self_loop.iter_mut().collect()
            }
            Self::Weight(_)
            | Self::Call(_)
            | Self::Symbol(_)
            | Self::Arange { .. }
            | Self::Unary(_)
            | Self::Binary(_)
            | Self::Cast(_)
            | Self::MaskWhere
            | Self::Reshape(_)
            | Self::Permute(_)
            | Self::Expand(_)
            | Self::Slice(_)
            | Self::Cat(_)
            | Self::RepeatDim { .. }
            | Self::Select(_)
            | Self::GatherElements(_)
            | Self::Reduce(..)
            | Self::ArgMax(_)
            | Self::Softmax(_)
            | Self::LogSoftmax(_)
            | Self::Matmul
            | Self::Linear
            | Self::Gather
            | Self::Scatter { .. }
            | Self::SegmentReduce(_)
            | Self::SegmentSoftmax { .. }
            | Self::Spmm { .. }
            | Self::SpmmCsr { .. }
            | Self::Degree { .. }
            | Self::PtrToIndex { .. }
            | Self::CooToCsr { .. }
            | Self::Nonzero
            | Self::SelfLoopPosition { .. }
            | Self::SpmmWithLoops => Vec::new(),
        }
    }
}

/// `names!(Type { Variant "name", ... })`: the list of all variants and the text form of each.
macro_rules! names {
    ($ty:ident { $($variant:ident $name:literal),* $(,)? }) => {
        impl $ty {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Name in the text form.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

names!(Unary {
    Neg "neg", Abs "abs", Sign "sign", Exp "exp", Log "log", Log1p "log1p", Sqrt "sqrt",
    Recip "recip", Erf "erf", Sin "sin", Cos "cos", Tan "tan", Tanh "tanh", Sigmoid "sigmoid",
    LogSigmoid "log_sigmoid", Relu "relu", Gelu "gelu", Floor "floor", Ceil "ceil", Round "round",
    Not "not",
});

names!(Binary {
    Add "add", Sub "sub", Mul "mul", Div "div", Rem "rem", Pow "pow", Equal "equal",
    NotEqual "not_equal", Greater "greater", GreaterEqual "greater_equal", Lower "lower",
    LowerEqual "lower_equal", And "and", Or "or", Xor "xor",
});

names!(Reduction {
    Sum "sum", Mean "mean", Max "max", Min "min", Prod "prod", Any "any", All "all",
});
