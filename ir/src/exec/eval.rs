//! Values of sizes and scalars for a run, and the device's types.

use std::collections::HashMap;

use burn::{
    backend::{
        DeviceSettings, DispatchDevice, DispatchTensor, Scalar as BurnScalar, TensorMetadata,
    },
    tensor::{Device, FloatDType, Shape},
};

use super::ExecError;
use crate::{
    op::{Float, Scalar},
    program::{ElemType, Program, SymbolId, TensorType},
    size::Size,
    text::Words,
};

/// What operations need besides their operands.
pub(super) struct Eval<'a> {
    program: &'a Program,
    device: &'a Device,
    pub(super) symbols: HashMap<SymbolId, i64>,
    pub(super) settings: DeviceSettings,
}

impl<'a> Eval<'a> {
    pub(super) fn new(
        program: &'a Program,
        device: &'a Device,
        symbols: HashMap<SymbolId, i64>,
    ) -> Self {
        Self {
            program,
            device,
            symbols,
            settings: device.settings(),
        }
    }

    pub(super) fn device(&self) -> &DispatchDevice {
        self.device.as_dispatch()
    }

    /// Binds the symbol of a data-dependent size to that of the tensor.
    pub(super) fn bind(&mut self, ty: &TensorType, tensor: &DispatchTensor) {
        if let [dim] = ty.dims.as_slice()
            && let Some(symbol) = dim.as_symbol()
        {
            let length = i64::try_from(tensor.shape()[0]).unwrap_or(i64::MAX);
            self.symbols.insert(symbol, length);
        }
    }

    /// The value of a size that may be negative.
    pub(super) fn int(&self, what: &'static str, size: &Size) -> Result<i64, ExecError> {
        let value = size.evaluate(|symbol| self.symbols.get(&symbol).copied());
        value.ok_or_else(|| self.attribute(what, size, "not a number of 64 bits".to_owned()))
    }

    /// The value of a size, which must be at least zero.
    pub(super) fn size(&self, what: &'static str, size: &Size) -> Result<usize, ExecError> {
        let value = self.int(what, size)?;
        usize::try_from(value).map_err(|_| self.attribute(what, size, value.to_string()))
    }

    pub(super) fn attribute(&self, what: &'static str, size: &Size, value: String) -> ExecError {
        ExecError::Attribute {
            what,
            size: Words(self.program).size(size),
            value,
        }
    }

    /// Sizes of a tensor that is to be made; their product must fit.
    pub(super) fn shape(&self, dims: &[Size]) -> Result<Shape, ExecError> {
        let mut sizes = Vec::with_capacity(dims.len());
        let mut elements = Some(1_usize);
        for dim in dims {
            let size = self.size("the size", dim)?;
            elements = elements.and_then(|count| count.checked_mul(size.max(1)));
            if elements.is_none_or(|count| isize::try_from(count).is_err()) {
                return Err(self.attribute("the size", dim, format!("{size}, too large")));
            }
            sizes.push(size);
        }
        Ok(Shape::from(sizes))
    }

    /// A scalar operand of a tensor of the given element type.
    pub(super) fn scalar(&self, scalar: &Scalar, elem: ElemType) -> Result<BurnScalar, ExecError> {
        Ok(match scalar {
            Scalar::Float(Float(value)) => BurnScalar::Float(*value),
            Scalar::Bool(value) => BurnScalar::Bool(*value),
            Scalar::Int(size) => {
                let value = self.int("the scalar", size)?;
                if elem.is_float() {
                    #[expect(clippy::cast_precision_loss, reason = "as in PyTorch")]
                    BurnScalar::Float(value as f64)
                } else {
                    BurnScalar::Int(value)
                }
            }
        })
    }
}

/// Burn's name of a float element type; integers and booleans have the device's.
pub(super) fn float_dtype(elem: ElemType) -> FloatDType {
    match elem {
        ElemType::F64 => FloatDType::F64,
        ElemType::F16 => FloatDType::F16,
        ElemType::BF16 => FloatDType::BF16,
        ElemType::F32 | ElemType::I64 | ElemType::Bool => FloatDType::F32,
    }
}
