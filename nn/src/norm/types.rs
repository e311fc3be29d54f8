//! What norms of nodes of several types share.

use burn::{
    module::Param,
    tensor::{Int, Tensor},
};
use kiln_core::{AnyTensor, Arguments, Leaves, Named, leaf_name};
use kiln_ops::gather;

use crate::config::ConfigError;

/// What norms of nodes of several types take: features, and the type of each node.
///
/// The names of the arguments are PyG's: `x`, and `type_vec` or `type_ptr`.
#[derive(Clone, Debug)]
pub struct TypeArgs {
    /// Features of the nodes, `[N, F]`.
    pub x: Tensor<2>,
    /// The type of each node.
    pub types: NodeTypes,
}

/// The type of each node, in one of two forms.
#[derive(Clone, Debug)]
pub enum NodeTypes {
    /// The type of each node, `[N]`.
    Each(Tensor<1, Int>),
    /// Of nodes that are sorted by type: where each type starts, and where the last ends, `[types +
    /// 1]`.
    Sorted(Tensor<1, Int>),
}

impl From<(Tensor<2>, Tensor<1, Int>)> for TypeArgs {
    fn from((x, types): (Tensor<2>, Tensor<1, Int>)) -> Self {
        let types = NodeTypes::Each(types);
        Self { x, types }
    }
}

impl From<(Tensor<2>, NodeTypes)> for TypeArgs {
    fn from((x, types): (Tensor<2>, NodeTypes)) -> Self {
        Self { x, types }
    }
}

impl TypeArgs {
    /// The features, and the type of each node.
    ///
    /// # Panics
    /// If there is not one type for each node.
    pub(super) fn parts(self) -> (Tensor<2>, Tensor<1, Int>) {
        let [rows, _] = self.x.dims();
        let types = match self.types {
            NodeTypes::Each(types) => types,
            NodeTypes::Sorted(ptr) => kiln_ops::ptr_to_index(ptr, rows),
        };
        let [count] = types.dims();
        assert!(
            count == rows,
            "expected one type for each of {rows} nodes, got {count}"
        );
        (self.x, types)
    }
}

impl Leaves for TypeArgs {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let x = self.x.map_leaves(&leaf_name(name, "x"), f);
        let types = match self.types {
            NodeTypes::Each(types) => {
                NodeTypes::Each(types.map_leaves(&leaf_name(name, "type_vec"), f))
            }
            NodeTypes::Sorted(ptr) => {
                NodeTypes::Sorted(ptr.map_leaves(&leaf_name(name, "type_ptr"), f))
            }
        };
        Self { x, types }
    }
}

impl Arguments for TypeArgs {
    fn from_named(values: &mut Named) -> Self {
        let types = match values.integers("type_ptr") {
            Some(ptr) => NodeTypes::Sorted(ptr),
            None => NodeTypes::Each(values.integers("type_vec").expect("types are given")),
        };
        let x = values.tensor("x");
        Self { x, types }
    }
}

/// Each row times the scale of its type, plus the shift of its type, where there are any.
pub(super) fn scaled_by_type(
    x: Tensor<2>,
    types: &Tensor<1, Int>,
    weight: Option<&Param<Tensor<2>>>,
    bias: Option<&Param<Tensor<2>>>,
) -> Tensor<2> {
    let x = match weight {
        Some(weight) => x * gather(weight.val(), types.clone()),
        None => x,
    };
    match bias {
        Some(bias) => x + gather(bias.val(), types.clone()),
        None => x,
    }
}

/// Checks a number of types.
pub(super) fn check_types(num_types: usize) -> Result<(), ConfigError> {
    ConfigError::unless(num_types > 0, "num_types", "at least one", "0")
}
