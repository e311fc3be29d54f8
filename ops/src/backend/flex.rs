//! The CPU backend.

use burn::backend::{
    Flex,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::FloatDType;

use super::table::operations;
use crate::{CsrTensors, GraphOps, OptionalTensor, Reduce, SavedAttention, Score, Terms, linear};

impl GraphOps for Flex {
    operations! { flex_kernels }

    fn add_bias(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::flex::add_bias(x, &bias)
    }
}
