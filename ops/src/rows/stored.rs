//! Elements as tensors hold them, what they are computed with, and how threads share them.
//!
//! Features of 16 bits halve what kernels read and write. They are widened in registers, added up
//! in `f32` and rounded once, when a row is complete; no tensor is made of the wide numbers.
//! Conversions are written without calls and branches, so that the compiler makes vector code of
//! them: those of the crate `half` ask the processor for its abilities at each number.

use core::{
    ops::{Add, Div, Mul, Sub},
    sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering},
};

use burn::backend::{DType, Flex, ops::FloatTensorOps as _};
use burn::tensor::{FloatDType, bf16, f16};
use burn_flex::FlexTensor;

/// A floating-point element that kernels compute with.
pub(crate) trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Stored<Sum = Self>
{
    /// 1.
    const ONE: Self;
    /// Not a number.
    const NAN: Self;
    /// The least number that is finite.
    const LEAST: Self;
    /// Keeps the denominator of a softmax from 0, as PyG does.
    const SOFTMAX_EPSILON: Self;
    /// The nearest value.
    fn from_count(count: usize) -> Self;
    /// The nearest value.
    fn from_f64(value: f64) -> Self;
    /// The same value.
    fn to_f64(self) -> f64;
    /// Replaces each value, none of which is positive, by its exponential.
    fn exp_all(values: &mut [Self]);
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// Whether this is not a number.
    fn is_nan(self) -> bool;
}

#[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest")]
fn nearest(value: f64) -> f32 {
    value as f32
}

macro_rules! impl_real {
    ($($T:ty, $from_f64:expr, $exp_all:expr;)*) => {$(
        impl Real for $T {
            const ONE: Self = 1.0;
            const NAN: Self = Self::NAN;
            const LEAST: Self = Self::MIN;
            const SOFTMAX_EPSILON: Self = 1e-16;

            #[expect(clippy::cast_precision_loss, reason = "counts above 2^24 may round")]
            fn from_count(count: usize) -> Self {
                count as Self
            }

            fn from_f64(value: f64) -> Self {
                $from_f64(value)
            }

            fn to_f64(self) -> f64 {
                self.into()
            }

            #[inline(always)]
            fn exp_all(values: &mut [Self]) {
                $exp_all(values);
            }

            fn ln(self) -> Self {
                <$T>::ln(self)
            }

            fn is_nan(self) -> bool {
                <$T>::is_nan(self)
            }
        }
    )*};
}
impl_real! {
    f32, nearest, super::exp::exp_all;
    f64, core::convert::identity, |values: &mut [f64]| values.iter_mut().for_each(|value| *value = value.exp());
}

/// An element that threads share.
pub(crate) trait Shared {
    /// Its atomic form.
    type Cell: Default + Send + Sync;
    /// Writes a value.
    fn store(cell: &Self::Cell, value: Self);
    /// Reads the value.
    fn load(cell: &Self::Cell) -> Self;
}

macro_rules! impl_shared {
    ($($T:ty, $Cell:ty;)*) => {$(
        impl Shared for $T {
            type Cell = $Cell;

            #[inline(always)]
            fn store(cell: &$Cell, value: Self) {
                cell.store(value.to_bits(), Ordering::Relaxed);
            }

            #[inline(always)]
            fn load(cell: &$Cell) -> Self {
                Self::from_bits(cell.load(Ordering::Relaxed))
            }
        }
    )*};
}
impl_shared! {
    bf16, AtomicU16;
    f16, AtomicU16;
    f32, AtomicU32;
    f64, AtomicU64;
}

/// A floating-point element in memory.
pub(crate) trait Stored: Copy + Send + Sync + Shared {
    /// What it is computed with.
    type Sum: Real;
    /// 0.
    const ZERO: Self;
    /// The same number.
    fn widen(self) -> Self::Sum;
    /// The nearest number, the even one of two.
    fn narrow(sum: Self::Sum) -> Self;
}

macro_rules! impl_stored_as_it_is {
    ($($T:ty),*) => {$(
        impl Stored for $T {
            type Sum = Self;
            const ZERO: Self = 0.0;

            #[inline(always)]
            fn widen(self) -> Self {
                self
            }

            #[inline(always)]
            fn narrow(sum: Self) -> Self {
                sum
            }
        }
    )*};
}
impl_stored_as_it_is!(f32, f64);

/// The exponent's bits of an `f32`: infinity.
const INFINITY: u32 = 0xff << 23;

impl Stored for bf16 {
    type Sum = f32;
    const ZERO: Self = Self::from_bits(0);

    /// The upper half of an `f32`.
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn narrow(sum: f32) -> Self {
        let bits = sum.to_bits();
        // Carries into the exponent where it must, up to infinity.
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
        let quiet = bits | 1 << 22;
        Self::from_bits(high(if sum.is_nan() { quiet } else { rounded }))
    }
}

impl Stored for f16 {
    type Sum = f32;
    const ZERO: Self = Self::from_bits(0);

    #[inline(always)]
    fn widen(self) -> f32 {
        /// What the two types add to exponents differs by this.
        const BIAS: u32 = (127 - 15) << 23;
        /// The smallest normal number.
        const NORMAL: u32 = BIAS + (1 << 23);
        let bits = u32::from(self.to_bits());
        let (sign, magnitude) = ((bits & 0x8000) << 16, (bits & 0x7fff) << 13);
        let normal = magnitude + BIAS;
        // Below the normal numbers there is no leading one: it is put there and taken away again.
        let small = f32::from_bits(magnitude + NORMAL) - f32::from_bits(NORMAL);
        let wide = if magnitude < 1 << 23 {
            small.to_bits()
        } else if magnitude < 31 << 23 {
            normal
        } else {
            magnitude | INFINITY
        };
        f32::from_bits(wide | sign)
    }

    #[inline(always)]
    fn narrow(sum: f32) -> Self {
        const BIAS: u32 = (127 - 15) << 23;
        /// The smallest number that has no normal one, nor the largest normal one, near it: 2^16.
        const OVERFLOW: u32 = (127 + 16) << 23;
        /// A number whose last bit is worth as much as that of the numbers below the normal ones:
        /// 1/2.
        const ALIGN: f32 = 0.5;
        let bits = sum.to_bits();
        let magnitude = bits & !(1 << 31);
        let odd = magnitude >> 13 & 1;
        // Carries into the exponent where it must, up to infinity.
        let normal = magnitude.wrapping_sub(BIAS).wrapping_add(0xfff + odd) >> 13;
        let small = (f32::from_bits(magnitude) + ALIGN).to_bits() - ALIGN.to_bits();
        let narrow = if magnitude > INFINITY {
            0x7e00
        } else if magnitude >= OVERFLOW {
            0x7c00
        } else if magnitude < BIAS + (1 << 23) {
            small
        } else {
            normal
        };
        Self::from_bits(low(narrow | bits >> 16 & 0x8000))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "takes a half of the bits")]
#[inline(always)]
fn low(bits: u32) -> u16 {
    bits as u16
}

#[inline(always)]
fn high(bits: u32) -> u16 {
    low(bits >> 16)
}

/// Rounds sums to the type of `out`.
#[inline(always)]
pub(crate) fn narrow<S: Stored>(sums: &[S::Sum], out: &mut [S]) {
    for (out, &sum) in out.iter_mut().zip(sums) {
        *out = S::narrow(sum);
    }
}

/// Runs `$body` with `$S` the element type of a float tensor.
macro_rules! with_stored {
    ($tensor:expr, $S:ident => $body:expr) => {
        match $tensor.dtype() {
            burn::backend::DType::BF16 => {
                type $S = burn::tensor::bf16;
                $body
            }
            burn::backend::DType::F16 => {
                type $S = burn::tensor::f16;
                $body
            }
            burn::backend::DType::F32 => {
                type $S = f32;
                $body
            }
            burn::backend::DType::F64 => {
                type $S = f64;
                $body
            }
            dtype => panic!("expected a tensor of bf16, f16, f32 or f64, got {dtype:?}"),
        }
    };
}
pub(crate) use with_stored;

/// Runs `f` on contiguous tensors of a type the kernels know, and converts the result back.
pub(crate) fn widened<const N: usize>(
    x: [&FlexTensor; N],
    f: impl FnOnce([&FlexTensor; N]) -> FlexTensor,
) -> FlexTensor {
    match x[0].dtype() {
        dtype @ (DType::F16 | DType::BF16 | DType::Flex32) => {
            let x = x.map(|x| Flex::float_cast(x.clone(), FloatDType::F32).to_contiguous());
            Flex::float_cast(f(x.each_ref()), dtype.into())
        }
        _ => f(x.map(FlexTensor::to_contiguous).each_ref()),
    }
}

/// Runs `f` on contiguous tensors of one type, that of the first.
///
/// Where others have another type, as weights may that are kept in more bits than features, all are
/// widened to `f32`, and so is `Flex32`; the result is converted back.
pub(crate) fn stored<const N: usize>(
    x: [&FlexTensor; N],
    f: impl FnOnce([&FlexTensor; N]) -> FlexTensor,
) -> FlexTensor {
    let dtype = x[0].dtype();
    let is_one = x.iter().all(|x| x.dtype() == dtype);
    if matches!(dtype, DType::F16 | DType::BF16) && is_one {
        return f(x.map(FlexTensor::to_contiguous).each_ref());
    }
    widened(x, f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All numbers of a type as `f32`, those halfway to the next, and their neighbours.
    fn numbers(widen: impl Fn(u16) -> f32) -> impl Iterator<Item = f32> {
        (0..=u16::MAX).flat_map(move |bits| {
            let (number, next) = (widen(bits), widen(bits.wrapping_add(1)));
            let half = number + (next - number) / 2.0;
            [number, half, half.next_up(), half.next_down()]
        })
    }

    #[test]
    fn bf16_is_that_of_the_library() {
        for bits in 0..=u16::MAX {
            let number = bf16::from_bits(bits);
            let (got, expected) = (number.widen(), number.to_f32());
            let is_nan = got.is_nan() && expected.is_nan();
            assert!(
                is_nan || got.to_bits() == expected.to_bits(),
                "{number}: {got}"
            );
        }
        for number in numbers(|bits| bf16::from_bits(bits).to_f32()) {
            let (got, expected) = (bf16::narrow(number), bf16::from_f32(number));
            let is_nan = got.is_nan() && expected.is_nan();
            assert!(
                is_nan || got.to_bits() == expected.to_bits(),
                "{number}: {got}"
            );
        }
    }

    #[test]
    fn f16_is_that_of_the_library() {
        for bits in 0..=u16::MAX {
            let number = f16::from_bits(bits);
            let (got, expected) = (number.widen(), number.to_f32());
            let is_nan = got.is_nan() && expected.is_nan();
            assert!(
                is_nan || got.to_bits() == expected.to_bits(),
                "{number}: {got}"
            );
        }
        for number in numbers(|bits| f16::from_bits(bits).to_f32()) {
            let (got, expected) = (f16::narrow(number), f16::from_f32(number));
            let is_nan = got.is_nan() && expected.is_nan();
            assert!(
                is_nan || got.to_bits() == expected.to_bits(),
                "{number}: {got}"
            );
        }
    }
}
