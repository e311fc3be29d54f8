//! Recording: operations become [`GraphOp`](crate::wire::GraphOp) records on Burn's router, which
//! the capture backend keeps and the remote backend sends away.

use burn::backend::{
    DType, TensorMetadata as _,
    ir::{OperationIr, OperationOutput as _},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::FloatDType;
use burn_router::{BackendRouter, RouterChannel, RouterClient, RouterTensor};

use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes, GraphOps, Reduce,
    attention::Score,
    linear, scope,
    wire::{
        GraphOp,
        dense::DenseOp,
        sorted::{SortedOp, parts},
    },
};

/// Records `op` and returns its outputs, which have shapes but no values.
fn record<C: RouterClient, const N: usize, const M: usize>(
    op: GraphOp,
    inputs: [RouterTensor<C>; N],
    dtype: Option<DType>,
) -> [RouterTensor<C>; M] {
    let client = inputs[0].client.clone();
    let inputs = inputs.map(RouterTensor::into_ir);
    let desc = op.describe(&inputs, dtype, || client.create_empty_handle());
    client.register(OperationIr::Custom(desc)).outputs()
}

/// [`record`] for one output of the type of the first input.
fn record_one<C: RouterClient, const N: usize>(
    op: GraphOp,
    inputs: [RouterTensor<C>; N],
) -> RouterTensor<C> {
    let [out] = record(op, inputs, None);
    out
}

/// Records a linear map: for remote devices, since recordings hold Burn's own.
fn dense<C: RouterClient, const N: usize>(
    op: DenseOp,
    inputs: [RouterTensor<C>; N],
) -> RouterTensor<C> {
    let client = inputs[0].client.clone();
    let inputs = inputs.map(RouterTensor::into_ir);
    let desc = op.describe(&inputs, || client.create_empty_handle());
    client.register(OperationIr::Custom(desc)).output()
}

/// Records an operation along sorted edges: for remote devices, since recordings hold none.
fn sorted<C: RouterClient, const M: usize>(
    op: SortedOp,
    inputs: Vec<RouterTensor<C>>,
) -> [RouterTensor<C>; M] {
    let client = inputs[0].client.clone();
    let inputs: Vec<_> = inputs.into_iter().map(RouterTensor::into_ir).collect();
    let desc = op.describe(&inputs, || client.create_empty_handle());
    client.register(OperationIr::Custom(desc)).outputs()
}

/// `inputs` and the tensors of compressed rows.
fn with<C: RouterChannel>(
    mut inputs: Vec<RouterTensor<C::Client>>,
    csr: CsrTensors<BackendRouter<C>>,
) -> Vec<RouterTensor<C::Client>> {
    inputs.extend(parts(csr));
    inputs
}

impl<C: RouterChannel> GraphOps for BackendRouter<C> {
    fn gather(x: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self> {
        record_one(GraphOp::Gather, [x, index])
    }

    fn scatter(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::Scatter { size, reduce }, [x, index])
    }

    fn segment_reduce(
        x: FloatTensor<Self>,
        ptr: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::SegmentReduce { reduce }, [x, ptr])
    }

    fn segment_softmax(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::SegmentSoftmax { size }, [x, index])
    }

    fn spmm(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::Spmm { size, reduce }, [x, src, dst])
    }

    fn spmm_weighted(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        weight: FloatTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::Spmm { size, reduce }, [x, src, dst, weight])
    }

    fn spmm_csr(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::SpmmCsr { reduce }, [x, rowptr, col])
    }

    fn spmm_csr_weighted(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        value: FloatTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::SpmmCsr { reduce }, [x, rowptr, col, value])
    }

    fn edge_dot(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        row: IntTensor<Self>,
        col: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::EdgeDot, [a, b, row, col])
    }

    fn match_sum(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        row: IntTensor<Self>,
        col: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        record_one(GraphOp::MatchSum, [a, b, v, row, col])
    }

    fn degree(index: IntTensor<Self>, size: usize, dtype: FloatDType) -> FloatTensor<Self> {
        let [out] = record(GraphOp::Degree { size }, [index], Some(dtype.into()));
        out
    }

    fn coo_to_csr(index: IntTensor<Self>, size: usize) -> (IntTensor<Self>, IntTensor<Self>) {
        let [rowptr, perm] = record(GraphOp::CooToCsr { size }, [index], None);
        (rowptr, perm)
    }

    fn ptr_to_index(ptr: IntTensor<Self>, entries: usize) -> IntTensor<Self> {
        record_one(GraphOp::PtrToIndex { entries }, [ptr])
    }

    fn nonzero(mask: BoolTensor<Self>) -> IntTensor<Self> {
        let dtype = burn::backend::get_or_init_device_settings::<Self>(&mask.device()).int_dtype;
        let length = scope::selected(mask.shape()[0]);
        let [out] = record(GraphOp::Nonzero { length }, [mask], Some(dtype.into()));
        out
    }

    fn self_loop_position(
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
    ) -> IntTensor<Self> {
        record_one(GraphOp::SelfLoopPosition { size }, [src, dst])
    }

    fn dropout(x: FloatTensor<Self>, prob: f64) -> FloatTensor<Self> {
        record_one(GraphOp::Dropout { prob }, [x])
    }

    fn linear_map(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        dense(DenseOp::LinearMap, [x, weight])
    }

    fn linear_map_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        term: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        dense(DenseOp::LinearMapAdd, [x, weight, term])
    }

    fn linear_map_relu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        dense(DenseOp::LinearMapRelu, [x, weight, bias])
    }

    fn linear_map_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        dense(DenseOp::LinearMapWeight, [x, grad])
    }

    fn heads_dot(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::composed_heads_dot::<Self>(x, weight)
    }

    fn add_bias(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::broadcast_sum::<Self>(x, bias)
    }

    fn column_sum(x: FloatTensor<Self>) -> FloatTensor<Self> {
        dense(DenseOp::ColumnSum, [x])
    }

    fn sort_edges(
        row: IntTensor<Self>,
        col: IntTensor<Self>,
        size: usize,
    ) -> (IntTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        let [ptr, col, edge] = sorted(SortedOp::SortEdges { size }, vec![row, col]);
        (ptr, col, edge)
    }

    fn aggregate(
        x: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        let weighted = false;
        let [out] = sorted(SortedOp::Aggregate { weighted, reduce }, with(vec![x], csr));
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
        let inputs = with(vec![x, weight], csr);
        let [out] = sorted(SortedOp::Aggregate { weighted, reduce }, inputs);
        out
    }

    fn aggregate_normalized(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        self_loop: Option<f64>,
    ) -> FloatTensor<Self> {
        let inputs = with(vec![x, scale], csr);
        let [out] = sorted(SortedOp::AggregateNormalized { self_loop }, inputs);
        out
    }

    fn aggregate_with_loops(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        self_loop: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let inputs = with(vec![x, weight, self_loop], csr);
        let [out] = sorted(SortedOp::AggregateWithLoops, inputs);
        out
    }

    fn aggregate_self(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let [out] = sorted(SortedOp::AggregateSelf, with(vec![x, weight], csr));
        out
    }

    fn aggregate_mean_backward(
        grad: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let mut inputs = with(vec![grad], csr);
        inputs.extend(parts(transposed));
        let [out] = sorted(SortedOp::AggregateMeanBackward, inputs);
        out
    }

    fn edge_dot_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let [out] = sorted(SortedOp::EdgeDot, with(vec![a, b], csr));
        out
    }

    fn match_sum_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        csr: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let [out] = sorted(SortedOp::MatchSum, with(vec![a, b, v], csr));
        out
    }

    fn edge_softmax(x: FloatTensor<Self>, csr: CsrTensors<Self>) -> FloatTensor<Self> {
        let [out] = sorted(SortedOp::EdgeSoftmax, with(vec![x], csr));
        out
    }

    fn edge_softmax_backward(
        out: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        csr: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let inputs = with(vec![out, grad], csr);
        let [dx] = sorted(SortedOp::EdgeSoftmaxBackward, inputs);
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
        let inputs = with(vec![x, score_src, score_dst, seed], csr);
        let [out, lse] = sorted(SortedOp::Attention(Score::Sum(options)), inputs);
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
        let mut inputs = with(vec![x, score_src, score_dst, out, lse, grad, seed], csr);
        inputs.extend(parts(transposed));
        let [dx, dsrc, ddst] = sorted(SortedOp::AttentionBackward(Score::Sum(options)), inputs);
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
        let inputs = with(vec![x_src, x_dst, att, seed], csr);
        let [out, lse] = sorted(SortedOp::Attention(Score::Joint(options)), inputs);
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
        let mut inputs = with(vec![x_src, x_dst, att, out, lse, grad, seed], csr);
        inputs.extend(parts(transposed));
        let [dsrc, ddst, datt] = sorted(SortedOp::AttentionBackward(Score::Joint(options)), inputs);
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
        let inputs = with(vec![query, key, value, seed], csr);
        let [out, lse] = sorted(SortedOp::Attention(Score::Dot(options)), inputs);
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
        let mut inputs = with(vec![query, key, value, out, lse, grad, seed], csr);
        inputs.extend(parts(transposed));
        let [dquery, dkey, dvalue] =
            sorted(SortedOp::AttentionBackward(Score::Dot(options)), inputs);
        (dquery, dkey, dvalue)
    }
}
