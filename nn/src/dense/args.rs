//! What layers on batches of dense graphs take.

use burn::tensor::{Bool, Tensor};
use kiln_core::{
    AnyTensor, Arguments, Leaves, Named, Signatures, leaf_name,
    signature::{Dim, Type},
};

/// Batches of nodes and of dense adjacency matrices.
///
/// The names of the arguments are PyG's: `x`, `adj`, `mask` and `add_loop`.
#[derive(Clone, Debug)]
pub struct DenseArgs {
    /// Features, `[B, N, F]`.
    pub x: Tensor<3>,
    /// Matrices `[B, N, N]`, or one, `[1, N, N]`, for all graphs: row `i` has the weights of the
    /// edges that node `i` receives messages by.
    pub adj: Tensor<3>,
    /// Which nodes are there, `[B, N]`; without it all are. Results of the others are 0.
    pub mask: Option<Tensor<2, Bool>>,
    /// Whether layers that add self loops do so.
    pub add_loop: bool,
}

impl DenseArgs {
    /// Nodes and matrices without a mask, with self loops.
    pub fn new(x: Tensor<3>, adj: Tensor<3>) -> Self {
        Self {
            x,
            adj,
            mask: None,
            add_loop: true,
        }
    }

    /// The same where only some nodes are there.
    pub fn with_mask(self, mask: impl Into<Option<Tensor<2, Bool>>>) -> Self {
        let mask = mask.into();
        Self { mask, ..self }
    }

    /// The same where layers add no self loops.
    pub fn without_loops(self) -> Self {
        Self {
            add_loop: false,
            ..self
        }
    }

    /// The arguments of a layer that takes features of a width.
    pub(super) fn signatures(width: impl Into<Dim>) -> Signatures {
        let dims = |last| ["B".into(), "N".into(), last];
        Signatures::new()
            .with("x", Type::float(dims(width.into())))
            .with("adj", Type::float(dims("N".into())))
            .with("mask", Type::bool(["B".into(), "N".into()]).optional())
    }

    /// The same with a choice whether to add self loops.
    pub(super) fn looped_signatures(width: impl Into<Dim>) -> Signatures {
        Self::signatures(width).switch("add_loop")
    }
}

impl From<(Tensor<3>, Tensor<3>)> for DenseArgs {
    fn from((x, adj): (Tensor<3>, Tensor<3>)) -> Self {
        Self::new(x, adj)
    }
}

impl Leaves for DenseArgs {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            x: self.x.map_leaves(&leaf_name(name, "x"), f),
            adj: self.adj.map_leaves(&leaf_name(name, "adj"), f),
            mask: self.mask.map_leaves(&leaf_name(name, "mask"), f),
            add_loop: self.add_loop,
        }
    }
}

impl Arguments for DenseArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            adj: values.tensor("adj"),
            mask: values.booleans("mask"),
            add_loop: values.switch("add_loop"),
        }
    }
}
