//! Aggregations: how the messages that meet at a node become one row.
//!
//! An [`Aggregation`] is one [`Reduce`] or several; the results of several stand side by side. A
//! node without messages gets zeros, or ones from a product.

use core::str::FromStr;

use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use kiln_ops::Reduce;
use kiln_ops::{
    aggregate, aggregate_heads, aggregate_normalized, aggregate_self, aggregate_with_loops,
    edge_attention, edge_attention_with,
};

use crate::message_passing::{Endpoints, Message};

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

    /// Whether the aggregate of linear maps is the linear map of the aggregate.
    pub fn is_linear(&self) -> bool {
        matches!(self.reduces[..], [Reduce::Sum | Reduce::Mean])
    }

    /// Width of the result for messages of the given width.
    pub fn width(&self, message: usize) -> usize {
        message * self.reduces.len()
    }

    /// Aggregates messages.
    ///
    /// # Shapes
    /// Messages of width `F` become `[n, k · F]` for `k` aggregations and `n` receivers.
    ///
    /// # Panics
    /// If messages whose sum is taken, as [`Message`] says, meet another aggregation.
    pub fn apply(&self, message: Message, ends: &Endpoints) -> Tensor<2> {
        match message {
            Message::Source(x) => self.each(x, |x, reduce| aggregate(x, None, ends, reduce)),
            Message::Weighted { x, weight } => self.each(x, |x, reduce| {
                aggregate(x, Some(weight.clone()), ends, reduce)
            }),
            Message::Heads { x, weight } => self.each(x, |x, reduce| {
                let [_, heads, channels] = x.dims();
                aggregate_heads(x, weight.clone(), ends, reduce)
                    .reshape([ends.num_receivers(), heads * channels])
            }),
            Message::WithSelf { x, weight } => {
                self.expect_sum();
                aggregate_self(x, weight, ends)
            }
            Message::WithLoops {
                x,
                weight,
                self_loop,
            } => {
                self.expect_sum();
                aggregate_with_loops(x, weight, self_loop, ends)
            }
            Message::Normalized {
                x,
                scale,
                self_loop,
            } => {
                self.expect_sum();
                aggregate_normalized(x, scale, ends, self_loop)
            }
            Message::Attention {
                x,
                score_src,
                score_dst,
                score_edge,
                options,
            } => {
                self.expect_sum();
                let [_, heads, channels] = x.dims();
                let out = match score_edge {
                    Some(score_edge) => {
                        edge_attention_with(x, score_src, score_dst, score_edge, ends, &options)
                    }
                    None => edge_attention(x, score_src, score_dst, ends, options),
                };
                out.reshape([ends.num_receivers(), heads * channels])
            }
            Message::Edge(x) => self.each(x, |x, reduce| ends.collect(x, reduce)),
        }
    }

    #[track_caller]
    fn expect_sum(&self) {
        assert!(
            self.reduces == [Reduce::Sum],
            "expected `sum`, since these messages are summed as they are made, got {:?}",
            self.reduces
        );
    }

    /// Reduces the rows of `x: [E, F]` that share an index to `[size, k · F]`.
    pub fn scatter(&self, x: Tensor<2>, index: &Tensor<1, Int>, size: usize) -> Tensor<2> {
        self.each(x, |x, reduce| {
            kiln_ops::scatter(x, index.clone(), size, reduce)
        })
    }

    fn each<const D: usize>(
        &self,
        x: Tensor<D>,
        f: impl Fn(Tensor<D>, Reduce) -> Tensor<2>,
    ) -> Tensor<2> {
        match self.reduces.as_slice() {
            [one] => f(x, *one),
            several => Tensor::cat(
                several.iter().map(|reduce| f(x.clone(), *reduce)).collect(),
                1,
            ),
        }
    }
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
