//! Values whose type is known at run time: what typed forward variants take and return.

use crate::{Adjacency, EdgeIndex, any_tensor::AnyTensor};

/// An argument or a result of a typed forward variant.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved a few times per layer; a box would allocate"
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

impl<T: Into<AnyTensor>> From<T> for Value {
    fn from(tensor: T) -> Self {
        Self::Tensor(tensor.into())
    }
}
