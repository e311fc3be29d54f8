//! Operations on graphs, by the kernels of `kiln-ops`.
//!
//! A program names the two ends of edges anew in each operation. The executor notices when they are
//! the same values, and sorts them once for a run, or for all runs of a prepared call.

use std::collections::{BTreeMap, HashMap};

use burn::{
    backend::{Dispatch, DispatchTensor, TensorMetadata as _, ops::IntTensorOps as _},
    tensor::{DType, Int, Tensor, TensorData},
};
use kiln_core::{EdgeIndex, Flow};
use kiln_ops::{
    AttentionOptions, Endpoints, Loops, Reduce, aggregate, aggregate_normalized,
    aggregate_with_loops, dispatch, edge_attention,
};

use super::{
    ExecError, Kind, Operand, VALIDATED,
    eval::Eval,
    plan::Reach,
    repeat, scatter,
    site::Site,
    width::{Bounds, float_dtype},
};
use crate::{
    op::{Float, GraphOp},
    program::ValueId,
};

/// The edges that have been sorted, by the values of their ends and the numbers of nodes.
#[derive(Default)]
pub(super) struct Graphs {
    by_ends: HashMap<([ValueId; 2], [usize; 2]), Endpoints>,
    /// Those of the bodies of loops, by the first result of the loop.
    loops: BTreeMap<ValueId, Known>,
}

/// What is known of the values of a body from one step to the next, and from run to run.
#[derive(Default)]
pub(super) struct Known {
    pub(super) graphs: Graphs,
    pub(super) bounds: Bounds,
}

impl Known {
    /// Forgets what may be different next time.
    pub(super) fn forget(&mut self, reach: &Reach) {
        self.graphs.forget(reach);
        self.bounds.forget(|id| reach.varies(id));
    }
}

impl Graphs {
    /// Drops the edges whose ends may be others next time.
    pub(super) fn forget(&mut self, reach: &Reach) {
        self.by_ends
            .retain(|(ends, _), _| !ends.iter().any(|&end| reach.varies(end)));
        for (first, known) in &mut self.loops {
            if let Some(reach) = reach.of_loop(*first) {
                known.forget(reach);
            }
        }
    }

    /// What is known of the values of a loop's body.
    pub(super) fn of_loop(&mut self, first: ValueId) -> Known {
        self.loops.remove(&first).unwrap_or_default()
    }

    /// Keeps what is known of them.
    pub(super) fn keep(&mut self, first: ValueId, known: Known) {
        self.loops.insert(first, known);
    }

    /// Edges from `src`, below `sizes[0]`, to `dst`, below `sizes[1]`.
    fn ends(
        &mut self,
        ids: [ValueId; 2],
        sizes: [usize; 2],
        src: DispatchTensor,
        dst: DispatchTensor,
    ) -> &Endpoints {
        self.by_ends.entry((ids, sizes)).or_insert_with(|| {
            let [src, dst] = [src, dst].map(Tensor::<1, Int>::from_dispatch);
            let tensor = if src.dims()[0] == 0 {
                // Burn 0.22 cannot stack tensors without elements.
                let none = TensorData::from_bytes_vec(Vec::new(), [2, 0], src.dtype());
                Tensor::from_data(none, (&src.device(), src.dtype()))
            } else {
                Tensor::stack(vec![src, dst], 0)
            };
            let edges = EdgeIndex::new_unchecked(tensor, sizes[0], sizes[1]);
            Endpoints::new(edges, Flow::SourceToTarget)
        })
    }
}

pub(super) fn eval(
    eval: &Eval<'_>,
    graphs: &mut Graphs,
    site: Site<'_>,
    op: &GraphOp,
    operands: Vec<Operand>,
) -> Result<Vec<DispatchTensor>, ExecError> {
    let kind = operands
        .first()
        .map_or(Kind::Float, |(_, elem)| Kind::of(*elem));
    let mut operands = operands.into_iter().map(|(tensor, _)| tensor);
    let x = operands.next().expect(VALIDATED);
    let mut next = || operands.next().expect(VALIDATED);
    let destinations = |size| eval.size("the number of destinations", size);
    let ids = &site.node.inputs;
    let one = match op {
        GraphOp::Gather if kind == Kind::Int => Dispatch::int_select(x, 0, next()),
        GraphOp::Gather => dispatch::gather(x, next()),
        GraphOp::Scatter { reduce, size } => {
            scatter::rows(eval, (x, kind), next(), destinations(size)?, *reduce)
        }
        GraphOp::SegmentReduce { reduce } => dispatch::segment_reduce(x, next(), *reduce),
        GraphOp::SegmentSoftmax { size } => {
            dispatch::segment_softmax(x, next(), destinations(size)?)
        }
        GraphOp::Spmm { reduce, size } if *reduce != Reduce::Mul => {
            let (src, dst) = (next(), next());
            let sizes = [x.shape()[0], destinations(size)?];
            let ends = graphs.ends([ids[1], ids[2]], sizes, src, dst);
            let weight = operands.next().map(Tensor::from_dispatch);
            aggregate(Tensor::from_dispatch(x), weight, ends, *reduce).into_dispatch()
        }
        GraphOp::Spmm { reduce, size } => {
            let (src, dst) = (next(), next());
            dispatch::spmm(x, src, dst, operands.next(), destinations(size)?, *reduce)
        }
        GraphOp::SpmmCsr { reduce } => {
            let (rowptr, col) = (next(), next());
            dispatch::spmm_csr(x, rowptr, col, operands.next(), *reduce)
        }
        GraphOp::Degree { size, elem } => {
            dispatch::degree(x, destinations(size)?, float_dtype(*elem))
        }
        GraphOp::PtrToIndex { entries } => {
            dispatch::ptr_to_index(x, eval.size("the number of entries", entries)?)
        }
        GraphOp::CooToCsr { size } => {
            let (pointers, order) = dispatch::coo_to_csr(x, eval.size("the number of rows", size)?);
            return Ok(vec![pointers, order]);
        }
        GraphOp::Nonzero => dispatch::nonzero(x),
        GraphOp::RepeatInterleave => repeat::positions(eval, site, x)?,
        GraphOp::SizeOf => repeat::below(eval, site, x)?,
        GraphOp::SelfLoopPosition { size } => {
            dispatch::self_loop_position(x, next(), eval.size("the number of nodes", size)?)
        }
        GraphOp::EdgeAttention {
            slope: Float(negative_slope),
            self_loops,
            dropout: Float(probability),
            size,
        } => {
            let (src, dst) = (next(), next());
            let [score_src, score_dst] = [next(), next()].map(Tensor::<2>::from_dispatch);
            let sizes = [x.shape()[0], destinations(size)?];
            let ends = graphs.ends([ids[1], ids[2]], sizes, src, dst);
            let x = Tensor::<3>::from_dispatch(x);
            let options = AttentionOptions {
                negative_slope: *negative_slope,
                loops: self_loops.then(|| Loops::Below(sizes[0].min(sizes[1]))),
                dropout: *probability,
                seed: None,
            };
            edge_attention(x, score_src, score_dst, ends, options).into_dispatch()
        }
        GraphOp::SpmmNormalized { self_loop } => {
            let (src, dst) = (next(), next());
            let scale = Tensor::from_dispatch(next());
            let nodes = x.shape()[0];
            let ends = graphs.ends([ids[1], ids[2]], [nodes, nodes], src, dst);
            let self_loop = self_loop.map(|Float(weight)| weight);
            aggregate_normalized(Tensor::from_dispatch(x), scale, ends, self_loop).into_dispatch()
        }
        GraphOp::SpmmWithLoops => {
            let (src, dst) = (next(), next());
            let [weight, self_loop] = [next(), next()].map(Tensor::from_dispatch);
            let nodes = x.shape()[0];
            let ends = graphs.ends([ids[1], ids[2]], [nodes, nodes], src, dst);
            let x = Tensor::from_dispatch(x);
            aggregate_with_loops(x, weight, self_loop, ends).into_dispatch()
        }
        GraphOp::InverseSqrtDegree {
            self_loop,
            size,
            elem,
        } => {
            let nodes = eval.size("the number of nodes", size)?;
            let ends = graphs.ends([ids[0], ids[1]], [nodes, nodes], x, next());
            let options = (&ends.device(), DType::from(float_dtype(*elem)));
            let like = Tensor::<1>::zeros([1], options);
            let self_loop = self_loop.map(|Float(weight)| weight);
            ends.inverse_sqrt_degree(self_loop, &like).into_dispatch()
        }
    };
    Ok(vec![one])
}
