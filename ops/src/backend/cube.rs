//! The GPU backends. Half-precision features are widened to `f32`, so sums do not lose bits.

use burn::backend::{
    ops::FloatTensorOps as _,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::{DType, FloatDType};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes, GraphOps, Reduce, aggregate,
    attention::{self, Saved},
    csr, degree, edge_dot, edge_softmax, gather, linear, match_sum, scatter, segment_reduce,
    segment_softmax, self_loops, sort_edges, spmm,
};

/// Runs `f` on tensors of a type the kernels know, and converts the result back.
fn widened<const N: usize>(
    x: [CubeTensor; N],
    f: impl FnOnce([CubeTensor; N]) -> CubeTensor,
) -> CubeTensor {
    match x[0].dtype {
        dtype @ (DType::F16 | DType::BF16 | DType::Flex32) => {
            let x = x.map(|x| CubeBackend::float_cast(x, FloatDType::F32));
            CubeBackend::float_cast(f(x), dtype.into())
        }
        _ => f(x),
    }
}

impl GraphOps for CubeBackend {
    fn gather(x: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self> {
        widened([x], |[x]| gather::cube::gather(x, index))
    }

    fn scatter(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        widened([x], |[x]| scatter::cube::scatter(x, index, size, reduce))
    }

    fn segment_reduce(
        x: FloatTensor<Self>,
        ptr: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        widened([x], |[x]| {
            segment_reduce::cube::segment_reduce(x, ptr, reduce)
        })
    }

    fn segment_softmax(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
    ) -> FloatTensor<Self> {
        widened([x], |[x]| {
            segment_softmax::cube::segment_softmax(x, index, size)
        })
    }

    fn spmm(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        widened([x], |[x]| spmm::cube::spmm(x, src, dst, None, size, reduce))
    }

    fn spmm_weighted(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        weight: FloatTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        widened([x, weight], |[x, weight]| {
            spmm::cube::spmm(x, src, dst, Some(weight), size, reduce)
        })
    }

    fn spmm_csr(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        widened([x], |[x]| {
            spmm::cube::spmm_csr(x, rowptr, col, None, reduce)
        })
    }

    fn spmm_csr_weighted(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        value: FloatTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        widened([x, value], |[x, value]| {
            spmm::cube::spmm_csr(x, rowptr, col, Some(value), reduce)
        })
    }

    fn edge_dot(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        row: IntTensor<Self>,
        col: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        widened([a, b], |[a, b]| spmm::cube::edge_dot(a, b, row, col))
    }

    fn match_sum(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        row: IntTensor<Self>,
        col: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        widened([a, b, v], |[a, b, v]| {
            spmm::cube::match_sum(a, b, v, row, col)
        })
    }

    fn degree(index: IntTensor<Self>, size: usize, dtype: FloatDType) -> FloatTensor<Self> {
        degree::cube::degree(index, size, dtype)
    }

    fn coo_to_csr(index: IntTensor<Self>, size: usize) -> (IntTensor<Self>, IntTensor<Self>) {
        csr::cube::coo_to_csr(index, size)
    }

    fn ptr_to_index(ptr: IntTensor<Self>, entries: usize) -> IntTensor<Self> {
        csr::cube::ptr_to_index(ptr, entries)
    }

    fn self_loop_position(
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
    ) -> IntTensor<Self> {
        self_loops::cube::self_loop_position(src, dst, size)
    }

    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::cube::matmul(lhs, rhs)
    }

    fn linear_map(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::cube::linear_map(x, weight, None, false)
    }

    fn linear_map_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        term: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::cube::linear_map(x, weight, Some(term), false)
    }

    fn linear_map_relu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::cube::linear_map(x, weight, Some(bias), true)
    }

    fn linear_map_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::cube::linear_map_weight(x, grad)
    }

    fn column_sum(x: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::cube::column_sum(x)
    }

    fn sort_edges(
        row: IntTensor<Self>,
        col: IntTensor<Self>,
        size: usize,
    ) -> (IntTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        sort_edges::cube::sort_edges(row, col, size)
    }

    fn aggregate(
        x: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        aggregate::cube::aggregate(x, None, csr, reduce)
    }

    fn aggregate_weighted(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self> {
        aggregate::cube::aggregate(x, Some(weight), csr, reduce)
    }

    fn aggregate_normalized(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
        self_loop: Option<f64>,
    ) -> FloatTensor<Self> {
        aggregate::cube::aggregate_normalized(x, scale, csr, self_loop)
    }

    fn aggregate_with_loops(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        self_loop: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        aggregate::cube::aggregate_with_loops(x, weight, self_loop, csr)
    }

    fn aggregate_self(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        aggregate::cube::aggregate_self(x, weight, csr)
    }

    fn aggregate_mean_backward(
        grad: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        aggregate::cube::aggregate_mean_backward(grad, csr, transposed)
    }

    fn edge_dot_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        csr: CsrTensors<Self>,
        _transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        edge_dot::cube::edge_dot(a, b, csr)
    }

    fn match_sum_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        csr: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        match_sum::cube::match_sum(a, b, v, csr)
    }

    fn edge_softmax(x: FloatTensor<Self>, csr: CsrTensors<Self>) -> FloatTensor<Self> {
        edge_softmax::cube::edge_softmax(x, csr)
    }

    fn edge_softmax_backward(
        out: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        csr: CsrTensors<Self>,
    ) -> FloatTensor<Self> {
        edge_softmax::cube::edge_softmax_backward(out, grad, csr)
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
        attention::cube::attention(x, score_src, score_dst, seed, csr, options)
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
        attention::cube::attention_backward(
            x, score_src, score_dst, out, lse, grad, seed, csr, transposed, options,
        )
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
        attention::pair::cube::edge_attention_v2([x_src, x_dst, att], seed, csr, options)
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
        let (inputs, saved) = (
            [x_src, x_dst, att],
            Saved {
                out,
                lse,
                grad,
                seed,
            },
        );
        attention::pair::cube::edge_attention_v2_backward(inputs, saved, csr, transposed, options)
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
        attention::pair::cube::dot_attention([query, key, value], seed, csr, options)
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
        let (inputs, saved) = (
            [query, key, value],
            Saved {
                out,
                lse,
                grad,
                seed,
            },
        );
        attention::pair::cube::dot_attention_backward(inputs, saved, csr, transposed, options)
    }
}
