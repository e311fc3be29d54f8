//! Graph attention: neighbours weighted by learned scores.
//!
//! ```text
//! s_ji = LeakyReLU( a_src · W x_j + a_dst · W x_i + a_edge · W_e e_ji )
//! α_ji = softmax over j of s_ji
//! x_i' = Σ_j α_ji W x_j + b
//! ```
//!
//! # Self loops
//! Loops that are there already give way to one loop per node. In a bipartite graph only nodes that
//! both sides have get one. The list of edges stays what it is, but for
//! [`GatConv::forward_with_attention`], which returns it as it was used.

use burn::tensor::Shape;
use kiln_ops::{AttentionOptions, EdgeScores, LoopedEdges, Loops, heads_dot, linear, matmul};

use super::{
    attention::{
        Alpha, Attention, AttentionArgs, AttentionOutput, AttentionPropagated, FillValue, answered,
        asked, by_heads, finish, loops, with_attention,
    },
    prelude::*,
};
use crate::dropout::Dropout;

/// Configuration of a [`GatConv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct GatConvConfig {
    /// Width of the features, or of those of sources and targets, which then have maps of their
    /// own.
    pub in_channels: Channels,
    /// Width of the output features of each head.
    pub out_channels: usize,
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
    /// Width of the edges' features; without it they have no effect.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
    /// Features of the added self loops.
    #[config(default = "FillValue::Incoming(Reduce::Mean)")]
    pub fill_value: FillValue,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// Whether to add a linear map of the node's own features.
    #[config(default = false)]
    pub residual: bool,
}

impl LayerConfig for GatConvConfig {
    type Layer = GatConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_dropout(self.dropout)?;
        ConfigError::unless(self.heads > 0, "heads", "at least one head", "0")?;
        let fits = self.fill_value.fits(self.edge_dim);
        let got = format!("{:?}", self.fill_value);
        ConfigError::unless(fits, "fill_value", "a row of width `edge_dim`", got)
    }

    fn make(&self, device: &Device) -> GatConv {
        let (heads, channels) = (self.heads, self.out_channels);
        let width = heads * channels;
        let d_output = if self.concat { width } else { channels };
        let map = |d_input, d_output| LinearConfig::glorot(d_input, d_output).init(device);
        let (lin, lin_src, lin_dst) = match self.in_channels {
            Channels::One(d_input) => (Some(map(d_input, width)), None, None),
            Channels::Two(src, dst) => (None, Some(map(src, width)), Some(map(dst, width))),
        };
        let att = || init::glorot_heads(heads, channels, device);
        GatConv {
            lin,
            lin_src,
            lin_dst,
            att_src: att(),
            att_dst: att(),
            lin_edge: self.edge_dim.map(|edge_dim| map(edge_dim, width)),
            att_edge: self.edge_dim.map(|_| att()),
            res: self.residual.then(|| map(self.in_channels.dst(), d_output)),
            bias: self.bias.then(|| init::zeros(d_output, device)),
            dropout: Dropout::new(self.dropout),
            config: self.clone(),
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
/// `att_src` belong to the sources, and loops take the features of the edges whose messages arrive.
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` whose second entry may be absent · edges:
/// `E` from `N` to `M` nodes, with features `[E, edge_dim]` or without · output: `[M, heads ·
/// out_channels]`, or `[M, out_channels]` if heads are averaged
///
/// # Numerics
/// The softmax subtracts the largest score of a node and adds 1e-16 to the sum.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 1], &[1, 0, 1], 2, 2, &device).unwrap();
/// let conv = GatConvConfig::new(3.into(), 4).with_heads(2).init(&device);
/// let x = Tensor::<2>::ones([2, 3], &device);
/// let (out, attention) = conv.forward_with_attention(x, &edges);
/// assert_eq!(out.dims(), [2, 8]);
/// assert_eq!(attention.alpha.dims(), [4, 2]); // 0→1, 1→0 and two loops
/// ```
#[derive(Module, Debug)]
pub struct GatConv {
    /// Map of all nodes, to `heads · out_channels`.
    pub lin: Option<Linear>,
    /// Map of the sources, if the sides have maps of their own.
    pub lin_src: Option<Linear>,
    /// Map of the targets, if the sides have maps of their own.
    pub lin_dst: Option<Linear>,
    /// Attention vector of the source, `[1, heads, out_channels]`.
    pub att_src: Param<Tensor<3>>,
    /// Attention vector of the target, `[1, heads, out_channels]`.
    pub att_dst: Param<Tensor<3>>,
    /// Map of the edges' features.
    pub lin_edge: Option<Linear>,
    /// Attention vector of the edge, `[1, heads, out_channels]`.
    pub att_edge: Option<Param<Tensor<3>>>,
    /// Map of the node itself, added to the output.
    pub res: Option<Linear>,
    /// The bias, as wide as the output.
    pub bias: Option<Param<Tensor<1>>>,
    /// Dropout of attention weights.
    pub dropout: Dropout,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GatConvConfig,
}

/// What sources and targets add to scores, `[N, H]` and `[n, H]`.
type Scores = (Tensor<2>, Tensor<2>);

impl GatConv {
    /// The convolution, and the attention that it paid to each edge.
    ///
    /// # Panics
    /// If the widths of the features are not those of the layer.
    pub fn forward_with_attention(
        &self,
        x: impl Into<Nodes>,
        edges: impl Into<Edges>,
    ) -> (Tensor<2>, Attention) {
        answered(self.call(asked(x, edges)))
    }

    /// Passes messages with weights that show.
    fn attend_with_attention(
        &self,
        x_j: Tensor<3>,
        (src, dst): Scores,
        edges: &Edges,
        loops: Option<Loops>,
    ) -> (Tensor<2>, Option<Attention>) {
        let ends = Endpoints::of(edges);
        let edge = self.edge_scores(edges, &ends, loops);
        let (of_edges, of_loops) = edge.map_or((None, None), |edge| (Some(edge.edges), edge.loops));
        let activate = |scores: Tensor<2>, more: Option<Tensor<2>>| {
            let scores = match more {
                Some(more) => scores + more,
                None => scores,
            };
            kiln_ops::leaky_relu(scores, self.config.negative_slope)
        };
        let sums = ends.lift_j(src.clone()) + ends.lift_i(dst.clone());
        let scores = activate(sums, of_edges);
        let of_loops = |looped: &LoopedEdges| activate(looped.lift_loops(src) + dst, of_loops);
        let propagate = |edges: &Edges, alpha| {
            let (x, loops) = (x_j, None);
            self.propagate(edges, AttentionPropagated { x, alpha, loops })
        };
        with_attention(
            true,
            edges,
            scores,
            loops,
            &self.dropout,
            of_loops,
            propagate,
        )
    }

    /// Transformed features of the sources, `[N, H, C]`, and scores. Attention vectors are
    /// multiplied into the maps first, unless the features are wider.
    fn scores(
        &self,
        is_pair: bool,
        x_j: Tensor<2>,
        x_i: Option<Tensor<2>>,
        ends: &Endpoints,
    ) -> (Tensor<3>, Scores) {
        let (lin_j, lin_i) = self.maps();
        let heads = self.config.heads;
        let mapped = by_heads(lin_j, x_j.clone(), heads);
        if self.lin.is_some() && !is_pair && lin_j.in_channels() > lin_j.out_channels() {
            let scores = |att: &Param<Tensor<3>>| heads_dot(mapped.clone(), att.val());
            let scores = (scores(&self.att_src), scores(&self.att_dst));
            return (mapped, scores);
        }
        let (map_j, map_i) = (
            self.scores_map(lin_j, &self.att_src),
            self.scores_map(lin_i, &self.att_dst),
        );
        let options = (&x_j.device(), x_j.dtype());
        let scores = match x_i {
            _ if !is_pair => {
                let scores = linear(x_j, Tensor::cat(vec![map_j, map_i], 1), None);
                let part = |first| scores.clone().narrow(1, first, heads);
                (part(0), part(heads))
            }
            Some(x_i) => (linear(x_j, map_j, None), linear(x_i, map_i, None)),
            None => (
                linear(x_j, map_j, None),
                Tensor::zeros(Shape::new([ends.num_targets(), heads]), options),
            ),
        };
        (mapped, scores)
    }

    /// The map from features to scores: the attention vector times the linear map, `[in, H]`.
    fn scores_map(&self, lin: &Linear, att: &Param<Tensor<3>>) -> Tensor<2> {
        let (heads, channels) = (self.config.heads, self.config.out_channels);
        let weight = lin.weight.val();
        let weight = weight.reshape([lin.in_channels(), heads, channels]);
        heads_dot(weight, att.val())
    }

    /// The maps of sources and targets.
    fn maps(&self) -> (&Linear, &Linear) {
        match (&self.lin, &self.lin_src, &self.lin_dst) {
            (Some(lin), _, _) => (lin, lin),
            (None, Some(src), Some(dst)) => (src, dst),
            _ => panic!("expected either `lin` or both `lin_src` and `lin_dst`"),
        }
    }

    /// What edges with features and their loops add to scores, `a_edge · W_e e`, without the edges'
    /// transformed features, `[E, H · C]`.
    fn edge_scores(
        &self,
        edges: &Edges,
        ends: &Endpoints,
        loops: Option<Loops>,
    ) -> Option<EdgeScores> {
        let (lin, att) = (self.lin_edge.as_ref()?, self.att_edge.as_ref()?);
        let mut edge_attr = edges.attr()?;
        if loops.is_some() {
            edge_attr = ends.without_loops(edge_attr);
        }
        let map = self.scores_map(lin, att);
        let loops = loops.map(|_| {
            let of_loops = self.config.fill_value.of_loops(edge_attr.clone(), ends);
            matmul(of_loops, map.clone())
        });
        Some(EdgeScores {
            edges: matmul(edge_attr, map),
            loops,
        })
    }
}

impl Layer for GatConv {
    const NAME: &'static str = "GATConv";
    const HISTORY: &'static [Change] = &[Change::shared("2.5", ["lin_src", "lin_dst"], "lin")];

    type Config = GatConvConfig;
    type Args = AttentionArgs;
    type Output = AttentionOutput;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let edge_dim = self
            .config
            .edge_dim
            .map_or_else(|| Dim::from("D"), Dim::from);
        Signatures::conv(d_src, d_dst)
            .edge_attr(edge_dim)
            .size()
            .choice("return_attention_weights")
    }

    fn compute(&self, args: AttentionArgs) -> AttentionOutput {
        let ConvArgs { x, edges } = args.conv;
        let ends = Endpoints::of(&edges);
        let is_pair = x.is_pair();
        let loops = loops(self.config.add_self_loops, is_pair, &ends);
        let (x_j, x_i) = edges.ends(x);
        let (x, scores) = self.scores(is_pair, x_j, x_i.clone(), &ends);
        let (out, attention) = if args.return_attention_weights {
            self.attend_with_attention(x, scores, &edges, loops)
        } else {
            let alpha = Alpha::Scores {
                src: scores.0,
                dst: scores.1,
                edge: self.edge_scores(&edges, &ends, loops),
            };
            (
                self.propagate(&edges, AttentionPropagated { x, alpha, loops }),
                None,
            )
        };
        let mean_of = (!self.config.concat).then_some(self.config.heads);
        let bias = self.bias.as_ref().map(Param::val);
        let x = finish(out, mean_of, self.res.as_ref().zip(x_i), bias);
        AttentionOutput { x, attention }
    }
}

impl MessagePassing for GatConv {
    type Propagated = AttentionPropagated;

    fn message(&self, args: &AttentionPropagated, _ends: &Endpoints) -> Message {
        let x = args.x.clone();
        match args.alpha.clone() {
            Alpha::Weights(weight) => Message::Heads { x, weight },
            Alpha::Scores { src, dst, edge } => Message::Attention {
                x,
                score_src: src,
                score_dst: dst,
                score_edge: edge,
                options: AttentionOptions {
                    negative_slope: self.config.negative_slope,
                    loops: args.loops,
                    dropout: self.dropout.probability(),
                    seed: None,
                },
            },
            Alpha::Joint(_) => unreachable!("scores of this layer are sums of both ends'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{TensorData, Tolerance};
    use kiln_core::{EdgeForm, EdgeIndex};

    use super::*;
    use crate::conv::Conv;

    /// Attention vectors of zero make all scores equal, so the output is the mean.
    fn mean(config: &GatConvConfig, device: &Device) -> GatConv {
        let mut conv = config.init(device);
        conv.att_src = conv.att_src.map(|att| att.zeros_like());
        conv.att_dst = conv.att_dst.map(|att| att.zeros_like());
        conv.lin = conv.lin.map(|mut lin| {
            let weight = lin.weight.clone();
            lin.weight = weight.map(|weight| weight.ones_like());
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

    /// Node 0 has edges from 1, 2 and itself; its own loop in the list counts once.
    #[test]
    fn equal_scores_give_the_mean() {
        let device = Device::flex();
        let conv = mean(&GatConvConfig::new(1.into(), 1), &device);
        let edges = EdgeIndex::from_arrays(&[1, 0, 2], &[0, 0, 0], 3, 3, &device).unwrap();
        let x = Tensor::<2>::from_floats([[3.0], [6.0], [9.0]], &device);
        let (out, attention) = conv.forward_with_attention(x.clone(), &edges);
        assert_close(out, [[6.0], [6.0], [9.0]]);

        let EdgeForm::Coo(used) = attention.edges.form() else {
            panic!("expected an edge index")
        };
        let used = used.tensor().into_data();
        let used: Vec<i64> = used.iter().collect();
        assert_eq!(used, [1, 2, 0, 1, 2, 0, 0, 0, 1, 2]);
        let third = 1.0 / 3.0;
        assert_close(attention.alpha, [[third], [third], [third], [1.0], [1.0]]);

        let (adjacency, _) = kiln_ops::to_adjacency(&edges, None);
        let (out, attention) = conv.forward_with_attention(x, &adjacency);
        assert_close(out, [[6.0], [6.0], [9.0]]);
        let EdgeForm::Csr(used) = attention.edges.form() else {
            panic!("expected an adjacency")
        };
        let rowptr: Vec<i64> = used.rowptr().into_data().iter().collect();
        let col: Vec<i64> = used.col().into_data().iter().collect();
        assert_eq!(
            (rowptr.as_slice(), col.as_slice()),
            (&[0, 3, 4, 5][..], &[0, 1, 2, 1, 2][..])
        );
    }

    /// Targets 1 and 2 have no source of their number, and 2 has no edge at all.
    /// Dropped weights show as zeros, as in PyG: the output is the sum of what is returned.
    #[test]
    fn attention_in_training_is_what_messages_are_multiplied_by() {
        let device = Device::flex().autodiff();
        let num_nodes = 40;
        let src: Vec<i64> = (0..num_nodes).collect();
        let dst = vec![0; src.len()];
        let edges = EdgeIndex::from_arrays(&src, &dst, 40, 40, &device).unwrap();
        let x = Tensor::<2>::ones([40, 1], &device);
        for add_self_loops in [true, false] {
            let config = GatConvConfig::new(1.into(), 1).with_dropout(0.5);
            let conv = mean(&config.with_add_self_loops(add_self_loops), &device);
            let (out, attention) = conv.forward_with_attention(x.clone(), &edges);
            let alpha: Vec<f32> = attention.alpha.into_data().iter().collect();
            assert!(alpha.contains(&0.0), "{alpha:?}");
            let EdgeForm::Coo(used) = attention.edges.form() else {
                panic!("expected an edge index")
            };
            let used: Vec<i64> = used.tensor().into_data().iter().collect();
            let into_first = used[alpha.len()..].iter().zip(&alpha);
            let sum: f32 = into_first
                .filter(|(dst, _)| **dst == 0)
                .map(|(_, alpha)| alpha)
                .sum();
            let out: Vec<f32> = out.into_data().iter().collect();
            assert!((out[0] - sum).abs() < 1e-5, "{} is not {sum}", out[0]);
        }
    }

    #[test]
    fn bipartite_nodes_without_a_partner_get_no_loop() {
        let device = Device::flex();
        let conv = mean(&GatConvConfig::new(1.into(), 1), &device);
        let edges = EdgeIndex::from_arrays(&[0], &[1], 1, 3, &device).unwrap();
        let pair = (
            Tensor::<2>::full([1, 1], 5.0, &device),
            Tensor::<2>::zeros([3, 1], &device),
        );
        let (out, attention) = conv.forward_with_attention(pair, &edges);
        assert_eq!(out.into_data().as_slice::<f32>().unwrap(), [5.0, 5.0, 0.0]);
        assert_eq!(attention.alpha.dims(), [2, 1]);
    }

    #[test]
    fn without_edges_a_node_sees_itself() {
        let device = Device::flex();
        let conv = mean(&GatConvConfig::new(1.into(), 2).with_heads(2), &device);
        let edges = EdgeIndex::from_arrays(&[], &[], 1, 1, &device).unwrap();
        let out = conv.forward(Tensor::<2>::full([1, 1], 3.0, &device), &edges);
        assert_eq!(out.into_data().as_slice::<f32>().unwrap(), [3.0; 4]);
    }
}
