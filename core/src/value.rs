//! Values whose type is known at run time: what typed forward variants take and return.

use std::collections::BTreeMap;

use crate::{
    Adjacency, EdgeIndex, Leaves,
    any_tensor::AnyTensor,
    leaves::{entry, part},
    signature::Literal,
};

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

/// The leaves of what the value is; an integer or a literal has none.
impl Leaves for Value {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let mut each = |values: Vec<Self>| {
            let values = values.into_iter().enumerate();
            let values = values.map(|(place, value)| value.map_leaves(&part(name, place), f));
            values.collect::<Vec<_>>()
        };
        match self {
            Self::Tuple(values) => Self::Tuple(each(values)),
            Self::List(values) => Self::List(each(values)),
            Self::Tensor(x) => Self::Tensor(x.map_leaves(name, f)),
            Self::EdgeIndex(edges) => Self::EdgeIndex(edges.map_leaves(name, f)),
            Self::Adjacency(edges) => Self::Adjacency(edges.map_leaves(name, f)),
            Self::Dict(entries) => {
                let entries = entries.into_iter().map(|(key, value)| {
                    let value = value.map_leaves(&entry(name, &key), f);
                    (key, value)
                });
                Self::Dict(entries.collect())
            }
            Self::Int(_) | Self::Literal(_) | Self::None => self,
        }
    }
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
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
}

impl<T: Into<AnyTensor>> From<T> for Value {
    fn from(tensor: T) -> Self {
        Self::Tensor(tensor.into())
    }
}
