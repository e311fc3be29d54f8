//! Tensors whose rank and element kind are known at run time.

use burn::backend::{DispatchTensor, TensorMetadata as _};
use burn::tensor::{Bool, DType, Device, Int, Shape, Tensor};

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
