//! Backends that write operations down: run lazily ([`fusion`](super)), recorded or sent away
//! ([`router`](super)). They have one implementation, with a line per operation.

use burn::backend::{Backend, DType, tensor::IntTensor};

use crate::{CsrTensors, wire::run::Run};

/// A backend that writes operations down.
pub(crate) trait Deferred: Backend {
    /// A tensor of any kind.
    type Tensor;

    /// Writes `op` down and returns its results, which have shapes but no values yet. `dtype` is
    /// their type where inputs do not give it.
    fn defer<const M: usize>(
        op: impl Run,
        inputs: Vec<Self::Tensor>,
        dtype: Option<DType>,
    ) -> [Self::Tensor; M];
}

/// The tensors of compressed rows, in the order in which operations take them.
pub(crate) fn parts<B: Backend>(csr: CsrTensors<B>) -> [IntTensor<B>; 5] {
    [csr.ptr, csr.col, csr.edge, csr.chunk, csr.hub]
}

/// Methods that write an operation down with their tensors and attributes:
///
/// ```text
/// fn name(tensor: Kind; attribute: Type) -> Kind = operation;
/// ```
///
/// The kind `Unread` stands for a [`CsrTensors`] that gradients read, and so nothing here.
macro_rules! deferred {
    ($(
        fn $name:ident($($input:ident: $kind:ident),* $(; $($attribute:ident: $type:ty),*)?)
            -> $output:tt = $op:expr;
    )*) => {$(
        fn $name(
            $($input: deferred!(@type $kind),)*
            $($($attribute: $type),*)?
        ) -> deferred!(@type $output) {
            let mut inputs = Vec::new();
            $(deferred!(@push $kind $input inputs);)*
            let outputs = Self::defer($op, inputs, None);
            deferred!(@result $output outputs)
        }
    )*};
    (@type Float) => { FloatTensor<Self> };
    (@type Int) => { IntTensor<Self> };
    (@type Csr) => { CsrTensors<Self> };
    (@type Unread) => { CsrTensors<Self> };
    (@type ($($kind:ident),*)) => { ($(deferred!(@type $kind)),*) };
    (@push Csr $csr:ident $inputs:ident) => { $inputs.extend(super::deferred::parts($csr)) };
    (@push Unread $csr:ident $inputs:ident) => { drop($csr) };
    (@push $kind:ident $tensor:ident $inputs:ident) => { $inputs.extend([$tensor]) };
    (@result ($($kind:ident),*) $outputs:ident) => { $outputs.into() };
    (@result $kind:ident $outputs:ident) => {{ let [out] = $outputs; out }};
}

/// The methods of [`GraphOps`](crate::GraphOps) that all backends write down alike.
macro_rules! deferred_ops {
    () => {
        deferred! {
            fn gather(x: Float, index: Int) -> Float = GraphOp::Gather;
            fn scatter(x: Float, index: Int; size: usize, reduce: Reduce) -> Float
                = GraphOp::Scatter { size, reduce };
            fn segment_reduce(x: Float, ptr: Int; reduce: Reduce) -> Float
                = GraphOp::SegmentReduce { reduce };
            fn segment_softmax(x: Float, index: Int; size: usize) -> Float
                = GraphOp::SegmentSoftmax { size };
            fn spmm(x: Float, src: Int, dst: Int; size: usize, reduce: Reduce) -> Float
                = GraphOp::Spmm { size, reduce };
            fn spmm_weighted(
                x: Float, src: Int, dst: Int, weight: Float; size: usize, reduce: Reduce
            ) -> Float = GraphOp::Spmm { size, reduce };
            fn spmm_csr(x: Float, rowptr: Int, col: Int; reduce: Reduce) -> Float
                = GraphOp::SpmmCsr { reduce };
            fn spmm_csr_weighted(x: Float, rowptr: Int, col: Int, value: Float; reduce: Reduce)
                -> Float = GraphOp::SpmmCsr { reduce };
            fn edge_dot(a: Float, b: Float, row: Int, col: Int) -> Float = GraphOp::EdgeDot;
            fn match_sum(a: Float, b: Float, v: Float, row: Int, col: Int) -> Float
                = GraphOp::MatchSum;
            fn coo_to_csr(index: Int; size: usize) -> (Int, Int) = GraphOp::CooToCsr { size };
            fn ptr_to_index(ptr: Int; entries: usize) -> Int = GraphOp::PtrToIndex { entries };
            fn self_loop_position(src: Int, dst: Int; size: usize) -> Int
                = GraphOp::SelfLoopPosition { size };
            fn linear_map(x: Float, weight: Float) -> Float = EagerOp::LinearMap;
            fn linear_map_add(x: Float, weight: Float, term: Float) -> Float
                = EagerOp::LinearMapAdd;
            fn linear_map_relu(x: Float, weight: Float, bias: Float) -> Float
                = EagerOp::LinearMapRelu;
            fn linear_map_weight(x: Float, grad: Float) -> Float = EagerOp::LinearMapWeight;
            fn column_sum(x: Float) -> Float = EagerOp::ColumnSum;
            fn sort_edges(row: Int, col: Int; size: usize) -> (Int, Int, Int)
                = EagerOp::SortEdges { size };
            fn aggregate(x: Float, csr: Csr, transposed: Unread; reduce: Reduce) -> Float
                = EagerOp::Aggregate { weighted: false, reduce };
            fn aggregate_weighted(
                x: Float, weight: Float, csr: Csr, transposed: Unread; reduce: Reduce
            ) -> Float = EagerOp::Aggregate { weighted: true, reduce };
            fn aggregate_normalized(
                x: Float, scale: Float, csr: Csr, transposed: Unread; self_loop: Option<f64>
            ) -> Float = EagerOp::AggregateNormalized { self_loop };
            fn aggregate_with_loops(
                x: Float, weight: Float, self_loop: Float, csr: Csr, transposed: Unread
            ) -> Float = EagerOp::AggregateWithLoops;
            fn aggregate_self(x: Float, weight: Float, csr: Csr, transposed: Unread) -> Float
                = EagerOp::AggregateSelf;
            fn aggregate_mean_backward(grad: Float, csr: Csr, transposed: Csr) -> Float
                = EagerOp::AggregateMeanBackward;
            fn edge_dot_csr(a: Float, b: Float, csr: Csr, transposed: Unread) -> Float
                = EagerOp::EdgeDot;
            fn match_sum_csr(a: Float, b: Float, v: Float, csr: Csr) -> Float = EagerOp::MatchSum;
            fn edge_softmax(x: Float, csr: Csr) -> Float = EagerOp::EdgeSoftmax;
            fn edge_softmax_backward(out: Float, grad: Float, csr: Csr) -> Float
                = EagerOp::EdgeSoftmaxBackward;
            fn edge_attention(
                x: Float, score_src: Float, score_dst: Float, seed: Int, csr: Csr,
                transposed: Unread; options: AttentionAttributes
            ) -> (Float, Float) = EagerOp::attention(Score::Sum(options));
            fn edge_attention_backward(
                x: Float, score_src: Float, score_dst: Float, out: Float, lse: Float, grad: Float,
                seed: Int, csr: Csr, transposed: Csr; options: AttentionAttributes
            ) -> (Float, Float, Float) = EagerOp::attention_backward(Score::Sum(options));
            fn edge_attention_v2(
                x_src: Float, x_dst: Float, att: Float, seed: Int, csr: Csr,
                transposed: Unread; options: AttentionAttributes
            ) -> (Float, Float) = EagerOp::attention(Score::Joint(options));
            fn edge_attention_v2_backward(
                x_src: Float, x_dst: Float, att: Float, out: Float, lse: Float, grad: Float,
                seed: Int, csr: Csr, transposed: Csr; options: AttentionAttributes
            ) -> (Float, Float, Float) = EagerOp::attention_backward(Score::Joint(options));
            fn dot_attention(
                query: Float, key: Float, value: Float, seed: Int, csr: Csr,
                transposed: Unread; options: DotAttentionAttributes
            ) -> (Float, Float) = EagerOp::attention(Score::Dot(options));
            fn dot_attention_backward(
                query: Float, key: Float, value: Float, out: Float, lse: Float, grad: Float,
                seed: Int, csr: Csr, transposed: Csr; options: DotAttentionAttributes
            ) -> (Float, Float, Float) = EagerOp::attention_backward(Score::Dot(options));
        }

        fn degree(index: IntTensor<Self>, size: usize, dtype: FloatDType) -> FloatTensor<Self> {
            let [out] = Self::defer(GraphOp::Degree { size }, vec![index], Some(dtype.into()));
            out
        }
    };
}

pub(crate) use {deferred, deferred_ops};
