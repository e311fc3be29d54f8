//! Puts a symmetrically normalised sum in the place of its parts, for executors.
//!
//! A graph convolution without edge weights is recorded with a coefficient for each edge:
//!
//! ```text
//! weight = gather(s, src) · mask_fill(1, src = dst, 0) · gather(s, dst)                     [E]
//! out    = spmm(x, src, dst, weight) + x · (s · w · s)                                      [N, F]
//! ```
//!
//! Without loops there is neither the mask nor the second term. [`Op::SpmmNormalized`] reads `s` at the
//! nodes instead. It has no gradient for `s`, which must not depend on floats. Where `s` is one over the
//! root of the degree, it is counted along the same edges:
//!
//! ```text
//! degree = scatter(mask_fill(1, src = dst, 0), dst) + w
//! s      = mask_fill(1 / sqrt(mask_fill(degree, degree = 0, 1)), degree = 0, 0)
//! ```
//!
//! What is left unused is for [`DCE`](super::DCE).

use std::collections::HashMap;

use super::{
    pattern::{Values, float, orders},
    rebuild::Rebuild,
};
use crate::{
    op::{Binary, Float, Op, Reduce, Scalar, Unary},
    program::{Function, Node, Program, ValueId},
    size::Size,
    validate::Valid,
};

pub(super) fn fuse_normalization(program: &Valid) -> Program {
    let mut result = Program::clone(program);
    for function in &mut result.functions {
        *function = fuse(function);
    }
    result
}

fn fuse(function: &Function) -> Function {
    let values = Values::new(function);
    let mut rebuild = Rebuild::new(function);
    // Scales by the degree that are counted anew, which several layers share.
    let mut scales: HashMap<ValueId, ValueId> = HashMap::new();
    for node in &function.nodes {
        let found = looped(&values, node).or_else(|| plain(&values, node));
        let (Some(sum), &[out]) = (found, node.outputs.as_slice()) else {
            rebuild.copy(function, node);
            continue;
        };
        let ty = |id: ValueId| function.values.get(id.index()).cloned();
        if !scales.contains_key(&sum.scale)
            && let Some(op) = inverse_sqrt_degree(&values, &sum)
        {
            let inputs = rebuild.values(&sum.ends);
            let scale = rebuild.push(op, inputs, ty(sum.scale));
            scales.extend(scale.iter().map(|&scale| (sum.scale, scale)));
        }
        let [src, dst] = sum.ends;
        let mut inputs = rebuild.values(&[sum.x, src, dst]);
        let scale = scales.get(&sum.scale).copied();
        inputs.push(scale.unwrap_or_else(|| rebuild.value(sum.scale)));
        let op = Op::SpmmNormalized {
            self_loop: sum.self_loop,
        };
        for new in rebuild.push(op, inputs, ty(out)) {
            rebuild.replace(out, new);
        }
    }
    rebuild.finish(function)
}

/// A normalised sum.
struct Sum {
    x: ValueId,
    ends: [ValueId; 2],
    scale: ValueId,
    self_loop: Option<Float>,
}

/// The sum whose last part, the addition of each node's own row, a node is.
fn looped(values: &Values<'_>, node: &Node) -> Option<Sum> {
    let (Op::Binary(Binary::Add), &[a, b]) = (&node.op, node.inputs.as_slice()) else {
        return None;
    };
    orders([a, b]).into_iter().find_map(|[edges, own]| {
        let (op, inputs) = values.op_of_one_use(edges)?;
        let (x, ends, [scale, mask]) = product(values, op, inputs)?;
        let (Op::MaskFill(value), &[ones, existing]) = values.op(mask?)? else {
            return None;
        };
        let is_mask = float(value) == Some(0.0)
            && values.filled(ones) == Some(1.0)
            && values.is_equal(existing, ends);
        let (Op::Binary(Binary::Mul), &[a, b]) = values.op_of_one_use(own)? else {
            return None;
        };
        let column = match orders([a, b]).into_iter().find(|[row, _]| *row == x)? {
            [_, column] => column,
        };
        let own = values.reshaped(column)?;
        let [nodes] = values.dims(own)? else {
            return None;
        };
        let is_column = values.dims(column)? == [nodes.clone(), Size::fixed(1)];
        let weight = own_weight(values, own, scale?)?;
        (is_mask && is_column).then_some(Sum {
            x,
            ends,
            scale: scale?,
            self_loop: Some(Float(weight)),
        })
    })
}

/// The sum without loops that a node is.
fn plain(values: &Values<'_>, node: &Node) -> Option<Sum> {
    let (x, ends, [scale, ones]) = product(values, &node.op, &node.inputs)?;
    let is_plain = ones.is_none_or(|ones| values.filled(ones) == Some(1.0));
    let sum = Sum {
        x,
        ends,
        scale: scale?,
        self_loop: None,
    };
    is_plain.then_some(sum)
}

/// `spmm(x, src, dst, gather(s, src) · factor · gather(s, dst))` among one node set: `x`, the ends, `s`
/// and the factor.
fn product(
    values: &Values<'_>,
    op: &Op,
    inputs: &[ValueId],
) -> Option<(ValueId, [ValueId; 2], [Option<ValueId>; 2])> {
    let (Op::Spmm { reduce, size }, &[x, src, dst, weight]) = (op, inputs) else {
        return None;
    };
    if *reduce != Reduce::Sum || values.dims(x)?.first() != Some(size) {
        return None;
    }
    let mut factors = values.factors(weight);
    let mut take = |end| {
        let of = |factor: &ValueId| match values.op(*factor) {
            Some((Op::Gather, &[scale, index])) if index == end => Some(scale),
            _ => None,
        };
        let at = factors.iter().position(|factor| of(factor).is_some())?;
        of(&factors.remove(at))
    };
    let scales = [take(src)?, take(dst)?];
    let [a, b] = scales;
    if a != b || values.dims(a)? != [size.clone()] || !values.is_of_graph(a) {
        return None;
    }
    match factors.as_slice() {
        [] => Some((x, [src, dst], [Some(a), None])),
        &[factor] => Some((x, [src, dst], [Some(a), Some(factor)])),
        _ => None,
    }
}

/// `w` of `s · w · s`.
fn own_weight(values: &Values<'_>, own: ValueId, scale: ValueId) -> Option<f64> {
    let mut factors = values.factors(own);
    for _ in 0..2 {
        let at = factors.iter().position(|&factor| factor == scale)?;
        factors.remove(at);
    }
    match factors.as_slice() {
        [] => Some(1.0),
        &[weight] => values.filled(weight),
        _ => None,
    }
}

/// The operation that counts degrees, if the scale of a sum with loops is made of them.
fn inverse_sqrt_degree(values: &Values<'_>, sum: &Sum) -> Option<Op> {
    let masked = |id, with| match values.op(id)? {
        (Op::MaskFill(value), &[x, mask]) if float(value) == Some(with) => Some([x, mask]),
        _ => None,
    };
    let of = |unary, id| match values.op(id)? {
        (Op::Unary(own), &[x]) if *own == unary => Some(x),
        _ => None,
    };
    let [reciprocal, isolated] = masked(sum.scale, 0.0)?;
    let [degree, mask] = masked(of(Unary::Sqrt, of(Unary::Recip, reciprocal)?)?, 1.0)?;
    let zero = Op::BinaryScalar(Binary::Equal, Scalar::Float(Float(0.0)));
    if mask != isolated || values.op(isolated)? != (&zero, &[degree]) {
        return None;
    }
    let (Op::Binary(Binary::Add), &[a, b]) = values.op(degree)? else {
        return None;
    };
    let [_, dst] = sum.ends;
    let is_count = orders([a, b]).into_iter().any(|[counts, weight]| {
        let Some((Op::Scatter { reduce, .. }, &[counted, index])) = values.op(counts) else {
            return false;
        };
        let is_edge = masked(counted, 0.0).is_some_and(|[ones, existing]| {
            values.filled(ones) == Some(1.0) && values.is_equal(existing, sum.ends)
        });
        let weight = values.filled(weight).map(Float);
        let is_vector = values.dims(counts) == values.dims(sum.scale);
        *reduce == Reduce::Sum && is_vector && index == dst && is_edge && weight == sum.self_loop
    });
    let (elem, [size]) = values.ty(sum.scale)? else {
        return None;
    };
    is_count.then(|| Op::InverseSqrtDegree {
        self_loop: sum.self_loop,
        size: size.clone(),
        elem,
    })
}
