//! Integers on the host and on devices, whose integers may have fewer bits.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// A size as an integer of a tensor or a program; the largest one stands for those beyond it.
///
/// No tensor is that large, but a file or a shape that was only declared may say so.
pub fn size_to_i64(size: impl TryInto<i64>) -> i64 {
    size.try_into().unwrap_or(i64::MAX)
}

/// An integer that a device does not have, because its integers have 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} does not fit the integers of the device, which have 32 bits")]
pub struct IntegerError(pub i64);

/// Integers from the host on a device: in the device's default type where all fit, else in 64 bits.
///
/// Burn's `Tensor::from_data` cuts integers that do not fit the default type, which has 32 bits on
/// most devices.
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

/// The type for integers of `dtype` beside others up to `last`: the same, or 64 bits where they do
/// not fit.
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

    #[test]
    fn sizes_are_integers() {
        assert_eq!(size_to_i64(34_usize), 34);
        assert_eq!(size_to_i64(u64::MAX), i64::MAX);
    }
}
