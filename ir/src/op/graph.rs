//! Message passing: gather, scatter, sparse products, conversions between COO and CSR.

use kiln_ops::Reduce;

use super::{
    attribute::word_attribute,
    scalar::Float,
    spec::{Extent, operations},
};
use crate::{size::Size, types::ElemType};

/// Reductions of products along sorted edges; the kernel of the others sorts them itself.
const SUMS: &[&str] = &["sum", "mean", "max", "min"];

operations! {
    /// Message passing: gather, scatter, sparse products, conversions between COO and CSR.
    ///
    /// Axis 0 counts nodes or edges. An edge runs from its source, `src`, to its destination,
    /// `dst`.
    GraphOp {
        /// `out[e] = x[index[e]]`: `x [N, ..]`, `index [E]` to `[E, ..]`.
        Gather "gather" (x: Number, index: Int below(Extent::Rows("x"))) -> 1 is fresh;
        /// Rows that share a destination, reduced: `x [E, ..]`, `index [E]` to `[size, ..]`. There
        /// are no means of integers.
        Scatter "scatter" {
            /// How.
            reduce: Reduce,
            /// Number of destinations.
            size: Size,
        } (x: Number, index: Int below(Extent::Attribute("size"))) -> 1
            is fresh, widens(&["sum", "mul"]);
        /// Consecutive rows, reduced: `x [E, ..]`, `ptr [n + 1]` to `[n, ..]`.
        SegmentReduce "segment_reduce" {
            /// How.
            reduce: Reduce,
        } (x: Float, ptr: Int pointer(Extent::Rows("x"))) -> 1 is fresh;
        /// Softmax over the rows that share a destination: `x [E, ..]`, `index [E]` to `[E, ..]`.
        SegmentSoftmax "segment_softmax" {
            /// Number of destinations.
            size: Size,
        } (x: Float, index: Int below(Extent::Attribute("size"))) -> 1 is fresh;
        /// Gather, weigh and reduce in one: `out[i] = reduce over e with dst[e] = i of
        /// w[e] * x[src[e]]`. `x [N, F]`, `src [E]`, `dst [E]`, `w [E]` to `[size, F]`.
        Spmm "spmm" {
            /// How.
            reduce: Reduce,
            /// Number of destinations.
            size: Size,
        } (
            x: Float,
            src: Int below(Extent::Rows("x")) sorted_for(SUMS),
            dst: Int below(Extent::Attribute("size")) sorted_for(SUMS),
            weight: Same optional,
        ) -> 1 is fresh;
        /// The same by CSR: `x [N, F]`, `rowptr [n + 1]`, `col [E]`, `value [E]` to `[n, F]`.
        SpmmCsr "spmm_csr" {
            /// How.
            reduce: Reduce,
        } (
            x: Float,
            rowptr: Int pointer(Extent::Rows("col")),
            col: Int below(Extent::Rows("x")),
            value: Same optional,
        ) -> 1 is fresh;
        /// Number of entries of each index: `index [E]` to `[size]`.
        Degree "degree" {
            /// Number of destinations.
            size: Size,
            /// Float type of the result.
            elem: ElemType,
        } (index: Int below(Extent::Attribute("size"))) -> 1;
        /// The row of each entry of a CSR matrix: `rowptr [n + 1]` to `[entries]`.
        PtrToIndex "ptr_to_index" {
            /// Number of entries.
            entries: Size,
        } (ptr: Int pointer(Extent::Attribute("entries"))) -> 1;
        /// Row pointers, and the permutation that sorts by index (stable): `index [E]` to
        /// `[size + 1]`, `[E]`.
        CooToCsr "coo_to_csr" {
            /// Number of rows.
            size: Size,
        } (index: Int below(Extent::Attribute("size"))) -> 2;
        /// Positions of true values; how many is a symbol of its own: `mask [E]` to `[K]`.
        Nonzero "nonzero" (mask: Bool) -> 1 is reads_back, makes_size;
        /// Each position as often as its entry says; how many there are is a symbol of its own:
        /// `repeats [N]` to `[K]`. Rows gathered by it are the rows repeated.
        RepeatInterleave "repeat_interleave" (repeats: Int) -> 1 is fresh, reads_back, makes_size;
        /// A size that is computed, as the positions below it: `size []` or `[1]` to `[K]`, where
        /// `K`, a symbol of its own, is the integer in it.
        SizeOf "size_of" (size: Int) -> 1 is fresh, reads_back, makes_size;
        /// For each node the position of its last self loop, or `E` where it has none: `src [E]`,
        /// `dst [E]` to `[size]`.
        SelfLoopPosition "self_loop_position" {
            /// Number of nodes.
            size: Size,
        } (src: Int, dst: Int below(Extent::Attribute("size"))) -> 1;
        /// Attention in one walk over the edges: scores `leaky_relu(score_src[j] + score_dst[i])`,
        /// their softmax among the edges to `i`, dropout of it, and the sum of the rows `x[j]` with
        /// these weights: `x [N, H, C]`, `score_src [N, H]`, `score_dst [size, H]` to `[size, H,
        /// C]`. An edge that gives way to a loop is not read.
        EdgeAttention "edge_attention" {
            /// Slope of the leaky ReLU.
            slope: Float,
            /// Whether edges from a node to itself give way to one loop for each destination that
            /// is also a source.
            self_loops: bool,
            /// Probability of the dropout.
            dropout: Float,
            /// Number of destinations.
            size: Size,
        } (
            x: Float,
            src: Int below(Extent::Rows("x")) sorted,
            dst: Int below(Extent::Attribute("size")) sorted,
            score_src: Same,
            score_dst: Same,
        ) -> 1 is fresh, random("dropout"), fused;
        /// `out[i] = s[i] * (sum over e with dst[e] = i of s[src[e]] * x[src[e]], and w * s[i] *
        /// x[i])`: `x [N, F]`, `s [N]` to `[N, F]`.
        SpmmNormalized "spmm_normalized" {
            /// Weight `w` of a node's own row; edges from a node to itself are not read then.
            self_loop: Option<Float> = None,
        } (
            x: Float,
            src: Int below(Extent::Rows("x")) sorted,
            dst: Int below(Extent::Rows("x")) sorted,
            scale: Same,
        ) -> 1 is fresh, fused;
        /// `out[i] = sum over e with dst[e] = i and src[e] != i of w[e] * x[src[e]], and l[i] *
        /// x[i]`: `x [N, F]`, `w [E]`, `l [N]` to `[N, F]`.
        SpmmWithLoops "spmm_with_loops" (
            x: Float,
            src: Int below(Extent::Rows("x")) sorted,
            dst: Int below(Extent::Rows("x")) sorted,
            weight: Same,
            self_loop: Same,
        ) -> 1 is fresh, fused;
        /// One over the root of each node's number of edges, or 0 where there is none: `[size]`.
        InverseSqrtDegree "inverse_sqrt_degree" {
            /// Counted for each node; edges from a node to itself then count nothing.
            self_loop: Option<Float> = None,
            /// Number of nodes.
            size: Size,
            /// Float type of the result.
            elem: ElemType,
        } (
            src: Int below(Extent::Attribute("size")) sorted,
            dst: Int below(Extent::Attribute("size")) sorted,
        ) -> 1 is fresh;
    }
}

/// Words of all reductions of rows.
const REDUCES: [&str; Reduce::ALL.len()] = {
    let mut words = [""; Reduce::ALL.len()];
    let mut position = 0;
    while position < words.len() {
        words[position] = Reduce::ALL[position].name();
        position += 1;
    }
    words
};

word_attribute!(Reduce, &REDUCES);
