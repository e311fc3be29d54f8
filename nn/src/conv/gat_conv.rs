//! Graph attention: neighbours weighted by learned scores.
//!
//! ```text
//! s_ji = LeakyReLU( a_src · W x_j + a_dst · W x_i + a_edge · W_e e_ji )
//! α_ji = softmax over j of s_ji
//! x_i' = Σ_j α_ji W x_j + b
//! ```
//!
//! # Self loops
//! Loops that are there already give way to one loop for each node. In a bipartite graph only nodes that
//! both sides have get one. The list of edges stays what it is, but for
//! [`GatConv::forward_with_attention`], which returns it as it was used.

use burn::{
    config::Config,
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Shape, Tensor},
};
use kiln_core::{
    AnyTensor, Edges, Leaves, Nodes, Value, leaf_name,
    signature::{Dim, Overload, Overloads, Signature, Type},
};
use kiln_ops::{LoopedEdges, Reduce, add_bias, heads_dot, linear, matmul, scope};
use serde::{Deserialize, Serialize};

use super::attention::Attention;
use crate::{
    aggr::Aggregation,
    dropout::Dropout,
    init,
    message_passing::{
        AttentionOptions, EdgeScores, Endpoints, Flow, Loops, Message, MessagePassing,
    },
    overload::{Arguments, GraphForm, edge_attr, value},
    sequential::NodeTransform,
};

/// Features of the appended self loops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FillValue {
    /// The same number everywhere.
    Constant(f64),
    /// The same row for each loop; as wide as the edges' features.
    Row(Vec<f32>),
    /// The features of the node's incoming edges, reduced; zeros (ones for a product) without any.
    Incoming(Reduce),
}

/// Configuration of a [`GatConv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct GatConvConfig {
    /// Width of the source nodes' features (PyG: `in_channels`, or its first entry).
    pub d_input: usize,
    /// Width of the output features of each head (PyG: `out_channels`).
    pub d_output: usize,
    /// Width of the destination nodes' features; gives sources and destinations maps of their own
    /// (PyG: `in_channels` as a tuple).
    #[config(default = "None")]
    pub d_dst: Option<usize>,
    /// Number of heads.
    #[config(default = 1)]
    pub heads: usize,
    /// Whether heads are concatenated; otherwise they are averaged.
    #[config(default = true)]
    pub concat: bool,
    /// Slope of the leaky ReLU for negative scores.
    #[config(default = 0.2)]
    pub negative_slope: f64,
    /// Probability with which an attention weight is dropped while training.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether to add self loops.
    #[config(default = true)]
    pub add_self_loops: bool,
    /// Width of the edges' features (PyG: `edge_dim`); without it they have no effect.
    #[config(default = "None")]
    pub d_edge: Option<usize>,
    /// Features of the appended self loops.
    #[config(default = "FillValue::Incoming(Reduce::Mean)")]
    pub fill_value: FillValue,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// Whether to add a linear map of the node's own features.
    #[config(default = false)]
    pub residual: bool,
    /// Which way messages run.
    #[config(default = "Flow::SourceToTarget")]
    pub flow: Flow,
}

impl GatConvConfig {
    /// Creates the layer.
    ///
    /// # Panics
    /// If the dropout probability is not in `[0, 1)`.
    pub fn init(&self, device: &Device) -> GatConv {
        let (heads, channels) = (self.heads, self.d_output);
        let width = heads * channels;
        let d_output = if self.concat { width } else { channels };
        let map = |d_input| init::glorot_linear(d_input, width, device);
        let (lin, lin_src, lin_dst) = match self.d_dst {
            None => (Some(map(self.d_input)), None, None),
            Some(d_dst) => (None, Some(map(self.d_input)), Some(map(d_dst))),
        };
        let d_dst = self.d_dst.unwrap_or(self.d_input);
        GatConv {
            lin,
            lin_src,
            lin_dst,
            att_src: init::glorot_heads(heads, channels, device),
            att_dst: init::glorot_heads(heads, channels, device),
            lin_edge: self.d_edge.map(map),
            att_edge: self
                .d_edge
                .map(|_| init::glorot_heads(heads, channels, device)),
            res: self
                .residual
                .then(|| init::glorot_linear(d_dst, d_output, device)),
            bias: self.bias.then(|| init::zeros(d_output, device)),
            dropout: Dropout::new(self.dropout),
            in_channels: [self.d_input, d_dst],
            heads,
            channels,
            concat: self.concat,
            negative_slope: self.negative_slope,
            add_self_loops: self.add_self_loops,
            fill_value: self.fill_value.clone(),
            flow: self.flow,
        }
    }
}

/// Weighs each neighbour by learned attention, with several heads.
///
/// ```text
/// x_i' = ‖_h  Σ_{j ∈ N(i) ∪ {i}} α_ji,h W_h x_j  + b
/// α_ji = softmax_j( LeakyReLU( a_src · W x_j + a_dst · W x_i + a_edge · W_e e_ji ) )
/// ```
///
/// Source: Veličković et al., Graph Attention Networks, 2018, arXiv:1710.10903. Matches
/// `torch_geometric.nn.GATConv` (2.8). Departs: edge features together with self loops work for an
/// adjacency too (PyG raises an error); with messages from target to source, `lin_src` and
/// `att_src` belong to the senders, and loops take the features of the edges whose messages arrive.
///
/// # Shapes
/// x: `[N, d_input]`, or a pair `([N, d_input], [M, d_dst])` whose second entry may be absent ·
/// edges: `E` from `N` to `M` nodes · edge_attr: `[E, d_edge]` · output: `[M, heads · d_output]`, or
/// `[M, d_output]` if heads are averaged
///
/// # Numerics
/// The softmax subtracts the largest score of a node and adds 1e-16 to the sum.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::conv::GatConvConfig;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 1], &[1, 0, 1], 2, 2, &device).unwrap();
/// let conv = GatConvConfig::new(3, 4).with_heads(2).init(&device);
/// let x = Tensor::<2>::ones([2, 3], &device);
/// let (out, attention) = conv.forward_with_attention(x, &edges, None);
/// assert_eq!(out.dims(), [2, 8]);
/// assert_eq!(attention.alpha.dims(), [4, 2]); // 0→1, 1→0 and two loops
/// ```
#[derive(Module, Debug)]
pub struct GatConv {
    /// Map of all nodes, `[d_input, heads · d_output]`.
    pub lin: Option<Linear>,
    /// Map of the sources, if the sides have maps of their own.
    pub lin_src: Option<Linear>,
    /// Map of the destinations, if the sides have maps of their own.
    pub lin_dst: Option<Linear>,
    /// Attention vector of the sender, `[1, heads, d_output]`.
    pub att_src: Param<Tensor<3>>,
    /// Attention vector of the receiver, `[1, heads, d_output]`.
    pub att_dst: Param<Tensor<3>>,
    /// Map of the edges' features, `[d_edge, heads · d_output]`.
    pub lin_edge: Option<Linear>,
    /// Attention vector of the edge, `[1, heads, d_output]`.
    pub att_edge: Option<Param<Tensor<3>>>,
    /// Map of the node itself, added to the output.
    pub res: Option<Linear>,
    /// The bias, as wide as the output.
    pub bias: Option<Param<Tensor<1>>>,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// Widths of source and destination features.
    pub in_channels: [usize; 2],
    /// Number of heads.
    pub heads: usize,
    /// Width of each head's output.
    pub channels: usize,
    /// Whether heads are concatenated.
    pub concat: bool,
    /// Slope of the leaky ReLU.
    pub negative_slope: f64,
    /// Whether self loops are added.
    pub add_self_loops: bool,
    /// Features of the appended self loops.
    #[module(skip)]
    pub fill_value: FillValue,
    /// Which way messages run.
    #[module(skip)]
    pub flow: Flow,
}

/// What [`GatConv`] propagates.
#[derive(Clone, Debug)]
pub struct GatConvArgs {
    /// Transformed features of the senders, `[N, heads, d_output]`.
    pub x: Tensor<3>,
    /// What they are weighted by.
    pub alpha: Alpha,
}

/// Weights of messages, or what they are made of.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made in a call of a layer"
)]
pub enum Alpha {
    /// Weight of each edge and head, `[E, heads]`.
    Weights(Tensor<2>),
    /// Scores whose softmax is taken on the way.
    Scores {
        /// Of the senders, `[N, heads]`.
        src: Tensor<2>,
        /// Of the receivers, `[n, heads]`.
        dst: Tensor<2>,
        /// Of edges and loops.
        edge: Option<EdgeScores>,
        /// Loops that the softmax counts.
        loops: Option<Loops>,
    },
}

impl Leaves for GatConvArgs {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let leaf = |field| leaf_name(name, field);
        let x = self.x.map_leaves(&leaf("x"), f);
        let alpha = match self.alpha {
            Alpha::Weights(alpha) => Alpha::Weights(alpha.map_leaves(&leaf("alpha"), f)),
            Alpha::Scores {
                src,
                dst,
                edge,
                loops,
            } => Alpha::Scores {
                src: src.map_leaves(&leaf("alpha_src"), f),
                dst: dst.map_leaves(&leaf("alpha_dst"), f),
                edge: edge.map(|EdgeScores { edges, loops }| EdgeScores {
                    edges: edges.map_leaves(&leaf("alpha_edge"), f),
                    loops: loops.map_leaves(&leaf("alpha_loop"), f),
                }),
                loops,
            },
        };
        Self { x, alpha }
    }
}

impl GatConv {
    /// The convolution on a graph without edge features.
    ///
    /// # Panics
    /// If the widths of the features are not those of the layer.
    pub fn forward(&self, x: impl Into<Nodes>, edges: impl Into<Edges>) -> Tensor<2> {
        self.forward_with(x, edges, None)
    }

    /// The convolution with features of edges, `[E, d_edge]`.
    ///
    /// # Panics
    /// If the widths of the features are not those of the layer.
    pub fn forward_with(
        &self,
        x: impl Into<Nodes>,
        edges: impl Into<Edges>,
        edge_attr: Option<Tensor<2>>,
    ) -> Tensor<2> {
        let scope = scope::layer(self, Self::KIND, "forward");
        let x = scope.input("x", x.into());
        let edges = scope.input("edge_index", edges.into());
        let edge_attr = scope.input("edge_attr", edge_attr);
        let ends = Endpoints::new(&edges, self.flow);
        let loops = self.loops(&x, &ends);
        let (x_j, scores) = self.scores(&x, &ends);
        let alpha = Alpha::Scores {
            src: scores.0,
            dst: scores.1,
            edge: self.edge_scores(edge_attr, &ends, loops.is_some()),
            loops,
        };
        let out = self.propagate(edges, GatConvArgs { x: x_j, alpha });
        scope.exit(self.finish(out, self.flow.ends(x).1))
    }

    /// The convolution, and the attention that it paid to each edge.
    ///
    /// # Panics
    /// If the widths of the features are not those of the layer.
    pub fn forward_with_attention(
        &self,
        x: impl Into<Nodes>,
        edges: impl Into<Edges>,
        edge_attr: Option<Tensor<2>>,
    ) -> (Tensor<2>, Attention) {
        let scope = scope::layer(self, Self::KIND, "forward");
        let x = scope.input("x", x.into());
        let edges = scope.input("edge_index", edges.into());
        let edge_attr = scope.input("edge_attr", edge_attr);
        let ends = Endpoints::new(&edges, self.flow);
        let loops = self.loops(&x, &ends);
        let (x_j, (src, dst)) = self.scores(&x, &ends);
        let edge = self.edge_scores(edge_attr, &ends, loops.is_some());
        let (of_edges, of_loops) = edge.map_or((None, None), |edge| (Some(edge.edges), edge.loops));
        let activate = |scores: Tensor<2>, more: Option<Tensor<2>>| {
            let scores = match more {
                Some(more) => scores + more,
                None => scores,
            };
            kiln_ops::leaky_relu(scores, self.negative_slope)
        };
        let scores = activate(
            ends.lift_j(src.clone()) + ends.lift_i(dst.clone()),
            of_edges,
        );
        let message = |alpha: &Tensor<2>| GatConvArgs {
            x: x_j,
            alpha: Alpha::Weights(self.dropout.forward(alpha.clone())),
        };
        let (out, attention) = if let Some(loops) = loops {
            let looped = LoopedEdges::new(&ends, loops);
            let of_loops = activate(looped.lift_loops(src) + dst, of_loops);
            let alpha = looped.softmax(scores, of_loops);
            let list = looped.ends().edges().clone();
            let out = looped.receivers(self.propagate(list, message(&alpha)));
            (out, Attention::with_loops(&edges, &looped, &alpha))
        } else {
            let alpha = ends.softmax(scores);
            let out = self.propagate(edges.clone(), message(&alpha));
            (out, Attention { edges, alpha })
        };
        let out = self.finish(out, self.flow.ends(x).1);
        scope.exit((out, attention))
    }

    /// The loops that are added, if any are: without senders there is nobody to have one.
    fn loops(&self, x: &Nodes, ends: &Endpoints) -> Option<Loops> {
        let (senders, receivers) = (ends.num_senders(), ends.num_receivers());
        (self.add_self_loops && senders > 0).then(|| {
            if x.is_pair() {
                Loops::Below(senders.min(receivers))
            } else {
                Loops::Every
            }
        })
    }

    /// Transformed features of the senders, `[N, H, C]`, and what senders and receivers add to scores, `[N, H]`
    /// and `[n, H]`. Attention vectors are multiplied into the maps first, unless the features are wider.
    fn scores(&self, x: &Nodes, ends: &Endpoints) -> (Tensor<3>, (Tensor<2>, Tensor<2>)) {
        let (x_j, x_i) = self.flow.ends(x.clone());
        let (lin_j, lin_i) = self.maps();
        let (heads, channels) = (self.heads, self.channels);
        let mapped = self.by_heads(lin_j, x_j.clone());
        if self.lin.is_some() && !x.is_pair() && self.in_channels[0] > heads * channels {
            let scores = |att: &Param<Tensor<3>>| heads_dot(mapped.clone(), att.val());
            let scores = (scores(&self.att_src), scores(&self.att_dst));
            return (mapped, scores);
        }
        let map = |lin: &Linear, att: &Param<Tensor<3>>| {
            let weight = lin.weight.val();
            let [d_input, _] = weight.dims();
            heads_dot(weight.reshape([d_input, heads, channels]), att.val())
        };
        let (map_j, map_i) = (map(lin_j, &self.att_src), map(lin_i, &self.att_dst));
        let options = (&x_j.device(), x_j.dtype());
        let scores = match x_i {
            _ if !x.is_pair() => {
                let scores = linear(x_j, Tensor::cat(vec![map_j, map_i], 1), None);
                let part = |first| scores.clone().narrow(1, first, heads);
                (part(0), part(heads))
            }
            Some(x_i) => (linear(x_j, map_j, None), linear(x_i, map_i, None)),
            None => (
                linear(x_j, map_j, None),
                Tensor::zeros(Shape::new([ends.num_receivers(), heads]), options),
            ),
        };
        (mapped, scores)
    }

    /// Heads concatenated or averaged, the residual and the bias.
    fn finish(&self, out: Tensor<2>, x_i: Option<Tensor<2>>) -> Tensor<2> {
        let out = if self.concat {
            out
        } else {
            let num_nodes = out.dims()[0];
            out.reshape([num_nodes, self.heads, self.channels])
                .mean_dim(1)
                .squeeze_dim(1)
        };
        let out = match (&self.res, x_i) {
            (Some(res), Some(x_i)) => out + res.transform(x_i),
            _ => out,
        };
        match &self.bias {
            Some(bias) => add_bias(out, bias.val()),
            None => out,
        }
    }

    /// Transformed features, `[N, H, C]`.
    fn by_heads(&self, lin: &Linear, x: Tensor<2>) -> Tensor<3> {
        let num_nodes = x.dims()[0];
        lin.transform(x)
            .reshape([num_nodes, self.heads, self.channels])
    }

    /// The maps of senders and receivers.
    fn maps(&self) -> (&Linear, &Linear) {
        match (&self.lin, &self.lin_src, &self.lin_dst) {
            (Some(lin), _, _) => (lin, lin),
            (None, Some(src), Some(dst)) => (src, dst),
            _ => panic!("expected either `lin` or both `lin_src` and `lin_dst`"),
        }
    }

    /// What edges with features and their loops add to scores. `a_edge · W_e e`: the attention vector is
    /// multiplied into the map first, so that the edges' transformed features, `[E, H · C]`, are never made.
    fn edge_scores(
        &self,
        edge_attr: Option<Tensor<2>>,
        ends: &Endpoints,
        has_loops: bool,
    ) -> Option<EdgeScores> {
        let (lin, att) = (self.lin_edge.as_ref()?, self.att_edge.as_ref()?);
        let mut edge_attr = edge_attr?;
        if has_loops {
            edge_attr = ends.without_loops(edge_attr);
        }
        let weight = lin.weight.val();
        let [d_edge, _] = weight.dims();
        let weight = weight.reshape([d_edge, self.heads, self.channels]);
        let map = heads_dot(weight, att.val());
        let loops = has_loops.then(|| {
            let loop_attr = self.loop_attr(edge_attr.clone(), ends);
            matmul(loop_attr, map.clone())
        });
        Some(EdgeScores {
            edges: matmul(edge_attr, map),
            loops,
        })
    }

    /// Features of the appended loops, `[n, d_edge]`.
    fn loop_attr(&self, edge_attr: Tensor<2>, ends: &Endpoints) -> Tensor<2> {
        let num_loops = ends.num_receivers();
        let [_, d_edge] = edge_attr.dims();
        let options = (&edge_attr.device(), edge_attr.dtype());
        match &self.fill_value {
            FillValue::Constant(value) => Tensor::full([num_loops, d_edge], *value, options),
            FillValue::Row(row) => {
                assert!(
                    row.len() == d_edge,
                    "expected a fill value of width {d_edge}, got {}",
                    row.len()
                );
                Tensor::<1>::from_data(row.as_slice(), options)
                    .unsqueeze_dim::<2>(0)
                    .expand(Shape::new([num_loops, d_edge]))
            }
            FillValue::Incoming(reduce) => {
                // Loops that were there go to a row of their own, which is cut off.
                let last = i64::try_from(num_loops).unwrap_or(i64::MAX);
                let index = ends.receiver().mask_fill(ends.is_loop(), last);
                let all = kiln_ops::scatter(edge_attr, index, num_loops + 1, *reduce);
                all.slice([0..num_loops, 0..d_edge])
            }
        }
    }
}

impl MessagePassing for GatConv {
    type Args = GatConvArgs;

    const KIND: &'static str = "GATConv";
    const RECORD: &'static str = "GATConvPropagate";

    fn message(&self, args: &GatConvArgs, _ends: &Endpoints) -> Message {
        let x = args.x.clone();
        match args.alpha.clone() {
            Alpha::Weights(weight) => Message::Heads { x, weight },
            Alpha::Scores {
                src,
                dst,
                edge,
                loops,
            } => Message::Attention {
                x,
                score_src: src,
                score_dst: dst,
                score_edge: edge,
                options: AttentionOptions {
                    negative_slope: self.negative_slope,
                    loops,
                    dropout: self.dropout.probability(),
                    seed: None,
                },
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

/// As in PyG: `(x, edges)` without attention and with it, first for one node set, then for a pair.
const VARIANTS: [(GraphForm, bool); 8] = {
    let [coo, csr, pair_coo, pair_csr] = GraphForm::ALL;
    [
        (coo, false),
        (csr, false),
        (coo, true),
        (csr, true),
        (pair_coo, false),
        (pair_csr, false),
        (pair_coo, true),
        (pair_csr, true),
    ]
};

impl Overloads for GatConv {
    fn overloads(&self) -> Vec<Overload<Self>> {
        let [d_src, d_dst] = self.in_channels;
        let d_edge = self
            .lin_edge
            .as_ref()
            .map_or_else(|| Dim::from("D"), |lin| lin.weight.dims()[0].into());
        VARIANTS
            .into_iter()
            .enumerate()
            // Two widths leave no single node set to call the layer with.
            .filter(|(_, (form, _))| form.pair || d_src == d_dst)
            .map(|(i, (form, with_attention))| {
                let signature = Signature::new()
                    .with("x", form.x(d_src, d_dst))
                    .with("edge_index", form.edges())
                    .with("edge_attr", edge_attr(d_edge.clone()))
                    .with("size", form.size());
                let name = format!("forward__{i}");
                if with_attention {
                    let signature = signature.with("return_attention_weights", Type::Flag);
                    Overload::new(name, signature, |conv: &Self, args| {
                        let mut args = Arguments::new(args);
                        let (x, edges) = (args.nodes(), args.edges());
                        let (out, attention) =
                            conv.forward_with_attention(x, edges, args.optional());
                        Value::Tuple(vec![value(out), attention.into_value()])
                    })
                } else {
                    Overload::new(name, signature, |conv: &Self, args| {
                        let mut args = Arguments::new(args);
                        let (x, edges) = (args.nodes(), args.edges());
                        value(conv.forward_with(x, edges, args.optional()))
                    })
                }
            })
            .collect()
    }

    fn kind(&self) -> &'static str {
        Self::KIND
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{TensorData, Tolerance};
    use kiln_core::EdgeIndex;

    use super::*;

    /// Attention vectors of zero make all scores equal, so the output is the mean.
    fn mean(config: &GatConvConfig, device: &Device) -> GatConv {
        let mut conv = config.init(device);
        conv.att_src = conv.att_src.map(|att| att.zeros_like());
        conv.att_dst = conv.att_dst.map(|att| att.zeros_like());
        conv.lin = conv.lin.map(|mut lin| {
            lin.weight = lin.weight.map(|weight| weight.ones_like());
            lin
        });
        conv
    }

    #[track_caller]
    fn assert_close<const N: usize>(got: Tensor<2>, expected: [[f32; 1]; N]) {
        let expected = TensorData::from(expected);
        got.into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::default());
    }

    /// Node 0 hears 1, 2 and itself; its own loop in the list counts once.
    #[test]
    fn equal_scores_give_the_mean() {
        let device = Device::flex();
        let conv = mean(&GatConvConfig::new(1, 1), &device);
        let edges = EdgeIndex::from_arrays(&[1, 0, 2], &[0, 0, 0], 3, 3, &device).unwrap();
        let x = Tensor::<2>::from_floats([[3.0], [6.0], [9.0]], &device);
        let (out, attention) = conv.forward_with_attention(x.clone(), &edges, None);
        assert_close(out, [[6.0], [6.0], [9.0]]);

        let Edges::Coo(used) = attention.edges else {
            panic!("expected an edge index")
        };
        let used = used.tensor().into_data();
        let used: Vec<i64> = used.iter().collect();
        assert_eq!(used, [1, 2, 0, 1, 2, 0, 0, 0, 1, 2]);
        let third = 1.0 / 3.0;
        assert_close(attention.alpha, [[third], [third], [third], [1.0], [1.0]]);

        let (adjacency, _) = kiln_ops::to_adjacency(&edges, None);
        let (out, attention) = conv.forward_with_attention(x, &adjacency, None);
        assert_close(out, [[6.0], [6.0], [9.0]]);
        let Edges::Csr(used) = attention.edges else {
            panic!("expected an adjacency")
        };
        let rowptr: Vec<i64> = used.rowptr().into_data().iter().collect();
        let col: Vec<i64> = used.col().into_data().iter().collect();
        assert_eq!(
            (rowptr.as_slice(), col.as_slice()),
            (&[0, 3, 4, 5][..], &[0, 1, 2, 1, 2][..])
        );
    }

    /// Destinations 1 and 2 have no source of their number, and 2 has no edge at all.
    #[test]
    fn bipartite_nodes_without_a_partner_get_no_loop() {
        let device = Device::flex();
        let conv = mean(&GatConvConfig::new(1, 1), &device);
        let edges = EdgeIndex::from_arrays(&[0], &[1], 1, 3, &device).unwrap();
        let pair = (
            Tensor::<2>::full([1, 1], 5.0, &device),
            Tensor::<2>::zeros([3, 1], &device),
        );
        let (out, attention) = conv.forward_with_attention(pair, &edges, None);
        assert_eq!(out.into_data().as_slice::<f32>().unwrap(), [5.0, 5.0, 0.0]);
        assert_eq!(attention.alpha.dims(), [2, 1]);
    }

    #[test]
    fn without_edges_a_node_sees_itself() {
        let device = Device::flex();
        let conv = mean(&GatConvConfig::new(1, 2).with_heads(2), &device);
        let edges = EdgeIndex::from_arrays(&[], &[], 1, 1, &device).unwrap();
        let out = conv.forward(Tensor::<2>::full([1, 1], 3.0, &device), &edges);
        assert_eq!(out.into_data().as_slice::<f32>().unwrap(), [3.0; 4]);
    }
}
