//! Gradients on top of any backend. Indices, counts and positions have none.

use burn::backend::{
    AutodiffBackend as _,
    autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::FloatDType;

use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes, GraphOps, Reduce, aggregate,
    attention::{self, Saved, Score},
    batch_norm, dropout, edge_dot, edge_softmax, gather, linear, relu, scatter, segment_reduce,
    segment_softmax,
    spmm::{self, backward::Form},
};

/// Indices have no gradients, so compressed rows are those of the backend below.
fn inner<B: GraphOps, C: CheckpointStrategy>(csr: CsrTensors<Autodiff<B, C>>) -> CsrTensors<B> {
    CsrTensors {
        ptr: csr.ptr,
        col: csr.col,
        edge: csr.edge,
        chunk: csr.chunk,
        hub: csr.hub,
    }
}

impl<B: GraphOps, C: CheckpointStrategy> GraphOps for Autodiff<B, C> {
    fn gather(x: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self> {
        gather::backward::gather::<B, C>(x, index)
    }

    fn scatter(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        scatter::backward::scatter::<B, C>(x, index, size, reduce)
    }

    fn segment_reduce(
        x: FloatTensor<Self>,
        ptr: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        segment_reduce::backward::segment_reduce::<B, C>(x, ptr, reduce)
    }

    fn segment_softmax(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
    ) -> FloatTensor<Self> {
        segment_softmax::backward::segment_softmax::<B, C>(x, index, size)
    }

    fn spmm(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        spmm::backward::product::<B, C>(x, Form::Coo { src, dst, size }, None, reduce)
    }

    fn spmm_weighted(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        weight: FloatTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        spmm::backward::product::<B, C>(x, Form::Coo { src, dst, size }, Some(weight), reduce)
    }

    fn spmm_csr(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        spmm::backward::product::<B, C>(x, Form::Csr { rowptr, col }, None, reduce)
    }

    fn spmm_csr_weighted(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        value: FloatTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        spmm::backward::product::<B, C>(x, Form::Csr { rowptr, col }, Some(value), reduce)
    }

    fn edge_dot(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        row: IntTensor<Self>,
        col: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        spmm::backward::edge_dot::<B, C>(a, b, row, col)
    }

    fn match_sum(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        row: IntTensor<Self>,
        col: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let [a, b, v] = [a, b, v].map(Self::inner);
        Self::from_inner(B::match_sum(a, b, v, row, col))
    }

    fn degree(index: IntTensor<Self>, size: usize, dtype: FloatDType) -> FloatTensor<Self> {
        Self::from_inner(B::degree(index, size, dtype))
    }

    fn coo_to_csr(index: IntTensor<Self>, size: usize) -> (IntTensor<Self>, IntTensor<Self>) {
        B::coo_to_csr(index, size)
    }

    fn ptr_to_index(ptr: IntTensor<Self>, entries: usize) -> IntTensor<Self> {
        B::ptr_to_index(ptr, entries)
    }

    fn nonzero(mask: BoolTensor<Self>) -> IntTensor<Self> {
        B::nonzero(mask)
    }

    fn self_loop_position(
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
    ) -> IntTensor<Self> {
        B::self_loop_position(src, dst, size)
    }

    fn dropout(x: FloatTensor<Self>, prob: f64) -> FloatTensor<Self> {
        dropout::backward::dropout::<B, C>(x, prob)
    }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        relu::backward::rectify::<B, C>(x)
    }

    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::matmul::<B, C>(lhs, rhs)
    }

    fn linear_map(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::linear_map::<B, C>(x, weight)
    }

    fn linear_map_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        term: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::backward::linear_map_add::<B, C>(x, weight, term)
    }

    fn linear_map_relu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::backward::linear_map_relu::<B, C>(x, weight, bias)
    }

    fn linear_map_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let [x, grad] = [x, grad].map(Self::inner);
        Self::from_inner(B::linear_map_weight(x, grad))
    }

    fn heads_dot(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::heads_dot::<B, C>(x, weight)
    }

    fn add_bias(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::add_bias::<B, C>(x, bias)
    }

    fn column_sum(x: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::column_sum::<B, C>(x)
    }

    fn standardize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        batch_norm::backward::standardize::<B, C>(x, gamma, beta, epsilon)
    }

    fn sort_edges(
        row: IntTensor<Self>,
        col: IntTensor<Self>,
        size: usize,
    ) -> (IntTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        B::sort_edges(row, col, size)
    }

    fn aggregate(
        x: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        aggregate::backward::aggregate::<B, C>(x, inner(csr), inner(transposed), reduce)
    }

    fn aggregate_weighted(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        let (csr, transposed) = (inner(csr), inner(transposed));
        aggregate::backward::aggregate_weighted::<B, C>(x, weight, csr, transposed, reduce)
    }

    fn aggregate_normalized(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        self_loop: Option<f64>,
    ) -> FloatTensor<Self> {
        let (csr, transposed) = (inner(csr), inner(transposed));
        let scale = Self::inner(scale);
        aggregate::backward::aggregate_normalized::<B, C>(x, scale, csr, transposed, self_loop)
    }

    fn aggregate_with_loops(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        self_loop: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let (csr, transposed) = (inner(csr), inner(transposed));
        let inputs = [x, weight, self_loop];
        aggregate::backward::aggregate_with_loops::<B, C>(inputs, csr, transposed)
    }

    fn aggregate_self(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        aggregate::backward::aggregate_self::<B, C>(x, weight, inner(csr), inner(transposed))
    }

    fn aggregate_mean_backward(
        grad: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let (csr, transposed) = (inner(csr), inner(transposed));
        Self::from_inner(B::aggregate_mean_backward(
            Self::inner(grad),
            csr,
            transposed,
        ))
    }

    fn edge_dot_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        edge_dot::backward::edge_dot::<B, C>(a, b, inner(csr), inner(transposed))
    }

    fn match_sum_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        csr: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let [a, b, v] = [a, b, v].map(Self::inner);
        Self::from_inner(B::match_sum_csr(a, b, v, inner(csr)))
    }

    fn edge_softmax(x: FloatTensor<Self>, csr: CsrTensors<Self>) -> FloatTensor<Self> {
        edge_softmax::backward::edge_softmax::<B, C>(x, inner(csr))
    }

    fn edge_softmax_backward(
        out: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        csr: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        let [out, grad] = [out, grad].map(Self::inner);
        Self::from_inner(B::edge_softmax_backward(out, grad, inner(csr)))
    }

    fn edge_attention(
        x: FloatTensor<Self>,
        score_src: FloatTensor<Self>,
        score_dst: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        options: AttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (csr, transposed) = (inner(csr), inner(transposed));
        let inputs = [x, score_src, score_dst];
        attention::backward::attention::<B, C>(Score::Sum(options), inputs, seed, csr, transposed)
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
        let inputs = [x, score_src, score_dst];
        let saved = Saved {
            out,
            lse,
            grad,
            seed,
        };
        let (csr, transposed) = (inner(csr), inner(transposed));
        attention::backward::gradients::<B, C>(Score::Sum(options), inputs, saved, csr, transposed)
    }

    fn edge_attention_v2(
        x_src: FloatTensor<Self>,
        x_dst: FloatTensor<Self>,
        att: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        options: AttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (csr, transposed) = (inner(csr), inner(transposed));
        let inputs = [x_src, x_dst, att];
        attention::backward::attention::<B, C>(Score::Joint(options), inputs, seed, csr, transposed)
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
        let inputs = [x_src, x_dst, att];
        let saved = Saved {
            out,
            lse,
            grad,
            seed,
        };
        let (csr, transposed) = (inner(csr), inner(transposed));
        attention::backward::gradients::<B, C>(
            Score::Joint(options),
            inputs,
            saved,
            csr,
            transposed,
        )
    }

    fn dot_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        seed: IntTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
        options: DotAttentionAttributes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (csr, transposed) = (inner(csr), inner(transposed));
        let inputs = [query, key, value];
        attention::backward::attention::<B, C>(Score::Dot(options), inputs, seed, csr, transposed)
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
        let inputs = [query, key, value];
        let saved = Saved {
            out,
            lse,
            grad,
            seed,
        };
        let (csr, transposed) = (inner(csr), inner(transposed));
        attention::backward::gradients::<B, C>(Score::Dot(options), inputs, saved, csr, transposed)
    }
}
