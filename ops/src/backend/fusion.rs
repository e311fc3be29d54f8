//! Lazy execution in front of the GPU backends: operations become
//! [`GraphOp`](crate::wire::GraphOp) records and run when Burn's fusion executes its stream.
//!
//! An operation of this crate ends the block of element-wise operations before it.

use core::marker::PhantomData;

use burn::backend::{
    DType,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::FloatDType;
use burn_fusion::{
    ExecutionError, Fusion, FusionBackend, FusionRuntime, FusionTensor,
    custom::{CustomOpIr, HandleContainer, Operation, OperationIr, OperationOutput as _, StreamId},
};

use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes, GraphOps, Reduce,
    attention::Score,
    linear, nonzero,
    wire::{
        GraphOp,
        dense::DenseOp,
        sorted::{SortedOp, parts},
    },
};

/// A record that waits to run.
#[derive(Debug)]
struct Waiting<B: FusionBackend> {
    op: GraphOp,
    desc: CustomOpIr,
    device: B::Device,
}

impl<B: FusionBackend + GraphOps> Operation<B::FusionRuntime> for Waiting<B> {
    fn execute(
        &self,
        handles: &mut HandleContainer<<B::FusionRuntime as FusionRuntime>::FusionHandle>,
    ) -> Result<(), ExecutionError> {
        self.op.execute::<B>(handles, &self.desc, &self.device);
        Ok(())
    }
}

/// Registers `op` and returns its outputs, which have shapes but no values yet.
fn record<B: FusionBackend + GraphOps, const N: usize, const M: usize>(
    op: GraphOp,
    inputs: [FusionTensor<B::FusionRuntime>; N],
    dtype: Option<DType>,
) -> [FusionTensor<B::FusionRuntime>; M] {
    let client = inputs[0].client.clone();
    let inputs = inputs.map(FusionTensor::into_ir);
    let desc = op.describe(&inputs, dtype, || client.create_empty_handle());
    let device = client.device().clone();
    let waiting = Waiting::<B> {
        op,
        desc: desc.clone(),
        device,
    };
    client
        .register(StreamId::current(), OperationIr::Custom(desc), waiting)
        .outputs()
}

/// [`record`] for one output of the type of the first input.
fn record_one<B: FusionBackend + GraphOps, const N: usize>(
    op: GraphOp,
    inputs: [FusionTensor<B::FusionRuntime>; N],
) -> FusionTensor<B::FusionRuntime> {
    let [out] = record::<B, N, 1>(op, inputs, None);
    out
}

/// A linear map that waits to run.
#[derive(Debug)]
struct WaitingDense<B: FusionBackend> {
    op: DenseOp,
    desc: CustomOpIr,
    backend: PhantomData<fn() -> B>,
}

impl<B: FusionBackend + GraphOps> Operation<B::FusionRuntime> for WaitingDense<B> {
    fn execute(
        &self,
        handles: &mut HandleContainer<<B::FusionRuntime as FusionRuntime>::FusionHandle>,
    ) -> Result<(), ExecutionError> {
        self.op.execute::<B>(handles, &self.desc);
        Ok(())
    }
}

/// Registers a linear map.
fn dense<B: FusionBackend + GraphOps, const N: usize>(
    op: DenseOp,
    inputs: [FusionTensor<B::FusionRuntime>; N],
) -> FusionTensor<B::FusionRuntime> {
    let client = inputs[0].client.clone();
    let inputs = inputs.map(FusionTensor::into_ir);
    let desc = op.describe(&inputs, || client.create_empty_handle());
    let waiting = WaitingDense::<B> {
        op,
        desc: desc.clone(),
        backend: PhantomData,
    };
    client
        .register(StreamId::current(), OperationIr::Custom(desc), waiting)
        .output()
}

/// An operation along sorted edges that waits to run.
#[derive(Debug)]
struct WaitingSorted<B: FusionBackend> {
    op: SortedOp,
    desc: CustomOpIr,
    backend: PhantomData<fn() -> B>,
}

impl<B: FusionBackend + GraphOps> Operation<B::FusionRuntime> for WaitingSorted<B> {
    fn execute(
        &self,
        handles: &mut HandleContainer<<B::FusionRuntime as FusionRuntime>::FusionHandle>,
    ) -> Result<(), ExecutionError> {
        self.op.execute::<B>(handles, &self.desc);
        Ok(())
    }
}

/// Registers an operation along sorted edges.
fn sorted<B: FusionBackend + GraphOps, const M: usize>(
    op: SortedOp,
    inputs: Vec<FusionTensor<B::FusionRuntime>>,
) -> [FusionTensor<B::FusionRuntime>; M] {
    let client = inputs[0].client.clone();
    let inputs: Vec<_> = inputs.into_iter().map(FusionTensor::into_ir).collect();
    let desc = op.describe(&inputs, || client.create_empty_handle());
    let waiting = WaitingSorted::<B> {
        op,
        desc: desc.clone(),
        backend: PhantomData,
    };
    client
        .register(StreamId::current(), OperationIr::Custom(desc), waiting)
        .outputs()
}

/// `inputs` and the tensors of compressed rows.
fn with<B: FusionBackend>(
    mut inputs: Vec<FusionTensor<B::FusionRuntime>>,
    csr: CsrTensors<Fusion<B>>,
) -> Vec<FusionTensor<B::FusionRuntime>> {
    inputs.extend(parts(csr));
    inputs
}

impl<B: FusionBackend + GraphOps> GraphOps for Fusion<B> {
    fn gather(x: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::Gather, [x, index])
    }

    fn scatter(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::Scatter { size, reduce }, [x, index])
    }

    fn segment_reduce(
        x: FloatTensor<Self>,
        ptr: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::SegmentReduce { reduce }, [x, ptr])
    }

    fn segment_softmax(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::SegmentSoftmax { size }, [x, index])
    }

    fn spmm(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::Spmm { size, reduce }, [x, src, dst])
    }

    fn spmm_weighted(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        weight: FloatTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::Spmm { size, reduce }, [x, src, dst, weight])
    }

    fn spmm_csr(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::SpmmCsr { reduce }, [x, rowptr, col])
    }

    fn spmm_csr_weighted(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        value: FloatTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::SpmmCsr { reduce }, [x, rowptr, col, value])
    }

    fn edge_dot(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        row: IntTensor<Self>,
        col: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::EdgeDot, [a, b, row, col])
    }

    fn match_sum(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        row: IntTensor<Self>,
        col: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        record_one::<B, _>(GraphOp::MatchSum, [a, b, v, row, col])
    }

    fn degree(index: IntTensor<Self>, size: usize, dtype: FloatDType) -> FloatTensor<Self> {
        let [out] = record::<B, _, _>(GraphOp::Degree { size }, [index], Some(dtype.into()));
        out
    }

    fn coo_to_csr(index: IntTensor<Self>, size: usize) -> (IntTensor<Self>, IntTensor<Self>) {
        let [rowptr, perm] = record::<B, _, _>(GraphOp::CooToCsr { size }, [index], None);
        (rowptr, perm)
    }

    fn ptr_to_index(ptr: IntTensor<Self>, entries: usize) -> IntTensor<Self> {
        record_one::<B, _>(GraphOp::PtrToIndex { entries }, [ptr])
    }

    fn nonzero(mask: BoolTensor<Self>) -> IntTensor<Self> {
        // The length depends on values, so this cannot wait.
        nonzero::read_back::<Self>(mask)
    }

    fn self_loop_position(
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
    ) -> IntTensor<Self> {
        record_one::<B, _>(GraphOp::SelfLoopPosition { size }, [src, dst])
    }

    fn dropout(x: FloatTensor<Self>, _prob: f64) -> FloatTensor<Self> {
        x
    }

    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        dense::<B, _>(DenseOp::Matmul, [lhs, rhs])
    }

    fn linear_map(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        dense::<B, _>(DenseOp::LinearMap, [x, weight])
    }

    fn linear_map_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        term: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        dense::<B, _>(DenseOp::LinearMapAdd, [x, weight, term])
    }

    fn linear_map_relu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        dense::<B, _>(DenseOp::LinearMapRelu, [x, weight, bias])
    }

    fn linear_map_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        dense::<B, _>(DenseOp::LinearMapWeight, [x, grad])
    }

    fn heads_dot(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::composed_heads_dot::<Self>(x, weight)
    }

    fn add_bias(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::broadcast_sum::<Self>(x, bias)
    }

    fn column_sum(x: FloatTensor<Self>) -> FloatTensor<Self> {
        dense::<B, _>(DenseOp::ColumnSum, [x])
    }

    fn sort_edges(
        row: IntTensor<Self>,
        col: IntTensor<Self>,
        size: usize,
    ) -> (IntTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        let [ptr, col, edge] = sorted::<B, _>(SortedOp::SortEdges { size }, vec![row, col]);
        (ptr, col, edge)
    }

    fn aggregate(
        x: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        let weighted = false;
        let [out] = sorted::<B, _>(
            SortedOp::Aggregate { weighted, reduce },
            with::<B>(vec![x], csr),
        );
        out
    }

    fn aggregate_weighted(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        let weighted = true;
        let inputs = with::<B>(vec![x, weight], csr);
        let [out] = sorted::<B, _>(SortedOp::Aggregate { weighted, reduce }, inputs);
        out
    }

    fn aggregate_normalized(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        self_loop: Option<f64>,
    ) -> FloatTensor<Self> {
        let inputs = with::<B>(vec![x, scale], csr);
        let [out] = sorted::<B, _>(SortedOp::AggregateNormalized { self_loop }, inputs);
        out
    }

    fn aggregate_with_loops(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        self_loop: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let inputs = with::<B>(vec![x, weight, self_loop], csr);
        let [out] = sorted::<B, _>(SortedOp::AggregateWithLoops, inputs);
        out
    }

    fn aggregate_self(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let inputs = with::<B>(vec![x, weight], csr);
        let [out] = sorted::<B, _>(SortedOp::AggregateSelf, inputs);
        out
    }

    fn aggregate_mean_backward(
        grad: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let mut inputs = with::<B>(vec![grad], csr);
        inputs.extend(parts(transposed));
        let [out] = sorted::<B, _>(SortedOp::AggregateMeanBackward, inputs);
        out
    }

    fn edge_dot_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let [out] = sorted::<B, _>(SortedOp::EdgeDot, with::<B>(vec![a, b], csr));
        out
    }

    fn match_sum_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        csr: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let [out] = sorted::<B, _>(SortedOp::MatchSum, with::<B>(vec![a, b, v], csr));
        out
    }

    fn edge_softmax(x: FloatTensor<Self>, csr: CsrTensors<Self>) -> FloatTensor<Self> {
        let [out] = sorted::<B, _>(SortedOp::EdgeSoftmax, with::<B>(vec![x], csr));
        out
    }

    fn edge_softmax_backward(
        out: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        csr: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let inputs = with::<B>(vec![out, grad], csr);
        let [dx] = sorted::<B, _>(SortedOp::EdgeSoftmaxBackward, inputs);
        dx
    }

    fn edge_attention(
        x: FloatTensor<Self>,
        score_src: FloatTensor<Self>,
        score_dst: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        options: AttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let inputs = with::<B>(vec![x, score_src, score_dst, seed], csr);
        let [out, lse] = sorted::<B, _>(SortedOp::Attention(Score::Sum(options)), inputs);
        (out, lse)
    }

    fn edge_attention_backward(
        x: FloatTensor<Self>,
        score_src: FloatTensor<Self>,
        score_dst: FloatTensor<Self>,
        out: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        options: AttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let mut inputs = with::<B>(vec![x, score_src, score_dst, out, lse, grad, seed], csr);
        inputs.extend(parts(transposed));
        let [dx, dsrc, ddst] =
            sorted::<B, _>(SortedOp::AttentionBackward(Score::Sum(options)), inputs);
        (dx, dsrc, ddst)
    }

    fn edge_attention_v2(
        x_src: FloatTensor<Self>,
        x_dst: FloatTensor<Self>,
        att: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        options: AttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let inputs = with::<B>(vec![x_src, x_dst, att, seed], csr);
        let [out, lse] = sorted::<B, _>(SortedOp::Attention(Score::Joint(options)), inputs);
        (out, lse)
    }

    fn edge_attention_v2_backward(
        x_src: FloatTensor<Self>,
        x_dst: FloatTensor<Self>,
        att: FloatTensor<Self>,
        out: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        options: AttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let mut inputs = with::<B>(vec![x_src, x_dst, att, out, lse, grad, seed], csr);
        inputs.extend(parts(transposed));
        let [dsrc, ddst, datt] =
            sorted::<B, _>(SortedOp::AttentionBackward(Score::Joint(options)), inputs);
        (dsrc, ddst, datt)
    }

    fn dot_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        options: DotAttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let inputs = with::<B>(vec![query, key, value, seed], csr);
        let [out, lse] = sorted::<B, _>(SortedOp::Attention(Score::Dot(options)), inputs);
        (out, lse)
    }

    fn dot_attention_backward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        out: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        options: DotAttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let mut inputs = with::<B>(vec![query, key, value, out, lse, grad, seed], csr);
        inputs.extend(parts(transposed));
        let [dquery, dkey, dvalue] =
            sorted::<B, _>(SortedOp::AttentionBackward(Score::Dot(options)), inputs);
        (dquery, dkey, dvalue)
    }
}
