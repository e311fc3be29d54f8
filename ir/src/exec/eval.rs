//! Values of sizes and scalars for a run, the device's types, and which operation is at hand.

use burn::{
    backend::{
        DeviceSettings, DispatchDevice, DispatchTensor, Scalar as BurnScalar, TensorMetadata,
    },
    tensor::{Device, FloatDType, IntDType, Shape},
};
use kiln_core::size_to_i64;

use super::{
    BoundsPolicy, ExecError, Kind, Session,
    inputs::Call,
    memory::Memory,
    width::{Bounds, Width},
};
use crate::{
    op::{Class, Float, Op, Scalar},
    program::{ElemType, Function, Node, Program, TensorType, ValueId, ValueType},
    size::Size,
    text::Words,
    validate::SymbolValues,
};

/// A node, and the function around it.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) function: &'a Function,
    pub(super) node: &'a Node,
}

impl<'a> Site<'a> {
    pub(super) fn op(self) -> &'a Op {
        &self.node.op
    }

    pub(super) fn outputs(self) -> &'a [ValueId] {
        &self.node.outputs
    }

    /// The operands that are tensors.
    pub(super) fn operands(self) -> impl Iterator<Item = SiteOperand> + Clone + 'a {
        let spec = self.op().spec();
        let operand = move |(position, &id): (usize, &ValueId)| {
            let ValueType::Tensor(ty) = self.function.values.get(id.index())? else {
                return None;
            };
            let operand = spec.and_then(|spec| spec.operand(position));
            Some(SiteOperand {
                id,
                elem: ty.elem,
                kind: Kind::of(ty.elem),
                is_position: operand.is_some_and(|operand| operand.class == Class::Int),
            })
        };
        self.node.inputs.iter().enumerate().filter_map(operand)
    }

    /// The operands that are tensors of integers.
    pub(super) fn integers(self) -> impl Iterator<Item = SiteOperand> + Clone + 'a {
        self.operands().filter(|operand| operand.kind == Kind::Int)
    }
}

/// An operand of a node.
#[derive(Clone, Copy)]
pub(super) struct SiteOperand {
    pub(super) id: ValueId,
    pub(super) elem: ElemType,
    pub(super) kind: Kind,
    /// Whether it must be integers, which say where, and not what.
    pub(super) is_position: bool,
}

/// What operations need besides their operands.
pub(super) struct Eval<'a> {
    program: &'a Program,
    device: &'a Device,
    /// Name of the method that runs.
    pub(super) method: &'a str,
    pub(super) symbols: SymbolValues,
    pub(super) settings: DeviceSettings,
    pub(super) width: Width,
    pub(super) policy: BoundsPolicy,
    pub(super) bounds: Bounds,
    pub(super) memory: Memory,
}

impl<'a> Eval<'a> {
    /// For a call of a method by a session.
    pub(super) fn new(session: &'a Session, method: &'a str, call: &Call) -> Self {
        let function = session.program.functions.get(call.function.index());
        let values = function.map_or(0, |function| function.values.len());
        Self {
            program: &session.program,
            device: &session.device,
            method,
            symbols: call.symbols.clone(),
            settings: session.device.settings(),
            width: session.width,
            policy: session.policy,
            bounds: Bounds::default(),
            memory: Memory::new(session.memory, values),
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
            let length = size_to_i64(tensor.shape()[0]);
            self.symbols.set(symbol, length);
        }
    }

    /// The value of a size that may be negative.
    pub(super) fn int(&self, what: &'static str, size: &Size) -> Result<i64, ExecError> {
        let value = self.symbols.evaluate(size);
        value.ok_or_else(|| self.attribute(what, size, "not a number of 64 bits".to_owned()))
    }

    /// The value of a size, which must be at least zero.
    pub(super) fn size(&self, what: &'static str, size: &Size) -> Result<usize, ExecError> {
        let value = self.int(what, size)?;
        usize::try_from(value).map_err(|_| self.attribute(what, size, value.to_string()))
    }

    /// The value of a scalar that is an integer.
    pub(super) fn integer(&self, scalar: &Scalar) -> Result<Option<i64>, ExecError> {
        match scalar {
            Scalar::Int(size) => self.int("the scalar", size).map(Some),
            Scalar::Float(_) | Scalar::Bool(_) => Ok(None),
        }
    }

    /// The least type of the device that holds integers between these bounds.
    pub(super) fn int_dtype(
        &self,
        site: Site<'_>,
        bounds: [i64; 2],
    ) -> Result<IntDType, ExecError> {
        let error = |value| self.width.error(format!("{} has", self.text(site)), &value);
        self.width.dtype(bounds).map_err(error)
    }

    /// Integers that an operation computes on the host.
    pub(super) fn upload(
        &self,
        site: Site<'_>,
        values: Vec<i64>,
        shape: Shape,
    ) -> Result<DispatchTensor, ExecError> {
        let what = || format!("{} has", self.text(site));
        self.width.upload(what, values, shape, self.device)
    }

    /// An operation with its operands and results, as text.
    pub(super) fn text(&self, site: Site<'_>) -> String {
        Words(self.program).node(site.function, site.node)
    }

    /// The error for operands that an operation has no result for.
    pub(super) fn undefined(
        &self,
        site: Site<'_>,
        expected: &'static str,
        got: String,
    ) -> ExecError {
        ExecError::Undefined {
            node: self.text(site),
            expected,
            got,
        }
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
            if elements.is_none_or(|count| !is_addressable(count)) {
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
                } else if is_within(elem, value) {
                    BurnScalar::Int(value)
                } else {
                    return Err(ExecError::Range {
                        what: format!("the scalar {} is", Words(self.program).size(size)),
                        value: value.to_string(),
                        elem,
                    });
                }
            }
        })
    }
}

/// Whether an integer type has the integer.
pub(super) fn is_within(elem: ElemType, value: i64) -> bool {
    let range = elem.int_range();
    range.is_none_or(|[low, high]| (low..=high).contains(&value))
}

/// Whether so many elements of any type can be in memory.
pub(super) fn is_addressable(elements: usize) -> bool {
    let bytes = elements.checked_mul(size_of::<i64>());
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

/// Burn's name of a float element type.
pub(super) fn float_dtype(elem: ElemType) -> FloatDType {
    match elem {
        ElemType::F64 => FloatDType::F64,
        ElemType::F16 => FloatDType::F16,
        ElemType::BF16 => FloatDType::BF16,
        ElemType::F32 | ElemType::I64 | ElemType::I32 | ElemType::U8 | ElemType::Bool => {
            FloatDType::F32
        }
    }
}
