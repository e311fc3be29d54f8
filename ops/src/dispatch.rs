//! The operations without a rank in the type, on Burn's run-time backend.
//!
//! The functions of the crate root take `Tensor<D>` and end here; an executor of recorded graphs,
//! which knows ranks only at run time, calls these directly. Shapes are checked here, so both get
//! the same messages.
//!
//! # Panics
//! Each function panics where shapes disagree, as its twin in the crate root documents.

#[cfg(feature = "flex")]
use burn::backend::{BackendTensor, DispatchTensorKind};
use burn::backend::{Dispatch, DispatchTensor, Scalar, TensorMetadata, ops::IntTensorOps as _};
use burn::tensor::{DType, FloatDType, IntDType};

use crate::{GraphOps, OptionalTensor, Reduce, check};

/// See [`crate::gather`].
pub fn gather(x: DispatchTensor, index: DispatchTensor) -> DispatchTensor {
    check::rows("gather", "x", &x.shape());
    check::vector("gather", "index", &index.shape());
    <Dispatch as GraphOps>::gather(x, index)
}

/// See [`crate::scatter`].
pub fn scatter(
    x: DispatchTensor,
    index: DispatchTensor,
    size: usize,
    reduce: Reduce,
) -> DispatchTensor {
    check::rows("scatter", "x", &x.shape());
    check::vector("scatter", "index", &index.shape());
    check::length("scatter", "index", index.shape()[0], x.shape()[0]);
    <Dispatch as GraphOps>::scatter(x, index, size, reduce)
}

/// See [`crate::segment_reduce`].
pub fn segment_reduce(x: DispatchTensor, ptr: DispatchTensor, reduce: Reduce) -> DispatchTensor {
    check::rows("segment_reduce", "x", &x.shape());
    check::pointer("segment_reduce", "ptr", &ptr.shape());
    <Dispatch as GraphOps>::segment_reduce(x, ptr, reduce)
}

/// See [`crate::segment_softmax`].
pub fn segment_softmax(x: DispatchTensor, index: DispatchTensor, size: usize) -> DispatchTensor {
    check::rows("segment_softmax", "x", &x.shape());
    check::vector("segment_softmax", "index", &index.shape());
    check::length("segment_softmax", "index", index.shape()[0], x.shape()[0]);
    <Dispatch as GraphOps>::segment_softmax(x, index, size)
}

/// See [`crate::spmm`].
pub fn spmm(
    x: DispatchTensor,
    src: DispatchTensor,
    dst: DispatchTensor,
    weight: Option<DispatchTensor>,
    size: usize,
    reduce: Reduce,
) -> DispatchTensor {
    check::matrix("spmm", "x", &x.shape());
    check::vector("spmm", "src", &src.shape());
    check::vector("spmm", "dst", &dst.shape());
    check::length("spmm", "dst", dst.shape()[0], src.shape()[0]);
    if let Some(weight) = &weight {
        check::vector("spmm", "weight", &weight.shape());
        check::length("spmm", "weight", weight.shape()[0], src.shape()[0]);
    }
    <Dispatch as GraphOps>::spmm(x, src, dst, weight.into(), size, reduce)
}

/// See [`crate::spmm_csr`].
pub fn spmm_csr(
    x: DispatchTensor,
    rowptr: DispatchTensor,
    col: DispatchTensor,
    value: Option<DispatchTensor>,
    reduce: Reduce,
) -> DispatchTensor {
    check::matrix("spmm_csr", "x", &x.shape());
    check::pointer("spmm_csr", "rowptr", &rowptr.shape());
    check::vector("spmm_csr", "col", &col.shape());
    if let Some(value) = &value {
        check::vector("spmm_csr", "value", &value.shape());
        check::length("spmm_csr", "value", value.shape()[0], col.shape()[0]);
    }
    <Dispatch as GraphOps>::spmm_csr(x, rowptr, col, value.into(), reduce)
}

/// See [`crate::degree`]; `dtype` is the type of the result.
pub fn degree(index: DispatchTensor, size: usize, dtype: FloatDType) -> DispatchTensor {
    check::vector("degree", "index", &index.shape());
    <Dispatch as GraphOps>::degree(index, size, dtype)
}

/// See [`crate::coo_to_csr`].
pub fn coo_to_csr(index: DispatchTensor, size: usize) -> (DispatchTensor, DispatchTensor) {
    check::vector("coo_to_csr", "index", &index.shape());
    <Dispatch as GraphOps>::coo_to_csr(index, size)
}

/// See [`crate::ptr_to_index`].
pub fn ptr_to_index(ptr: DispatchTensor, entries: usize) -> DispatchTensor {
    check::pointer("ptr_to_index", "ptr", &ptr.shape());
    <Dispatch as GraphOps>::ptr_to_index(ptr, entries)
}

/// See [`crate::nonzero`].
pub fn nonzero(mask: DispatchTensor) -> DispatchTensor {
    check::vector("nonzero", "mask", &mask.shape());
    <Dispatch as GraphOps>::nonzero(mask)
}

/// The positions below the integer in a tensor; see [`crate::size_of()`].
pub fn positions_below(size: DispatchTensor) -> DispatchTensor {
    let shape = size.shape();
    assert!(
        shape.num_elements() == 1,
        "size_of: expected one integer, got shape {shape:?}"
    );
    <Dispatch as GraphOps>::positions_below(size)
}

/// See [`crate::self_loop_position`].
pub fn self_loop_position(src: DispatchTensor, dst: DispatchTensor, size: usize) -> DispatchTensor {
    check::vector("self_loop_position", "src", &src.shape());
    check::vector("self_loop_position", "dst", &dst.shape());
    check::length("self_loop_position", "dst", dst.shape()[0], src.shape()[0]);
    <Dispatch as GraphOps>::self_loop_position(src, dst, size)
}

/// Indices in 32 bits, which are read in half of the time. On GPUs, one that does not fit becomes
/// another that is out of range; on the CPU, all stay as they are then.
pub fn narrow(index: DispatchTensor) -> DispatchTensor {
    if index.dtype() != DType::I64 {
        return index;
    }
    #[cfg(feature = "flex")]
    if let DispatchTensorKind::Flex(BackendTensor::Int(own)) = &index.kind {
        let Some(narrow) = crate::rows::flex::narrow(own) else {
            return index;
        };
        return DispatchTensor {
            kind: DispatchTensorKind::Flex(BackendTensor::Int(narrow)),
            autodiff: index.autodiff,
        };
    }
    if index.shape().num_elements() == 0 {
        return Dispatch::int_cast(index, IntDType::I32);
    }
    let last = Scalar::Int(i32::MAX.into());
    Dispatch::int_cast(
        Dispatch::int_clamp(index, Scalar::Int(-1), last),
        IntDType::I32,
    )
}

/// See [`crate::dropout`].
pub fn dropout(x: DispatchTensor, prob: f64) -> DispatchTensor {
    check::probability("dropout", prob);
    <Dispatch as GraphOps>::dropout(x, prob)
}

/// See [`crate::sigmoid`](crate::sigmoid()).
pub fn sigmoid(x: DispatchTensor) -> DispatchTensor {
    crate::sigmoid::dispatched(x)
}

/// See [`crate::relu`](crate::relu()).
pub fn relu(x: DispatchTensor) -> DispatchTensor {
    <Dispatch as GraphOps>::rectify(x)
}

/// See [`crate::clamp`](crate::clamp()), for floats; a bound that is absent is none.
pub fn clamp(x: DispatchTensor, min: Option<Scalar>, max: Option<Scalar>) -> DispatchTensor {
    crate::clamp::dispatched(x, min, max)
}

/// See [`crate::powf`].
pub fn powf(x: DispatchTensor, exponent: DispatchTensor) -> DispatchTensor {
    crate::pow::dispatched(x, exponent)
}

/// See [`crate::powf_scalar`].
pub fn powf_scalar(x: DispatchTensor, exponent: Scalar) -> DispatchTensor {
    crate::pow::scalar(x, exponent)
}

/// See [`crate::matmul`](crate::matmul()).
pub fn matmul(lhs: DispatchTensor, rhs: DispatchTensor) -> DispatchTensor {
    check::matrices("matmul", &lhs.shape(), &rhs.shape());
    if lhs.shape().num_dims() == 2 {
        <Dispatch as GraphOps>::linear_map(lhs, rhs, OptionalTensor::None, false)
    } else {
        <Dispatch as GraphOps>::matmul(lhs, rhs)
    }
}
