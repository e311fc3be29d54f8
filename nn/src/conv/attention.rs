//! What attention layers share: their arguments and results, self loops, and features of loops.

use burn::tensor::{Int, Shape, Tensor};
use kiln_core::{
    Adjacency, AnyTensor, Arguments, ConvArgs, EdgeForm, EdgeIndex, Edges, Leaves, Named, Nodes,
    Value, leaf_name, size_to_i64,
};
use kiln_ops::{EdgeScores, Endpoints, LoopedEdges, Loops, Reduce};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    aggr::parse_reduce,
    dropout::Dropout,
    linear::{Linear, add_bias},
    message::Message,
};

/// What attention layers take: nodes and edges, and whether the attention is asked for.
#[derive(Clone, Debug)]
pub struct AttentionArgs<A = ConvArgs> {
    /// Nodes and edges, and what else a layer takes.
    pub conv: A,
    /// Whether the result has the attention that was paid to each edge.
    pub return_attention_weights: bool,
}

impl From<ConvArgs> for AttentionArgs {
    fn from(conv: ConvArgs) -> Self {
        Self {
            conv,
            return_attention_weights: false,
        }
    }
}

impl<A: Leaves> Leaves for AttentionArgs<A> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let conv = self.conv.map_leaves(name, f);
        Self { conv, ..self }
    }
}

impl<A: Arguments> Arguments for AttentionArgs<A> {
    fn from_named(values: &mut Named) -> Self {
        Self {
            return_attention_weights: values.has_flag("return_attention_weights"),
            conv: A::from_named(values),
        }
    }
}

/// What attention layers return; weights have an axis of heads where the layer has heads.
#[derive(Clone, Debug)]
pub struct AttentionOutput<const D: usize = 2> {
    /// Features of the targets.
    pub x: Tensor<2>,
    /// The attention, if it was asked for.
    pub attention: Option<Attention<D>>,
}

impl<const D: usize> Leaves for AttentionOutput<D> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            x: self.x.map_leaves(&leaf_name(name, "x"), f),
            attention: self.attention.map_leaves(&leaf_name(name, "attention"), f),
        }
    }
}

impl<const D: usize> From<AttentionOutput<D>> for Tensor<2> {
    fn from(output: AttentionOutput<D>) -> Self {
        output.x
    }
}

/// The features, or they and `(edge_index, alpha)`; of an adjacency `(rowptr, col, alpha)`.
impl<const D: usize> From<AttentionOutput<D>> for Value {
    fn from(AttentionOutput { x, attention }: AttentionOutput<D>) -> Self {
        match attention {
            Some(attention) => Self::Tuple(vec![x.into(), attention.into()]),
            None => x.into(),
        }
    }
}

/// The edges that took part in the attention and their weights.
#[derive(Clone, Debug)]
pub struct Attention<const D: usize = 2> {
    /// The edges in the form in which they were passed, with self loops if the layer adds them: for
    /// an edge index behind the other edges, for an adjacency in their places.
    pub edges: Edges,
    /// Weight of each edge and head, `[E', heads]`; of a layer without heads `[E']`.
    pub alpha: Tensor<D>,
}

impl<const D: usize> Leaves for Attention<D> {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            edges: self.edges.map_leaves(&leaf_name(name, "edges"), f),
            alpha: self.alpha.map_leaves(&leaf_name(name, "alpha"), f),
        }
    }
}

impl<const D: usize> Attention<D> {
    /// Without the edges that gave way to loops, and the loops that are left out. An adjacency has
    /// the loops in their places.
    pub(super) fn with_loops(edges: &Edges, looped: &LoopedEdges, alpha: &Tensor<D>) -> Self {
        let (num_src, num_dst) = (edges.num_src(), edges.num_dst());
        let list = looped.ends();
        let num_edges = edges.num_edges();
        let kept = kiln_ops::nonzero(looped.is_loop().bool_not());
        let added = match looped.is_alone() {
            Some(is_alone) => {
                let first = size_to_i64(num_edges);
                kiln_ops::nonzero(is_alone.bool_not()).add_scalar(first)
            }
            None => {
                kiln_ops::arange(num_edges..list.num_edges(), &list.device()).cast(kept.dtype())
            }
        };
        let kept = Tensor::cat(vec![kept, added], 0);
        let (src, dst) = (
            list.src().select(0, kept.clone()),
            list.dst().select(0, kept.clone()),
        );
        if !edges.is_csr() {
            return Self {
                edges: EdgeIndex::from_ends_unchecked(src, dst, num_src, num_dst).into(),
                alpha: kiln_ops::gather(alpha.clone(), kept),
            };
        }
        let (_, by_src) = kiln_ops::coo_to_csr(src.clone(), num_src);
        let (rowptr, by_dst) = kiln_ops::coo_to_csr(dst.select(0, by_src.clone()), num_dst);
        let order = by_src.select(0, by_dst);
        let col = src.select(0, order.clone());
        let alpha = kiln_ops::gather(alpha.clone(), kept.select(0, order));
        Self {
            edges: Adjacency::new_unchecked(rowptr, col, None, num_src).into(),
            alpha,
        }
    }
}

impl<const D: usize> From<Attention<D>> for Value {
    fn from(Attention { edges, alpha }: Attention<D>) -> Self {
        let ends: Vec<Self> = match edges.form() {
            EdgeForm::Coo(edges) => vec![edges.tensor().into()],
            EdgeForm::Csr(adjacency) => vec![adjacency.rowptr().into(), adjacency.col().into()],
        };
        Self::Tuple(ends.into_iter().chain([alpha.into()]).collect())
    }
}

/// What attention layers propagate: features, and weights or what weights are made of.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved a few times per layer; a box would allocate"
)]
pub enum Alpha {
    /// Weight of each edge and head, `[E, heads]`.
    Weights(Tensor<2>),
    /// Scores of both ends, whose softmax is taken on the way.
    Scores {
        /// Of the sources, `[N, heads]`.
        src: Tensor<2>,
        /// Of the targets, `[n, heads]`.
        dst: Tensor<2>,
        /// Of edges and loops.
        edge: Option<EdgeScores>,
    },
    /// Features of the targets, `[n, heads, channels]`, which the softmax's scores compare with the
    /// sources'.
    Joint(Tensor<3>),
}

impl Leaves for Alpha {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let leaf = |field| leaf_name(name, field);
        match self {
            Self::Weights(alpha) => Self::Weights(alpha.map_leaves(&leaf("alpha"), f)),
            Self::Scores { src, dst, edge } => Self::Scores {
                src: src.map_leaves(&leaf("alpha_src"), f),
                dst: dst.map_leaves(&leaf("alpha_dst"), f),
                edge: edge.map(|EdgeScores { edges, loops }| EdgeScores {
                    edges: edges.map_leaves(&leaf("alpha_edge"), f),
                    loops: loops.map_leaves(&leaf("alpha_loop"), f),
                }),
            },
            Self::Joint(x) => Self::Joint(x.map_leaves(&leaf("x_i"), f)),
        }
    }
}

/// What attention layers propagate.
#[derive(Clone, Debug)]
pub struct AttentionPropagated {
    /// Transformed features of the sources, `[N, heads, channels]`.
    pub(super) x: Tensor<3>,
    /// What they are weighted by.
    pub(super) alpha: Alpha,
    /// Loops that a softmax on the way counts.
    pub(super) loops: Option<Loops>,
}

impl AttentionPropagated {
    /// The rows of the sources times weights that show.
    ///
    /// # Panics
    /// If there are scores in place of weights.
    pub(super) fn weighted(&self) -> Message {
        match (self.x.clone(), self.alpha.clone()) {
            (x, Alpha::Weights(weight)) => Message::Heads { x, weight },
            (_, other) => unreachable!("the weights of this layer show, got {other:?}"),
        }
    }
}

impl Leaves for AttentionPropagated {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            x: self.x.map_leaves(&leaf_name(name, "x"), f),
            alpha: self.alpha.map_leaves(name, f),
            ..self
        }
    }
}

/// The scores of edges, `[E, H]`, and of the loops that are added to them, become weights that
/// show: those by which messages are multiplied, some of them dropped in training, as in PyG.
///
/// `of_loops` gives the scores of the loops, `[n, H]`; `propagate` passes messages with the weights
/// along edges. The attention is made if it is asked for: among loops its edges are counted, which
/// waits for the device.
pub(super) fn with_attention(
    is_asked: bool,
    edges: &Edges,
    scores: Tensor<2>,
    loops: Option<Loops>,
    dropout: &Dropout,
    of_loops: impl FnOnce(&LoopedEdges) -> Tensor<2>,
    propagate: impl FnOnce(&Edges, Alpha) -> Tensor<2>,
) -> (Tensor<2>, Option<Attention>) {
    let ends = Endpoints::of(edges.bare());
    let Some(loops) = loops else {
        let alpha = dropout.forward(ends.softmax(scores));
        let out = propagate(edges, Alpha::Weights(alpha.clone()));
        let edges = edges.bare();
        return (out, is_asked.then_some(Attention { edges, alpha }));
    };
    let looped = LoopedEdges::new(&ends, loops);
    let of_loops = of_loops(&looped);
    let alpha = dropout.forward(looped.softmax(scores, of_loops));
    let out = propagate(looped.ends().edges(), Alpha::Weights(alpha.clone()));
    let out = looped.targets(out);
    let attention = is_asked.then(|| Attention::with_loops(edges, &looped, &alpha));
    (out, attention)
}

/// The loops that are added, if any are: without sources there is no node for a loop.
pub(super) fn loops(add_self_loops: bool, is_pair: bool, ends: &Endpoints) -> Option<Loops> {
    let (sources, targets) = (ends.num_sources(), ends.num_targets());
    (add_self_loops && sources > 0).then(|| {
        if is_pair {
            Loops::Below(sources.min(targets))
        } else {
            Loops::Every
        }
    })
}

/// Transformed features, `[N, H, C]`.
pub(super) fn by_heads(lin: &Linear, x: Tensor<2>, heads: usize) -> Tensor<3> {
    let num_nodes = x.dims()[0];
    let channels = lin.out_channels() / heads;
    lin.forward(x).reshape([num_nodes, heads, channels])
}

/// Heads concatenated or averaged, the residual and the bias.
pub(super) fn finish(
    out: Tensor<2>,
    mean_of: Option<usize>,
    residual: Option<(&Linear, Tensor<2>)>,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    let out = match mean_of {
        Some(heads) => {
            let [num_nodes, width] = out.dims();
            let out = out.reshape([num_nodes, heads, width / heads]);
            out.mean_dim(1).squeeze_dim(1)
        }
        None => out,
    };
    let out = match residual {
        Some((res, x_i)) => out + res.forward(x_i),
        None => out,
    };
    add_bias(out, bias)
}

/// Features of the self loops that a layer adds (PyG's `fill_value`).
///
/// JSON has a number, a list of numbers, or the name of a reduction.
#[derive(Clone, Debug, PartialEq)]
pub enum FillValue {
    /// The same number everywhere.
    Constant(f64),
    /// The same row for each loop; as wide as the edges' features.
    Row(Vec<f32>),
    /// The features of the node's incoming edges, reduced; zeros (ones for a product) without any.
    Incoming(Reduce),
}

impl FillValue {
    /// Whether the value suits edge features of a width.
    pub(super) fn fits(&self, edge_dim: Option<usize>) -> bool {
        match (self, edge_dim) {
            (Self::Row(row), Some(edge_dim)) => row.len() == edge_dim,
            _ => true,
        }
    }

    /// Features of one loop per target, `[n, D]`, beside edges with the given ones.
    pub(super) fn of_loops(&self, edge_attr: Tensor<2>, ends: &Endpoints) -> Tensor<2> {
        let num_loops = ends.num_targets();
        let [_, d_edge] = edge_attr.dims();
        let options = (&edge_attr.device(), edge_attr.dtype());
        match self {
            Self::Constant(value) => Tensor::full([num_loops, d_edge], *value, options),
            Self::Row(row) => {
                assert!(
                    row.len() == d_edge,
                    "expected a fill value of width {d_edge}, got {}",
                    row.len()
                );
                Tensor::<1>::from_data(row.as_slice(), options)
                    .unsqueeze_dim::<2>(0)
                    .expand(Shape::new([num_loops, d_edge]))
            }
            Self::Incoming(reduce) => {
                // Loops that were there go to a row of their own, which is cut off.
                let last = size_to_i64(num_loops);
                let index: Tensor<1, Int> = ends.target().mask_fill(ends.is_loop(), last);
                let all = kiln_ops::scatter(edge_attr, index, num_loops + 1, *reduce);
                all.slice([0..num_loops, 0..d_edge])
            }
        }
    }
}

impl Serialize for FillValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Constant(value) => value.serialize(serializer),
            Self::Row(row) => row.serialize(serializer),
            Self::Incoming(reduce) => reduce.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for FillValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected a number, a row or one of add, mean, min, max, mul"
        )]
        enum Form {
            Constant(f64),
            Row(Vec<f32>),
            Incoming(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Constant(value) => Ok(Self::Constant(value)),
            Form::Row(row) => Ok(Self::Row(row)),
            Form::Incoming(name) => parse_reduce(&name).map(Self::Incoming).ok_or_else(|| {
                let expected = "expected a number, a row or one of add, mean, min, max, mul";
                D::Error::custom(format!("{expected}, got `{name}`"))
            }),
        }
    }
}

/// The convolution with the attention that it paid to each edge: PyG's
/// `return_attention_weights=True`.
pub(super) fn asked(x: impl Into<Nodes>, edges: impl Into<Edges>) -> AttentionArgs {
    AttentionArgs {
        conv: (x, edges).into(),
        return_attention_weights: true,
    }
}

/// The output of a call that asked for the attention.
pub(super) fn answered<const D: usize>(output: AttentionOutput<D>) -> (Tensor<2>, Attention<D>) {
    let Some(attention) = output.attention else {
        unreachable!("the attention was asked for")
    };
    (output.x, attention)
}
