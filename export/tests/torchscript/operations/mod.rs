//! Every operation once: a method of its own, small inputs, results worked out by hand.

mod elementwise;
mod graph;
mod order;
mod shape;

use kiln_ir::{
    Binary, DenseOp, ElemType, ElementwiseOp, Float, ModuleId, Op, Scalar, Size, TensorType, Type,
    WeightRole,
};

use crate::{
    builder::{Builder, bool, float, int},
    expectation::{Arg, Call, Data, write},
};

/// A model with one method for each operation, and what each should give.
pub(crate) struct Operations {
    pub(crate) builder: Builder,
    pub(crate) calls: Vec<Call>,
    /// Nodes.
    n: Size,
    /// Edges.
    e: Size,
    /// A number that depends on data.
    k: Size,
}

impl Operations {
    /// Adds a method that runs one operation. Types of inputs are `(type, values)`.
    fn add(
        &mut self,
        name: &'static str,
        op: impl Into<Op>,
        inputs: Vec<(TensorType, Data)>,
        outputs: Vec<(TensorType, Data)>,
    ) {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let mut body = self.builder.function(ModuleId(0), name);
        let values: Vec<_> = inputs
            .iter()
            .zip(NAMES)
            .map(|((ty, _), name)| body.input(name, ty))
            .collect();
        let types: Vec<TensorType> = outputs.iter().map(|(ty, _)| ty.clone()).collect();
        let op = op.into();
        let constant = op.spec().is_none_or(|spec| spec.operands.is_empty());
        let reads = if constant { &[] } else { values.as_slice() };
        let results = body.ops(op, reads, &types);
        let function = body.finish(&results);
        let params = inputs
            .iter()
            .zip(NAMES)
            .map(|((ty, _), name)| (name, Type::Tensor(ty.clone())))
            .collect();
        let mut types: Vec<Type> = types.into_iter().map(Type::Tensor).collect();
        let mut out: Vec<Arg> = outputs
            .into_iter()
            .map(|(_, data)| Arg::Tensor(data))
            .collect();
        let (result, out) = if types.len() == 1 {
            (types.remove(0), out.remove(0))
        } else {
            (Type::Tuple(types), Arg::Tuple(out))
        };
        self.builder
            .method(name, params, result, vec![(Vec::new(), function)]);
        let args = inputs
            .into_iter()
            .zip(NAMES)
            .map(|((_, data), name)| (name, Arg::Tensor(data)))
            .collect();
        self.calls.push(Call {
            method: name,
            args,
            out,
        });
    }

    fn n(&self) -> TensorType {
        float(vec![self.n.clone()])
    }

    /// An elementwise operation on `[N]`.
    fn unary(&mut self, name: &'static str, op: impl Into<Op>, x: [f32; 3], out: [f32; 3]) {
        let ty = self.n();
        self.add(
            name,
            op,
            vec![(ty.clone(), Data::float(&[3], &x))],
            vec![(ty, Data::float(&[3], &out))],
        );
    }

    fn binary(&mut self, name: &'static str, op: Binary, x: [f32; 3], y: [f32; 3], out: [f32; 3]) {
        let ty = self.n();
        let inputs = vec![
            (ty.clone(), Data::float(&[3], &x)),
            (ty.clone(), Data::float(&[3], &y)),
        ];
        self.add(name, op, inputs, vec![(ty, Data::float(&[3], &out))]);
    }

    fn compare(&mut self, name: &'static str, op: Binary, out: [bool; 3]) {
        let (ty, mask) = (self.n(), bool(vec![self.n.clone()]));
        let inputs = vec![
            (ty.clone(), Data::float(&[3], &[1.0, 2.0, 3.0])),
            (ty, Data::float(&[3], &[2.0, 2.0, 2.0])),
        ];
        self.add(name, op, inputs, vec![(mask, Data::bool(&[3], &out))]);
    }

    fn logic(&mut self, name: &'static str, op: Binary, out: [bool; 4]) {
        let mask = bool(vec![self.e.clone()]);
        let inputs = vec![
            (mask.clone(), Data::bool(&[4], &[false, false, true, true])),
            (mask.clone(), Data::bool(&[4], &[false, true, false, true])),
        ];
        self.add(name, op, inputs, vec![(mask, Data::bool(&[4], &out))]);
    }

    /// An operation on `[N, 2]` with the values 1, -2, 3, 4, -5, 6.
    fn matrix(&mut self, name: &'static str, op: impl Into<Op>, ty: TensorType, out: Data) {
        let x = float(vec![self.n.clone(), 2.into()]);
        self.add(
            name,
            op,
            vec![(x, Data::float(&[3, 2], &[1.0, -2.0, 3.0, 4.0, -5.0, 6.0]))],
            vec![(ty, out)],
        );
    }

    /// An operation on messages `[E, 2]` with an index `[E]` of 0, 2, 2, 0.
    fn edges(&mut self, name: &'static str, op: impl Into<Op>, ty: TensorType, out: Data) {
        let x = float(vec![self.e.clone(), 2.into()]);
        let index = int(vec![self.e.clone()]);
        let inputs = vec![
            (
                x,
                Data::float(&[4, 2], &[1.0, 2.0, -3.0, 4.0, 5.0, -6.0, 7.0, 8.0]),
            ),
            (index, Data::int(&[4], &[0, 2, 2, 0])),
        ];
        self.add(name, op, inputs, vec![(ty, out)]);
    }
}

fn number(value: f64) -> Scalar {
    Scalar::Float(Float(value))
}

/// The model with all operations.
pub(crate) fn operations() -> Operations {
    let mut builder = Builder::new("Operations");
    let (n, e) = (builder.symbol("N"), builder.symbol("E"));
    let (k, k1) = (builder.symbol("K0"), Size::fixed(1));
    let [n, e, k] = [n, e, k].map(Size::symbol);
    let root = ModuleId(0);
    let scale = builder.weight(
        root,
        "scale",
        WeightRole::Parameter,
        Data::float(&[2], &[2.0, 3.0]),
    );
    let step = builder.weight(root, "step", WeightRole::Buffer, Data::int(&[], &[7]));
    let half = builder.weight(
        root,
        "half",
        WeightRole::Constant,
        Data::float(&[3], &[0.5, 1.5, 2.5]),
    );
    let mut all = Operations {
        builder,
        calls: Vec::new(),
        n: n.clone(),
        e,
        k,
    };

    all.add(
        "weight",
        Op::Weight(scale),
        vec![],
        vec![(float(vec![2.into()]), Data::float(&[2], &[2.0, 3.0]))],
    );
    all.add(
        "buffer",
        Op::Weight(step),
        vec![],
        vec![(int(vec![]), Data::int(&[], &[7]))],
    );
    all.add(
        "constant",
        Op::Weight(half),
        vec![],
        vec![(float(vec![3.into()]), Data::float(&[3], &[0.5, 1.5, 2.5]))],
    );
    running_statistic(&mut all, root);
    let ignored = || vec![(int(vec![n.clone()]), Data::int(&[3], &[0, 0, 0]))];
    let full = |value, elem, dims| ElementwiseOp::Full { value, elem, dims };
    all.add(
        "full_float",
        full(number(1.5), ElemType::F32, vec![n.clone(), 2.into()]),
        ignored(),
        vec![(
            float(vec![n.clone(), 2.into()]),
            Data::float(&[3, 2], &[1.5; 6]),
        )],
    );
    all.add(
        "full_int",
        full(Scalar::Int(&n + &k1), ElemType::I64, vec![n.clone()]),
        ignored(),
        vec![(int(vec![n.clone()]), Data::int(&[3], &[4; 3]))],
    );
    all.add(
        "full_bool",
        full(Scalar::Bool(true), ElemType::Bool, vec![n.clone()]),
        ignored(),
        vec![(bool(vec![n.clone()]), Data::bool(&[3], &[true; 3]))],
    );
    all.add(
        "arange",
        ElementwiseOp::Arange {
            start: k1.clone(),
            end: &n + &k1,
        },
        ignored(),
        vec![(int(vec![n.clone()]), Data::int(&[3], &[1, 2, 3]))],
    );

    elementwise::add(&mut all);
    shape::add(&mut all);
    order::add(&mut all);
    graph::add(&mut all);
    all
}

/// A statistic that a buffer follows, which is that buffer outside training.
fn running_statistic(all: &mut Operations, root: ModuleId) {
    let pair = float(vec![2.into()]);
    let values = Data::float(&[2], &[1.0, -2.0]);
    let running = all
        .builder
        .weight(root, "running", WeightRole::Buffer, values.clone());
    let mut body = all.builder.function(root, "running_statistic");
    let batch = body.input("batch", &pair);
    let running = body.weight(running);
    let op = DenseOp::RunningStatistic {
        momentum: Float(0.25),
        counts: false,
    };
    let out = body.op(op, &[running, batch, batch, running], &pair);
    let function = body.finish(&[out]);
    let (ty, name) = (Type::Tensor(pair), "running_statistic");
    let params = vec![("batch", ty.clone())];
    all.builder
        .method(name, params, ty, vec![(Vec::new(), function)]);
    let batch = Arg::Tensor(Data::float(&[2], &[3.0, 4.0]));
    all.calls.push(Call {
        method: name,
        args: vec![("batch", batch)],
        out: Arg::Tensor(values),
    });
}

#[test]
fn every_operation_is_written() {
    let Operations { builder, calls, .. } = operations();
    let model = builder.model();
    let nodes = model.program.functions.iter().flat_map(|one| &one.nodes);
    let written: Vec<_> = nodes.map(|node| node.op.name()).collect();
    for spec in Op::specs().filter(|spec| !spec.effects.is_fused) {
        let mut names = spec.names().into_iter();
        let is_written = names.any(|name| written.contains(&name.into()));
        assert!(is_written, "{} has no case", spec.variant);
    }
    write("operations", &model, &calls, &[]);
}
