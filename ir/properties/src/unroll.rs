//! Programs without loops, as far as the numbers of their steps are fixed: each step is a call.

use kiln_ir::{
    ElemType, ElementwiseOp, Float, Function, Node, Op, Program, Scalar, Scan, ShapeOp, Size,
    TensorType, ValueId, ValueType, op::ScanOperand, validate::Valid,
};

/// Most steps of a loop that is unrolled.
const STEPS: i64 = 8;

/// The program without its loops of a few steps, and their number. Loops whose steps make sizes
/// stay, as a size is made once.
pub(crate) fn unrolled(program: &Valid) -> (Program, usize) {
    let mut result = Program::clone(program);
    let mut count = 0;
    for function in &mut result.functions {
        let mut unroll = Unroll::new(program, function);
        for node in &function.nodes {
            count += usize::from(unroll.node(function, node));
        }
        *function = unroll.finish(function);
    }
    (result, count)
}

struct Unroll<'a> {
    program: &'a Program,
    valid: &'a Valid,
    values: Vec<ValueType>,
    nodes: Vec<Node>,
    /// By old value, the new one.
    map: Vec<ValueId>,
}

impl<'a> Unroll<'a> {
    fn new(valid: &'a Valid, function: &Function) -> Self {
        Self {
            program: valid,
            valid,
            values: function.values[..function.inputs.len()].to_vec(),
            nodes: Vec::new(),
            map: function.inputs.clone(),
        }
    }

    /// Adds a node of the old function; whether it was a loop that is none any more.
    fn node(&mut self, old: &Function, node: &Node) -> bool {
        let inputs: Vec<ValueId> = node.inputs.iter().map(|id| self.map[id.index()]).collect();
        let ty = |id: &ValueId| old.values[id.index()].clone();
        let types: Vec<ValueType> = node.outputs.iter().map(ty).collect();
        let steps = match &node.op {
            Op::Scan(scan) if self.valid.binds(scan.body).is_empty() => {
                let times = scan.times.as_fixed().filter(|&times| times <= STEPS);
                times.map(|times| (scan, times))
            }
            _ => None,
        };
        let outputs = match steps {
            Some((scan, times)) => self.steps(scan, times, &inputs, &types),
            None => self.push(node.op.clone(), inputs, types),
        };
        self.map.extend(outputs);
        steps.is_some()
    }

    /// The steps of a loop one after the other.
    fn steps(
        &mut self,
        scan: &Scan,
        times: i64,
        inputs: &[ValueId],
        types: &[ValueType],
    ) -> Vec<ValueId> {
        let body = &self.program.functions[scan.body.index()];
        let carried = scan.carried as usize;
        let left: Vec<ValueType> = body
            .outputs
            .iter()
            .map(|id| body.values[id.index()].clone())
            .collect();
        let mut values = inputs[..carried].to_vec();
        let mut rows = vec![Vec::new(); left.len() - carried];
        for step in 0..times {
            let at = if scan.reverse { times - 1 - step } else { step };
            let operands = inputs.iter().zip(&body.inputs).enumerate();
            let operands = operands.map(|(position, (&id, input))| match scan.operand(position) {
                ScanOperand::Carried => values[position],
                ScanOperand::Scanned => self.row(id, at, body.values[input.index()].clone()),
                ScanOperand::Captured => id,
            });
            let operands = operands.collect();
            let results = self.push(Op::Call(scan.body), operands, left.clone());
            values = results[..carried].to_vec();
            for (rows, row) in rows.iter_mut().zip(&results[carried..]) {
                rows.push(*row);
            }
        }
        for (mut rows, ty) in rows.into_iter().zip(&types[carried..]) {
            if scan.reverse {
                rows.reverse();
            }
            let joined = self.join(rows, ty.clone());
            values.push(joined);
        }
        values
    }

    fn row(&mut self, sequence: ValueId, at: i64, ty: ValueType) -> ValueId {
        let TensorType { elem, dims } = tensor(&ty);
        let mut ranges: Vec<(Size, Size)> = dims
            .iter()
            .map(|dim| (Size::default(), dim.clone()))
            .collect();
        ranges.insert(0, (Size::fixed(at), Size::fixed(at + 1)));
        let one = in_front(Size::fixed(1), elem, &dims);
        let slice = self.push(ShapeOp::Slice { ranges }.into(), vec![sequence], vec![one]);
        self.push(ShapeOp::Reshape { dims }.into(), slice, vec![ty])[0]
    }

    fn join(&mut self, rows: Vec<ValueId>, ty: ValueType) -> ValueId {
        let TensorType { elem, dims } = tensor(&ty);
        let of_row = in_front(Size::fixed(1), elem, &dims[1..]);
        let reshape = |row| {
            let dims = tensor(&of_row).dims;
            let op = ShapeOp::Reshape { dims }.into();
            self.push(op, vec![row], vec![of_row.clone()])[0]
        };
        let rows: Vec<ValueId> = rows.into_iter().map(reshape).collect();
        let op: Op = if rows.is_empty() {
            let value = match elem {
                ElemType::Bool => Scalar::Bool(false),
                elem if elem.is_float() => Scalar::Float(Float(0.0)),
                _ => Scalar::Int(Size::default()),
            };
            ElementwiseOp::Full { value, elem, dims }.into()
        } else {
            ShapeOp::Cat { dim: 0 }.into()
        };
        self.push(op, rows, vec![ty])[0]
    }

    fn push(&mut self, op: Op, inputs: Vec<ValueId>, types: Vec<ValueType>) -> Vec<ValueId> {
        let first = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let outputs: Vec<ValueId> = (first..).map(ValueId).take(types.len()).collect();
        self.values.extend(types);
        self.nodes.push(Node {
            op,
            inputs,
            outputs: outputs.clone(),
        });
        outputs
    }

    fn finish(self, old: &Function) -> Function {
        let outputs = old.outputs.iter().map(|id| self.map[id.index()]);
        Function {
            outputs: outputs.collect(),
            values: self.values,
            nodes: self.nodes,
            ..old.clone()
        }
    }
}

fn in_front(size: Size, elem: ElemType, dims: &[Size]) -> ValueType {
    let dims = [size].into_iter().chain(dims.iter().cloned()).collect();
    ValueType::Tensor(TensorType { elem, dims })
}

fn tensor(ty: &ValueType) -> TensorType {
    match ty {
        ValueType::Tensor(ty) => ty.clone(),
        ValueType::Int(_) => panic!("rows are tensors"),
    }
}
