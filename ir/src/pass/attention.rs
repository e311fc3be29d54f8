//! Puts attention in the place of its parts, for executors.
//!
//! A layer with attention is recorded in parts, with its `H` heads as graphs of their own:
//!
//! ```text
//! score = leaky_relu(gather(score_src, src) + gather(score_dst, dst))                       [E, H]
//! own   = leaky_relu(score_src + score_dst)                                                 [n, H]
//! alpha = dropout(segment_softmax(cat(mask_fill(score, src = dst, -1e30), own), dst'))      [E + n, H]
//! out   = spmm(x, src' · H + h, dst' · H + h, alpha)                                        [n · H, C]
//! ```
//!
//! `src'` and `dst'` are the edges with a loop for each node behind them. Without loops there is no
//! `own`; between two node sets a node without a partner has a loop that is masked twice.
//! [`Op::EdgeAttention`] computes the same in one walk over the edges. The pass wants every one of
//! these nodes, and that no float of an edge is read elsewhere: attention that a model returns stays in
//! parts. What is left unused is for [`DCE`](super::DCE).
//!
//! A score of -1e30 becomes a weight of 0, so edges that give way to a loop can be left out. (Only a
//! sender that is not finite can tell: 0 times infinity is not a number.)

use super::{
    pattern::{Values, float, orders},
    rebuild::Rebuild,
};
use crate::{
    op::{Binary, Float, Op, Reduce, Scalar},
    program::{ElemType, Function, Node, Program, TensorType, ValueId, ValueType},
    size::Size,
    validate::Valid,
};

pub(super) fn fuse_attention(program: &Valid) -> Program {
    let mut result = Program::clone(program);
    for function in &mut result.functions {
        *function = fuse(function);
    }
    result
}

fn fuse(function: &Function) -> Function {
    let values = Values::new(function);
    let mut rebuild = Rebuild::new(function);
    for node in &function.nodes {
        let found = Attention::find(&values, node);
        let (Some(attention), &[out]) = (found, node.outputs.as_slice()) else {
            rebuild.copy(function, node);
            continue;
        };
        let inputs = rebuild.values(&attention.inputs);
        let by_head = rebuild.push(attention.op, inputs, [ValueType::Tensor(attention.ty)]);
        // The product has the heads as rows.
        if let Some(ValueType::Tensor(ty)) = function.values.get(out.index()).cloned() {
            let reshape = Op::Reshape(ty.dims.clone());
            for rows in rebuild.push(reshape, by_head, [ValueType::Tensor(ty)]) {
                rebuild.replace(out, rows);
            }
        }
    }
    rebuild.finish(function)
}

/// What takes the place of a product.
struct Attention {
    op: Op,
    inputs: Vec<ValueId>,
    ty: TensorType,
}

impl Attention {
    /// The attention whose last part a node is.
    fn find(values: &Values<'_>, node: &Node) -> Option<Self> {
        let (Op::Spmm { reduce, size: rows }, &[x_rows, senders, receivers, weight]) =
            (&node.op, node.inputs.as_slice())
        else {
            return None;
        };
        let x = values.reshaped(x_rows)?;
        let (elem, [nodes, heads, channels]) = values.ty(x)? else {
            return None;
        };
        let (Op::Reshape(_), &[alpha]) = values.op_of_one_use(weight)? else {
            return None;
        };
        let (dropout, alpha) = match values.op_of_one_use(alpha)? {
            (Op::Dropout(prob), &[alpha]) => (*prob, alpha),
            _ => (Float(0.0), alpha),
        };
        let (alpha, masked) = match values.op_of_one_use(alpha)? {
            (Op::MaskFill(value), &[alpha, mask]) if float(value) == Some(0.0) => {
                (alpha, Some(mask))
            }
            _ => (alpha, None),
        };
        let (Op::SegmentSoftmax { size }, &[scores, index]) = values.op_of_one_use(alpha)? else {
            return None;
        };
        let search = Search {
            values,
            elem,
            nodes,
            size,
            heads,
        };
        let [src, dst] = [search.ends(senders)?, search.ends(receivers)?];
        let is_product = *reduce == Reduce::Sum
            && *rows == size.checked_mul(heads)?
            && values.dims(x_rows)? == [nodes.checked_mul(heads)?, channels.clone()]
            && values.dims(alpha)?.get(1) == Some(heads)
            && index == dst
            // What is left is scaled by 1 / (1 - probability).
            && dropout.0 < 1.0;
        if !is_product {
            return None;
        }
        let (found, self_loops) = match (search.scores(scores, [src, dst]), masked) {
            (Some(found), None) => (found, false),
            (None, _) => (search.looped_scores(scores, [src, dst], masked)?, true),
            (Some(_), Some(_)) => return None,
        };
        let [score_src, score_dst] = found.of_nodes;
        let is_of =
            |score, rows: &Size| values.ty(score) == Some((elem, &[rows.clone(), heads.clone()]));
        if !is_of(score_src, nodes) || !is_of(score_dst, size) {
            return None;
        }
        let [src, dst] = found.ends;
        Some(Self {
            op: Op::EdgeAttention {
                slope: found.slope,
                self_loops,
                dropout,
                size: size.clone(),
            },
            inputs: vec![x, src, dst, score_src, score_dst],
            ty: TensorType {
                elem,
                dims: vec![size.clone(), heads.clone(), channels.clone()],
            },
        })
    }
}

/// Scores of edges, and the parts of them that their ends have.
struct Scores {
    slope: Float,
    ends: [ValueId; 2],
    of_nodes: [ValueId; 2],
}

/// The parts of one attention, and the sizes that they have in common.
struct Search<'v> {
    values: &'v Values<'v>,
    elem: ElemType,
    nodes: &'v Size,
    size: &'v Size,
    heads: &'v Size,
}

impl Search<'_> {
    /// The ends `i` of edges, from `i · H + h` for all edges and heads.
    fn ends(&self, rows: ValueId) -> Option<ValueId> {
        let heads = self.heads.as_fixed()?;
        if heads == 1 {
            return Some(rows);
        }
        let sum = self.values.reshaped(rows)?;
        let (Op::Binary(Binary::Add), &[first, head]) = self.values.op(sum)? else {
            return None;
        };
        let first_of_edge = self.values.reshaped(first)?;
        let (Op::BinaryScalar(Binary::Mul, Scalar::Int(factor)), &[ends]) =
            self.values.op(first_of_edge)?
        else {
            return None;
        };
        let ([edges], one) = (self.values.dims(ends)?, Size::fixed(1)) else {
            return None;
        };
        let is_rows = factor == self.heads
            && self.values.dims(first)? == [edges.clone(), one.clone()]
            && self.values.dims(head)? == [one, self.heads.clone()]
            && self
                .values
                .is_range(self.values.reshaped(head)?, self.heads);
        is_rows.then_some(ends)
    }

    /// `leaky_relu(gather(score_src, src) + gather(score_dst, dst))`
    fn scores(&self, scores: ValueId, ends: [ValueId; 2]) -> Option<Scores> {
        let (Op::LeakyRelu(slope), &[sum]) = self.values.op_of_one_use(scores)? else {
            return None;
        };
        let (Op::Binary(Binary::Add), &[a, b]) = self.values.op_of_one_use(sum)? else {
            return None;
        };
        let of = |rows, end| match self.values.op_of_one_use(rows) {
            Some((Op::Gather, &[score, index])) if index == end => Some(score),
            _ => None,
        };
        let of_nodes = orders([a, b])
            .into_iter()
            .find_map(|[a, b]| Some([of(a, ends[0])?, of(b, ends[1])?]))?;
        Some(Scores {
            slope: *slope,
            ends,
            of_nodes,
        })
    }

    /// The same with a score for each loop behind those of the edges. `masked` are the weights that are
    /// set to zero, where nodes without a partner have a loop.
    fn looped_scores(
        &self,
        scores: ValueId,
        looped: [ValueId; 2],
        masked: Option<ValueId>,
    ) -> Option<Scores> {
        let values = self.values;
        let (Op::Cat(0), &[of_edges, of_loops]) = values.op_of_one_use(scores)? else {
            return None;
        };
        let [src, loop_src] = self.with_loops(looped[0])?;
        let [dst, loop_dst] = self.with_loops(looped[1])?;
        if !values.is_range(loop_dst, self.size) {
            return None;
        }
        let (of_edges, existing) = self.lowered(of_edges)?;
        if !values.is_equal(existing, [src, dst]) {
            return None;
        }
        let found = self.scores(of_edges, [src, dst])?;
        let [score_src, score_dst] = found.of_nodes;

        let (of_loops, own_src) = if let Some(masked) = masked {
            let (of_loops, ignored) = self.lowered(of_loops)?;
            let (Op::Cat(0), &[a, b]) = values.op(self.mask_of_rows(masked)?)? else {
                return None;
            };
            if [a, b] != [existing, ignored] || !self.is_partner(loop_src, loop_dst, ignored) {
                return None;
            }
            (of_loops, None)
        } else if loop_src == loop_dst && self.nodes == self.size {
            (of_loops, Some(score_src))
        } else {
            return None;
        };
        let (Op::LeakyRelu(slope), &[sum]) = values.op_of_one_use(of_loops)? else {
            return None;
        };
        let (Op::Binary(Binary::Add), &[a, b]) = values.op_of_one_use(sum)? else {
            return None;
        };
        let is_own = |score| match own_src {
            Some(own) => score == own,
            None => matches!(
                values.op_of_one_use(score),
                Some((Op::Gather, &[score, index])) if score == score_src && index == loop_src
            ),
        };
        let is_sum = orders([a, b])
            .into_iter()
            .any(|[a, b]| is_own(a) && b == score_dst);
        (*slope == found.slope && is_sum).then_some(found)
    }

    /// Edges and loops, from one of the ends of both: as a list, or as a row of two lists.
    fn with_loops(&self, ends: ValueId) -> Option<[ValueId; 2]> {
        let values = self.values;
        let row = |ends: ValueId| {
            let (Op::Slice(ranges), &[both]) = values.op(values.reshaped(ends)?)? else {
                return None;
            };
            let ([(first, last), (start, end)], [length]) = (ranges.as_slice(), values.dims(ends)?)
            else {
                return None;
            };
            let (Op::Cat(0), rows @ [_, _]) = values.op(both)? else {
                return None;
            };
            let number = first.as_fixed()?;
            let is_row = last.as_fixed()? == number.checked_add(1)?
                && (start.as_fixed(), end) == (Some(0), length);
            let row = *rows.get(usize::try_from(number).ok()?)?;
            let list = values.reshaped(row)?;
            let is_list = values.dims(row)? == [Size::fixed(1), length.clone()]
                && values.dims(list)? == [length.clone()];
            (is_row && is_list).then_some(list)
        };
        match values.op(row(ends).unwrap_or(ends))? {
            (Op::Cat(0), &[edges, loops]) => Some([edges, loops]),
            _ => None,
        }
    }

    /// Scores, some rows of which are so low that their weights are 0, and which rows.
    fn lowered(&self, scores: ValueId) -> Option<(ValueId, ValueId)> {
        let (Op::MaskFill(value), &[scores, mask]) = self.values.op_of_one_use(scores)? else {
            return None;
        };
        let lowest = if self.elem == ElemType::F16 {
            -6e4
        } else {
            -1e30
        };
        let is_low = float(value)? <= lowest;
        is_low.then_some((scores, self.mask_of_rows(mask)?))
    }

    /// A mask of rows `[E]`, from one of rows and heads `[E, H]`.
    fn mask_of_rows(&self, mask: ValueId) -> Option<ValueId> {
        let values = self.values;
        let column = match values.op(mask)? {
            (Op::Expand(_), &[column]) => column,
            _ => mask,
        };
        let rows = values.reshaped(column)?;
        let ([edges], [_, heads]) = (values.dims(rows)?, values.dims(mask)?) else {
            return None;
        };
        let is_column = values.dims(column)? == [edges.clone(), Size::fixed(1)];
        (is_column && heads == self.heads).then_some(rows)
    }

    /// Whether each receiver has itself as its loop's sender, or 0 where it has no partner.
    fn is_partner(&self, sender: ValueId, receiver: ValueId, ignored: ValueId) -> bool {
        let nodes = Scalar::Int(self.nodes.clone());
        let zero = Scalar::Int(Size::fixed(0));
        matches!(
            self.values.op(sender),
            Some((Op::MaskFill(value), inputs)) if *value == zero && inputs == [receiver, ignored]
        ) && matches!(
            self.values.op(ignored),
            Some((Op::BinaryScalar(Binary::GreaterEqual, value), &[node]))
                if *value == nodes && node == receiver
        )
    }
}
