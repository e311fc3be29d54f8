//! The edges that took part in an attention layer.

use burn::tensor::Tensor;
use kiln_core::{Adjacency, EdgeIndex, Edges, Value, leaves};
use kiln_ops::LoopedEdges;

use crate::overload::{int_value, value};

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
    /// Without the edges that gave way to loops, and the loops that are left out. An adjacency has the loops
    /// in their places.
    pub(super) fn with_loops(edges: &Edges, looped: &LoopedEdges, alpha: &Tensor<2>) -> Self {
        let (num_src, num_dst) = (edges.num_src(), edges.num_dst());
        let list = looped.ends();
        let num_edges = edges.num_edges();
        let kept = kiln_ops::nonzero(looped.is_loop().bool_not());
        let added = match looped.is_alone() {
            Some(is_alone) => {
                let first = i64::try_from(num_edges).unwrap_or(i64::MAX);
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
        if let Edges::Coo(_) = edges {
            // `Tensor::stack` panics where there are no edges.
            let index = Tensor::cat([src, dst].map(|end| end.unsqueeze_dim::<2>(0)).to_vec(), 0);
            return Self {
                edges: EdgeIndex::new_unchecked(index, num_src, num_dst).into(),
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
