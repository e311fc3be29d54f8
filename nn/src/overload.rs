//! Helpers for the [`Overloads`](kiln_core::Overloads) of layers: types of inputs and typed access
//! to arguments.
//!
//! Symbols are the same everywhere: `N` nodes (of a pair: sources), `M` destinations of a pair, `E`
//! edges.

use burn::tensor::Tensor;
use kiln_core::{
    AnyTensor, Edges, Nodes, Value,
    signature::{Dim, Type},
};

/// Features of one node set, `[N, width]`.
pub(crate) fn nodes(width: impl Into<Dim>) -> Type {
    Type::float(["N".into(), width.into()])
}

/// Features of a pair of node sets, the second of which may be absent: `([N, src], [M, dst])`.
pub(crate) fn pair(src: impl Into<Dim>, dst: impl Into<Dim>) -> Type {
    let dst = Type::float(["M".into(), dst.into()]);
    Type::Tuple(vec![nodes(src), dst.optional()])
}

/// An optional weight an edge, `[E]`.
pub(crate) fn edge_weight() -> Type {
    Type::float(["E".into()]).optional()
}

/// Optional features of edges, `[E, width]`.
pub(crate) fn edge_attr(width: impl Into<Dim>) -> Type {
    Type::float(["E".into(), width.into()]).optional()
}

/// The ways in which a layer takes its graph: one node set or a pair, COO or CSR.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GraphForm {
    pub(crate) pair: bool,
    pub(crate) csr: bool,
}

impl GraphForm {
    /// All of them in PyG's order.
    pub(crate) const ALL: [Self; 4] = [
        Self {
            pair: false,
            csr: false,
        },
        Self {
            pair: false,
            csr: true,
        },
        Self {
            pair: true,
            csr: false,
        },
        Self {
            pair: true,
            csr: true,
        },
    ];

    /// The destinations' symbol.
    fn dst(self) -> Dim {
        if self.pair { "M".into() } else { "N".into() }
    }

    /// Type of the features.
    pub(crate) fn x(self, src: impl Into<Dim>, dst: impl Into<Dim>) -> Type {
        if self.pair {
            pair(src, dst)
        } else {
            nodes(src)
        }
    }

    /// Type of the edges.
    pub(crate) fn edges(self) -> Type {
        let (src, dst, edges) = ("N".into(), self.dst(), "E".into());
        if self.csr {
            Type::Adjacency { src, dst, edges }
        } else {
            Type::EdgeIndex { src, dst, edges }
        }
    }

    /// Type of `size`.
    pub(crate) fn size(self) -> Type {
        Type::Size {
            src: "N".into(),
            dst: self.dst(),
        }
    }
}

/// The arguments of a call, taken one by one.
#[derive(Debug)]
pub(crate) struct Arguments(std::vec::IntoIter<Value>);

impl Arguments {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    fn next(&mut self) -> Value {
        self.0.next().unwrap_or(Value::None)
    }

    /// A float tensor.
    pub(crate) fn tensor<const D: usize>(&mut self) -> Tensor<D> {
        let value = self.next();
        optional(value).unwrap_or_else(|| panic!("expected a tensor, got none"))
    }

    /// A float tensor, if there is one.
    pub(crate) fn optional<const D: usize>(&mut self) -> Option<Tensor<D>> {
        optional(self.next())
    }

    /// Features of a node set or of a pair of them.
    pub(crate) fn nodes(&mut self) -> Nodes {
        match self.next() {
            Value::Tensor(x) => x.float::<2>().into(),
            Value::Tuple(pair) => {
                let mut pair = Self::new(pair);
                let src = pair.tensor::<2>();
                (src, pair.optional::<2>()).into()
            }
            other => panic!("expected node features, got {other:?}"),
        }
    }

    /// Edges in either form.
    pub(crate) fn edges(&mut self) -> Edges {
        match self.next() {
            Value::EdgeIndex(edges) => edges.into(),
            Value::Adjacency(adjacency) => adjacency.into(),
            other => panic!("expected edges, got {other:?}"),
        }
    }
}

fn optional<const D: usize>(value: Value) -> Option<Tensor<D>> {
    match value {
        Value::Tensor(x) => Some(x.float()),
        Value::None => None,
        other => panic!("expected a tensor, got {other:?}"),
    }
}

/// A float tensor as a value.
pub(crate) fn value<const D: usize>(x: Tensor<D>) -> Value {
    Value::Tensor(AnyTensor::from(x))
}

/// An integer tensor as a value.
pub(crate) fn int_value<const D: usize>(x: Tensor<D, burn::tensor::Int>) -> Value {
    Value::Tensor(AnyTensor::from(x))
}
