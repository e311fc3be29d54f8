//! Runs recorded operations, for Burn's interpreter of recordings.

use burn::backend::ir::{BackendIr, CustomOpIr, HandleContainer};
use burn::tensor::FloatDType;

use super::GraphOp;
use crate::{AttentionAttributes, GraphOps, aggregate, sort_edges};

impl GraphOp {
    /// Runs a recorded operation: inputs are taken from `handles`, outputs are put there.
    ///
    /// The record must be one that [`GraphOp::decode`] read as `self`.
    pub(crate) fn execute<B: BackendIr + GraphOps>(
        &self,
        handles: &mut HandleContainer<B::Handle>,
        desc: &CustomOpIr,
        device: &B::Device,
    ) {
        let inputs = desc.inputs.as_slice();
        let outputs = desc.outputs.as_slice();
        let float = |handles: &mut HandleContainer<B::Handle>, i: usize| {
            handles.get_float_tensor::<B>(&inputs[i])
        };
        let int = |handles: &mut HandleContainer<B::Handle>, i: usize| {
            handles.get_int_tensor::<B>(&inputs[i])
        };
        match *self {
            Self::Gather => {
                let out = B::gather(float(handles, 0), int(handles, 1));
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::Scatter { size, reduce } => {
                let out = B::scatter(float(handles, 0), int(handles, 1), size, reduce);
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::SegmentReduce { reduce } => {
                let out = B::segment_reduce(float(handles, 0), int(handles, 1), reduce);
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::SegmentSoftmax { size } => {
                let out = B::segment_softmax(float(handles, 0), int(handles, 1), size);
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::Spmm { size, reduce } => {
                let (x, src, dst) = (float(handles, 0), int(handles, 1), int(handles, 2));
                let out = if inputs.len() == 4 {
                    B::spmm_weighted(x, src, dst, float(handles, 3), size, reduce)
                } else {
                    B::spmm(x, src, dst, size, reduce)
                };
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::SpmmCsr { reduce } => {
                let (x, rowptr, col) = (float(handles, 0), int(handles, 1), int(handles, 2));
                let out = if inputs.len() == 4 {
                    B::spmm_csr_weighted(x, rowptr, col, float(handles, 3), reduce)
                } else {
                    B::spmm_csr(x, rowptr, col, reduce)
                };
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::EdgeDot => {
                let (a, b) = (float(handles, 0), float(handles, 1));
                let out = B::edge_dot(a, b, int(handles, 2), int(handles, 3));
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::MatchSum => {
                let (a, b, v) = (float(handles, 0), float(handles, 1), float(handles, 2));
                let out = B::match_sum(a, b, v, int(handles, 3), int(handles, 4));
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::Degree { size } => {
                let out = B::degree(int(handles, 0), size, FloatDType::from(outputs[0].dtype));
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::CooToCsr { size } => {
                let (rowptr, perm) = B::coo_to_csr(int(handles, 0), size);
                handles.register_int_tensor::<B>(&outputs[0].id, rowptr);
                handles.register_int_tensor::<B>(&outputs[1].id, perm);
            }
            Self::PtrToIndex { entries } => {
                let out = B::ptr_to_index(int(handles, 0), entries);
                handles.register_int_tensor::<B>(&outputs[0].id, out);
            }
            Self::Nonzero { .. } => {
                let out = B::nonzero(handles.get_bool_tensor::<B>(&inputs[0]));
                handles.register_int_tensor::<B>(&outputs[0].id, out);
            }
            Self::SelfLoopPosition { size } => {
                let out = B::self_loop_position(int(handles, 0), int(handles, 1), size);
                handles.register_int_tensor::<B>(&outputs[0].id, out);
            }
            Self::Arange { start, end } => {
                let range = crate::arange::signed(start..end);
                let out = B::int_arange(range, device, outputs[0].dtype.into());
                handles.register_int_tensor::<B>(&outputs[0].id, out);
            }
            Self::Dropout { prob } => {
                let out = B::dropout(float(handles, 0), prob);
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            // Nothing asks for gradients here, so that the edges are sorted one way.
            Self::SpmmNormalized { self_loop } => {
                let (x, src, dst) = (float(handles, 0), int(handles, 1), int(handles, 2));
                let csr = sort_edges::of_list::<B>(dst, src, outputs[0].shape[0]);
                let scale = float(handles, 3);
                let out = B::aggregate_normalized(x, scale, csr.clone(), csr, self_loop);
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::SpmmWithLoops => {
                let (x, src, dst) = (float(handles, 0), int(handles, 1), int(handles, 2));
                let csr = sort_edges::of_list::<B>(dst, src, outputs[0].shape[0]);
                let (weight, self_loop) = (float(handles, 3), float(handles, 4));
                let out = B::aggregate_with_loops(x, weight, self_loop, csr.clone(), csr);
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::InverseSqrtDegree { size, self_loop } => {
                let (src, dst) = (int(handles, 0), int(handles, 1));
                let csr = sort_edges::of_list::<B>(dst, src, size);
                let dtype = FloatDType::from(outputs[0].dtype);
                let walks = [csr.clone(), csr];
                let out = aggregate::inverse_sqrt::<B>(walks, size, self_loop, device, dtype);
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
            Self::EdgeAttention {
                size,
                self_loops,
                negative_slope,
                dropout: _,
            } => {
                let (x, src, dst) = (float(handles, 0), int(handles, 1), int(handles, 2));
                let (score_src, score_dst) = (float(handles, 3), float(handles, 4));
                let options = AttentionAttributes {
                    negative_slope,
                    loops: self_loops.then(|| size.min(inputs[0].shape[0])),
                    // As `dropout`: for training only.
                    dropout: None,
                };
                let csr = sort_edges::of_list::<B>(dst, src, size);
                let seed = csr.ptr.clone();
                let (out, _) =
                    B::edge_attention(x, score_src, score_dst, seed, csr.clone(), csr, options);
                handles.register_float_tensor::<B>(&outputs[0].id, out);
            }
        }
    }
}
