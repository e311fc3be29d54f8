//! Division, remainders and powers of integers: exact, and defined where PyTorch's are.

use burn::{
    backend::{
        Dispatch, DispatchTensor, Scalar as BurnScalar, TensorMetadata,
        ops::{BoolTensorOps, IntTensorOps},
    },
    tensor::{Bool, Int, Tensor},
};

use super::{
    ExecError, Kind,
    eval::Eval,
    shape::{broadcast, expand},
    site::Site,
};
use crate::op::Binary;

/// Quotients rounded towards 0, remainders of the divisor's sign, or powers.
pub(super) fn binary(
    eval: &Eval<'_>,
    site: Site<'_>,
    op: Binary,
    a: DispatchTensor,
    b: DispatchTensor,
) -> Result<DispatchTensor, ExecError> {
    let shape = broadcast(&a.shape(), &b.shape());
    let [a, b] = [a, b].map(|x| expand(x, Kind::Int, &shape));
    if op == Binary::Pow {
        return Ok(power(eval, &a, b));
    }
    if any(equals(eval, &b, 0)) {
        return Err(eval.undefined(site, NO_ZERO, "0".to_owned()));
    }
    if op == Binary::Rem {
        return Ok(Dispatch::int_remainder(a, b));
    }
    let negates = equals(eval, &b, -1);
    if !any(negates.clone()) {
        return Ok(Dispatch::int_div(a, b));
    }
    // A processor has no quotient of the least integer and -1.
    let b = Dispatch::int_mask_fill(b, negates.clone(), BurnScalar::Int(1));
    let quotient = Dispatch::int_div(a.clone(), b);
    Ok(Dispatch::int_mask_where(
        quotient,
        negates,
        Dispatch::int_neg(a),
    ))
}

/// As [`binary`], with one number on the right.
pub(super) fn binary_scalar(
    eval: &Eval<'_>,
    site: Site<'_>,
    op: Binary,
    x: DispatchTensor,
    number: i64,
) -> Result<DispatchTensor, ExecError> {
    let scalar = BurnScalar::Int(number);
    match (op, number) {
        (Binary::Pow, ..0) => {
            Err(eval.undefined(site, "an exponent of at least 0", number.to_string()))
        }
        (Binary::Pow, _) => Ok(power_of(eval, x, number)),
        (_, 0) => Err(eval.undefined(site, NO_ZERO, "0".to_owned())),
        (Binary::Rem, _) => Ok(Dispatch::int_remainder_scalar(x, scalar)),
        (_, -1) => Ok(Dispatch::int_neg(x)),
        (_, _) => Ok(Dispatch::int_div_scalar(x, scalar)),
    }
}

const NO_ZERO: &str = "divisors other than 0";

/// Burn's own powers go through floats.
fn power_of(eval: &Eval<'_>, mut x: DispatchTensor, mut exponent: i64) -> DispatchTensor {
    let mut result = Dispatch::int_ones(x.shape(), eval.device(), x.dtype().into());
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = Dispatch::int_mul(result, x.clone());
        }
        exponent /= 2;
        if exponent > 0 {
            x = Dispatch::int_mul(x.clone(), x);
        }
    }
    result
}

/// Powers with exponents of their own; with a negative one, the reciprocal rounded towards 0.
fn power(eval: &Eval<'_>, x: &DispatchTensor, exponent: DispatchTensor) -> DispatchTensor {
    let one = || BurnScalar::Int(1);
    let ones = Dispatch::int_ones(x.shape(), eval.device(), x.dtype().into());
    let bool = eval.settings.bool_dtype;
    let is_negative = Dispatch::int_lower_elem(exponent.clone(), BurnScalar::Int(0), bool);
    let mut left =
        Dispatch::int_mask_fill(exponent.clone(), is_negative.clone(), BurnScalar::Int(0));
    let (mut base, mut result) = (x.clone(), ones.clone());
    let mut largest = greatest(&left);
    while largest > 0 {
        let odd = Dispatch::int_remainder_scalar(left.clone(), BurnScalar::Int(2));
        let factor = Dispatch::int_mask_fill(base.clone(), equals(eval, &odd, 0), one());
        result = Dispatch::int_mul(result, factor);
        left = Dispatch::int_div_scalar(left, BurnScalar::Int(2));
        largest /= 2;
        if largest > 0 {
            // What is not needed any more must not leave the integers.
            base = Dispatch::int_mask_fill(base, equals(eval, &left, 0), one());
            base = Dispatch::int_mul(base.clone(), base);
        }
    }
    if !any(is_negative.clone()) {
        return result;
    }
    let sign = Dispatch::int_remainder_scalar(exponent, BurnScalar::Int(2));
    let sign = Dispatch::int_sub(ones, Dispatch::int_mul_scalar(sign, BurnScalar::Int(2)));
    let mut reciprocal = Dispatch::int_zeros(x.shape(), eval.device(), x.dtype().into());
    reciprocal = Dispatch::int_mask_fill(reciprocal, equals(eval, x, 1), one());
    reciprocal = Dispatch::int_mask_where(reciprocal, equals(eval, x, -1), sign);
    Dispatch::int_mask_where(result, is_negative, reciprocal)
}

fn equals(eval: &Eval<'_>, x: &DispatchTensor, number: i64) -> DispatchTensor {
    let bool = eval.settings.bool_dtype;
    Dispatch::int_equal_elem(x.clone(), BurnScalar::Int(number), bool)
}

/// Whether a mask is true anywhere. Reads it.
fn any(mask: DispatchTensor) -> bool {
    mask.shape().num_elements() > 0
        && Tensor::<1, Bool>::from_dispatch(Dispatch::bool_any(mask)).into_scalar::<bool>()
}

/// The greatest integer, 0 if there is none. Reads it.
fn greatest(x: &DispatchTensor) -> i64 {
    if x.shape().num_elements() == 0 {
        return 0;
    }
    Tensor::<1, Int>::from_dispatch(Dispatch::int_max(x.clone())).into_scalar::<i64>()
}
