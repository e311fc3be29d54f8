//! Values whose type is known at run time: what typed forward variants take and return.

use std::collections::BTreeMap;

use crate::{Adjacency, EdgeIndex, any_tensor::AnyTensor, signature::Literal};

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
    /// Values by key, such as the features of each node type.
    Dict(Vec<(String, Value)>),
    /// Values of one type, of which there are as many as were recorded.
    List(Vec<Value>),
    /// An integer that is a size.
    Int(usize),
    /// A boolean or a text that selected this variant.
    Literal(Literal),
    /// An absent optional value.
    None,
}

impl<V: Into<Value>> From<BTreeMap<String, V>> for Value {
    fn from(values: BTreeMap<String, V>) -> Self {
        let entries = values.into_iter();
        Self::Dict(entries.map(|(key, value)| (key, value.into())).collect())
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(values: Vec<V>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

macro_rules! from_tuples {
    ($(($($ty:ident $field:tt),+);)*) => {
        $(impl<$($ty: Into<Value>),+> From<($($ty,)+)> for Value {
            fn from(values: ($($ty,)+)) -> Self {
                Self::Tuple(vec![$(values.$field.into()),+])
            }
        })*
    };
}

from_tuples! {
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
}

impl<T: Into<AnyTensor>> From<T> for Value {
    fn from(tensor: T) -> Self {
        Self::Tensor(tensor.into())
    }
}
