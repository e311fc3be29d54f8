//! Values whose type is known at run time: what typed forward variants take and return.

use burn::backend::{DispatchTensor, TensorMetadata as _};
use burn::tensor::{Bool, DType, Device, Int, Shape, Tensor, TensorData};

use crate::{Adjacency, EdgeIndex};

/// An integer that a device does not have, because its integers have 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} does not fit the integers of the device, which have 32 bits")]
pub struct IntegerError(pub i64);

/// Integers from the host on a device: in the device's default type where all fit, else in 64 bits.
///
/// Burn's `Tensor::from_data` cuts integers that do not fit the default type, which has 32 bits on most
/// devices.
///
/// # Errors
/// If one does not fit and the device has no integers of 64 bits.
///
/// # Panics
/// If the data has another rank.
pub fn int_tensor<const D: usize>(
    data: TensorData,
    device: &Device,
) -> Result<Tensor<D, Int>, IntegerError> {
    let default = DType::from(device.settings().int_dtype);
    let wide = data.iter::<i64>().find(|&value| !fits(value, default));
    match wide {
        None => Ok(Tensor::from_data(data, device)),
        Some(_) if device.supports_dtype(DType::I64) => {
            Ok(Tensor::from_data(data, (device, DType::I64)))
        }
        Some(value) => Err(IntegerError(value)),
    }
}

/// The type for integers of `dtype` beside others up to `last`: the same, or 64 bits where they do not fit.
pub fn int_dtype(dtype: DType, last: usize) -> DType {
    match i64::try_from(last) {
        Ok(last) if fits(last, dtype) => dtype,
        _ => DType::I64,
    }
}

/// Whether an integer is one of the type.
fn fits(value: i64, dtype: DType) -> bool {
    match dtype {
        DType::I64 => true,
        DType::I32 => i32::try_from(value).is_ok(),
        DType::I16 => i16::try_from(value).is_ok(),
        DType::I8 => i8::try_from(value).is_ok(),
        DType::U64 => u64::try_from(value).is_ok(),
        DType::U32 => u32::try_from(value).is_ok(),
        DType::U16 => u16::try_from(value).is_ok(),
        DType::U8 => u8::try_from(value).is_ok(),
        _ => false,
    }
}

/// Element kind of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Floating point.
    Float,
    /// Signed integer.
    Int,
    /// Boolean.
    Bool,
}

/// A tensor of any rank and kind.
#[derive(Clone, Debug)]
pub struct AnyTensor {
    inner: DispatchTensor,
}

impl AnyTensor {
    /// Wraps a dispatch tensor.
    pub fn from_dispatch(inner: DispatchTensor) -> Self {
        Self { inner }
    }

    /// The dispatch tensor inside.
    pub fn into_dispatch(self) -> DispatchTensor {
        self.inner
    }

    /// Element kind.
    pub fn kind(&self) -> Kind {
        let dtype = self.inner.dtype();
        if dtype.is_float() {
            Kind::Float
        } else if dtype.is_bool() {
            Kind::Bool
        } else {
            Kind::Int
        }
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.inner.dtype()
    }

    /// Sizes of all axes.
    pub fn shape(&self) -> Shape {
        self.inner.shape()
    }

    /// The device that holds the tensor.
    pub fn device(&self) -> Device {
        Device::new(self.inner.device())
    }

    /// The tensor as floats of rank `D`.
    ///
    /// # Panics
    /// If rank or kind differ.
    pub fn float<const D: usize>(self) -> Tensor<D> {
        self.check_rank(D);
        Tensor::from_dispatch(self.inner)
    }

    /// The tensor as integers of rank `D`.
    ///
    /// # Panics
    /// If rank or kind differ.
    pub fn int<const D: usize>(self) -> Tensor<D, Int> {
        self.check_rank(D);
        Tensor::from_dispatch(self.inner)
    }

    /// The tensor as booleans of rank `D`.
    ///
    /// # Panics
    /// If rank or kind differ.
    pub fn bool<const D: usize>(self) -> Tensor<D, Bool> {
        self.check_rank(D);
        Tensor::from_dispatch(self.inner)
    }

    fn check_rank(&self, rank: usize) {
        let shape = self.inner.shape();
        assert!(
            shape.num_dims() == rank,
            "expected a tensor of rank {rank}, got shape {shape:?}"
        );
    }
}

/// An argument or a result of a typed forward variant.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved a few times a layer; a box would allocate"
)]
pub enum Value {
    /// A dense tensor.
    Tensor(AnyTensor),
    /// Edges in COO form.
    EdgeIndex(EdgeIndex),
    /// Edges in CSR form.
    Adjacency(Adjacency),
    /// Several values.
    Tuple(Vec<Value>),
    /// An absent optional value.
    None,
}

impl<const D: usize> From<Tensor<D>> for AnyTensor {
    fn from(tensor: Tensor<D>) -> Self {
        Self::from_dispatch(tensor.into_dispatch())
    }
}

impl<const D: usize> From<Tensor<D, Int>> for AnyTensor {
    fn from(tensor: Tensor<D, Int>) -> Self {
        Self::from_dispatch(tensor.into_dispatch())
    }
}

impl<const D: usize> From<Tensor<D, Bool>> for AnyTensor {
    fn from(tensor: Tensor<D, Bool>) -> Self {
        Self::from_dispatch(tensor.into_dispatch())
    }
}

impl<T: Into<AnyTensor>> From<T> for Value {
    fn from(tensor: T) -> Self {
        Self::Tensor(tensor.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_values() {
        let device = Device::flex();
        for (values, dtype) in [
            ([5, -7], DType::I32),
            ([i64::from(i32::MAX), i64::from(i32::MIN)], DType::I32),
            ([0, i64::from(i32::MAX) + 1], DType::I64),
            ([i64::MIN, i64::MAX], DType::I64),
        ] {
            let tensor = int_tensor::<1>(TensorData::from(values), &device);
            let tensor = tensor.expect("the CPU has integers of 64 bits");
            assert_eq!(tensor.dtype(), dtype);
            assert_eq!(tensor.into_data().iter::<i64>().collect::<Vec<_>>(), values);
        }
        assert_eq!(int_dtype(DType::I32, 1 << 31), DType::I64);
        assert_eq!(int_dtype(DType::I32, (1 << 31) - 1), DType::I32);
    }
}
