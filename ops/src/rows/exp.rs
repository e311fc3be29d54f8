//! Exponentials of many numbers.

/// Replaces each value, none of which is positive, by its exponential.
///
/// To about 2 units in the last place. Written without calls and branches, so that the compiler
/// makes vector code of it; the standard library's is a call for each number.
#[inline(always)]
pub(crate) fn exp_all(values: &mut [f32]) {
    for value in values {
        *value = exp(*value);
    }
}

/// `eˣ = 2ⁿ · eʳ` with `n = round(x / ln 2)` and a polynomial for the rest (coefficients of the
/// Cephes library). Below -87 the result is 0.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "as published")]
fn exp(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it rounds to an integer, which is in the low bits then.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_375;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let rounded = x * core::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_150_0e-4;
    p = p * r + 1.398_199_950_7e-3;
    p = p * r + 8.333_451_907_3e-3;
    p = p * r + 4.166_579_589_4e-2;
    p = p * r + 1.666_666_545_9e-1;
    p = p * r + 5.000_000_120_1e-1;
    p = p * r * r + r + 1.0;
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { p * power }
}

#[cfg(test)]
mod tests {
    use super::exp_all;

    #[test]
    fn close_to_the_exact_exponential() {
        let mut values: Vec<f32> = (0..65_000_u16).map(|i| -f32::from(i) / 750.0).collect();
        let exact: Vec<f64> = values.iter().map(|&x| f64::from(x).exp()).collect();
        exp_all(&mut values);
        for (value, exact) in values.iter().zip(exact) {
            assert!(
                (f64::from(*value) / exact - 1.0).abs() < 3e-7,
                "{value} {exact}"
            );
        }
    }

    #[test]
    fn ends_of_the_range() {
        let mut values = [0.0, -1e30, f32::NEG_INFINITY, f32::NAN];
        exp_all(&mut values);
        assert_eq!(values[..3], [1.0, 0.0, 0.0]);
        assert!(values[3].is_nan());
    }
}
