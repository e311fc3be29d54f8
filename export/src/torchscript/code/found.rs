//! What a method found out about its arguments.

use kiln_ir::{Size, SymbolId, TensorType};

/// What is known about the arguments on one path through the tests.
#[derive(Clone, Default)]
pub(super) struct Found {
    /// For each optional tensor so far, whether it is present.
    pub(super) present: Vec<bool>,
    /// Expressions of the present tensors.
    pub(super) tensors: Vec<String>,
    /// Arguments that are integers.
    pub(super) sizes: Vec<Given>,
    /// Arguments that are floats, by their places among the tensors.
    pub(super) floats: Vec<(usize, TensorType)>,
    /// Tensors with sizes that were not known when they came.
    pub(super) unchecked: Vec<Unchecked>,
}

/// A tensor of which some sizes are not checked yet.
#[derive(Clone)]
pub(super) struct Unchecked {
    /// Expression.
    pub(super) name: String,
    /// Name in messages.
    pub(super) label: String,
    /// Number of axes.
    pub(super) rank: usize,
    /// The axes that are not checked, and their sizes.
    pub(super) dims: Vec<(usize, Size)>,
}

/// An argument that is one integer or several.
#[derive(Clone)]
pub(super) struct Given {
    /// Expression.
    pub(super) name: String,
    /// The symbols that the integers are the values of.
    pub(super) symbols: Vec<SymbolId>,
    /// Whether it is a pair, and not an integer by itself.
    pub(super) is_pair: bool,
    /// Whether it may be `None`.
    pub(super) optional: bool,
}

impl Given {
    /// The expression for one of the integers.
    pub(super) fn part(&self, part: usize) -> String {
        if self.is_pair {
            format!("{}[{part}]", self.name)
        } else {
            self.name.clone()
        }
    }
}
