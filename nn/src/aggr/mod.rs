//! Aggregations: how the messages that meet at a node become one row.
//!
//! An [`Aggregation`] is one [`Reduce`] or several; the results of several stand side by side. A
//! node without messages gets zeros, or ones from a product.

use core::str::FromStr;

use burn::tensor::{Int, Tensor};
use kiln_core::Edges;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use kiln_ops::Reduce;

use crate::message_passing::{Endpoints, Flow, Message};

/// How messages are combined: `sum`, `mean`, `max`, `min`, `mul`, or a list of them whose results
/// are concatenated along the feature axis.
///
/// ```
/// use kiln_nn::aggr::{Aggregation, Reduce};
/// let both = Aggregation::list([Reduce::Mean, Reduce::Max]);
/// assert_eq!(both.width(8), 16);
/// assert_eq!("add".parse::<Aggregation>().unwrap(), Aggregation::from(Reduce::Sum));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Aggregation {
    reduces: Vec<Reduce>,
}

impl Aggregation {
    /// Several aggregations, concatenated in order.
    ///
    /// # Panics
    /// If there is none.
    pub fn list(reduces: impl IntoIterator<Item = Reduce>) -> Self {
        let reduces: Vec<_> = reduces.into_iter().collect();
        assert!(
            !reduces.is_empty(),
            "expected at least one aggregation, got none"
        );
        Self { reduces }
    }

    /// The aggregations, in order.
    pub fn reduces(&self) -> &[Reduce] {
        &self.reduces
    }

    /// Width of the result for messages of the given width.
    pub fn width(&self, message: usize) -> usize {
        message * self.reduces.len()
    }

    /// Aggregates messages.
    ///
    /// # Shapes
    /// Messages of width `F` become `[n, k · F]` for `k` aggregations and `n` receivers.
    pub fn apply(&self, message: Message, ends: &Endpoints) -> Tensor<2> {
        match message {
            Message::Source(x) => self.each(x, |x, reduce| product(x, None, ends, reduce)),
            Message::Weighted { x, weight } => self.each(x, |x, reduce| {
                product(x, Some(weight.clone()), ends, reduce)
            }),
            Message::Heads { x, weight } => self.heads(x, weight, ends),
            Message::Edge(x) => self.each(x, |x, reduce| match (ends.edges(), ends.flow()) {
                (Edges::Csr(adjacency), Flow::SourceToTarget) => {
                    kiln_ops::segment_reduce(x, adjacency.rowptr(), reduce)
                }
                _ => kiln_ops::scatter(x, ends.receiver(), ends.num_receivers(), reduce),
            }),
        }
    }

    /// Reduces the rows of `x: [E, F]` that share an index to `[size, k · F]`.
    pub fn scatter(&self, x: Tensor<2>, index: &Tensor<1, Int>, size: usize) -> Tensor<2> {
        self.each(x, |x, reduce| {
            kiln_ops::scatter(x, index.clone(), size, reduce)
        })
    }

    /// Every head is a graph of its own: head `h` of node `i` is row `i · H + h`. So all heads are
    /// one product over `E · H` scalar weights, and no `[E, H, C]` tensor is made.
    fn heads(&self, x: Tensor<3>, weight: Tensor<2>, ends: &Endpoints) -> Tensor<2> {
        let [num_nodes, heads, channels] = x.dims();
        let num_receivers = ends.num_receivers();
        let num_edges = ends.num_edges();
        let x = x.reshape([num_nodes * heads, channels]);
        let weight = weight.reshape([num_edges * heads]);
        let (src, dst) = if heads == 1 {
            (ends.sender(), ends.receiver())
        } else {
            let head = kiln_ops::arange(0..heads, &ends.device()).unsqueeze_dim::<2>(0);
            let rows = |node: Tensor<1, Int>| {
                let first = node.mul_scalar(int(heads)).unsqueeze_dim::<2>(1);
                (first + head.clone()).reshape([num_edges * heads])
            };
            (rows(ends.sender()), rows(ends.receiver()))
        };
        self.each(x, |x, reduce| {
            let (src, dst) = (src.clone(), dst.clone());
            kiln_ops::spmm(
                x,
                src,
                dst,
                Some(weight.clone()),
                num_receivers * heads,
                reduce,
            )
            .reshape([num_receivers, heads * channels])
        })
    }

    fn each(&self, x: Tensor<2>, f: impl Fn(Tensor<2>, Reduce) -> Tensor<2>) -> Tensor<2> {
        match self.reduces.as_slice() {
            [one] => f(x, *one),
            several => Tensor::cat(
                several.iter().map(|reduce| f(x.clone(), *reduce)).collect(),
                1,
            ),
        }
    }
}

/// The sparse-dense product of the edges with the senders' rows.
fn product(x: Tensor<2>, weight: Option<Tensor<1>>, ends: &Endpoints, reduce: Reduce) -> Tensor<2> {
    if let (Edges::Csr(adjacency), Flow::SourceToTarget) = (ends.edges(), ends.flow()) {
        kiln_ops::spmm_csr(x, adjacency.rowptr(), adjacency.col(), weight, reduce)
    } else {
        let (src, dst) = (ends.sender(), ends.receiver());
        kiln_ops::spmm(x, src, dst, weight, ends.num_receivers(), reduce)
    }
}

/// A size as an integer scalar.
fn int(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

impl Default for Aggregation {
    fn default() -> Self {
        Reduce::Sum.into()
    }
}

impl From<Reduce> for Aggregation {
    fn from(reduce: Reduce) -> Self {
        Self {
            reduces: vec![reduce],
        }
    }
}

/// A name that is no aggregation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown aggregation `{name}`, expected one of sum, add, mean, max, min, mul")]
pub struct UnknownAggregation {
    /// The name.
    pub name: String,
}

impl FromStr for Aggregation {
    type Err = UnknownAggregation;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse_reduce(name).map(Self::from)
    }
}

/// Reads PyG's name of a reduction.
///
/// # Errors
/// If there is none of that name.
pub fn parse_reduce(name: &str) -> Result<Reduce, UnknownAggregation> {
    match name {
        "sum" | "add" => Ok(Reduce::Sum),
        "mean" => Ok(Reduce::Mean),
        "max" => Ok(Reduce::Max),
        "min" => Ok(Reduce::Min),
        "mul" => Ok(Reduce::Mul),
        _ => Err(UnknownAggregation {
            name: name.to_owned(),
        }),
    }
}
