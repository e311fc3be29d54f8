//! Values of sizes and scalars for a run, the device's types, and the memory that is left.

use burn::{
    backend::{
        DeviceSettings, DispatchDevice, DispatchTensor, Scalar as BurnScalar, TensorMetadata,
    },
    tensor::{Device, IntDType, Shape},
};
use kiln_core::size_to_i64;

use super::{
    BoundsPolicy, ExecError, Session,
    call::Call,
    memory::{Memory, is_addressable},
    site::Site,
    width::{Bounds, Width},
};
use crate::{
    op::{Float, Op, Scalar},
    program::{ElemType, Program, TensorType, ValueType},
    size::Size,
    text::Words,
    validate::SymbolValues,
};

/// What operations need besides their operands.
pub(super) struct Eval<'a> {
    program: &'a Program,
    pub(super) device: &'a Device,
    /// Name of the method that runs.
    pub(super) method: &'a str,
    pub(super) symbols: SymbolValues,
    pub(super) settings: DeviceSettings,
    pub(super) width: Width,
    pub(super) policy: BoundsPolicy,
    pub(super) bounds: Bounds,
    pub(super) memory: Memory,
    /// Operations in the steps of loops so far, and most of them.
    pub(super) looped: u64,
    most_looped: u64,
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
            looped: 0,
            most_looped: session.looped,
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
                } else if elem.has_integer(value) {
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

    /// Counts the results of a node, before they are made, as far as their sizes are known.
    pub(super) fn reserve(&mut self, site: Site<'_>) -> Result<(), ExecError> {
        if self.memory.limit.is_none() || matches!(site.op(), Op::Weight(_)) {
            return Ok(());
        }
        if let Op::Graph(op) = site.op() {
            // Kernels sort by row: where each starts, and the next place in it.
            for rows in op.sizes() {
                let rows = self.symbols.evaluate(rows).unwrap_or(0);
                let rows = u64::try_from(rows).unwrap_or(0);
                self.check_memory(site, rows.saturating_mul(16))?;
            }
        }
        for &id in site.outputs() {
            let Some(ValueType::Tensor(ty)) = site.function.values.get(id.index()) else {
                continue;
            };
            let Some(bytes) = self.bytes(ty) else {
                // A size that the node itself makes is counted once it is known; others are too
                // large for a number.
                if site.op().effects().makes_size {
                    continue;
                }
                return self.check_memory(site, u64::MAX);
            };
            self.check_memory(site, bytes)?;
            self.memory.count(id, bytes);
        }
        Ok(())
    }

    /// Bytes of a tensor, if its sizes are known.
    pub(super) fn bytes(&self, ty: &TensorType) -> Option<u64> {
        let size = |dim| self.symbols.evaluate(dim);
        let mut sizes = ty.dims.iter().map(size);
        sizes.try_fold(ty.elem.size_bytes(), |bytes, size| {
            Some(bytes.saturating_mul(u64::try_from(size?).unwrap_or(0)))
        })
    }

    /// Counts the operations of a loop's steps, apart from those of loops in them.
    pub(super) fn count_steps(
        &mut self,
        site: Site<'_>,
        steps: usize,
        operations: usize,
    ) -> Result<(), ExecError> {
        let [steps, operations] = [steps, operations].map(|count| count as u64);
        let more = steps.saturating_mul(operations.max(1));
        let looped = self.looped.saturating_add(more);
        if looped > self.most_looped {
            return Err(ExecError::Looped {
                node: self.text(site),
                looped,
                limit: self.most_looped,
            });
        }
        self.looped = looped;
        Ok(())
    }

    /// Whether so many more bytes may be made as a result of a node.
    pub(super) fn check_memory(&self, site: Site<'_>, bytes: u64) -> Result<(), ExecError> {
        match self.memory.limit {
            Some(limit) if self.memory.sum.saturating_add(bytes) > limit => {
                Err(ExecError::Memory {
                    method: self.method.to_owned(),
                    node: self.text(site),
                    bytes,
                    used: self.memory.sum,
                    limit,
                })
            }
            Some(_) | None => Ok(()),
        }
    }
}
