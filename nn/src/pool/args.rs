//! What layers that select nodes take and return.

use burn::tensor::{Int, Tensor};
use kiln_core::{
    Arguments, EdgeForm, Edges, Named, Signatures, Value, leaves,
    signature::{Dim, Type},
};
use kiln_ops::gather;

use super::{connect::filter_edges, select::Selected};

/// Nodes and edges of one or several graphs: what layers take that select nodes.
///
/// The names of the arguments are PyG's: `x`, `edge_index`, of the edges `edge_attr`, `batch` and
/// `attn`.
#[derive(Clone, Debug)]
pub struct PoolArgs {
    /// Features, `[N, F]`.
    pub x: Tensor<2>,
    /// Edges, with what they carry.
    pub edges: Edges,
    /// The graph of each node, `[N]`, in any order; without it there is one.
    pub batch: Option<Tensor<1, Int>>,
    /// Features that scores are computed from in place of `x`, `[N, F]`.
    pub attn: Option<Tensor<2>>,
}

leaves!(PoolArgs { x, edges as edge_index, batch, attn });

impl PoolArgs {
    /// Nodes and edges of one graph.
    pub fn new(x: Tensor<2>, edges: impl Into<Edges>) -> Self {
        let (edges, batch, attn) = (edges.into(), None, None);
        Self {
            x,
            edges,
            batch,
            attn,
        }
    }

    /// The same with the graph of each node, `[N]`.
    pub fn with_batch(self, batch: impl Into<Option<Tensor<1, Int>>>) -> Self {
        let batch = batch.into();
        Self { batch, ..self }
    }

    /// The same with features that scores are computed from, `[N, F]`.
    pub fn with_attn(self, attn: impl Into<Option<Tensor<2>>>) -> Self {
        let attn = attn.into();
        Self { attn, ..self }
    }

    pub(super) fn signatures(width: usize) -> Signatures {
        let features = || Type::float(["N".into(), width.into()]);
        Signatures::new()
            .with("x", features())
            .with("edge_index", edge_index())
            .edge_attr("D")
            .with("batch", Type::int(["N".into()]).optional())
            .with("attn", features().optional())
    }
}

/// Edges among the nodes in COO form.
pub(super) fn edge_index() -> Type {
    let nodes = || Dim::from("N");
    Type::EdgeIndex {
        src: nodes(),
        dst: nodes(),
        edges: "E".into(),
    }
}

impl<E: Into<Edges>> From<(Tensor<2>, E)> for PoolArgs {
    fn from((x, edges): (Tensor<2>, E)) -> Self {
        Self::new(x, edges)
    }
}

impl Arguments for PoolArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            edges: values.edges("edge_index"),
            batch: values.integers("batch"),
            attn: values.optional("attn"),
        }
    }
}

/// The nodes that a layer has selected, and the edges between them.
#[derive(Clone, Debug)]
pub struct PoolOutput {
    /// Features of the nodes, times their scores, `[K, F]`.
    pub x: Tensor<2>,
    /// Edges between them, with what they carry: an edge index.
    pub edges: Edges,
    /// The graph of each node, `[K]`; 0 if there is one.
    pub batch: Tensor<1, Int>,
    /// The number that each node had, `[K]`.
    pub perm: Tensor<1, Int>,
    /// Scores of the nodes, `[K]`.
    pub score: Tensor<1>,
}

leaves!(PoolOutput { x, edges as edge_index, batch, perm, score });

/// PyG's tuple, whose third part is what edges carry.
impl From<PoolOutput> for Value {
    fn from(out: PoolOutput) -> Self {
        let attr = out.edges.attr().map(Value::from);
        let attr = attr.or_else(|| out.edges.weight().map(Value::from));
        let edges = match out.edges.form() {
            EdgeForm::Coo(edges) => Self::EdgeIndex(edges.clone()),
            EdgeForm::Csr(edges) => Self::Adjacency(edges.clone()),
        };
        Self::Tuple(vec![
            out.x.into(),
            edges,
            attr.unwrap_or(Self::None),
            out.batch.into(),
            out.perm.into(),
            out.score.into(),
        ])
    }
}

impl PoolOutput {
    /// What is left of a graph by a selection of its nodes.
    pub(super) fn of(
        x: Tensor<2>,
        edges: &Edges,
        batch: Option<Tensor<1, Int>>,
        selected: Selected,
        multiplier: f64,
    ) -> Self {
        let Selected { perm, score } = selected;
        let x = gather(x, perm.clone()) * score.clone().unsqueeze_dim(1);
        Self {
            x: scaled(x, multiplier),
            edges: filter_edges(edges, perm.clone()),
            batch: match batch {
                Some(batch) => batch.select(0, perm.clone()),
                None => perm.zeros_like(),
            },
            perm,
            score,
        }
    }
}

fn scaled(x: Tensor<2>, multiplier: f64) -> Tensor<2> {
    #[expect(clippy::float_cmp, reason = "1 is exact, and changes nothing")]
    if multiplier == 1.0 {
        return x;
    }
    x.mul_scalar(multiplier)
}
