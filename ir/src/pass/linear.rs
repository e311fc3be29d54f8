//! Recognises linear layers: a product with a transposed weight, and a bias added to it.
//!
//! ```text
//! permute{[1, 0]}(w)  ·  matmul(x, wᵀ)                  →  linear(x, w)
//! linear(x, w)        ·  add(y, reshape{[1, F]}(b))     →  linear(x, w, b)
//! ```
//!
//! Burn records its `Linear` in these pieces. Put together they are one operation on the weight as
//! PyTorch stores it, and read as such in every format. What the pieces leave unused stays behind
//! for [`DCE`](super::DCE).

use std::collections::HashMap;

use crate::{
    op::{Binary, DenseOp, ElementwiseOp, Op, ShapeOp},
    program::{Function, Node, Program, TensorType, ValueId, ValueType},
    validate::Valid,
};

pub(super) fn recognise_linear(program: &Valid) -> Program {
    let mut result = Program::clone(program);
    for function in &mut result.functions {
        rewrite(function);
    }
    result
}

fn rewrite(function: &mut Function) {
    let mut uses: HashMap<ValueId, usize> = HashMap::new();
    for &value in function
        .nodes
        .iter()
        .flat_map(|node| &node.inputs)
        .chain(&function.outputs)
    {
        *uses.entry(value).or_default() += 1;
    }
    let mut definitions: HashMap<ValueId, Node> = HashMap::new();
    let types = &function.values;
    for node in &mut function.nodes {
        let new = product(node, &definitions).or_else(|| sum(node, &definitions, types, &uses));
        if let Some((op, inputs)) = new {
            node.op = op;
            node.inputs = inputs;
        }
        for &output in &node.outputs {
            definitions.insert(output, node.clone());
        }
    }
}

/// `matmul(x, wᵀ)` as a linear layer.
fn product(node: &Node, definitions: &HashMap<ValueId, Node>) -> Option<(Op, Vec<ValueId>)> {
    let (Op::Dense(DenseOp::Matmul), [x, right]) = (&node.op, node.inputs.as_slice()) else {
        return None;
    };
    match definitions.get(right)? {
        Node {
            op: Op::Shape(ShapeOp::Permute { axes }),
            inputs,
            ..
        } if axes.as_slice() == [1, 0] => {
            Some((DenseOp::Linear.into(), vec![*x, *inputs.first()?]))
        }
        _ => None,
    }
}

/// A bias added to a linear layer that has none and whose result nothing else uses.
fn sum(
    node: &Node,
    definitions: &HashMap<ValueId, Node>,
    types: &[ValueType],
    uses: &HashMap<ValueId, usize>,
) -> Option<(Op, Vec<ValueId>)> {
    let (
        Op::Elementwise(ElementwiseOp::Binary {
            function: Binary::Add,
        }),
        [y, added],
    ) = (&node.op, node.inputs.as_slice())
    else {
        return None;
    };
    let linear = definitions.get(y)?;
    let (Op::Dense(DenseOp::Linear), [x, weight]) = (&linear.op, linear.inputs.as_slice()) else {
        return None;
    };
    let reshape = definitions.get(added)?;
    let (Op::Shape(ShapeOp::Reshape { dims: _ }), [bias]) =
        (&reshape.op, reshape.inputs.as_slice())
    else {
        return None;
    };
    let tensor = |value: &ValueId| -> Option<&TensorType> {
        match types.get(value.index())? {
            ValueType::Tensor(ty) => Some(ty),
            ValueType::Int(_) => None,
        }
    };
    let ([size], [outputs, _]) = (
        tensor(bias)?.dims.as_slice(),
        tensor(weight)?.dims.as_slice(),
    ) else {
        return None;
    };
    let is_row = tensor(added)?.dims.last() == Some(size);
    let keeps_shape = tensor(y)? == tensor(node.outputs.first()?)?;
    let is_bias = size == outputs && is_row && keeps_shape && uses.get(y) == Some(&1);
    is_bias.then(|| (DenseOp::Linear.into(), vec![*x, *weight, *bias]))
}
