//! Constants, elementwise operations, casts, and those with masks.

use burn::{
    backend::{
        Dispatch, DispatchTensor, Scalar as BurnScalar, TensorMetadata,
        ops::{ActivationOps, BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{IntDType, Shape},
};

use super::{
    ExecError, Kind, Operand, VALIDATED, arithmetic,
    eval::Eval,
    memory::is_addressable,
    shape::{broadcast, expand},
    site::Site,
    width::float_dtype,
};
use crate::{
    op::{Binary, ElementwiseOp, Float, Scalar, Unary},
    program::ElemType,
};

pub(super) fn eval(
    eval: &Eval<'_>,
    site: Site<'_>,
    op: &ElementwiseOp,
    operands: Vec<Operand>,
) -> Result<DispatchTensor, ExecError> {
    let mut operands = operands.into_iter();
    let mut next = || operands.next().expect(VALIDATED);
    Ok(match op {
        ElementwiseOp::Full { value, elem, dims } => {
            full(eval, site, value, *elem, eval.shape(dims)?)?
        }
        ElementwiseOp::Arange { start, end } => {
            let (first, last) = (eval.int("the start", start)?, eval.int("the end", end)?);
            if last < first {
                return Err(eval.attribute("the end", end, format!("{last}, before {first}")));
            }
            let length = usize::try_from(last.abs_diff(first)).unwrap_or(usize::MAX);
            if !is_addressable(length) {
                return Err(eval.attribute("the end", end, format!("{last}, too large")));
            }
            let bounds = [first, last.saturating_sub(1).max(first)];
            let dtype = eval.int_dtype(site, bounds)?;
            Dispatch::int_arange(first..last, eval.device(), dtype)
        }
        ElementwiseOp::Unary { function } => unary(*function, next()),
        ElementwiseOp::Binary { function } => {
            let ((a, elem), (b, _)) = (next(), next());
            match (function, Kind::of(elem)) {
                // Compilers of GPU kernels take a number to be itself.
                (Binary::Equal, Kind::Float) if site.is_of_itself() => {
                    Dispatch::bool_not(Dispatch::float_is_nan(a, eval.settings.bool_dtype))
                }
                (Binary::NotEqual, Kind::Float) if site.is_of_itself() => {
                    Dispatch::float_is_nan(a, eval.settings.bool_dtype)
                }
                (function, kind) => binary(eval, site, *function, kind, a, b)?,
            }
        }
        ElementwiseOp::BinaryScalar { function, rhs } => {
            let (x, elem) = next();
            binary_scalar(eval, site, *function, elem, x, rhs)?
        }
        ElementwiseOp::LeakyRelu {
            slope: Float(slope),
        } => Dispatch::leaky_relu(next().0, BurnScalar::Float(*slope)),
        ElementwiseOp::Clamp { min, max } => {
            let (x, elem) = next();
            clamp(eval, x, elem, min.as_ref(), max.as_ref())?
        }
        ElementwiseOp::Cast { elem } => {
            let (x, from) = next();
            cast(eval, x, Kind::of(from), *elem)
        }
        ElementwiseOp::Detach => Dispatch::float_detach(next().0),
        ElementwiseOp::MaskWhere => {
            let ((x, elem), (mask, _), (value, _)) = (next(), next(), next());
            let shape = broadcast(&broadcast(&x.shape(), &mask.shape()), &value.shape());
            let x = expand(x, Kind::of(elem), &shape);
            let mask = expand(mask, Kind::Bool, &shape);
            let value = expand(value, Kind::of(elem), &shape);
            match Kind::of(elem) {
                Kind::Float => Dispatch::float_mask_where(x, mask, value),
                Kind::Int => Dispatch::int_mask_where(x, mask, value),
                Kind::Bool => Dispatch::bool_mask_where(x, mask, value),
            }
        }
        ElementwiseOp::MaskFill { value } => {
            let ((x, elem), (mask, _)) = (next(), next());
            let value = eval.scalar(value, elem)?;
            let shape = broadcast(&x.shape(), &mask.shape());
            let x = expand(x, Kind::of(elem), &shape);
            let mask = expand(mask, Kind::Bool, &shape);
            match Kind::of(elem) {
                Kind::Float => Dispatch::float_mask_fill(x, mask, value),
                Kind::Int => Dispatch::int_mask_fill(x, mask, value),
                Kind::Bool => Dispatch::bool_mask_fill(x, mask, value),
            }
        }
        ElementwiseOp::Dropout { prob: Float(prob) } => {
            kiln_ops::dispatch::dropout(next().0, *prob)
        }
    })
}

fn full(
    eval: &Eval<'_>,
    site: Site<'_>,
    value: &Scalar,
    elem: ElemType,
    shape: Shape,
) -> Result<DispatchTensor, ExecError> {
    let (device, settings) = (eval.device(), &eval.settings);
    Ok(match Kind::of(elem) {
        Kind::Float => {
            Dispatch::float_full(shape, eval.scalar(value, elem)?, device, float_dtype(elem))
        }
        Kind::Int => {
            let number = eval.integer(value)?.unwrap_or_default();
            let dtype = eval.int_dtype(site, [number; 2])?;
            Dispatch::int_full(shape, eval.scalar(value, elem)?, device, dtype)
        }
        Kind::Bool if *value == Scalar::Bool(true) => {
            Dispatch::bool_ones(shape, device, settings.bool_dtype)
        }
        Kind::Bool => Dispatch::bool_zeros(shape, device, settings.bool_dtype),
    })
}

fn unary(op: Unary, (x, elem): Operand) -> DispatchTensor {
    match (op, Kind::of(elem)) {
        (Unary::Neg, Kind::Int) => Dispatch::int_neg(x),
        (Unary::Neg, _) => Dispatch::float_neg(x),
        (Unary::Abs, Kind::Int) => Dispatch::int_abs(x),
        (Unary::Abs, _) => Dispatch::float_abs(x),
        (Unary::Sign, Kind::Int) => Dispatch::int_sign(x),
        (Unary::Sign, _) => Dispatch::float_sign(x),
        (Unary::Not, _) => Dispatch::bool_not(x),
        (Unary::Exp, _) => Dispatch::float_exp(x),
        (Unary::Log, _) => Dispatch::float_log(x),
        (Unary::Log1p, _) => Dispatch::float_log1p(x),
        (Unary::Sqrt, _) => Dispatch::float_sqrt(x),
        (Unary::Recip, _) => Dispatch::float_recip(x),
        (Unary::Erf, _) => Dispatch::float_erf(x),
        (Unary::Sin, _) => Dispatch::float_sin(x),
        (Unary::Cos, _) => Dispatch::float_cos(x),
        (Unary::Tan, _) => Dispatch::float_tan(x),
        (Unary::Tanh, _) => Dispatch::float_tanh(x),
        (Unary::Sigmoid, _) => kiln_ops::dispatch::sigmoid(x),
        (Unary::LogSigmoid, _) => Dispatch::log_sigmoid(x),
        (Unary::Relu, _) => kiln_ops::dispatch::relu(x),
        (Unary::Gelu, _) => Dispatch::gelu(x),
        (Unary::Floor, _) => Dispatch::float_floor(x),
        (Unary::Ceil, _) => Dispatch::float_ceil(x),
        (Unary::Round, _) => Dispatch::float_round(x),
    }
}

fn binary(
    eval: &Eval<'_>,
    site: Site<'_>,
    op: Binary,
    kind: Kind,
    a: DispatchTensor,
    b: DispatchTensor,
) -> Result<DispatchTensor, ExecError> {
    let bool = eval.settings.bool_dtype;
    Ok(match (op, kind) {
        (Binary::Add, Kind::Int) => Dispatch::int_add(a, b),
        (Binary::Add, _) => Dispatch::float_add(a, b),
        (Binary::Sub, Kind::Int) => Dispatch::int_sub(a, b),
        (Binary::Sub, _) => Dispatch::float_sub(a, b),
        (Binary::Mul, Kind::Int) => Dispatch::int_mul(a, b),
        (Binary::Mul, _) => Dispatch::float_mul(a, b),
        (Binary::Div | Binary::Rem | Binary::Pow, Kind::Int) => {
            arithmetic::binary(eval, site, op, a, b)?
        }
        (Binary::Div, _) => Dispatch::float_div(a, b),
        (Binary::Rem, _) => Dispatch::float_remainder(a, b),
        (Binary::Pow, _) => kiln_ops::dispatch::powf(a, b),
        (Binary::Equal, Kind::Float) => Dispatch::float_equal(a, b, bool),
        (Binary::Equal, Kind::Int) => Dispatch::int_equal(a, b, bool),
        (Binary::Equal, Kind::Bool) => Dispatch::bool_equal(a, b),
        (Binary::NotEqual, Kind::Float) => Dispatch::float_not_equal(a, b, bool),
        (Binary::NotEqual, Kind::Int) => Dispatch::int_not_equal(a, b, bool),
        (Binary::NotEqual, Kind::Bool) => Dispatch::bool_not_equal(a, b),
        (Binary::Greater, Kind::Int) => Dispatch::int_greater(a, b, bool),
        (Binary::Greater, _) => Dispatch::float_greater(a, b, bool),
        (Binary::GreaterEqual, Kind::Int) => Dispatch::int_greater_equal(a, b, bool),
        (Binary::GreaterEqual, _) => Dispatch::float_greater_equal(a, b, bool),
        (Binary::Lower, Kind::Int) => Dispatch::int_lower(a, b, bool),
        (Binary::Lower, _) => Dispatch::float_lower(a, b, bool),
        (Binary::LowerEqual, Kind::Int) => Dispatch::int_lower_equal(a, b, bool),
        (Binary::LowerEqual, _) => Dispatch::float_lower_equal(a, b, bool),
        (Binary::And, _) => Dispatch::bool_and(a, b),
        (Binary::Or, _) => Dispatch::bool_or(a, b),
        (Binary::Xor, _) => Dispatch::bool_xor(a, b),
    })
}

fn binary_scalar(
    eval: &Eval<'_>,
    site: Site<'_>,
    op: Binary,
    elem: ElemType,
    x: DispatchTensor,
    scalar: &Scalar,
) -> Result<DispatchTensor, ExecError> {
    let bool = eval.settings.bool_dtype;
    let rhs = eval.scalar(scalar, elem)?;
    let is_true = matches!(rhs, BurnScalar::Bool(true));
    Ok(match (op, Kind::of(elem)) {
        (Binary::Add, Kind::Int) => Dispatch::int_add_scalar(x, rhs),
        (Binary::Add, _) => Dispatch::float_add_scalar(x, rhs),
        (Binary::Sub, Kind::Int) => Dispatch::int_sub_scalar(x, rhs),
        (Binary::Sub, _) => Dispatch::float_sub_scalar(x, rhs),
        (Binary::Mul, Kind::Int) => Dispatch::int_mul_scalar(x, rhs),
        (Binary::Mul, _) => Dispatch::float_mul_scalar(x, rhs),
        (Binary::Div | Binary::Rem | Binary::Pow, Kind::Int) => {
            let number = eval.integer(scalar)?.unwrap_or_default();
            arithmetic::binary_scalar(eval, site, op, x, number)?
        }
        (Binary::Div, _) => Dispatch::float_div_scalar(x, rhs),
        (Binary::Rem, _) => Dispatch::float_remainder_scalar(x, rhs),
        (Binary::Pow, _) => power(eval, elem, x, rhs),
        (Binary::Equal, Kind::Float) => Dispatch::float_equal_elem(x, rhs, bool),
        (Binary::Equal, Kind::Int) => Dispatch::int_equal_elem(x, rhs, bool),
        (Binary::Equal, Kind::Bool) => Dispatch::bool_equal_elem(x, rhs),
        (Binary::NotEqual, Kind::Float) => Dispatch::float_not_equal_elem(x, rhs, bool),
        (Binary::NotEqual, Kind::Int) => Dispatch::int_not_equal_elem(x, rhs, bool),
        (Binary::NotEqual, Kind::Bool) => Dispatch::bool_not_equal_elem(x, rhs),
        (Binary::Greater, Kind::Int) => Dispatch::int_greater_elem(x, rhs, bool),
        (Binary::Greater, _) => Dispatch::float_greater_elem(x, rhs, bool),
        (Binary::GreaterEqual, Kind::Int) => Dispatch::int_greater_equal_elem(x, rhs, bool),
        (Binary::GreaterEqual, _) => Dispatch::float_greater_equal_elem(x, rhs, bool),
        (Binary::Lower, Kind::Int) => Dispatch::int_lower_elem(x, rhs, bool),
        (Binary::Lower, _) => Dispatch::float_lower_elem(x, rhs, bool),
        (Binary::LowerEqual, Kind::Int) => Dispatch::int_lower_equal_elem(x, rhs, bool),
        (Binary::LowerEqual, _) => Dispatch::float_lower_equal_elem(x, rhs, bool),
        // With a constant: x, its negation, or the constant.
        (Binary::And, _) if is_true => x,
        (Binary::Or, _) if !is_true => x,
        (Binary::Xor, _) if is_true => Dispatch::bool_not(x),
        (Binary::Xor, _) => x,
        (Binary::And, _) => Dispatch::bool_zeros(x.shape(), eval.device(), bool),
        (Binary::Or, _) => Dispatch::bool_ones(x.shape(), eval.device(), bool),
    })
}

/// Powers of floats. Burn 0.22.1 panics where the exponent is a whole number beyond 64 bits, and
/// one to the power of infinity is NaN in WGSL.
fn power(
    eval: &Eval<'_>,
    elem: ElemType,
    x: DispatchTensor,
    exponent: BurnScalar,
) -> DispatchTensor {
    const BEYOND: f64 = 9.2e18;
    let BurnScalar::Float(value) = exponent else {
        return kiln_ops::dispatch::powf_scalar(x, exponent);
    };
    if value.is_nan() || value.abs() <= BEYOND {
        return kiln_ops::dispatch::powf_scalar(x, exponent);
    }
    let (shape, dtype) = (x.shape(), float_dtype(elem));
    let exponent = Dispatch::float_full(shape, exponent, eval.device(), dtype);
    if value.is_finite() {
        return kiln_ops::dispatch::powf(x, exponent);
    }
    let size = Dispatch::float_abs(x.clone());
    let is_one = Dispatch::float_equal_elem(
        size.clone(),
        BurnScalar::Float(1.0),
        eval.settings.bool_dtype,
    );
    Dispatch::float_mask_where(kiln_ops::dispatch::powf(x, exponent), is_one, size)
}

fn clamp(
    eval: &Eval<'_>,
    x: DispatchTensor,
    elem: ElemType,
    min: Option<&Scalar>,
    max: Option<&Scalar>,
) -> Result<DispatchTensor, ExecError> {
    let bound = |bound: Option<&Scalar>| bound.map(|one| eval.scalar(one, elem)).transpose();
    let is_nan = |bound: &Option<BurnScalar>| match bound {
        Some(BurnScalar::Float(value)) => value.is_nan(),
        Some(BurnScalar::Int(_) | BurnScalar::UInt(_) | BurnScalar::Bool(_)) | None => false,
    };
    let (least, most) = (bound(min)?, bound(max)?);
    if is_nan(&least) || is_nan(&most) {
        let (value, dtype) = (BurnScalar::Float(f64::NAN), float_dtype(elem));
        return Ok(Dispatch::float_full(x.shape(), value, eval.device(), dtype));
    }
    // Where the bounds cross, the upper one holds; Burn's backends differ.
    let cross = match (least, most) {
        (Some(BurnScalar::Float(least)), Some(BurnScalar::Float(most))) => least > most,
        (Some(BurnScalar::Int(least)), Some(BurnScalar::Int(most))) => least > most,
        _ => false,
    };
    let x = match (bound(min)?, Kind::of(elem)) {
        (Some(min), Kind::Int) if cross => Dispatch::int_clamp_min(x, min),
        (Some(min), _) if cross => kiln_ops::dispatch::clamp(x, Some(min), None),
        _ => x,
    };
    let min = min.filter(|_| !cross);
    Ok(match (bound(min)?, bound(max)?, Kind::of(elem)) {
        (min, max, Kind::Float) => kiln_ops::dispatch::clamp(x, min, max),
        (Some(min), Some(max), _) => Dispatch::int_clamp(x, min, max),
        (Some(min), None, _) => Dispatch::int_clamp_min(x, min),
        (None, Some(max), _) => Dispatch::int_clamp_max(x, max),
        (None, None, _) => x,
    })
}

fn cast(eval: &Eval<'_>, x: DispatchTensor, from: Kind, to: ElemType) -> DispatchTensor {
    let (bool, float) = (eval.settings.bool_dtype, float_dtype(to));
    match (from, Kind::of(to)) {
        (Kind::Float, Kind::Float) => Dispatch::float_cast(x, float),
        (Kind::Float, Kind::Int) => Dispatch::float_into_int(x, eval.width.widest()),
        (Kind::Float, Kind::Bool) => {
            Dispatch::float_not_equal_elem(x, BurnScalar::Float(0.0), bool)
        }
        (Kind::Int, Kind::Float) => Dispatch::int_into_float(x, float),
        (Kind::Int, Kind::Bool) => Dispatch::int_not_equal_elem(x, BurnScalar::Int(0), bool),
        (Kind::Bool, Kind::Float) => Dispatch::bool_into_float(x, float),
        (Kind::Bool, Kind::Int) => Dispatch::bool_into_int(x, IntDType::I32),
        (Kind::Int, Kind::Int) | (Kind::Bool, Kind::Bool) => x,
    }
}
