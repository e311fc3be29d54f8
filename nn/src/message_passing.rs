//! The pattern that all graph layers share.
//!
//! For each edge a *message* is made from the features of its end points, the messages that meet at
//! a node are *aggregated*, and the result is *updated*:
//!
//! ```text
//! x_i' = update( ⊕ { message(x_i, x_j, e_ji) : j → i } )
//! ```
//!
//! As in PyG, `i` is the node that receives and `j` the one that sends; which row of the edge index
//! is which follows from the edges' [`Flow`]. Sources are `j` by default.
//!
//! A layer says what its messages are by returning a [`Message`], not by computing them. The forms
//! that copy or scale rows never become a tensor with one row per edge: they run as one
//! sparse-dense product. Only [`Message::Edge`] holds `[E, F]` values.

use burn::tensor::Tensor;
pub use kiln_core::Flow;
use kiln_core::{AnyTensor, Edges, Leaves, leaves};
pub use kiln_ops::{AttentionOptions, EdgeScores, Endpoints, Loops};
use kiln_ops::{Layer, linear, linear_add, linear_sum, scope};

pub use crate::message::Message;
use crate::{
    aggr::{Aggregation, Reduce},
    linear::{Linear, add_bias},
};

/// A layer that passes messages along edges.
///
/// Implement [`message`](Self::message) and, where the sum is not what you want,
/// [`aggregation`](Self::aggregation); call [`propagate`](Self::propagate) from your layer's
/// [`compute`](Layer::compute). The [crate documentation](crate) has a complete layer.
pub trait MessagePassing: Layer {
    /// Everything that messages and update need, passed from the forward pass to
    /// [`propagate`](Self::propagate): a tensor, [`Weighted`], [`WithAttr`], a tuple, or a struct
    /// made known with `kiln_core::leaves!`. In a recording this is the record type of the
    /// `propagate` method.
    type Propagated: Leaves + Clone;

    /// The message of each edge.
    fn message(&self, args: &Self::Propagated, ends: &Endpoints) -> Message;

    /// How the messages that meet at a node are combined. The sum, unless overridden.
    fn aggregation(&self) -> Aggregation {
        Reduce::Sum.into()
    }

    /// What becomes of the aggregated messages. They are returned as they are, unless overridden.
    fn update(&self, aggregated: Tensor<2>, _args: &Self::Propagated) -> Tensor<2> {
        aggregated
    }

    /// Passes messages: [`message`](Self::message), aggregation, [`update`](Self::update).
    ///
    /// # Shapes
    /// The result has one row per node that receives.
    fn propagate(&self, edges: &Edges, args: Self::Propagated) -> Tensor<2> {
        let scope = scope::record(self, Self::NAME, "propagate");
        let edges = scope.input("edge_index", edges.bare());
        let Record(args) = scope.input("", Record(args));
        let ends = Endpoints::of(edges);
        let message = self.message(&args, &ends);
        let aggregated = self.aggregation().apply(message, &ends);
        scope.exit(self.update(aggregated, &args))
    }

    /// Passes messages and puts the result through a linear map: before the walk over the edges
    /// where the map makes rows narrower and the aggregation allows it, behind it otherwise.
    ///
    /// # Shapes
    /// The result has one row per node that receives, as wide as the map's output.
    fn propagate_map(&self, edges: &Edges, args: Self::Propagated, map: Map<'_>) -> Tensor<2>
    where
        Self::Propagated: Rows,
    {
        let Map { lin, bias, root } = map;
        let (d_in, d_out) = (lin.in_channels(), lin.out_channels());
        let narrows = d_out < d_in || d_out == d_in && root.is_none();
        if narrows && self.aggregation().is_linear() {
            let args = args.map_rows(|x| linear(x, lin.weight.val(), None));
            let out = self.propagate(edges, args);
            let out = match root {
                Some((x_i, root)) => linear_add(x_i, root.weight.val(), out),
                None => out,
            };
            return add_bias(out, bias);
        }
        let out = self.propagate(edges, args);
        match root {
            Some((x_i, root)) => {
                linear_sum([out, x_i], [lin.weight.val(), root.weight.val()], bias)
            }
            None => linear(out, lin.weight.val(), bias),
        }
    }
}

/// The map of [`MessagePassing::propagate_map`].
#[derive(Debug)]
pub struct Map<'a> {
    lin: &'a Linear,
    bias: Option<Tensor<1>>,
    root: Option<(Tensor<2>, &'a Linear)>,
}

impl<'a> From<&'a Linear> for Map<'a> {
    fn from(lin: &'a Linear) -> Self {
        let bias = lin.bias_val();
        let root = None;
        Self { lin, bias, root }
    }
}

impl<'a> Map<'a> {
    /// With another bias than that of the linear layer.
    pub fn with_bias(self, bias: Option<Tensor<1>>) -> Self {
        Self { bias, ..self }
    }

    /// Plus a linear map, without bias, of each target's own row, where there is one.
    pub fn with_root(self, root: Option<&'a Linear>, x_i: Option<Tensor<2>>) -> Self {
        let root = x_i.zip(root);
        Self { root, ..self }
    }
}

/// Arguments with rows of the sources, which a linear map can change.
pub trait Rows {
    /// The same arguments with other rows.
    fn map_rows(self, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self;
}

impl Rows for Tensor<2> {
    fn map_rows(self, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        f(self)
    }
}

/// Rows of the sources and weights of edges, for layers to propagate.
#[derive(Clone, Debug)]
pub struct Weighted {
    /// Rows of the sources, `[N, F]`.
    pub x: Tensor<2>,
    /// Weight of each edge, `[E]`.
    pub edge_weight: Option<Tensor<1>>,
}

leaves!(Weighted { x, edge_weight });

impl Weighted {
    /// Rows of the sources with the weights of the edges, if they have any.
    pub fn new(x: Tensor<2>, edges: &Edges) -> Self {
        let edge_weight = edges.weight();
        Self { x, edge_weight }
    }

    /// The source's row times the weight.
    pub fn message(&self) -> Message {
        Message::Weighted {
            x: self.x.clone(),
            weight: self.edge_weight.clone(),
        }
    }
}

impl Rows for Weighted {
    fn map_rows(self, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let x = f(self.x);
        Self { x, ..self }
    }
}

/// Rows of the sources and features of edges, for layers to propagate.
#[derive(Clone, Debug)]
pub struct WithAttr {
    /// Rows of the sources, `[N, F]`.
    pub x: Tensor<2>,
    /// Features of each edge, `[E, D]`.
    pub edge_attr: Option<Tensor<2>>,
}

leaves!(WithAttr { x, edge_attr });

impl WithAttr {
    /// Rows of the sources with the features of the edges, if they have any.
    pub fn new(x: Tensor<2>, edges: &Edges) -> Self {
        let edge_attr = edges.attr();
        Self { x, edge_attr }
    }
}

/// Arguments whose leaves have names that can be fields: those of a record, or `x`, or `x.0`,
/// `x.1`.
struct Record<T>(T);

impl<T: Leaves> Leaves for Record<T> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self(self.0.map_leaves(name, &mut |name, tensor| {
            let name = match name.chars().next() {
                None => "x".to_owned(),
                Some(first) if first.is_ascii_digit() => format!("x.{name}"),
                Some(_) => name,
            };
            f(name, tensor)
        }))
    }
}
