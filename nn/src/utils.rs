//! What layers share: normalised edges, self loops, softmax by target, dense batches.

use burn::tensor::{Int, Tensor};
use kiln_core::{AnyTensor, Edges, Leaves, leaf_name};
pub use kiln_core::{batched_negative_sampling, edge_sampling, negative_sampling};
use kiln_ops::{Endpoints, Reduce};
pub use kiln_ops::{
    graph::{add_remaining_self_loops, add_self_loops, contains_self_loops, remove_self_loops},
    segment_softmax as softmax,
};

pub use crate::dense_batch::{from_dense_batch, to_dense_batch};
use crate::{dropout::Dropout, message::Message, message_passing::Rows};

/// Number of groups of rows, such as the graphs of a batch: one more than the largest number in
/// `index`, and 0 without rows.
///
/// Reads it back to the host. [`Groups`](kiln_core::Groups) of a data set know their number; this
/// is for what has only PyG's `batch`.
///
/// # Shapes
/// index: `[N]`
pub fn num_groups(index: Tensor<1, Int>) -> usize {
    let options = (&index.device(), index.dtype());
    let none = Tensor::full([1], -1, options);
    kiln_ops::size_of(Tensor::cat(vec![none, index], 0).max() + 1)
}

/// How [`gcn_norm`] weighs edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcnNormOptions {
    /// Whether each node gets a loop.
    pub add_self_loops: bool,
    /// Whether loops weigh 2 instead of 1. As in PyG this has no effect on an edge index without
    /// weights.
    pub improved: bool,
}

impl GcnNormOptions {
    /// With or without loops, which weigh 1.
    pub fn with_loops(add_self_loops: bool) -> Self {
        Self {
            add_self_loops,
            improved: false,
        }
    }
}

/// What [`gcn_norm`] found for a graph.
#[derive(Clone, Debug)]
pub struct GcnNorm(Coefficients);

/// What messages are multiplied with.
#[expect(
    clippy::large_enum_variant,
    reason = "two tensors, made once for a call"
)]
#[derive(Clone, Debug)]
enum Coefficients {
    /// Of edges with weights: one coefficient per edge, `[E]`, and if loops are added one per node,
    /// `[N]`.
    Edges {
        weight: Option<Tensor<1>>,
        self_loop: Option<Tensor<1>>,
    },
    /// Of edges without: one over the root of each node's degree, `[N]`, and the weight of loops.
    Nodes {
        scale: Tensor<1>,
        self_loop: Option<f64>,
    },
}

impl GcnNorm {
    /// Coefficients by [`gcn_norm`], or without options the edges' own weights.
    ///
    /// # Panics
    /// If there are options, and the graph is bipartite.
    pub fn of<const D: usize>(
        edges: &Edges,
        options: Option<GcnNormOptions>,
        like: &Tensor<D>,
    ) -> Self {
        match options {
            Some(options) => gcn_norm(edges, options, like),
            None => Self::weights(edges),
        }
    }

    /// Coefficients that are the edges' own weights, if they have any.
    pub fn weights(edges: &Edges) -> Self {
        Self(Coefficients::Edges {
            weight: edges.weight(),
            self_loop: None,
        })
    }

    /// One coefficient per edge, `[E]`, and one per node for its loop, `[N]`.
    pub(crate) fn looped(weight: Tensor<1>, self_loop: Tensor<1>) -> Self {
        Self(Coefficients::Edges {
            weight: Some(weight),
            self_loop: Some(self_loop),
        })
    }

    /// The coefficient of each edge, `[E]`, and that of each node's loop, `[N]`, if there are
    /// loops; edges without coefficients count as 1.
    pub(crate) fn per_edge<const D: usize>(
        self,
        edges: &Edges,
        like: &Tensor<D>,
    ) -> (Tensor<1>, Option<Tensor<1>>) {
        let (weight, self_loop) = match self.0 {
            Coefficients::Edges { weight, self_loop } => (weight, self_loop),
            Coefficients::Nodes { scale, self_loop } => {
                let ends = Endpoints::of(edges.bare());
                let weight = ends.lift_j(scale.clone()) * ends.lift_i(scale.clone());
                let self_loop = self_loop.map(|fill| scale.clone() * scale * fill);
                (Some(weight), self_loop)
            }
        };
        let ones = || Tensor::ones([edges.num_edges()], (&like.device(), like.dtype()));
        (weight.unwrap_or_else(ones), self_loop)
    }

    /// The coefficients times factors of the edges, `[E]`, and of the loops, `[N]`.
    pub(crate) fn times<const D: usize>(
        self,
        edges: &Edges,
        like: &Tensor<D>,
        by_edge: Tensor<1>,
        by_loop: Tensor<1>,
    ) -> Self {
        let (weight, self_loop) = self.per_edge(edges, like);
        Self(Coefficients::Edges {
            weight: Some(by_edge * weight),
            self_loop: self_loop.map(|self_loop| by_loop * self_loop),
        })
    }

    /// Whether each node has a loop.
    pub(crate) fn has_loops(&self) -> bool {
        match &self.0 {
            Coefficients::Edges { self_loop, .. } => self_loop.is_some(),
            Coefficients::Nodes { self_loop, .. } => self_loop.is_some(),
        }
    }

    /// The coefficients with dropout, which drops edges and loops; edges without coefficients count
    /// as 1. With a probability they are those of edges, whether or not any are dropped now: a
    /// recording is the same in both modes.
    pub(crate) fn dropped(self, edges: &Edges, like: &Tensor<2>, dropout: &Dropout) -> Self {
        if dropout.prob == 0.0 {
            return self;
        }
        let (weight, self_loop) = self.per_edge(edges, like);
        Self(Coefficients::Edges {
            weight: Some(dropout.forward(weight)),
            self_loop: self_loop.map(|self_loop| dropout.forward(self_loop)),
        })
    }

    /// The rows of the sources times the coefficients. `x: [N, F]`
    pub fn message(self, x: Tensor<2>) -> Message {
        match self.0 {
            Coefficients::Edges {
                weight: Some(weight),
                self_loop: Some(self_loop),
            } => Message::WithLoops {
                x,
                weight,
                self_loop,
            },
            Coefficients::Edges { weight, .. } => Message::Weighted { x, weight },
            Coefficients::Nodes { scale, self_loop } => Message::Normalized {
                x,
                scale,
                self_loop,
            },
        }
    }
}

/// Leaves: `edge_weight` and `self_loop`, or `scale`.
impl Leaves for GcnNorm {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let leaf = |field| leaf_name(name, field);
        Self(match self.0 {
            Coefficients::Edges { weight, self_loop } => Coefficients::Edges {
                weight: weight.map_leaves(&leaf("edge_weight"), f),
                self_loop: self_loop.map_leaves(&leaf("self_loop"), f),
            },
            Coefficients::Nodes { scale, self_loop } => Coefficients::Nodes {
                scale: scale.map_leaves(&leaf("scale"), f),
                self_loop,
            },
        })
    }
}

/// Rows of nodes and the coefficients of a graph, for layers to propagate.
#[derive(Clone, Debug)]
pub struct Normalized {
    /// Rows of the nodes, `[N, F]`.
    pub x: Tensor<2>,
    /// Coefficients of the edges.
    pub norm: GcnNorm,
}

impl Normalized {
    /// The source's row times the coefficient.
    pub fn message(&self) -> Message {
        self.norm.clone().message(self.x.clone())
    }
}

/// Those of the coefficients stand beside `x`, as PyG's `edge_weight` does.
impl Leaves for Normalized {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            x: self.x.map_leaves(&leaf_name(name, "x"), f),
            norm: self.norm.map_leaves(name, f),
        }
    }
}

impl Rows for Normalized {
    fn map_rows(self, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let x = f(self.x);
        Self { x, ..self }
    }
}

/// Symmetric normalisation of a graph's edges by degree, for messages of the type and on the device
/// of `like`. Matches `torch_geometric.nn.conv.gcn_conv.gcn_norm`.
///
/// ```text
/// e_ji / √(d_j d_i)        d_i = Σ_j e_ji, with the loop of i if there are loops
/// ```
///
/// # Self loops
/// Loops that are there already give way to one loop per node, which is not put into the edge list:
/// the edges keep their number and order. In an edge index the weight of a loop that is there (the
/// last one's, if there are several) becomes that of the node's loop, and in an adjacency it is
/// replaced by the fill value. That is PyG's behaviour for `Tensor` and `SparseTensor`
/// respectively.
///
/// # Numerics
/// A node of degree zero has coefficient zero.
///
/// # Panics
/// If the graph is bipartite.
pub fn gcn_norm<const D: usize>(
    edges: &Edges,
    options: GcnNormOptions,
    like: &Tensor<D>,
) -> GcnNorm {
    let num_nodes = edges.num_src();
    assert!(
        num_nodes == edges.num_dst(),
        "expected a graph of one node set, got {num_nodes} sources and {} targets",
        edges.num_dst()
    );
    let fill = if options.improved { 2.0 } else { 1.0 };
    let ends = Endpoints::of(edges.bare());
    let Some(given) = edges.weight() else {
        let fill = if edges.is_csr() { fill } else { 1.0 };
        let self_loop = options.add_self_loops.then_some(fill);
        let scale = ends.inverse_sqrt_degree(self_loop, like);
        return GcnNorm(Coefficients::Nodes { scale, self_loop });
    };
    let on = (&like.device(), like.dtype());
    let (weight, self_loop) = if options.add_self_loops {
        let self_loop = if edges.is_csr() {
            Tensor::full([num_nodes], fill, on)
        } else {
            // Nodes without a loop point at the entry behind the last edge.
            let position = kiln_ops::self_loop_position(ends.src(), ends.dst(), num_nodes);
            let fill = Tensor::full([1], fill, on);
            kiln_ops::gather(Tensor::cat(vec![given.clone(), fill], 0), position)
        };
        (given.mask_fill(ends.is_loop(), 0.0), Some(self_loop))
    } else {
        (given, None)
    };
    let degree = ends.collect(weight.clone(), Reduce::Sum);
    let degree = match &self_loop {
        Some(self_loop) => degree + self_loop.clone(),
        None => degree,
    };
    let scale = inverse_sqrt(degree);
    let weight = ends.lift_j(scale.clone()) * weight * ends.lift_i(scale.clone());
    GcnNorm(Coefficients::Edges {
        weight: Some(weight),
        self_loop: self_loop.map(|self_loop| scale.clone() * self_loop * scale),
    })
}

/// One over the root of each number, and 0 for 0.
pub(crate) fn inverse_sqrt(x: Tensor<1>) -> Tensor<1> {
    let is_zero = x.clone().equal_elem(0.0);
    x.mask_fill(is_zero.clone(), 1.0)
        .sqrt()
        .recip()
        .mask_fill(is_zero, 0.0)
}

/// Scales each row to Euclidean norm 1; rows shorter than 1e-12 are divided by 1e-12. Matches
/// `torch.nn.functional.normalize` along the last axis.
pub(crate) fn unit_rows(x: Tensor<2>) -> Tensor<2> {
    // The bound stands inside the root, so that the gradient of a zero row is zero and not NaN.
    let norm = (x.clone() * x.clone()).sum_dim(1);
    let norm = kiln_ops::clamp(norm, Some(1e-24), None).sqrt();
    // The bound is zero in 16 bits.
    let is_zero = norm.clone().equal_elem(0.0);
    x / norm.mask_fill(is_zero, 1.0)
}

/// Euclidean norm of each row, `[N, F]` to `[N, 1]`; the gradient at a zero row is zero.
pub(crate) fn row_lengths(x: Tensor<2>) -> Tensor<2> {
    let squares = (x.clone() * x).sum_dim(1);
    let is_zero = squares.clone().equal_elem(0.0);
    let length = squares.mask_fill(is_zero.clone(), 1.0).sqrt();
    length.mask_fill(is_zero, 0.0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData, Tolerance};

    use super::*;

    #[test]
    fn zero_rows_stay_zero_in_16_bits() {
        let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &Device::flex());
        let out = unit_rows(x.cast(burn::tensor::FloatDType::F16));
        let out: Vec<f32> = out.into_data().iter().collect();
        assert_eq!(out[2..], [0.0, 0.0]);
    }

    #[test]
    fn zero_rows_stay_zero_and_keep_a_finite_gradient() {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &device).require_grad();
        let out = unit_rows(x.clone());
        let gradients = out.clone().sum().backward();
        let expected = TensorData::from([[0.6_f32, 0.8], [0.0, 0.0]]);
        out.into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::default());
        let gradient = x.grad(&gradients).unwrap().into_data();
        assert!(gradient.iter::<f32>().all(f32::is_finite));
    }
}
