//! Constants, elementwise operations, and those with masks.

use kiln_ir::{Binary, ElemType, ElementwiseOp, Scalar, Unary};

use super::{super::types, Error, Expression, Writer};

impl Writer<'_, '_> {
    pub(super) fn elementwise(&mut self, op: &ElementwiseOp) -> Result<Expression, Error> {
        let (x, y) = (self.operands.name(0), self.operands.name(1));
        let text = match op {
            ElementwiseOp::Full { value, elem, dims } => {
                let dims = self.scope.sizes(dims)?;
                let dtype = self.scope.dtype(*elem);
                let device = self.scope.device();
                let options = format!("dtype={dtype}, layout=None, device={device}");
                let text = match value {
                    Scalar::Bool(true) => format!("torch.ones({dims}, {options})"),
                    Scalar::Bool(false) => format!("torch.zeros({dims}, {options})"),
                    Scalar::Float(_) | Scalar::Int(_) => {
                        let value = self.scalar_of(value, &dtype)?;
                        format!("torch.full({dims}, {value}, {options})")
                    }
                };
                return Ok(Expression::named(text, "full"));
            }
            ElementwiseOp::Arange { start, end } => {
                let (start, end) = (self.scope.size(start)?, self.scope.size(end)?);
                let device = self.scope.device();
                let text =
                    format!("torch.arange({start}, {end}, dtype=4, layout=None, device={device})");
                return Ok(Expression::named(text, "arange"));
            }
            ElementwiseOp::Unary { function } => format!("torch.{}({x})", unary_name(*function)),
            ElementwiseOp::Binary { function } => {
                return Ok(self.binary(*function, y));
            }
            ElementwiseOp::BinaryScalar {
                function,
                rhs: Scalar::Bool(value),
            } => {
                let text = logical(*function, x, *value)
                    .ok_or_else(|| self.unsupported(format!("{function:?} with a boolean")))?;
                return Ok(Self::named_by(*function, text));
            }
            ElementwiseOp::BinaryScalar {
                function: function @ (Binary::And | Binary::Or | Binary::Xor),
                rhs: _,
            } => return Err(self.unsupported(format!("{function:?} with a number"))),
            ElementwiseOp::BinaryScalar { function, rhs } => {
                let rhs = self.scalar(rhs)?;
                return Ok(self.binary(*function, &rhs));
            }
            ElementwiseOp::LeakyRelu { slope } => {
                format!("torch.leaky_relu({x}, {})", types::float(slope.0))
            }
            ElementwiseOp::Clamp { min, max } => {
                let mut bound = |bound: &Option<Scalar>| match bound {
                    None => Ok("None".to_owned()),
                    Some(bound) => self.scalar_of(bound, &dtype_of(x)),
                };
                let (min, max) = (bound(min)?, bound(max)?);
                if (min.as_str(), max.as_str()) == ("None", "None") {
                    x.to_owned()
                } else {
                    format!("torch.clamp({x}, min={min}, max={max})")
                }
            }
            ElementwiseOp::Cast { elem } => self.cast(*elem),
            ElementwiseOp::Detach => format!("torch.detach({x})"),
            ElementwiseOp::MaskWhere => format!("torch.where({y}, {}, {x})", self.operands.name(2)),
            ElementwiseOp::MaskFill {
                value: Scalar::Bool(true),
            } => format!("torch.logical_or({x}, {y})"),
            ElementwiseOp::MaskFill {
                value: Scalar::Bool(false),
            } => format!("torch.logical_and({x}, torch.logical_not({y}))"),
            ElementwiseOp::MaskFill { value } => {
                let value = self.scalar_of(value, &dtype_of(x))?;
                format!("torch.masked_fill({x}, {y}, {value})")
            }
            ElementwiseOp::Dropout { prob } => {
                format!(
                    "torch.dropout({x}, {}, self.training)",
                    types::float(prob.0)
                )
            }
        };
        Ok(text.into())
    }

    /// A function of the first operand and another tensor or number.
    fn binary(&self, function: Binary, rhs: &str) -> Expression {
        let x = self.operands.name(0);
        let text = match (function, self.operands.elem()) {
            (Binary::Div, Some(elem)) if elem.is_int() => {
                format!("torch.div({x}, {rhs}, rounding_mode=\"trunc\")")
            }
            _ => format!("torch.{}({x}, {rhs})", binary_name(function)),
        };
        Self::named_by(function, text)
    }

    /// The results of comparisons are masks.
    fn named_by(function: Binary, text: String) -> Expression {
        match function {
            Binary::Equal
            | Binary::NotEqual
            | Binary::Greater
            | Binary::GreaterEqual
            | Binary::Lower
            | Binary::LowerEqual
            | Binary::And
            | Binary::Or
            | Binary::Xor => Expression::named(text, "mask"),
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
                text.into()
            }
        }
    }

    /// A scalar that becomes an element of the type with the number `dtype`. PyTorch refuses
    /// numbers that do not fit, which depends on the type that the model is converted to: they
    /// become the largest that do.
    fn scalar_of(&mut self, value: &Scalar, dtype: &str) -> Result<String, Error> {
        /// The largest number of the smallest type, `float16`.
        const FITS: f64 = 65504.0;
        let text = self.scalar(value)?;
        match value {
            Scalar::Float(value) if value.0.is_finite() && value.0.abs() > FITS => Ok(format!(
                "{}({text}, {dtype})",
                self.library.function("within")
            )),
            Scalar::Float(_) | Scalar::Int(_) | Scalar::Bool(_) => Ok(text),
        }
    }

    /// A conversion. Integers and booleans become floats of the kind that the model has now.
    fn cast(&mut self, to: ElemType) -> String {
        let (x, from) = (self.operands.name(0), self.operands.elem());
        if from == Some(to) {
            return x.to_owned();
        }
        let dtype = if from.is_some_and(ElemType::is_float) {
            types::dtype(to).to_owned()
        } else {
            self.scope.dtype(to)
        };
        format!("torch.to({x}, {dtype})")
    }
}

/// The expression for the number of a tensor's element type.
fn dtype_of(x: &str) -> String {
    format!("ops.prim.dtype({x})")
}

/// An operation with a boolean, which TorchScript does not take as a scalar.
fn logical(binary: Binary, x: &str, value: bool) -> Option<String> {
    match (binary, value) {
        (Binary::And | Binary::Equal, true)
        | (Binary::Or | Binary::Xor | Binary::NotEqual, false) => Some(x.to_owned()),
        (Binary::Equal, false) | (Binary::Xor | Binary::NotEqual, true) => {
            Some(format!("torch.logical_not({x})"))
        }
        (Binary::And, false) => Some(format!("torch.zeros_like({x})")),
        (Binary::Or, true) => Some(format!("torch.ones_like({x})")),
        (
            Binary::Add
            | Binary::Sub
            | Binary::Mul
            | Binary::Div
            | Binary::Rem
            | Binary::Pow
            | Binary::Greater
            | Binary::GreaterEqual
            | Binary::Lower
            | Binary::LowerEqual,
            _,
        ) => None,
    }
}

fn unary_name(unary: Unary) -> &'static str {
    match unary {
        Unary::Neg => "neg",
        Unary::Abs => "abs",
        Unary::Sign => "sign",
        Unary::Exp => "exp",
        Unary::Log => "log",
        Unary::Log1p => "log1p",
        Unary::Sqrt => "sqrt",
        Unary::Recip => "reciprocal",
        Unary::Erf => "erf",
        Unary::Sin => "sin",
        Unary::Cos => "cos",
        Unary::Tan => "tan",
        Unary::Tanh => "tanh",
        Unary::Sigmoid => "sigmoid",
        Unary::LogSigmoid => "log_sigmoid",
        Unary::Relu => "relu",
        Unary::Gelu => "gelu",
        Unary::Floor => "floor",
        Unary::Ceil => "ceil",
        Unary::Round => "round",
        Unary::Not => "logical_not",
    }
}

fn binary_name(binary: Binary) -> &'static str {
    match binary {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Rem => "remainder",
        Binary::Pow => "pow",
        Binary::Equal => "eq",
        Binary::NotEqual => "ne",
        Binary::Greater => "gt",
        Binary::GreaterEqual => "ge",
        Binary::Lower => "lt",
        Binary::LowerEqual => "le",
        Binary::And => "logical_and",
        Binary::Or => "logical_or",
        Binary::Xor => "logical_xor",
    }
}
