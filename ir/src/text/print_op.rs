//! The text form of operations: `name{attribute=value, ...}(operands)`.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{
    Words,
    words::{at, float, list},
};
use crate::{
    op::{Float, Op, Scalar},
    size::Size,
};

/// An operation with its operands.
pub(super) fn print_op(words: Words<'_>, op: &Op, inputs: &str) -> String {
    let size = |size: &Size| words.size(size);
    let axes = |axes: &[u32]| format!("[{}]", list(axes, u32::to_string));
    let bound = |bound: &Option<Scalar>| match bound {
        Some(scalar) => words.scalar(scalar),
        None => "none".to_owned(),
    };
    let one = |name: &str, attribute: &str, value: String| {
        format!("{name}{{{attribute}={value}}}({inputs})")
    };
    let maybe = |value: Option<Float>| value.map_or_else(|| "none".to_owned(), float);
    let plain = |name: &str| format!("{name}({inputs})");
    match op {
        Op::Weight(id) => format!("weight {}", words.weight(*id)),
        Op::Call(id) => format!("call {}({inputs})", at(&words.function(*id))),
        Op::Symbol(symbol) => format!("symbol {}", words.symbol(*symbol)),
        Op::Full { value, elem, dims } => {
            let (value, dims) = (words.scalar(value), words.sizes(dims));
            format!("full{{value={value}, elem={elem}, dims=[{dims}]}}({inputs})")
        }
        Op::Arange { start, end } => {
            format!(
                "arange{{start={}, end={}}}({inputs})",
                size(start),
                size(end)
            )
        }
        Op::Unary(unary) => plain(unary.name()),
        Op::Binary(binary) => plain(binary.name()),
        Op::BinaryScalar(binary, scalar) => one(
            &format!("{}_scalar", binary.name()),
            "rhs",
            words.scalar(scalar),
        ),
        Op::LeakyRelu(slope) => one("leaky_relu", "slope", float(*slope)),
        Op::Clamp { min, max } => {
            format!("clamp{{min={}, max={}}}({inputs})", bound(min), bound(max))
        }
        Op::Cast(elem) => one("cast", "elem", elem.to_string()),
        Op::MaskWhere => plain("mask_where"),
        Op::MaskFill(value) => one("mask_fill", "value", words.scalar(value)),
        Op::Dropout(prob) => one("dropout", "prob", float(*prob)),
        Op::Reshape(dims) => one("reshape", "dims", format!("[{}]", words.sizes(dims))),
        Op::Permute(order) => one("permute", "axes", axes(order)),
        Op::Expand(dims) => one("expand", "dims", format!("[{}]", words.sizes(dims))),
        Op::Slice(ranges) => {
            let range = |(start, end): &_| format!("{}..{}", size(start), size(end));
            one("slice", "ranges", format!("[{}]", list(ranges, range)))
        }
        Op::Cat(dim) => one("cat", "dim", dim.to_string()),
        Op::RepeatDim { dim, times } => {
            format!("repeat_dim{{dim={dim}, times={}}}({inputs})", size(times))
        }
        Op::Select(dim) => one("select", "dim", dim.to_string()),
        Op::GatherElements(dim) => one("gather_elements", "dim", dim.to_string()),
        Op::Reduce(reduction, over) => {
            one(&format!("reduce_{}", reduction.name()), "axes", axes(over))
        }
        Op::ArgMax(dim) => one("arg_max", "dim", dim.to_string()),
        Op::Softmax(dim) => one("softmax", "dim", dim.to_string()),
        Op::LogSoftmax(dim) => one("log_softmax", "dim", dim.to_string()),
        Op::Matmul => plain("matmul"),
        Op::Linear => plain("linear"),
        Op::LayerNorm { epsilon } => one("layer_norm", "epsilon", float(*epsilon)),
        Op::BatchNorm { epsilon, momentum } => {
            let (epsilon, momentum) = (float(*epsilon), maybe(*momentum));
            format!("batch_norm{{epsilon={epsilon}, momentum={momentum}}}({inputs})")
        }
        Op::Gather => plain("gather"),
        Op::Scatter { reduce, size: rows } => {
            format!(
                "scatter{{reduce={}, size={}}}({inputs})",
                reduce.name(),
                size(rows)
            )
        }
        Op::SegmentReduce(reduce) => one("segment_reduce", "reduce", reduce.name().to_owned()),
        Op::SegmentSoftmax { size: rows } => one("segment_softmax", "size", size(rows)),
        Op::Spmm { reduce, size: rows } => {
            format!(
                "spmm{{reduce={}, size={}}}({inputs})",
                reduce.name(),
                size(rows)
            )
        }
        Op::SpmmCsr { reduce } => one("spmm_csr", "reduce", reduce.name().to_owned()),
        Op::Degree { size: rows, elem } => {
            format!("degree{{size={}, elem={elem}}}({inputs})", size(rows))
        }
        Op::PtrToIndex { entries } => one("ptr_to_index", "entries", size(entries)),
        Op::CooToCsr { size: rows } => one("coo_to_csr", "size", size(rows)),
        Op::Nonzero => plain("nonzero"),
        Op::SelfLoopPosition { size: nodes } => one("self_loop_position", "size", size(nodes)),
        Op::EdgeAttention {
            slope,
            self_loops,
            dropout,
            size: rows,
        } => {
            let (slope, dropout, rows) = (float(*slope), float(*dropout), size(rows));
            format!(
                "edge_attention{{slope={slope}, self_loops={self_loops}, dropout={dropout}, \
                 size={rows}}}({inputs})"
            )
        }
        Op::SpmmNormalized { self_loop } => one("spmm_normalized", "self_loop", maybe(*self_loop)),
        Op::SpmmWithLoops => plain("spmm_with_loops"),
        Op::InverseSqrtDegree {
            self_loop,
            size: rows,
            elem,
        } => {
            let (self_loop, rows) = (maybe(*self_loop), size(rows));
            format!(
                "inverse_sqrt_degree{{self_loop={self_loop}, size={rows}, elem={elem}}}({inputs})"
            )
        }
    }
}
