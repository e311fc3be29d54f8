//! The integers that a device computes with, and how large those of a run are.

use std::collections::HashMap;

use burn::{
    backend::{Dispatch, DispatchTensor, Scalar, TensorMetadata, ops::IntTensorOps},
    tensor::{DType, Device, FloatDType, Int, IntDType, Shape, Tensor, TensorData},
};
use kiln_core::AnyTensor;

use super::ExecError;
use crate::{id::ValueId, types::ElemType};

/// The integers that a device computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// Of 64 bits.
    Wide,
    /// Of 32 bits.
    Narrow,
}

impl Width {
    pub(super) fn of(device: &Device) -> Self {
        if device.supports_dtype(DType::I64) {
            Self::Wide
        } else {
            Self::Narrow
        }
    }

    /// The type of all integers of the device.
    pub(super) fn widest(self) -> IntDType {
        match self {
            Self::Wide => IntDType::I64,
            Self::Narrow => IntDType::I32,
        }
    }

    /// The least type that holds all integers from `low` to `high`; the integer that does not fit,
    /// if the device has none.
    pub(super) fn dtype(self, [low, high]: [i64; 2]) -> Result<IntDType, i64> {
        match [low, high].into_iter().find(|&bound| !is_narrow(bound)) {
            None => Ok(IntDType::I32),
            Some(_) if self == Self::Wide => Ok(IntDType::I64),
            Some(bound) => Err(bound),
        }
    }

    /// A result, of the type that its program says where the device has it.
    pub(super) fn result(self, tensor: DispatchTensor, elem: ElemType) -> DispatchTensor {
        match elem {
            ElemType::I32 => cast(tensor, IntDType::I32),
            ElemType::U8 if Device::new(tensor.device()).supports_dtype(DType::U8) => {
                cast(tensor, IntDType::U8)
            }
            ElemType::U8 => tensor,
            _ => self.widen(tensor),
        }
    }

    /// The tensor with integers of 64 bits, where the device has them.
    pub(super) fn widen(self, tensor: DispatchTensor) -> DispatchTensor {
        match self {
            Self::Wide => widen(tensor),
            Self::Narrow => tensor,
        }
    }

    /// The error for an integer that the device does not have. `what` has it, or may give it.
    pub(super) fn error(self, what: String, value: &impl ToString) -> ExecError {
        ExecError::Integer {
            what,
            value: value.to_string(),
            bits: match self {
                Self::Wide => 64,
                Self::Narrow => 32,
            },
        }
    }

    /// Integers on the device of a session, in one of its types. They must be of the type that the
    /// program says. `what` is whose they are, for messages.
    pub(super) fn import(
        self,
        what: impl Fn() -> String,
        elem: ElemType,
        tensor: AnyTensor,
        device: &Device,
    ) -> Result<DispatchTensor, ExecError> {
        let given = tensor.dtype();
        let tensor = self.import_any(&what, tensor, device)?;
        let is_of_type = match elem {
            ElemType::U8 => given == DType::U8,
            ElemType::I32 => tensor.dtype() == DType::I32,
            _ => return Ok(tensor),
        };
        if !is_of_type
            && let Some(extremes) = extremes(&tensor)
            && let Some(value) = extremes.iter().find(|value| !elem.has_integer(**value))
        {
            return Err(ExecError::Range {
                what: what(),
                value: value.to_string(),
                elem,
            });
        }
        Ok(cast(tensor, IntDType::I32))
    }

    /// As [`import`](Self::import), of any type.
    fn import_any(
        self,
        what: impl Fn() -> String,
        tensor: AnyTensor,
        device: &Device,
    ) -> Result<DispatchTensor, ExecError> {
        let is_there = tensor.device() == *device;
        let dtype = match (tensor.dtype(), self) {
            (DType::I32 | DType::I16 | DType::I8 | DType::U16 | DType::U8, _) => IntDType::I32,
            (DType::I64, Self::Wide) => IntDType::I64,
            _ => return self.import_by_value(what, tensor, device),
        };
        let changes = tensor.dtype() != DType::from(dtype);
        let mut tensor = tensor.into_dispatch();
        if !is_there {
            tensor = Dispatch::int_to_device(tensor, device.as_dispatch());
        }
        Ok(if changes {
            Dispatch::int_cast(tensor, dtype)
        } else {
            tensor
        })
    }

    /// As [`import_any`](Self::import_any), by way of the host: for types that have integers beyond
    /// the device's, and for `u32`, whose casts to `i64` have a sign in WGSL.
    fn import_by_value(
        self,
        what: impl FnOnce() -> String,
        tensor: AnyTensor,
        device: &Device,
    ) -> Result<DispatchTensor, ExecError> {
        let shape = tensor.shape();
        let tensor =
            Dispatch::int_reshape(tensor.into_dispatch(), Shape::new([shape.num_elements()]));
        let data = Tensor::<1, Int>::from_dispatch(tensor).into_data();
        let values = if let Ok(values) = data.as_slice::<u64>() {
            let narrow = |&value: &u64| i64::try_from(value).map_err(|_| value);
            match values.iter().map(narrow).collect() {
                Ok(values) => values,
                Err(value) => return Err(self.error(what(), &value)),
            }
        } else {
            data.iter::<i64>().collect()
        };
        self.upload(what, values, shape, device)
    }

    /// Integers from the host on a device.
    pub(super) fn upload(
        self,
        what: impl FnOnce() -> String,
        values: Vec<i64>,
        shape: Shape,
        device: &Device,
    ) -> Result<DispatchTensor, ExecError> {
        // GPUs make no tensor without axes, but they have one.
        let is_scalar = shape.num_dims() == 0;
        let made = if is_scalar {
            Shape::new([1])
        } else {
            shape.clone()
        };
        let mut data = TensorData::new(values, made);
        if self == Self::Narrow {
            if let Some(value) = data.iter::<i64>().find(|&value| !is_narrow(value)) {
                return Err(self.error(what(), &value));
            }
            data = data.convert_dtype(DType::I32);
        }
        let tensor = Dispatch::int_from_data(data, device.as_dispatch());
        Ok(if is_scalar {
            Dispatch::int_reshape(tensor, shape)
        } else {
            tensor
        })
    }
}

/// Whether an integer has 32 bits.
pub(super) fn is_narrow(value: i64) -> bool {
    i32::try_from(value).is_ok()
}

/// The tensor with integers of 64 bits.
pub(super) fn widen(tensor: DispatchTensor) -> DispatchTensor {
    if tensor.dtype() == DType::I32 {
        Dispatch::int_cast(tensor, IntDType::I64)
    } else {
        tensor
    }
}

/// Integers of 64 or 32 bits wrapped to a type that has fewer.
pub(super) fn wrap(tensor: DispatchTensor, elem: ElemType) -> DispatchTensor {
    match elem {
        ElemType::I32 => cast(tensor, IntDType::I32),
        ElemType::U8 => {
            let bits = Scalar::Int(u8::MAX.into());
            cast(Dispatch::bitwise_and_scalar(tensor, bits), IntDType::I32)
        }
        _ => tensor,
    }
}

fn cast(tensor: DispatchTensor, dtype: IntDType) -> DispatchTensor {
    if tensor.dtype() == DType::from(dtype) {
        tensor
    } else {
        Dispatch::int_cast(tensor, dtype)
    }
}

/// The least and the greatest integer of a tensor that has any. Reads them.
fn extremes(tensor: &DispatchTensor) -> Option<[i64; 2]> {
    if tensor.shape().num_elements() == 0 {
        return None;
    }
    let ends = [
        Dispatch::int_min(tensor.clone()),
        Dispatch::int_max(tensor.clone()),
    ];
    let ends = ends.map(|end| Dispatch::int_reshape(end, Shape::new([1])));
    let ends = Dispatch::int_cat(ends.to_vec(), 0);
    let data = Tensor::<1, Int>::from_dispatch(ends).into_data();
    let mut ends = data.iter::<i64>();
    Some([ends.next()?, ends.next()?])
}

/// What is known of the integers of values: between which they are, and which are row pointers.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    known: HashMap<ValueId, [i64; 2]>,
    /// Values that are row pointers, and their ends.
    pointers: HashMap<ValueId, i64>,
}

impl Bounds {
    /// Bounds of a value; reads them if they are not known.
    pub(super) fn of(
        &mut self,
        id: ValueId,
        values: &[Option<DispatchTensor>],
    ) -> Option<[i128; 2]> {
        let bounds = match self.known(id) {
            Some(known) => known,
            None => self.read(id, values.get(id.index())?.as_ref()?)?,
        };
        Some(bounds.map(i128::from))
    }

    /// Numbers between which all integers of a value are, if there are any known.
    pub(super) fn known(&self, id: ValueId) -> Option<[i64; 2]> {
        self.known.get(&id).copied()
    }

    /// The least and the greatest integer of a value; none if it has no elements.
    pub(super) fn read(&mut self, id: ValueId, tensor: &DispatchTensor) -> Option<[i64; 2]> {
        let bounds = extremes(tensor)?;
        self.known.insert(id, bounds);
        Some(bounds)
    }

    /// Keeps the bounds of a value, or that they are not known.
    pub(super) fn set(&mut self, id: ValueId, bounds: Option<[i64; 2]>) {
        match bounds {
            Some(bounds) => self.known.insert(id, bounds),
            None => self.known.remove(&id),
        };
    }

    /// The end of a row pointer, if the value is known to be one.
    pub(super) fn pointer(&self, id: ValueId) -> Option<i64> {
        self.pointers.get(&id).copied()
    }

    /// Keeps that a value is a row pointer with this end.
    pub(super) fn set_pointer(&mut self, id: ValueId, end: i64) {
        self.pointers.insert(id, end);
    }

    /// Forgets what is known of values that may be others now.
    pub(super) fn forget(&mut self, varies: impl Fn(ValueId) -> bool) {
        self.known.retain(|&id, _| !varies(id));
        self.pointers.retain(|&id, _| !varies(id));
    }

    /// Forgets what is known of all values.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.pointers.clear();
    }
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
