//! The edges of attention layers: self loops appended with scores of their own, and the list that took
//! part.

use burn::tensor::{Bool, Tensor};
use kiln_core::{Adjacency, EdgeIndex, Edges, Value, leaves};

use crate::{
    message_passing::{Endpoints, Flow},
    overload::{int_value, value},
};

/// The edges that took part in the attention and their weights.
#[derive(Clone, Debug)]
pub struct Attention {
    /// The edges in the form in which they were passed, with self loops if the layer adds them: for
    /// an edge index behind the other edges, for an adjacency in their places.
    pub edges: Edges,
    /// Weight of each edge and head, `[E', heads]`.
    pub alpha: Tensor<2>,
}

leaves!(Attention { edges, alpha });

impl Attention {
    /// `(edge_index, alpha)`, or `(rowptr, col, alpha)` for an adjacency.
    pub(super) fn into_value(self) -> Value {
        let alpha = value(self.alpha);
        Value::Tuple(match self.edges {
            Edges::Coo(edges) => vec![int_value(edges.tensor()), alpha],
            Edges::Csr(adjacency) => {
                vec![
                    int_value(adjacency.rowptr()),
                    int_value(adjacency.col()),
                    alpha,
                ]
            }
        })
    }
}

/// The self loops of a list of `E` edges with `n` loops appended.
pub(super) struct Loops {
    /// Whether each of the `E` edges is a loop, and so ignored.
    pub(super) existing: Tensor<1, Bool>,
    /// Whether each of the `n` appended loops is ignored; absent if none is.
    pub(super) ignored: Option<Tensor<1, Bool>>,
}

/// The edges with a loop appended for each receiver, and the scores of those loops, `[n, H]`.
pub(super) fn append_loops(
    ends: &Endpoints,
    alpha_j: Tensor<2>,
    alpha_i: Option<Tensor<2>>,
    is_pair: bool,
) -> (Endpoints, Tensor<2>, Loops) {
    let (sender, receiver) = (ends.sender(), ends.receiver());
    let existing = sender.clone().equal(receiver.clone());
    let node = kiln_ops::arange(0..ends.num_receivers(), &ends.device()).cast(sender.dtype());
    let (own_sender, own, ignored) = if is_pair {
        let num_senders = i64::try_from(ends.num_senders()).unwrap_or(i64::MAX);
        let ignored = node.clone().greater_equal_elem(num_senders);
        let own_sender = node.clone().mask_fill(ignored.clone(), 0);
        (
            own_sender.clone(),
            kiln_ops::gather(alpha_j, own_sender),
            Some(ignored),
        )
    } else {
        (node.clone(), alpha_j, None)
    };
    let own = match alpha_i {
        Some(alpha_i) => own + alpha_i,
        None => own,
    };

    let sender = Tensor::cat(vec![sender, own_sender], 0);
    let receiver = Tensor::cat(vec![receiver, node], 0);
    let (src, dst) = match ends.flow() {
        Flow::SourceToTarget => (sender, receiver),
        Flow::TargetToSource => (receiver, sender),
    };
    let (num_src, num_dst) = (ends.edges().num_src(), ends.edges().num_dst());
    let edges = EdgeIndex::new_unchecked(Tensor::stack(vec![src, dst], 0), num_src, num_dst);
    (
        Endpoints::new(edges, ends.flow()),
        own,
        Loops { existing, ignored },
    )
}

/// `x: [E, H]` with the rows for which `rows: [E]` is true set to `value`.
pub(super) fn fill_rows(x: Tensor<2>, rows: Tensor<1, Bool>, value: f64) -> Tensor<2> {
    // As a shape: sizes in an array must not be 0.
    let shape = x.shape();
    x.mask_fill(rows.unsqueeze_dim::<2>(1).expand(shape), value)
}

/// Removes ignored edges; sorts by destination and source if the result is to be an adjacency.
pub(super) fn compact(edges: &EdgeIndex, alpha: &Tensor<2>, loops: Loops, csr: bool) -> Attention {
    let (num_src, num_dst) = (edges.num_src(), edges.num_dst());
    let [num_edges] = loops.existing.dims();
    let kept = kiln_ops::nonzero(loops.existing.bool_not());
    let added = match loops.ignored {
        Some(ignored) => {
            let first = i64::try_from(num_edges).unwrap_or(i64::MAX);
            kiln_ops::nonzero(ignored.bool_not()).add_scalar(first)
        }
        None => kiln_ops::arange(num_edges..edges.num_edges(), &edges.device()).cast(kept.dtype()),
    };
    let kept = Tensor::cat(vec![kept, added], 0);
    if !csr {
        let alpha = kiln_ops::gather(alpha.clone(), kept.clone());
        let index = edges.tensor().select(1, kept);
        return Attention {
            edges: EdgeIndex::new_unchecked(index, num_src, num_dst).into(),
            alpha,
        };
    }
    let src = edges.src().select(0, kept.clone());
    let dst = edges.dst().select(0, kept.clone());
    let (_, by_src) = kiln_ops::coo_to_csr(src.clone(), num_src);
    let (rowptr, by_dst) = kiln_ops::coo_to_csr(dst.select(0, by_src.clone()), num_dst);
    let order = by_src.select(0, by_dst);
    let col = src.select(0, order.clone());
    let alpha = kiln_ops::gather(alpha.clone(), kept.select(0, order));
    Attention {
        edges: Adjacency::new_unchecked(rowptr, col, None, num_src).into(),
        alpha,
    }
}
