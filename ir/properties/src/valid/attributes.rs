//! Attributes of random operations.

use kiln_ir::{
    ElemType, Float, Scalar, Size, TensorType,
    op::attribute::{Kind, Value},
};

use super::Builder;

impl Builder<'_, '_> {
    pub(super) fn size(&mut self, operands: &[TensorType]) -> Size {
        let dims: Vec<Size> = operands.iter().flat_map(|ty| &ty.dims).cloned().collect();
        match self.choices.below(16) {
            0..6 => self.choices.pick(&self.sizes).cloned().unwrap_or_default(),
            6..10 => self.choices.pick(&dims).cloned().unwrap_or_default(),
            10..13 => {
                let small = i64::try_from(self.choices.below(5)).unwrap_or_default();
                Size::fixed(small)
            }
            13 => {
                let a = self.choices.pick(&self.sizes).cloned().unwrap_or_default();
                let b = self.choices.pick(&self.sizes).cloned().unwrap_or_default();
                let joined = match self.choices.below(5) {
                    0 => a.checked_add(&b),
                    1 => a.checked_mul(&b),
                    2 => Some(Size::min(&a, &b)),
                    3 => Some(Size::max(&a, &b)),
                    _ => Size::floor_div(&a, &Size::fixed(2)),
                };
                joined.unwrap_or(a)
            }
            14 => {
                let a = self.choices.pick(&self.sizes).cloned().unwrap_or_default();
                let one = Size::fixed(1);
                let near = if self.choices.below(2) == 0 {
                    a.checked_add(&one)
                } else {
                    a.checked_sub(&one)
                };
                near.unwrap_or(a)
            }
            // Far more than fits in memory, or in an index of 32 bits.
            _ => Size::fixed(1 << self.choices.below(63)),
        }
    }

    pub(super) fn float(&mut self) -> Float {
        const FLOATS: [f64; 12] = [
            0.0,
            1.0,
            0.5,
            -1.0,
            0.2,
            2.0,
            1e-5,
            1e30,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        Float(FLOATS[self.choices.below(FLOATS.len())])
    }

    fn scalar(&mut self, operands: &[TensorType]) -> Scalar {
        match operands.first().map(|ty| ty.elem) {
            Some(ElemType::Bool) => Scalar::Bool(self.choices.below(2) == 1),
            Some(ElemType::I64 | ElemType::I32 | ElemType::U8) => match self.choices.below(4) {
                0 => Scalar::Int(self.size(operands)),
                1 => Scalar::Int(Size::fixed(i64::from_le_bytes(
                    self.choices.word().to_le_bytes(),
                ))),
                _ => {
                    let small = i64::from(self.choices.byte()) - 4;
                    Scalar::Int(Size::fixed(small))
                }
            },
            Some(_) => match self.choices.below(3) {
                0 => Scalar::Int(self.size(operands)),
                _ => Scalar::Float(self.float()),
            },
            None => match self.choices.below(3) {
                0 => Scalar::Int(self.size(operands)),
                1 => Scalar::Bool(self.choices.below(2) == 1),
                _ => Scalar::Float(self.float()),
            },
        }
    }

    /// Sizes of a shape that may be that of an operand.
    pub(super) fn dims(&mut self, operands: &[TensorType]) -> Vec<Size> {
        let mut dims = operands.first().map(|ty| ty.dims.clone());
        match (self.choices.below(6), &mut dims) {
            (0, Some(dims)) => dims.insert(self.choices.below(dims.len() + 1), Size::fixed(1)),
            (1, Some(dims)) => {
                let one = Size::fixed(1);
                let product = dims
                    .iter()
                    .try_fold(one, |product, dim| product.checked_mul(dim));
                *dims = product.into_iter().collect();
            }
            (2, Some(dims)) => dims.reverse(),
            (3, Some(dims)) => {
                let size = self.size(operands);
                if let Some(one) = dims.iter_mut().find(|dim| dim.as_fixed() == Some(1)) {
                    *one = size;
                }
            }
            (4, Some(dims)) => dims.retain(|dim| dim.as_fixed() != Some(1)),
            _ => dims = None,
        }
        dims.unwrap_or_else(|| {
            let rank = self.choices.below(4);
            (0..rank).map(|_| self.size(operands)).collect()
        })
    }

    fn axis(&mut self, operands: &[TensorType]) -> u32 {
        let rank = operands.first().map_or(1, |ty| ty.dims.len().max(1));
        u32::try_from(self.choices.below(rank)).unwrap_or_default()
    }

    /// Some of the axes, or all in another order.
    fn axes(&mut self, operands: &[TensorType]) -> Vec<u32> {
        let rank = operands.first().map_or(0, |ty| ty.dims.len());
        let mut axes: Vec<u32> = (0_u32..).take(rank).collect();
        if rank == 0 {
            return axes;
        }
        axes.rotate_left(self.choices.below(rank));
        if self.choices.below(2) == 0 {
            axes.truncate(1);
        }
        axes
    }

    fn ranges(&mut self, operands: &[TensorType]) -> Vec<(Size, Size)> {
        let dims = operands.first().map(|ty| ty.dims.clone());
        let range = |dim: Size| match self.choices.below(5) {
            0 => (Size::fixed(0), Size::fixed(1)),
            1 => (Size::fixed(1), dim),
            2 => (Size::fixed(0), Size::min(&dim, &Size::fixed(2))),
            3 => (
                Size::floor_div(&dim, &Size::fixed(2)).unwrap_or_default(),
                dim,
            ),
            _ => (Size::fixed(0), dim),
        };
        dims.unwrap_or_default().into_iter().map(range).collect()
    }

    pub(super) fn value(&mut self, kind: Kind, operands: &[TensorType]) -> Value {
        match kind {
            Kind::Word(words) => Value::Word(self.choices.pick(words).copied().unwrap_or_default()),
            Kind::Bool => Value::Bool(self.choices.below(2) == 1),
            Kind::Integer => Value::Integer(self.axis(operands)),
            Kind::Integers => Value::Integers(self.axes(operands)),
            Kind::Float => Value::Float(self.float()),
            Kind::OptionalFloat => {
                let float = self.float();
                Value::OptionalFloat((self.choices.below(2) == 1).then_some(float))
            }
            Kind::Scalar => Value::Scalar(self.scalar(operands)),
            Kind::OptionalScalar => {
                let scalar = self.scalar(operands);
                Value::OptionalScalar((self.choices.below(2) == 1).then_some(scalar))
            }
            Kind::Size => Value::Size(self.size(operands)),
            Kind::Sizes => Value::Sizes(self.dims(operands)),
            Kind::Ranges => Value::Ranges(self.ranges(operands)),
        }
    }
}
