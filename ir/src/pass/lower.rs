//! Puts the parts of operations that are several in one in their place, for writers that know the
//! parts.
//!
//! An edge that gives way to a loop is left out and not multiplied by 0, which would show where
//! features are not finite. How many there are depends on data, so such edges stay in the list and
//! run to a row behind the last, which is cut off. What they are multiplied with is set to a number
//! that is finite, so that no gradient comes of them.

use super::rebuild::Rebuild;
use crate::{
    op::{Binary, ElementwiseOp, Float, GraphOp, Op, Reduce, Scalar, ShapeOp},
    program::{Program, ValueId, ValueType},
    size::Size,
    validate::{Valid, infer},
};

pub(super) fn lower(program: &Valid) -> Program {
    let mut result = Program::clone(program);
    for function in &mut result.functions {
        let mut rebuild = Rebuild::new(function);
        for node in &function.nodes {
            let inputs = rebuild.values(&node.inputs);
            let mut parts = Parts {
                program,
                rebuild: &mut rebuild,
            };
            match (parts.of(&node.op, &inputs), node.outputs.as_slice()) {
                (Some(result), &[output]) => rebuild.replace(output, result),
                _ => rebuild.copy(function, node),
            }
        }
        *function = rebuild.finish(function);
    }
    result
}

/// A function to which the parts of an operation are added.
struct Parts<'a> {
    program: &'a Program,
    rebuild: &'a mut Rebuild,
}

impl Parts<'_> {
    /// The result of the parts of an operation, if it has parts.
    fn of(&mut self, op: &Op, inputs: &[ValueId]) -> Option<ValueId> {
        match (op, inputs) {
            (Op::Graph(GraphOp::SpmmNormalized { self_loop }), &[x, src, dst, scale]) => {
                self.normalized(x, [src, dst], scale, *self_loop)
            }
            (Op::Graph(GraphOp::SpmmWithLoops), &[x, src, dst, weight, self_loop]) => {
                self.with_loops(x, [src, dst], weight, self_loop)
            }
            (
                Op::Graph(GraphOp::EdgeAttention {
                    slope,
                    self_loops,
                    dropout,
                    size,
                }),
                &[x, src, dst, score_src, score_dst],
            ) => {
                let (ends, of_nodes) = ([src, dst], [score_src, score_dst]);
                let scores = self.scores(ends, of_nodes, *slope)?;
                let weigh = |parts: &mut Self, scores, ends, size: &Size| {
                    parts.weighted_sum(x, scores, ends, *dropout, size)
                };
                if !self_loops {
                    return weigh(self, scores, ends, size);
                }
                let own = self.own_scores(of_nodes, *slope, size)?;
                let (scores, ends) = self.looped(scores, ends, own, size)?;
                let sums = weigh(self, scores, ends, &plus_one(size)?)?;
                self.first_rows(sums, size)
            }
            _ => None,
        }
    }

    /// `spmm(x, src, dst, s[src] * s[dst])`, and loops.
    fn normalized(
        &mut self,
        x: ValueId,
        ends: [ValueId; 2],
        scale: ValueId,
        self_loop: Option<Float>,
    ) -> Option<ValueId> {
        let [src, dst] = ends;
        let [of_src, of_dst] = [src, dst].map(|end| self.op(GraphOp::Gather, &[scale, end]));
        let weight = self.op(Binary::Mul, &[of_src?, of_dst?])?;
        if let Some(factor) = self_loop {
            let square = self.op(Binary::Mul, &[scale, scale])?;
            let factor = ElementwiseOp::BinaryScalar {
                function: Binary::Mul,
                rhs: Scalar::Float(factor),
            };
            let own = self.op(factor, &[square])?;
            return self.with_loops(x, ends, weight, own);
        }
        let [nodes, _] = self.dims(x)?;
        let product = GraphOp::Spmm {
            reduce: Reduce::Sum,
            size: nodes,
        };
        self.op(product, &[x, src, dst, weight])
    }

    /// `spmm(x, src, dst, weight)` without edges from a node to itself, and `self_loop * x`.
    fn with_loops(
        &mut self,
        x: ValueId,
        [src, dst]: [ValueId; 2],
        weight: ValueId,
        self_loop: ValueId,
    ) -> Option<ValueId> {
        let [nodes, _] = self.dims(x)?;
        let is_loop = self.op(Binary::Equal, &[src, dst])?;
        let weight = self.cleared(weight, is_loop)?;
        let dst = self.sent(dst, is_loop, &nodes)?;
        let product = GraphOp::Spmm {
            reduce: Reduce::Sum,
            size: plus_one(&nodes)?,
        };
        let sums = self.op(product, &[x, src, dst, weight])?;
        let sums = self.first_rows(sums, &nodes)?;
        let column = ShapeOp::Reshape {
            dims: vec![nodes, Size::fixed(1)],
        };
        let column = self.op(column, &[self_loop])?;
        let own = self.op(Binary::Mul, &[x, column])?;
        self.op(Binary::Add, &[sums, own])
    }

    /// `leaky_relu(score_src[src] + score_dst[dst])`
    fn scores(
        &mut self,
        ends: [ValueId; 2],
        of_nodes: [ValueId; 2],
        slope: Float,
    ) -> Option<ValueId> {
        let mut parts = [0, 1].map(|at| self.op(GraphOp::Gather, &[of_nodes[at], ends[at]]));
        let sum = [parts[0].take()?, parts[1].take()?];
        let sum = self.op(Binary::Add, &sum)?;
        self.op(ElementwiseOp::LeakyRelu { slope }, &[sum])
    }

    /// The loops of targets below `size`: their scores, sources and targets.
    fn own_scores(
        &mut self,
        [score_src, score_dst]: [ValueId; 2],
        slope: Float,
        size: &Size,
    ) -> Option<[ValueId; 3]> {
        let [sources, _] = self.dims(score_src)?;
        let all = ElementwiseOp::Arange {
            start: Size::fixed(0),
            end: size.clone(),
        };
        let node = self.op(all, &[])?;
        if sources == *size {
            let sum = self.op(Binary::Add, &[score_src, score_dst])?;
            let own = self.op(ElementwiseOp::LeakyRelu { slope }, &[sum])?;
            return Some([own, node, node]);
        }
        // Between two node sets, a target that is no source has none.
        let bound = Scalar::Int(sources);
        let alone = ElementwiseOp::BinaryScalar {
            function: Binary::GreaterEqual,
            rhs: bound,
        };
        let alone = self.op(alone, &[node])?;
        let source = self.sent(node, alone, &Size::fixed(0))?;
        let of_source = self.op(GraphOp::Gather, &[score_src, source])?;
        let sum = self.op(Binary::Add, &[of_source, score_dst])?;
        let own = self.op(ElementwiseOp::LeakyRelu { slope }, &[sum])?;
        let own = self.cleared(own, alone)?;
        let target = self.sent(node, alone, size)?;
        Some([own, source, target])
    }

    /// Edges and loops behind them, of which those that are left out run to row `size`.
    fn looped(
        &mut self,
        scores: ValueId,
        [src, dst]: [ValueId; 2],
        [own, source, target]: [ValueId; 3],
        size: &Size,
    ) -> Option<(ValueId, [ValueId; 2])> {
        let is_loop = self.op(Binary::Equal, &[src, dst])?;
        let scores = self.cleared(scores, is_loop)?;
        let dst = self.sent(dst, is_loop, size)?;
        let scores = self.op(ShapeOp::Cat { dim: 0 }, &[scores, own])?;
        let src = self.op(ShapeOp::Cat { dim: 0 }, &[src, source])?;
        let dst = self.op(ShapeOp::Cat { dim: 0 }, &[dst, target])?;
        Some((scores, [src, dst]))
    }

    /// The rows `x[src]` by heads, weighted by the softmax of scores, summed at `dst`.
    fn weighted_sum(
        &mut self,
        x: ValueId,
        scores: ValueId,
        [src, dst]: [ValueId; 2],
        dropout: Float,
        size: &Size,
    ) -> Option<ValueId> {
        let softmax = GraphOp::SegmentSoftmax { size: size.clone() };
        let mut alpha = self.op(softmax, &[scores, dst])?;
        if dropout.0 > 0.0 {
            alpha = self.op(ElementwiseOp::Dropout { prob: dropout }, &[alpha])?;
        }
        let [edges, heads] = self.dims(alpha)?;
        let of_heads = ShapeOp::Reshape {
            dims: vec![edges, heads, Size::fixed(1)],
        };
        let of_heads = self.op(of_heads, &[alpha])?;
        let rows = self.op(GraphOp::Gather, &[x, src])?;
        let messages = self.op(Binary::Mul, &[rows, of_heads])?;
        let sum = GraphOp::Scatter {
            reduce: Reduce::Sum,
            size: size.clone(),
        };
        self.op(sum, &[messages, dst])
    }

    /// `x` with zeros in the rows that `rows` marks.
    fn cleared(&mut self, x: ValueId, rows: ValueId) -> Option<ValueId> {
        let dims = self.types(x)?;
        let mut mask = rows;
        if let [count, rest @ ..] = dims.as_slice()
            && !rest.is_empty()
        {
            let mut column = vec![Size::fixed(1); dims.len()];
            column[0] = count.clone();
            mask = self.op(ShapeOp::Reshape { dims: column }, &[mask])?;
            mask = self.op(ShapeOp::Expand { dims }, &[mask])?;
        }
        self.op(
            ElementwiseOp::MaskFill {
                value: Scalar::Float(Float(0.0)),
            },
            &[x, mask],
        )
    }

    /// Ends of edges, with another node where `rows` marks them.
    fn sent(&mut self, ends: ValueId, rows: ValueId, to: &Size) -> Option<ValueId> {
        self.op(
            ElementwiseOp::MaskFill {
                value: Scalar::Int(to.clone()),
            },
            &[ends, rows],
        )
    }

    /// The rows below `size`.
    fn first_rows(&mut self, x: ValueId, size: &Size) -> Option<ValueId> {
        let mut dims = self.types(x)?;
        *dims.first_mut()? = size.clone();
        let ranges = dims.into_iter().map(|end| (Size::fixed(0), end));
        self.op(
            ShapeOp::Slice {
                ranges: ranges.collect(),
            },
            &[x],
        )
    }

    /// Adds an operation with one result.
    fn op(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Option<ValueId> {
        let op = op.into();
        let types = infer(self.program, &op, &self.rebuild.types(inputs)?).ok()?;
        let types = types.into_iter().map(ValueType::Tensor);
        self.rebuild
            .push(op, inputs.to_vec(), types)
            .first()
            .copied()
    }

    fn types(&self, x: ValueId) -> Option<Vec<Size>> {
        let [ty] = self.rebuild.types(&[x])?.try_into().ok()?;
        Some(ty.dims.clone())
    }

    fn dims<const N: usize>(&self, x: ValueId) -> Option<[Size; N]> {
        self.types(x)?.try_into().ok()
    }
}

fn plus_one(size: &Size) -> Option<Size> {
    size.checked_add(&Size::fixed(1))
}
