//! The arguments of layers that go back to the initial features of a network.

use burn::tensor::Tensor;
use kiln_core::{Arguments, Edges, Named, Signatures, leaves, signature::Type};

/// Features, the initial features, and edges.
#[derive(Clone, Debug)]
pub struct InitialArgs {
    /// Features of the nodes, `[N, channels]`.
    pub x: Tensor<2>,
    /// The initial features, `[N, channels]`.
    pub x_0: Tensor<2>,
    /// Edges, with weights or without.
    pub edges: Edges,
}

leaves!(InitialArgs {
    x,
    x_0,
    edges as edge_index
});

impl Arguments for InitialArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            x_0: values.tensor("x_0"),
            edges: values.edges("edge_index"),
        }
    }
}

impl InitialArgs {
    /// What a layer declares that takes features of a width, and edges with weights or without.
    pub(super) fn signatures(width: usize) -> Signatures {
        Signatures::conv_of_one_set(width)
            .with_before("edge_index", "x_0", Type::float(["N".into(), width.into()]))
            .edge_weight()
    }
}
