//! Attention in parts: a score for each edge, their softmax and the weighted sum as separate
//! operations, for what no kernel does in one walk.

use burn::tensor::{Bool, Int, Tensor};
use kiln_core::{EdgeIndex, Flow};

use super::options::{AttentionOptions, Loops};
use crate::{
    Endpoints, Reduce, aggregate, aggregate_heads, arange, dropout, endpoints::cleared, gather,
    leaky_relu,
};

/// A list of edges in which edges from a node to itself give way to one loop for each target.
///
/// The loops stand behind the edges: `E + n` entries for `n` targets. Edges that give way, and
/// loops of targets that are no sources, stay in the list, since how many there are depends on
/// data. They run to a target behind the last, whose row is cut off: a weight of 0 would show
/// where features are not finite.
#[derive(Debug)]
pub struct LoopedEdges {
    ends: Endpoints,
    is_loop: Tensor<1, Bool>,
    own: Tensor<1, Int>,
    is_alone: Option<Tensor<1, Bool>>,
    targets: usize,
}

impl LoopedEdges {
    /// The list for some edges, with loops.
    ///
    /// # Panics
    /// If every node is to have a loop, but there are two node sets.
    pub fn new(ends: &Endpoints, loops: Loops) -> Self {
        let (sources, targets) = (ends.num_sources(), ends.num_targets());
        // Without sources there are no loops.
        let count = if sources == 0 { 0 } else { targets };
        let (source, target, is_loop) = (ends.source(), ends.target(), ends.is_loop());
        let outside = aggregate::int(targets);
        let target = target.mask_fill(is_loop.clone(), outside);
        let node = arange(0..count, &ends.device()).cast(source.dtype());
        let least = sources.min(targets);
        let (own, node, is_alone) = match loops {
            Loops::Every => {
                assert!(
                    sources == targets,
                    "LoopedEdges: expected one node set for loops of every node, got {sources} sources and \
                     {targets} targets"
                );
                (node.clone(), node, None)
            }
            Loops::Below(count) => {
                // Targets below the number of sources, which in a recording is a size by itself.
                let partners = if count == least { sources } else { count };
                let is_alone = node.clone().greater_equal_elem(aggregate::int(partners));
                (
                    node.clone().mask_fill(is_alone.clone(), 0),
                    node.mask_fill(is_alone.clone(), outside),
                    Some(is_alone),
                )
            }
        };
        let source = Tensor::cat(vec![source, own.clone()], 0);
        let target = Tensor::cat(vec![target, node], 0);
        let (num_src, num_dst) = (ends.edges().num_src(), ends.edges().num_dst());
        let ([source, target], num_src, num_dst) = match ends.flow() {
            Flow::SourceToTarget => ([source, target], num_src, num_dst + 1),
            Flow::TargetToSource => ([target, source], num_src + 1, num_dst),
        };
        let edges = EdgeIndex::from_ends_unchecked(source, target, num_src, num_dst);
        Self {
            ends: Endpoints::new(edges, ends.flow()),
            is_loop,
            own,
            is_alone,
            targets,
        }
    }

    /// The ends of the list, with a target more than the edges have.
    pub fn ends(&self) -> &Endpoints {
        &self.ends
    }

    /// Whether each of the `E` edges gives way to a loop.
    pub fn is_loop(&self) -> Tensor<1, Bool> {
        self.is_loop.clone()
    }

    /// Whether each of the `n` loops is left out since its target is no source; absent if none
    /// is.
    pub fn is_alone(&self) -> Option<Tensor<1, Bool>> {
        self.is_alone.clone()
    }

    /// For each loop the row of its source. `x: [N, ..]` gives `[n, ..]`.
    pub fn lift_loops<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.is_alone.is_none() {
            return x;
        }
        gather(x, self.own.clone())
    }

    /// The softmax of scores of the edges, `[E, H]`, and of the loops, `[n, H]`, among the entries
    /// of each target. `[E + n, H]`
    pub fn softmax(&self, of_edges: Tensor<2>, of_loops: Tensor<2>) -> Tensor<2> {
        // What is left out has a score that is finite, so that no gradient comes of it.
        let of_edges = cleared(of_edges, self.is_loop());
        let of_loops = match self.is_alone() {
            Some(is_alone) => cleared(of_loops, is_alone),
            None => of_loops,
        };
        self.ends.softmax(Tensor::cat(vec![of_edges, of_loops], 0))
    }

    /// The rows of the targets, without the one behind the last. `[n + 1, ..]` gives `[n, ..]`.
    pub fn targets<const D: usize>(&self, rows: Tensor<D>) -> Tensor<D> {
        rows.slice(0..self.targets)
    }
}

/// What edges add to the scores of attention, and loops if there are any.
#[derive(Clone, Debug)]
pub struct EdgeScores {
    /// Of each edge and head, `[E, H]`.
    pub edges: Tensor<2>,
    /// Of the loop of each target and head, `[n, H]`.
    pub loops: Option<Tensor<2>>,
}

/// [`edge_attention`](super::edge_attention()) with what edges add to the scores, in parts.
pub(super) fn attend(
    x: Tensor<3>,
    score_src: Tensor<2>,
    score_dst: Tensor<2>,
    more: Option<EdgeScores>,
    ends: &Endpoints,
    options: &AttentionOptions,
) -> Tensor<3> {
    let add = |scores: Tensor<2>, more: Option<Tensor<2>>| match more {
        Some(more) => scores + more,
        None => scores,
    };
    let (of_edges, of_loops) = more.map_or((None, None), |more| (Some(more.edges), more.loops));
    let scores = ends.lift_j(score_src.clone()) + ends.lift_i(score_dst.clone());
    let activate = |scores| leaky_relu(scores, options.negative_slope);
    let scores = activate(add(scores, of_edges));
    let drop = (options.dropout, options.seed.is_some());
    weigh(x, scores, ends, options.loops, drop, |edges| {
        activate(add(edges.lift_loops(score_src) + score_dst, of_loops))
    })
}

/// The sum of the sources' rows, weighted by the softmax of the scores of edges and loops, with
/// dropout of weights while training: its probability, and whether there is a seed.
pub(super) fn weigh(
    x: Tensor<3>,
    scores: Tensor<2>,
    ends: &Endpoints,
    loops: Option<Loops>,
    drop: (f64, bool),
    of_loops: impl FnOnce(&LoopedEdges) -> Tensor<2>,
) -> Tensor<3> {
    match loops {
        // Without sources there are neither edges nor loops.
        Some(loops) if ends.num_sources() > 0 => {
            let edges = LoopedEdges::new(ends, loops);
            let alpha = edges.softmax(scores, of_loops(&edges));
            edges.targets(sum(x, alpha, edges.ends(), drop))
        }
        _ => sum(x, ends.softmax(scores), ends, drop),
    }
}

/// The weighted sum of the sources' rows, with dropout of weights while training.
fn sum(
    x: Tensor<3>,
    alpha: Tensor<2>,
    ends: &Endpoints,
    (probability, has_seed): (f64, bool),
) -> Tensor<3> {
    assert!(
        !has_seed,
        "attention: a seed is for attention in one walk over the edges, and not for its parts"
    );
    let alpha = if probability > 0.0 {
        dropout(alpha, probability)
    } else {
        alpha
    };
    aggregate_heads(x, alpha, ends, Reduce::Sum)
}
