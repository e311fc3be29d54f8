//! How values that meet at one destination become one value.

use serde::{Deserialize, Serialize};

/// A reduction over the rows of one segment (PyG's `reduce` argument).
///
/// With `m_1 .. m_k` the rows of a segment, applied to each feature on its own:
///
/// | variant | value | empty segment |
/// |---|---|---|
/// | `Sum` | `m_1 + .. + m_k` | 0 |
/// | `Mean` | `(m_1 + .. + m_k) / k` | 0 |
/// | `Max` | the largest | 0 |
/// | `Min` | the smallest | 0 |
/// | `Mul` | `m_1 · .. · m_k` | 1 |
///
/// The gradient of `Max` and `Min` is split evenly among equal extrema, as PyTorch's `amax` does.
/// Departs: where the extremum is 0, PyTorch's `scatter_reduce` counts the zero that it starts from
/// among them, and loses that part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// The sum.
    Sum,
    /// The arithmetic mean.
    Mean,
    /// The largest value.
    Max,
    /// The smallest value.
    Min,
    /// The product.
    Mul,
}

impl Reduce {
    /// Every reduction, in the order of [`Reduce::code`].
    pub const ALL: [Self; 5] = [Self::Sum, Self::Mean, Self::Max, Self::Min, Self::Mul];

    /// PyG's name: `sum`, `mean`, `max`, `min` or `mul`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Min => "min",
            Self::Mul => "mul",
        }
    }

    /// The number that stands for the reduction in a recorded operation.
    pub const fn code(self) -> u64 {
        match self {
            Self::Sum => 0,
            Self::Mean => 1,
            Self::Max => 2,
            Self::Min => 3,
            Self::Mul => 4,
        }
    }

    /// The reduction of a [`Reduce::code`].
    pub fn from_code(code: u64) -> Option<Self> {
        usize::try_from(code)
            .ok()
            .and_then(|code| Self::ALL.get(code).copied())
    }
}
