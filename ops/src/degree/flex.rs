//! Counting on the CPU.

use burn::backend::{Flex, Shape, ops::FloatTensorOps as _};
use burn::tensor::FloatDType;
use burn_flex::FlexTensor;

use crate::rows::flex::{checked, elements, tensor, with_id};

/// See [`crate::degree`]; counts are exact below 2^53.
pub(crate) fn degree(index: &FlexTensor, size: usize, dtype: FloatDType) -> FlexTensor {
    let index = index.to_contiguous();
    let mut counts = vec![0.0_f64; size];
    with_id!(index, I => for &id in elements!(index, I) {
        counts[checked(id, size, "degree", "index")] += 1.0;
    });
    Flex::float_cast(tensor(counts, Shape::new([size])), dtype)
}
