//! How recorded operations run.

use burn::backend::ir::BackendIr;
use burn::tensor::FloatDType;

use super::{
    recorded::GraphOp,
    run::{Inputs, Output, Run},
};
use crate::{AttentionAttributes, GraphOps, Reduce, Score, Terms, aggregate, sort_edges};

impl Run for GraphOp {
    fn run<B: BackendIr + GraphOps>(&self, inputs: &mut Inputs<'_, B>) -> Vec<Output<B>> {
        let outputs = &inputs.desc.outputs;
        let (rows, dtype) = (|| outputs[0].shape[0], outputs[0].dtype);
        let result = match *self {
            Self::Gather => Output::Float(B::gather(inputs.float(), inputs.int())),
            Self::Scatter { size, reduce } => {
                Output::Float(B::scatter(inputs.float(), inputs.int(), size, reduce))
            }
            Self::SegmentReduce { reduce } => {
                Output::Float(B::segment_reduce(inputs.float(), inputs.int(), reduce))
            }
            Self::SegmentSoftmax { size } => {
                Output::Float(B::segment_softmax(inputs.float(), inputs.int(), size))
            }
            Self::Spmm { size, reduce } => {
                let (x, src, dst) = (inputs.float(), inputs.int(), inputs.int());
                Output::Float(B::spmm(
                    x,
                    src,
                    dst,
                    inputs.last_float().into(),
                    size,
                    reduce,
                ))
            }
            Self::SpmmCsr { reduce } => {
                let (x, rowptr, col) = (inputs.float(), inputs.int(), inputs.int());
                Output::Float(B::spmm_csr(
                    x,
                    rowptr,
                    col,
                    inputs.last_float().into(),
                    reduce,
                ))
            }
            Self::Degree { size } => Output::Float(B::degree(inputs.int(), size, dtype.into())),
            Self::CooToCsr { size } => {
                let (rowptr, order) = B::coo_to_csr(inputs.int(), size);
                return vec![Output::Int(rowptr), Output::Int(order)];
            }
            Self::PtrToIndex { entries } => Output::Int(B::ptr_to_index(inputs.int(), entries)),
            Self::Nonzero { .. } => Output::Int(B::nonzero(inputs.bool())),
            Self::SizeOf { .. } => Output::Int(B::positions_below(inputs.int())),
            Self::SelfLoopPosition { size } => {
                Output::Int(B::self_loop_position(inputs.int(), inputs.int(), size))
            }
            Self::Arange { start, end } => {
                let range = crate::arange::signed(start..end);
                Output::Int(B::int_arange(range, inputs.device, dtype.into()))
            }
            Self::Dropout { prob } => Output::Float(B::dropout(inputs.float(), prob)),
            Self::Detach => Output::Float(B::detached(inputs.float())),
            // Nothing is trained here.
            Self::RunningStatistic { .. } => Output::Float(inputs.float()),
            // Nothing asks for gradients here, so that the edges are sorted one way.
            Self::SpmmNormalized { self_loop } => {
                let (x, src, dst) = (inputs.float(), inputs.int(), inputs.int());
                let csr = sort_edges::of_list::<B>(dst, src, [rows(); 2]);
                let scale = inputs.float();
                let terms = Terms::Nodes { scale, self_loop };
                Output::Float(B::aggregate(x, terms, csr.clone(), csr, Reduce::Sum))
            }
            Self::SpmmWithLoops => {
                let (x, src, dst) = (inputs.float(), inputs.int(), inputs.int());
                let csr = sort_edges::of_list::<B>(dst, src, [rows(); 2]);
                let (weight, self_loop) = (inputs.float(), inputs.float());
                let terms = Terms::Loops { weight, self_loop };
                Output::Float(B::aggregate(x, terms, csr.clone(), csr, Reduce::Sum))
            }
            Self::InverseSqrtDegree { size, self_loop } => {
                let (src, dst) = (inputs.int(), inputs.int());
                let csr = sort_edges::of_list::<B>(dst, src, [size; 2]);
                let (walks, dtype) = ([csr.clone(), csr], FloatDType::from(dtype));
                let out =
                    aggregate::inverse_sqrt::<B>(walks, size, self_loop, inputs.device, dtype);
                Output::Float(out)
            }
            Self::EdgeAttention {
                size,
                self_loops,
                negative_slope,
                dropout: _,
            } => {
                let sources = inputs.desc.inputs[0].shape[0];
                let (x, src, dst) = (inputs.float(), inputs.int(), inputs.int());
                let (score_src, score_dst) = (inputs.float(), inputs.float());
                let options = AttentionAttributes {
                    negative_slope,
                    loops: self_loops.then(|| size.min(sources)),
                    // As `dropout`: for training only.
                    dropout: None,
                };
                let csr = sort_edges::of_list::<B>(dst, src, [size, sources]);
                let (seed, score) = (csr.ptr.clone(), Score::Gat(options));
                let (out, _) =
                    B::edge_attention(x, score_src, score_dst, seed, csr.clone(), csr, score);
                Output::Float(out)
            }
        };
        vec![result]
    }
}
