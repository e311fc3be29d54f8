//! What an aggregation adds up.

use burn::backend::{
    Backend, ExtensionType,
    tensor::{FloatTensor, IntTensor},
};

/// What each entry of a row is multiplied with, and what the row adds of its own.
#[derive(Clone, Debug, ExtensionType)]
pub enum Terms<B: Backend> {
    /// Entries as they are.
    Ones,
    /// Entries times the weights of their edges: `[E]` for `x [N, F]`, or `[E, H]` for
    /// `x [N, H, C]`.
    Edges(FloatTensor<B>),
    /// Entries times the factors of both nodes; see [`crate::aggregate_normalized`].
    Nodes {
        /// A factor of each node, `[N]`, without a gradient.
        scale: FloatTensor<B>,
        /// The weight of a loop per node, if edges from a node to itself give way to one.
        self_loop: Option<f64>,
    },
    /// Entries times the weights of their edges, and a loop per node, to which edges from a node to
    /// itself give way; see [`crate::aggregate_with_loops`]. The weights of edges that give way are
    /// not read, and callers leave out what the gradient has for them.
    Loops {
        /// A weight of each edge, `[E]`.
        weight: FloatTensor<B>,
        /// The weight of the loop of each node, `[N]`.
        self_loop: FloatTensor<B>,
    },
    /// Entries as they are, and the row's own features with one weight, `[1]`; see
    /// [`crate::aggregate_self`].
    Own(FloatTensor<B>),
    /// Entries divided by the lengths of their nodes' rows, which these row pointers bound,
    /// `[N + 1]`: the gradient of a mean. Not differentiable.
    Shares(IntTensor<B>),
}

/// The form of [`Terms`], without its tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TermsForm {
    Ones,
    Edges,
    Nodes { self_loop: Option<f64> },
    Loops,
    Own,
    Shares,
}

impl<B: Backend> Terms<B> {
    /// Weights of edges, if there are any.
    pub(crate) fn of_edges(weight: Option<FloatTensor<B>>) -> Self {
        weight.map_or(Self::Ones, Self::Edges)
    }

    /// Which terms these are.
    pub(crate) fn form(&self) -> TermsForm {
        match *self {
            Self::Ones => TermsForm::Ones,
            Self::Edges(_) => TermsForm::Edges,
            Self::Nodes { self_loop, .. } => TermsForm::Nodes { self_loop },
            Self::Loops { .. } => TermsForm::Loops,
            Self::Own(_) => TermsForm::Own,
            Self::Shares(_) => TermsForm::Shares,
        }
    }
}
