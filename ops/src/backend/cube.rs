//! The GPU backends.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::FloatDType;
use burn_cubecl::CubeBackend;

use super::table::operations;
use crate::{
    CsrTensors, GraphOps, OptionalTensor, Reduce, SavedAttention, Score, Terms, linear, relu,
};

impl GraphOps for CubeBackend {
    operations! { cube_kernels }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        relu::gpu::rectify::<Self>(x)
    }

    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::cube::matmul(lhs, rhs)
    }
}
