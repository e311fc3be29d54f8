//! Long sums in parts.

use core::ops::Range;

use burn_cubecl::tensor::CubeTensor;
use cubecl::zspace::metadata::Metadata;

/// Terms that units add up one after the other: a sum of very many does not hold the last bits of
/// one, so more are added up in parts.
pub(super) const CHAIN: usize = 1024;

/// Some entries of an axis of a tensor, where they lie.
pub(super) fn narrowed(tensor: &CubeTensor, axis: usize, range: Range<usize>) -> CubeTensor {
    let (mut shape, strides) = (tensor.meta.shape().clone(), tensor.meta.strides().clone());
    shape[axis] = range.len();
    let bytes = range.start * strides[axis] * tensor.dtype.size();
    CubeTensor::new(
        tensor.client.clone(),
        tensor.handle.clone().offset_start(bytes as u64),
        Metadata::new(shape, strides),
        tensor.device.clone(),
        tensor.dtype,
    )
}
