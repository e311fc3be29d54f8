//! Constants, elementwise operations, and those with masks.

use super::{Infer, Problem, one, overflow};
use crate::{
    op::{Binary, ElementwiseOp, Scalar, Unary},
    program::{ElemType, TensorType, WeightId},
    size::Size,
};

type Types = Result<Vec<TensorType>, Problem>;

impl Infer<'_> {
    pub(super) fn elementwise_op(&self, op: &ElementwiseOp, inputs: &[&TensorType]) -> Types {
        let same = || Ok(inputs.first().map(|&x| x.clone()).into_iter().collect());
        match op {
            ElementwiseOp::Full { value, elem, dims } => self.full(value, *elem, dims),
            ElementwiseOp::Arange { start, end } => self.arange(start, end),
            ElementwiseOp::Unary { function } => Self::unary(*function, inputs),
            ElementwiseOp::Binary { function } => self.binary(*function, inputs),
            ElementwiseOp::BinaryScalar { function, rhs } => {
                self.binary_scalar(*function, rhs, inputs)
            }
            ElementwiseOp::LeakyRelu { slope: _ } | ElementwiseOp::Detach => same(),
            ElementwiseOp::Clamp { min, max } => self.clamp([min, max], inputs),
            ElementwiseOp::Cast { elem } => Ok(Self::cast(*elem, inputs)),
            ElementwiseOp::MaskWhere => self.mask_where(inputs),
            ElementwiseOp::MaskFill { value } => self.mask_fill(value, inputs),
            ElementwiseOp::Dropout { prob } => {
                Self::probability(*prob)?;
                same()
            }
        }
    }

    pub(super) fn weight(&self, id: WeightId) -> Types {
        let Some(weight) = self.0.weights.get(id.index()) else {
            return Ok(Vec::new());
        };
        let dim = |&dim| i64::try_from(dim).map(Size::fixed).map_err(|_| overflow());
        Ok(one(
            weight.elem,
            weight.shape.iter().map(dim).collect::<Result<_, _>>()?,
        ))
    }

    fn full(&self, value: &Scalar, elem: ElemType, dims: &[Size]) -> Types {
        self.scalar(value, elem)?;
        self.dims(dims)?;
        Ok(one(elem, dims.to_vec()))
    }

    fn arange(&self, start: &Size, end: &Size) -> Types {
        let length = end.checked_sub(start).ok_or_else(overflow)?;
        self.count("the number of values", &length)?;
        Ok(one(ElemType::I64, vec![length]))
    }

    fn unary(unary: Unary, inputs: &[&TensorType]) -> Types {
        for x in inputs {
            let (fits, expected) = match unary {
                Unary::Not => (x.elem == ElemType::Bool, ElemType::Bool.name()),
                Unary::Neg | Unary::Abs | Unary::Sign => (x.elem != ElemType::Bool, "numbers"),
                Unary::Exp
                | Unary::Log
                | Unary::Log1p
                | Unary::Sqrt
                | Unary::Recip
                | Unary::Erf
                | Unary::Sin
                | Unary::Cos
                | Unary::Tan
                | Unary::Tanh
                | Unary::Sigmoid
                | Unary::LogSigmoid
                | Unary::Relu
                | Unary::Gelu
                | Unary::Floor
                | Unary::Ceil
                | Unary::Round => (x.elem.is_float(), "floats"),
            };
            if !fits {
                return Err(Self::element("x", expected, x.elem));
            }
        }
        Ok(inputs.iter().map(|&x| x.clone()).collect())
    }

    /// The element type of the result.
    fn binary_elem(binary: Binary, elem: ElemType) -> Result<ElemType, Problem> {
        match binary {
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
                if elem == ElemType::Bool {
                    return Err(Self::element("operands", "numbers", elem));
                }
                Ok(elem)
            }
            Binary::Equal | Binary::NotEqual => Ok(ElemType::Bool),
            Binary::Greater | Binary::GreaterEqual | Binary::Lower | Binary::LowerEqual => {
                if elem == ElemType::Bool {
                    return Err(Self::element("operands", "numbers", elem));
                }
                Ok(ElemType::Bool)
            }
            Binary::And | Binary::Or | Binary::Xor => {
                if elem != ElemType::Bool {
                    return Err(Self::element("operands", "bool", elem));
                }
                Ok(ElemType::Bool)
            }
        }
    }

    fn binary(&self, binary: Binary, inputs: &[&TensorType]) -> Types {
        let &[a, b] = inputs else {
            return Ok(Vec::new());
        };
        let elem = Self::binary_elem(binary, a.elem)?;
        Ok(one(elem, self.broadcast("b", a, b)?))
    }

    fn binary_scalar(&self, binary: Binary, scalar: &Scalar, inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        let elem = Self::binary_elem(binary, x.elem)?;
        self.scalar(scalar, x.elem)?;
        Ok(one(elem, x.dims.clone()))
    }

    fn clamp(&self, bounds: [&Option<Scalar>; 2], inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        for bound in bounds.into_iter().flatten() {
            self.scalar(bound, x.elem)?;
        }
        Ok(vec![x.clone()])
    }

    fn cast(elem: ElemType, inputs: &[&TensorType]) -> Vec<TensorType> {
        inputs
            .iter()
            .flat_map(|x| one(elem, x.dims.clone()))
            .collect()
    }

    fn mask_where(&self, inputs: &[&TensorType]) -> Types {
        let &[x, mask, value] = inputs else {
            return Ok(Vec::new());
        };
        let with_mask = TensorType {
            elem: x.elem,
            dims: self.broadcast("the mask", x, mask)?,
        };
        Ok(one(x.elem, self.broadcast("the value", &with_mask, value)?))
    }

    fn mask_fill(&self, scalar: &Scalar, inputs: &[&TensorType]) -> Types {
        let &[x, mask] = inputs else {
            return Ok(Vec::new());
        };
        self.scalar(scalar, x.elem)?;
        Ok(one(x.elem, self.broadcast("the mask", x, mask)?))
    }

    /// Sizes of the result of an elementwise operation: equal, or 1 on one side. Ranks are equal.
    pub(super) fn broadcast(
        &self,
        what: &'static str,
        a: &TensorType,
        b: &TensorType,
    ) -> Result<Vec<Size>, Problem> {
        let fits = |(a, b): (&Size, &Size)| match (a, b) {
            _ if a == b => Some(a.clone()),
            _ if a.as_fixed() == Some(1) => Some(b.clone()),
            _ if b.as_fixed() == Some(1) => Some(a.clone()),
            _ => None,
        };
        let dims: Option<Vec<_>> = a.dims.iter().zip(&b.dims).map(fits).collect();
        dims.filter(|dims| dims.len() == a.dims.len() && dims.len() == b.dims.len())
            .ok_or_else(|| {
                let expected = format!("sizes that broadcast with {}", self.words().tensor_type(a));
                self.shape(what, expected, b)
            })
    }
}
