//! The graph convolution of Kipf and Welling.
//!
//! ```text
//! X' = D̂^(-1/2) Â D̂^(-1/2) X W + b        Â = A + I,  D̂ the diagonal of the row sums of Â
//! ```
//!
//! Features are transformed first and propagated second, as in PyG.
//!
//! # Self loops
//! Loops that are there already give way to one loop for each node, which is not put into the edge list: the
//! edges keep their number and order. In an edge index the weight of a loop that is there (the last one's,
//! if there are several) becomes that of the node's loop, and in an adjacency it is replaced by the fill
//! value. That is PyG's behaviour for `Tensor` and `SparseTensor` respectively.

use burn::{
    config::Config,
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor, assert_shape},
};
use kiln_core::{
    AnyTensor, Edges, Leaves, leaf_name,
    signature::{Overload, Overloads, Signature},
};
use kiln_ops::{Reduce, add_bias, linear, scope};

use crate::{
    aggr::Aggregation,
    init,
    message_passing::{Endpoints, Flow, Message, MessagePassing},
    overload::{Arguments, GraphForm, edge_weight, nodes, value},
    sequential::NodeTransform,
};

/// Configuration of a [`GcnConv`].
#[derive(Config, Debug)]
pub struct GcnConvConfig {
    /// Width of the input features (PyG: `in_channels`).
    pub d_input: usize,
    /// Width of the output features (PyG: `out_channels`).
    pub d_output: usize,
    /// Gives self loops the weight 2 instead of 1. As in PyG this has no effect on an edge index
    /// without weights.
    #[config(default = false)]
    pub improved: bool,
    /// Whether to add self loops; by default, if `normalize` is set.
    #[config(default = "None")]
    pub add_self_loops: Option<bool>,
    /// Whether to normalise symmetrically by degree. Without it edge weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// Which way messages run.
    #[config(default = "Flow::SourceToTarget")]
    pub flow: Flow,
}

impl GcnConvConfig {
    /// Creates the layer.
    ///
    /// # Panics
    /// If self loops are asked for without normalisation.
    pub fn init(&self, device: &Device) -> GcnConv {
        let add_self_loops = self.add_self_loops.unwrap_or(self.normalize);
        assert!(
            self.normalize || !add_self_loops,
            "self loops are part of the normalisation: expected `add_self_loops` unset without `normalize`"
        );
        GcnConv {
            lin: init::glorot_linear(self.d_input, self.d_output, device),
            bias: self.bias.then(|| init::zeros(self.d_output, device)),
            improved: self.improved,
            add_self_loops,
            normalize: self.normalize,
            flow: self.flow,
        }
    }
}

/// Averages each node's neighbours, weighted by `1 / √(d_i d_j)`, after a linear map.
///
/// ```text
/// x_i' = Wᵀ Σ_{j ∈ N(i) ∪ {i}}  e_ji / √(d̂_j d̂_i)  x_j  + b        d̂_i = 1 + Σ_j e_ji
/// ```
///
/// Source: Kipf, Welling, Semi-Supervised Classification with Graph Convolutional Networks, 2017,
/// arXiv:1609.02907. Matches `torch_geometric.nn.GCNConv` (2.8). Departs: nothing is cached inside
/// the layer (PyG's `cached`); compute the coefficients once with [`normalize`](Self::normalize)
/// and pass them to [`forward_normalized`](Self::forward_normalized).
///
/// # Shapes
/// x: `[N, d_input]` · edges: `E` among `N` nodes · edge_weight: `[E]` · output: `[N, d_output]`
///
/// # Numerics
/// A node of degree zero has coefficient zero.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::conv::GcnConvConfig;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = GcnConvConfig::new(3, 4).init(&device);
/// let out = conv.forward(Tensor::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GcnConv {
    /// The linear map, `[d_input, d_output]`.
    pub lin: Linear,
    /// The bias, `[d_output]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Weight 2 instead of 1 for self loops.
    pub improved: bool,
    /// Whether self loops are added.
    pub add_self_loops: bool,
    /// Whether to normalise.
    pub normalize: bool,
    /// Which way messages run.
    #[module(skip)]
    pub flow: Flow,
}

/// The normalised coefficients of a graph, made by [`GcnConv::normalize`].
#[derive(Clone, Debug)]
pub struct GcnNorm(Coefficients);

/// What messages are multiplied with.
#[expect(
    clippy::large_enum_variant,
    reason = "two tensors, made once for a call"
)]
#[derive(Clone, Debug)]
enum Coefficients {
    /// Nothing.
    None,
    /// Where edges have weights: a coefficient for each edge, `[E]`, and if loops are added one for each
    /// node's own row, `[N]`.
    Edges {
        weight: Tensor<1>,
        self_loop: Option<Tensor<1>>,
    },
    /// Where they have none: the root of the inverse degree of each node, `[N]`, and the weight of loops.
    Nodes {
        scale: Tensor<1>,
        self_loop: Option<f64>,
    },
}

impl Leaves for GcnNorm {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let leaf = |field| leaf_name(name, field);
        Self(match self.0 {
            Coefficients::None => Coefficients::None,
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

/// What [`GcnConv`] propagates.
#[derive(Clone, Debug)]
pub struct GcnConvArgs {
    /// Features, `[N, d_input]`, or transformed features, `[N, d_output]`, if those are no wider.
    pub x: Tensor<2>,
    /// What they are multiplied with on their way.
    pub norm: GcnNorm,
}

impl Leaves for GcnConvArgs {
    /// Those of the coefficients stand beside `x`, as PyG's `edge_weight` does.
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            x: self.x.map_leaves(&leaf_name(name, "x"), f),
            norm: self.norm.map_leaves(name, f),
        }
    }
}

impl GcnConv {
    /// The convolution on a graph without edge weights; an adjacency's values are its weights.
    ///
    /// # Panics
    /// If the features are not `[N, d_input]`, or the graph is bipartite.
    pub fn forward(&self, x: Tensor<2>, edges: impl Into<Edges>) -> Tensor<2> {
        self.forward_weighted(x, edges, None)
    }

    /// The convolution with one weight an edge.
    ///
    /// The weights of an adjacency are its values; as in PyG, `edge_weight` has no effect then.
    ///
    /// # Panics
    /// If the features are not `[N, d_input]`, the weights are not `[E]`, or the graph is bipartite.
    pub fn forward_weighted(
        &self,
        x: Tensor<2>,
        edges: impl Into<Edges>,
        edge_weight: Option<Tensor<1>>,
    ) -> Tensor<2> {
        let scope = scope::layer(self, Self::KIND, "forward");
        let x = scope.input("x", x);
        let edges = scope.input("edge_index", edges.into());
        let edge_weight = scope.input("edge_weight", edge_weight);

        let coefficients = if self.normalize {
            self.coefficients(&edges, edge_weight, &x)
        } else {
            let self_loop = None;
            weights(&edges, edge_weight).map_or(Coefficients::None, |weight| Coefficients::Edges {
                weight,
                self_loop,
            })
        };
        scope.exit(self.convolve(x, edges, GcnNorm(coefficients)))
    }

    /// The normalised coefficients of a graph, to be used for several calls of
    /// [`forward_normalized`](Self::forward_normalized) on the same graph.
    ///
    /// # Panics
    /// If the weights are not `[E]`, or the graph is bipartite.
    pub fn normalize(&self, edges: impl Into<Edges>, edge_weight: Option<Tensor<1>>) -> GcnNorm {
        let weight = self.lin.weight.val();
        GcnNorm(self.coefficients(&edges.into(), edge_weight, &weight))
    }

    /// The convolution with coefficients that [`normalize`](Self::normalize) made for these edges.
    ///
    /// # Panics
    /// If the features are not `[N, d_input]`, or the coefficients are those of another graph.
    pub fn forward_normalized(
        &self,
        x: Tensor<2>,
        edges: impl Into<Edges>,
        norm: GcnNorm,
    ) -> Tensor<2> {
        let scope = scope::layer(self, Self::KIND, "forward_normalized");
        let x = scope.input("x", x);
        let edges = scope.input("edge_index", edges.into());
        let norm = scope.input("norm", norm);
        scope.exit(self.convolve(x, edges, norm))
    }

    fn convolve(&self, x: Tensor<2>, edges: Edges, norm: GcnNorm) -> Tensor<2> {
        // Both maps are linear, so messages are as wide as the narrower of input and output.
        let [d_input, d_output] = self.lin.weight.dims();
        let widens = d_input < d_output;
        let x = if widens { x } else { self.lin.transform(x) };
        let out = self.propagate(edges, GcnConvArgs { x, norm });
        let bias = self.bias.as_ref().map(Param::val);
        if widens {
            return linear(out, self.lin.weight.val(), bias);
        }
        match bias {
            Some(bias) => add_bias(out, bias),
            None => out,
        }
    }

    /// `like` is any tensor of the device and element type to compute with.
    fn coefficients(
        &self,
        edges: &Edges,
        edge_weight: Option<Tensor<1>>,
        like: &Tensor<2>,
    ) -> Coefficients {
        let num_nodes = edges.num_src();
        assert!(
            num_nodes == edges.num_dst(),
            "expected a graph of one node set, got {num_nodes} sources and {} destinations",
            edges.num_dst()
        );
        let options = (&like.device(), like.dtype());
        let fill = if self.improved { 2.0 } else { 1.0 };
        let ends = Endpoints::new(edges.clone(), self.flow);
        let Some(given) = weights(edges, edge_weight) else {
            // As in PyG, `improved` has no effect on an edge index without weights.
            let fill = match edges {
                Edges::Coo(_) => 1.0,
                Edges::Csr(_) => fill,
            };
            let self_loop = self.add_self_loops.then_some(fill);
            let scale = ends.inverse_sqrt_degree(self_loop, like);
            return Coefficients::Nodes { scale, self_loop };
        };
        let (weight, self_loop) = if self.add_self_loops {
            let self_loop = match edges {
                Edges::Coo(_) => {
                    // Nodes without a loop point at the entry behind the last edge.
                    let (src, dst) = (ends.src(), ends.dst());
                    let position = kiln_ops::self_loop_position(src, dst, num_nodes);
                    let fill = Tensor::full([1], fill, options);
                    kiln_ops::gather(Tensor::cat(vec![given.clone(), fill], 0), position)
                }
                Edges::Csr(_) => Tensor::full([num_nodes], fill, options),
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
        let isolated = degree.clone().equal_elem(0.0);
        let scale = degree
            .mask_fill(isolated.clone(), 1.0)
            .sqrt()
            .recip()
            .mask_fill(isolated, 0.0);
        Coefficients::Edges {
            weight: ends.lift_j(scale.clone()) * weight * ends.lift_i(scale.clone()),
            self_loop: self_loop.map(|self_loop| scale.clone() * self_loop * scale),
        }
    }
}

/// An edge index is weighted by the argument, an adjacency by its values.
fn weights(edges: &Edges, edge_weight: Option<Tensor<1>>) -> Option<Tensor<1>> {
    let weight = match edges {
        Edges::Coo(_) => edge_weight,
        Edges::Csr(adjacency) => adjacency.value(),
    };
    if let Some(weight) = &weight {
        let num_edges = edges.num_edges();
        assert_shape!(weight, [num_edges]);
    }
    weight
}

impl MessagePassing for GcnConv {
    type Args = GcnConvArgs;

    const KIND: &'static str = "GCNConv";
    const RECORD: &'static str = "GCNConvPropagate";

    fn message(&self, args: &GcnConvArgs, _ends: &Endpoints) -> Message {
        let x = args.x.clone();
        match args.norm.0.clone() {
            Coefficients::None => Message::Source(x),
            Coefficients::Edges {
                weight,
                self_loop: None,
            } => Message::Weighted { x, weight },
            Coefficients::Edges {
                weight,
                self_loop: Some(self_loop),
            } => Message::WithLoops {
                x,
                weight,
                self_loop,
            },
            Coefficients::Nodes { scale, self_loop } => Message::Normalized {
                x,
                scale,
                self_loop,
            },
        }
    }

    fn aggregation(&self) -> Aggregation {
        Reduce::Sum.into()
    }

    fn flow(&self) -> Flow {
        self.flow
    }
}

impl Overloads for GcnConv {
    fn overloads(&self) -> Vec<Overload<Self>> {
        let [d_input, _] = self.lin.weight.dims();
        let forms = GraphForm::ALL.into_iter().filter(|form| !form.pair);
        forms
            .enumerate()
            .map(|(i, form)| {
                let signature = Signature::new()
                    .with("x", nodes(d_input))
                    .with("edge_index", form.edges())
                    .with("edge_weight", edge_weight());
                Overload::new(format!("forward__{i}"), signature, |conv: &Self, args| {
                    let mut args = Arguments::new(args);
                    let (x, edges) = (args.tensor(), args.edges());
                    value(conv.forward_weighted(x, edges, args.optional()))
                })
            })
            .collect()
    }

    fn kind(&self) -> &'static str {
        Self::KIND
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tolerance;
    use kiln_core::EdgeIndex;

    use super::*;

    /// A layer with the identity as its map.
    fn identity(config: &GcnConvConfig, device: &Device) -> GcnConv {
        let mut conv = config.init(device);
        conv.lin.weight = conv
            .lin
            .weight
            .map(|weight| Tensor::eye(weight.dims()[0], device));
        conv
    }

    fn assert_rows<const N: usize>(out: Tensor<2>, expected: [f32; N]) {
        let expected = burn::tensor::TensorData::from(expected.map(|value| [value]));
        out.into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::default());
    }

    /// 0 → 1 → 2, degrees with loops 1, 2, 2.
    #[test]
    fn path_of_three_nodes() {
        let device = Device::flex();
        let conv = identity(&GcnConvConfig::new(1, 1), &device);
        let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 2], 3, 3, &device).unwrap();
        let x = Tensor::<2>::from_floats([[1.0], [2.0], [4.0]], &device);
        let root = 0.5_f32.sqrt();
        assert_rows(
            conv.forward(x.clone(), &edges),
            [1.0, root + 1.0, 1.0 + 2.0],
        );

        let norm = conv.normalize(&edges, None);
        assert_rows(
            conv.forward_normalized(x, &edges, norm),
            [1.0, root + 1.0, 1.0 + 2.0],
        );
    }

    #[test]
    fn without_edges_a_node_sees_itself() {
        let device = Device::flex();
        let edges = EdgeIndex::from_arrays(&[], &[], 2, 2, &device).unwrap();
        let x = Tensor::<2>::from_floats([[3.0], [-1.0]], &device);
        let conv = identity(&GcnConvConfig::new(1, 1), &device);
        assert_rows(conv.forward(x.clone(), &edges), [3.0, -1.0]);
        let config = GcnConvConfig::new(1, 1).with_add_self_loops(Some(false));
        assert_rows(identity(&config, &device).forward(x, &edges), [0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "expected a graph of one node set, got 2 sources and 1 destinations")]
    fn rejects_bipartite_graphs() {
        let device = Device::flex();
        let edges = EdgeIndex::from_arrays(&[1], &[0], 2, 1, &device).unwrap();
        let conv = GcnConvConfig::new(1, 1).init(&device);
        drop(conv.forward(Tensor::ones([2, 1], &device), &edges));
    }
}
