//! Every operation once: a method of its own, small inputs, results worked out by hand.

use kiln_ir::{
    Binary, ElemType, Float, Op, Reduce, Reduction, Scalar, Size, TensorType, Type, Unary,
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
    n: Size,
    e: Size,
}

impl Operations {
    /// Adds a method that runs one operation. Types of inputs are `(type, values)`.
    fn add(
        &mut self,
        name: &'static str,
        op: Op,
        inputs: Vec<(TensorType, Data)>,
        outputs: Vec<(TensorType, Data)>,
    ) {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let mut body = self.builder.function(kiln_ir::ModuleId(0), name);
        let values: Vec<_> = inputs
            .iter()
            .zip(NAMES)
            .map(|((ty, _), name)| body.input(name, ty))
            .collect();
        let types: Vec<TensorType> = outputs.iter().map(|(ty, _)| ty.clone()).collect();
        let constant = matches!(op, Op::Weight(_) | Op::Full { .. } | Op::Arange { .. });
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
    fn unary(&mut self, name: &'static str, op: Op, x: [f32; 3], out: [f32; 3]) {
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
        self.add(
            name,
            Op::Binary(op),
            inputs,
            vec![(ty, Data::float(&[3], &out))],
        );
    }

    fn compare(&mut self, name: &'static str, op: Binary, out: [bool; 3]) {
        let (ty, mask) = (self.n(), bool(vec![self.n.clone()]));
        let inputs = vec![
            (ty.clone(), Data::float(&[3], &[1.0, 2.0, 3.0])),
            (ty, Data::float(&[3], &[2.0, 2.0, 2.0])),
        ];
        self.add(
            name,
            Op::Binary(op),
            inputs,
            vec![(mask, Data::bool(&[3], &out))],
        );
    }

    fn logic(&mut self, name: &'static str, op: Binary, out: [bool; 4]) {
        let mask = bool(vec![self.e.clone()]);
        let inputs = vec![
            (mask.clone(), Data::bool(&[4], &[false, false, true, true])),
            (mask.clone(), Data::bool(&[4], &[false, true, false, true])),
        ];
        self.add(
            name,
            Op::Binary(op),
            inputs,
            vec![(mask, Data::bool(&[4], &out))],
        );
    }

    /// An operation on `[N, 2]` with the values 1, -2, 3, 4, -5, 6.
    fn matrix(&mut self, name: &'static str, op: Op, ty: TensorType, out: Data) {
        let x = float(vec![self.n.clone(), 2.into()]);
        self.add(
            name,
            op,
            vec![(x, Data::float(&[3, 2], &[1.0, -2.0, 3.0, 4.0, -5.0, 6.0]))],
            vec![(ty, out)],
        );
    }

    /// An operation on messages `[E, 2]` with an index `[E]` of 0, 2, 2, 0.
    fn edges(&mut self, name: &'static str, op: Op, ty: TensorType, out: Data) {
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
    let (n, e, k) = (Size::symbol(n), Size::symbol(e), Size::symbol(k));
    let root = kiln_ir::ModuleId(0);
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
        e: e.clone(),
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
    let ignored = || vec![(int(vec![n.clone()]), Data::int(&[3], &[0, 0, 0]))];
    let full = |value, elem, dims| Op::Full { value, elem, dims };
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
        Op::Arange {
            start: k1.clone(),
            end: &n + &k1,
        },
        ignored(),
        vec![(int(vec![n.clone()]), Data::int(&[3], &[1, 2, 3]))],
    );

    let unary = [
        ("neg", Unary::Neg, [1.0, -2.0, 0.0], [-1.0, 2.0, 0.0]),
        ("abs", Unary::Abs, [1.0, -2.0, 0.0], [1.0, 2.0, 0.0]),
        ("sign", Unary::Sign, [3.0, -2.0, 0.0], [1.0, -1.0, 0.0]),
        (
            "exp",
            Unary::Exp,
            [0.0, 1.0, -1.0],
            [1.0, 2.718_281_8, 0.367_879_44],
        ),
        (
            "log",
            Unary::Log,
            [1.0, 2.0, 0.5],
            [0.0, 0.693_147_2, -0.693_147_2],
        ),
        (
            "log1p",
            Unary::Log1p,
            [0.0, 1.0, -0.5],
            [0.0, 0.693_147_2, -0.693_147_2],
        ),
        ("sqrt", Unary::Sqrt, [4.0, 9.0, 0.25], [2.0, 3.0, 0.5]),
        ("recip", Unary::Recip, [4.0, -2.0, 0.5], [0.25, -0.5, 2.0]),
        (
            "erf",
            Unary::Erf,
            [0.0, 1.0, -1.0],
            [0.0, 0.842_700_8, -0.842_700_8],
        ),
        (
            "sin",
            Unary::Sin,
            [0.0, 1.0, -1.0],
            [0.0, 0.841_471, -0.841_471],
        ),
        (
            "cos",
            Unary::Cos,
            [0.0, 1.0, -1.0],
            [1.0, 0.540_302_3, 0.540_302_3],
        ),
        (
            "tan",
            Unary::Tan,
            [0.0, 1.0, -1.0],
            [0.0, 1.557_407_7, -1.557_407_7],
        ),
        (
            "tanh",
            Unary::Tanh,
            [0.0, 1.0, -1.0],
            [0.0, 0.761_594_2, -0.761_594_2],
        ),
        (
            "sigmoid",
            Unary::Sigmoid,
            [0.0, 1.0, -1.0],
            [0.5, 0.731_058_6, 0.268_941_43],
        ),
        (
            "log_sigmoid",
            Unary::LogSigmoid,
            [0.0, 1.0, -1.0],
            [-0.693_147_2, -0.313_261_7, -1.313_261_7],
        ),
        ("relu", Unary::Relu, [1.0, -2.0, 0.0], [1.0, 0.0, 0.0]),
        (
            "gelu",
            Unary::Gelu,
            [0.0, 1.0, -1.0],
            [0.0, 0.841_344_8, -0.158_655_25],
        ),
        ("floor", Unary::Floor, [1.5, -1.5, 2.0], [1.0, -2.0, 2.0]),
        ("ceil", Unary::Ceil, [1.5, -1.5, 2.0], [2.0, -1.0, 2.0]),
        ("round", Unary::Round, [0.5, 1.5, -2.4], [0.0, 2.0, -2.0]),
    ];
    for (name, op, x, out) in unary {
        all.unary(name, Op::Unary(op), x, out);
    }
    let mask = bool(vec![e.clone()]);
    let bits = Data::bool(&[4], &[false, true, true, false]);
    let flipped = Data::bool(&[4], &[true, false, false, true]);
    all.add(
        "logical_not",
        Op::Unary(Unary::Not),
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), flipped.clone())],
    );

    all.binary(
        "add",
        Binary::Add,
        [1.0, 2.0, 3.0],
        [0.5, -1.0, 2.0],
        [1.5, 1.0, 5.0],
    );
    all.binary(
        "sub",
        Binary::Sub,
        [1.0, 2.0, 3.0],
        [0.5, -1.0, 2.0],
        [0.5, 3.0, 1.0],
    );
    all.binary(
        "mul",
        Binary::Mul,
        [1.0, 2.0, 3.0],
        [0.5, -1.0, 2.0],
        [0.5, -2.0, 6.0],
    );
    all.binary(
        "div",
        Binary::Div,
        [1.0, 2.0, 3.0],
        [0.5, -1.0, 2.0],
        [2.0, -2.0, 1.5],
    );
    all.binary(
        "rem",
        Binary::Rem,
        [5.0, -5.0, 5.5],
        [3.0, 3.0, -2.0],
        [2.0, 1.0, -0.5],
    );
    all.binary(
        "pow",
        Binary::Pow,
        [2.0, 4.0, 3.0],
        [3.0, 0.5, 0.0],
        [8.0, 2.0, 1.0],
    );
    let ints = || int(vec![n.clone()]);
    all.add(
        "div_int",
        Op::Binary(Binary::Div),
        vec![
            (ints(), Data::int(&[3], &[7, -7, 6])),
            (ints(), Data::int(&[3], &[2, 2, 3])),
        ],
        vec![(ints(), Data::int(&[3], &[3, -3, 2]))],
    );
    all.compare("equal", Binary::Equal, [false, true, false]);
    all.compare("not_equal", Binary::NotEqual, [true, false, true]);
    all.compare("greater", Binary::Greater, [false, false, true]);
    all.compare("greater_equal", Binary::GreaterEqual, [false, true, true]);
    all.compare("lower", Binary::Lower, [true, false, false]);
    all.compare("lower_equal", Binary::LowerEqual, [true, true, false]);
    all.logic("logical_and", Binary::And, [false, false, false, true]);
    all.logic("logical_or", Binary::Or, [false, true, true, true]);
    all.logic("logical_xor", Binary::Xor, [false, true, true, false]);
    for (name, op, out) in [
        ("add_scalar", Binary::Add, [3.0, 4.0, 5.0]),
        ("sub_scalar", Binary::Sub, [-1.0, 0.0, 1.0]),
        ("mul_scalar", Binary::Mul, [2.0, 4.0, 6.0]),
        ("div_scalar", Binary::Div, [0.5, 1.0, 1.5]),
        ("rem_scalar", Binary::Rem, [1.0, 0.0, 1.0]),
        ("pow_scalar", Binary::Pow, [1.0, 4.0, 9.0]),
    ] {
        all.unary(
            name,
            Op::BinaryScalar(op, number(2.0)),
            [1.0, 2.0, 3.0],
            out,
        );
    }
    all.unary(
        "mul_infinity",
        Op::BinaryScalar(Binary::Mul, number(f64::NEG_INFINITY)),
        [1.0, 2.0, 3.0],
        [f32::NEG_INFINITY; 3],
    );
    all.add(
        "mul_size",
        Op::BinaryScalar(Binary::Mul, Scalar::Int(n.clone())),
        vec![(ints(), Data::int(&[3], &[1, 2, 3]))],
        vec![(ints(), Data::int(&[3], &[3, 6, 9]))],
    );
    all.add(
        "div_int_scalar",
        Op::BinaryScalar(Binary::Div, Scalar::Int(2.into())),
        vec![(ints(), Data::int(&[3], &[7, -7, 6]))],
        vec![(ints(), Data::int(&[3], &[3, -3, 3]))],
    );
    all.add(
        "lower_scalar",
        Op::BinaryScalar(Binary::Lower, Scalar::Int(n.clone())),
        vec![(ints(), Data::int(&[3], &[2, 3, 4]))],
        vec![(
            bool(vec![n.clone()]),
            Data::bool(&[3], &[true, false, false]),
        )],
    );
    all.add(
        "equal_true",
        Op::BinaryScalar(Binary::Equal, Scalar::Bool(true)),
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), bits.clone())],
    );
    all.add(
        "equal_false",
        Op::BinaryScalar(Binary::Equal, Scalar::Bool(false)),
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), flipped.clone())],
    );
    all.add(
        "and_false",
        Op::BinaryScalar(Binary::And, Scalar::Bool(false)),
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), Data::bool(&[4], &[false; 4]))],
    );
    all.add(
        "or_true",
        Op::BinaryScalar(Binary::Or, Scalar::Bool(true)),
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), Data::bool(&[4], &[true; 4]))],
    );

    all.unary(
        "leaky_relu",
        Op::LeakyRelu(Float(0.25)),
        [1.0, -2.0, 0.0],
        [1.0, -0.5, 0.0],
    );
    all.unary(
        "clamp",
        Op::Clamp {
            min: Some(number(-1.0)),
            max: Some(number(0.5)),
        },
        [1.0, -2.0, 0.0],
        [0.5, -1.0, 0.0],
    );
    all.unary(
        "clamp_min",
        Op::Clamp {
            min: Some(number(0.0)),
            max: None,
        },
        [1.0, -2.0, 0.0],
        [1.0, 0.0, 0.0],
    );
    all.add(
        "cast_float",
        Op::Cast(ElemType::F32),
        vec![(ints(), Data::int(&[3], &[1, -2, 3]))],
        vec![(float(vec![n.clone()]), Data::float(&[3], &[1.0, -2.0, 3.0]))],
    );
    all.add(
        "cast_int",
        Op::Cast(ElemType::I64),
        vec![(mask.clone(), bits.clone())],
        vec![(int(vec![e.clone()]), Data::int(&[4], &[0, 1, 1, 0]))],
    );
    all.add(
        "cast_bool",
        Op::Cast(ElemType::Bool),
        vec![(ints(), Data::int(&[3], &[0, 5, -1]))],
        vec![(
            bool(vec![n.clone()]),
            Data::bool(&[3], &[false, true, true]),
        )],
    );
    let at_n = all.n();
    let mask_n = bool(vec![n.clone()]);
    let x = Data::float(&[3], &[1.0, 2.0, 3.0]);
    let m = Data::bool(&[3], &[true, false, true]);
    all.add(
        "mask_where",
        Op::MaskWhere,
        vec![
            (at_n.clone(), x.clone()),
            (mask_n.clone(), m.clone()),
            (at_n.clone(), Data::float(&[3], &[7.0, 8.0, 9.0])),
        ],
        vec![(at_n.clone(), Data::float(&[3], &[7.0, 2.0, 9.0]))],
    );
    all.add(
        "mask_fill",
        Op::MaskFill(number(-1.0)),
        vec![(at_n.clone(), x.clone()), (mask_n.clone(), m.clone())],
        vec![(at_n.clone(), Data::float(&[3], &[-1.0, 2.0, -1.0]))],
    );
    all.add(
        "mask_fill_false",
        Op::MaskFill(Scalar::Bool(false)),
        vec![
            (mask_n.clone(), Data::bool(&[3], &[true; 3])),
            (mask_n.clone(), m.clone()),
        ],
        vec![(mask_n.clone(), Data::bool(&[3], &[false, true, false]))],
    );
    all.unary(
        "dropout",
        Op::Dropout(Float(0.5)),
        [1.0, -2.0, 0.0],
        [1.0, -2.0, 0.0],
    );

    all.matrix(
        "reshape",
        Op::Reshape(vec![&n * &2.into()]),
        float(vec![&n * &2.into()]),
        Data::float(&[6], &[1.0, -2.0, 3.0, 4.0, -5.0, 6.0]),
    );
    all.matrix(
        "permute",
        Op::Permute(vec![1, 0]),
        float(vec![2.into(), n.clone()]),
        Data::float(&[2, 3], &[1.0, 3.0, -5.0, -2.0, 4.0, 6.0]),
    );
    all.matrix(
        "slice",
        Op::Slice(vec![(1.into(), n.clone()), (0.into(), 2.into())]),
        float(vec![&n + &(-1).into(), 2.into()]),
        Data::float(&[2, 2], &[3.0, 4.0, -5.0, 6.0]),
    );
    all.matrix(
        "slice_columns",
        Op::Slice(vec![(0.into(), n.clone()), (1.into(), 2.into())]),
        float(vec![n.clone(), 1.into()]),
        Data::float(&[3, 1], &[-2.0, 4.0, 6.0]),
    );
    all.matrix(
        "repeat_dim",
        Op::RepeatDim {
            dim: 1,
            times: 2.into(),
        },
        float(vec![n.clone(), 4.into()]),
        Data::float(
            &[3, 4],
            &[
                1.0, -2.0, 1.0, -2.0, 3.0, 4.0, 3.0, 4.0, -5.0, 6.0, -5.0, 6.0,
            ],
        ),
    );
    all.add(
        "expand",
        Op::Expand(vec![n.clone(), &n + &k1]),
        vec![(
            float(vec![n.clone(), 1.into()]),
            Data::float(&[3, 1], &[1.0, 2.0, 3.0]),
        )],
        vec![(
            float(vec![n.clone(), &n + &k1]),
            Data::float(
                &[3, 4],
                &[1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0],
            ),
        )],
    );
    all.add(
        "cat",
        Op::Cat(0),
        vec![
            (at_n.clone(), x.clone()),
            (
                float(vec![e.clone()]),
                Data::float(&[4], &[4.0, 5.0, 6.0, 7.0]),
            ),
        ],
        vec![(
            float(vec![&n + &e]),
            Data::float(&[7], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        )],
    );
    let nodes = || {
        (
            float(vec![n.clone(), 2.into()]),
            Data::float(&[3, 2], &[1.0, -2.0, 3.0, 4.0, -5.0, 6.0]),
        )
    };
    let columns = int(vec![e.clone()]);
    all.add(
        "select",
        Op::Select(1),
        vec![nodes(), (columns.clone(), Data::int(&[4], &[1, 0, 0, 1]))],
        vec![(
            float(vec![n.clone(), e.clone()]),
            Data::float(
                &[3, 4],
                &[
                    -2.0, 1.0, 1.0, -2.0, 4.0, 3.0, 3.0, 4.0, 6.0, -5.0, -5.0, 6.0,
                ],
            ),
        )],
    );
    all.add(
        "gather_elements",
        Op::GatherElements(1),
        vec![
            nodes(),
            (
                int(vec![n.clone(), 1.into()]),
                Data::int(&[3, 1], &[1, 0, 1]),
            ),
        ],
        vec![(
            float(vec![n.clone(), 1.into()]),
            Data::float(&[3, 1], &[-2.0, 3.0, 6.0]),
        )],
    );

    let row = || float(vec![1.into(), 2.into()]);
    let all_one = || float(vec![1.into(), 1.into()]);
    all.matrix(
        "reduce_sum",
        Op::Reduce(Reduction::Sum, vec![0]),
        row(),
        Data::float(&[1, 2], &[-1.0, 8.0]),
    );
    all.matrix(
        "reduce_sum_all",
        Op::Reduce(Reduction::Sum, vec![0, 1]),
        all_one(),
        Data::float(&[1, 1], &[7.0]),
    );
    all.matrix(
        "reduce_mean",
        Op::Reduce(Reduction::Mean, vec![1]),
        float(vec![n.clone(), 1.into()]),
        Data::float(&[3, 1], &[-0.5, 3.5, 0.5]),
    );
    all.matrix(
        "reduce_max",
        Op::Reduce(Reduction::Max, vec![0]),
        row(),
        Data::float(&[1, 2], &[3.0, 6.0]),
    );
    all.matrix(
        "reduce_min",
        Op::Reduce(Reduction::Min, vec![0, 1]),
        all_one(),
        Data::float(&[1, 1], &[-5.0]),
    );
    all.matrix(
        "reduce_prod",
        Op::Reduce(Reduction::Prod, vec![0, 1]),
        all_one(),
        Data::float(&[1, 1], &[720.0]),
    );
    all.add(
        "reduce_any",
        Op::Reduce(Reduction::Any, vec![0]),
        vec![(mask.clone(), bits.clone())],
        vec![(bool(vec![1.into()]), Data::bool(&[1], &[true]))],
    );
    all.add(
        "reduce_all",
        Op::Reduce(Reduction::All, vec![0]),
        vec![(mask.clone(), bits.clone())],
        vec![(bool(vec![1.into()]), Data::bool(&[1], &[false]))],
    );
    all.matrix(
        "argmax",
        Op::ArgMax(1),
        int(vec![n.clone(), 1.into()]),
        Data::int(&[3, 1], &[0, 1, 1]),
    );
    all.unary(
        "softmax",
        Op::Softmax(0),
        [0.0, 0.0, 0.693_147_2],
        [0.25, 0.25, 0.5],
    );
    all.unary(
        "log_softmax",
        Op::LogSoftmax(0),
        [0.0, 0.0, 0.693_147_2],
        [-1.386_294_4, -1.386_294_4, -0.693_147_2],
    );
    let square = |values: [f32; 4]| {
        (
            float(vec![2.into(), 2.into()]),
            Data::float(&[2, 2], &values),
        )
    };
    let wide = || float(vec![n.clone(), 2.into()]);
    all.add(
        "matmul",
        Op::Matmul,
        vec![nodes(), square([1.0, 2.0, 3.0, 4.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[-5.0, -6.0, 15.0, 22.0, 13.0, 14.0]),
        )],
    );
    all.add(
        "linear",
        Op::Linear,
        vec![nodes(), square([1.0, 3.0, 2.0, 4.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[-5.0, -6.0, 15.0, 22.0, 13.0, 14.0]),
        )],
    );
    let pair = |values: [f32; 2]| (float(vec![2.into()]), Data::float(&[2], &values));
    all.add(
        "linear_bias",
        Op::Linear,
        vec![nodes(), square([1.0, 3.0, 2.0, 4.0]), pair([1.0, -1.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[-4.0, -7.0, 16.0, 21.0, 14.0, 13.0]),
        )],
    );
    all.add(
        "layer_norm",
        Op::LayerNorm {
            epsilon: Float(0.0),
        },
        vec![nodes(), pair([1.0, 2.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[1.0, -2.0, -1.0, 2.0, -1.0, 2.0]),
        )],
    );
    all.add(
        "layer_norm_bias",
        Op::LayerNorm {
            epsilon: Float(0.0),
        },
        vec![nodes(), pair([1.0, 2.0]), pair([0.5, 0.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[1.5, -2.0, -0.5, 2.0, -0.5, 2.0]),
        )],
    );
    all.add(
        "batch_norm",
        Op::BatchNorm {
            epsilon: Float(0.0),
        },
        vec![
            nodes(),
            pair([1.0, 2.0]),
            pair([0.5, 0.0]),
            pair([1.0, 0.0]),
            pair([4.0, 1.0]),
        ],
        vec![(
            wide(),
            Data::float(&[3, 2], &[0.5, -4.0, 1.5, 8.0, -2.5, 12.0]),
        )],
    );

    all.add(
        "gather",
        Op::Gather,
        vec![nodes(), (columns.clone(), Data::int(&[4], &[2, 0, 0, 1]))],
        vec![(
            float(vec![e.clone(), 2.into()]),
            Data::float(&[4, 2], &[-5.0, 6.0, 1.0, -2.0, 1.0, -2.0, 3.0, 4.0]),
        )],
    );
    let size = Size::fixed(4);
    let rows = || float(vec![4.into(), 2.into()]);
    let reduced = [
        (
            Reduce::Sum,
            "scatter_sum",
            "segment_sum",
            [8.0, 10.0, 0.0, 0.0, 2.0, -2.0, 0.0, 0.0],
        ),
        (
            Reduce::Mean,
            "scatter_mean",
            "segment_mean",
            [4.0, 5.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0],
        ),
        (
            Reduce::Max,
            "scatter_max",
            "segment_max",
            [7.0, 8.0, 0.0, 0.0, 5.0, 4.0, 0.0, 0.0],
        ),
        (
            Reduce::Min,
            "scatter_min",
            "segment_min",
            [1.0, 2.0, 0.0, 0.0, -3.0, -6.0, 0.0, 0.0],
        ),
        (
            Reduce::Mul,
            "scatter_mul",
            "segment_mul",
            [7.0, 16.0, 1.0, 1.0, -15.0, -24.0, 1.0, 1.0],
        ),
    ];
    for (reduce, scatter, segment, out) in reduced {
        let out = Data::float(&[4, 2], &out);
        all.edges(
            scatter,
            Op::Scatter {
                reduce,
                size: size.clone(),
            },
            rows(),
            out.clone(),
        );
        let sorted = (
            float(vec![e.clone(), 2.into()]),
            Data::float(&[4, 2], &[1.0, 2.0, 7.0, 8.0, -3.0, 4.0, 5.0, -6.0]),
        );
        let ptr = (int(vec![&n + &k1]), Data::int(&[5], &[0, 2, 2, 4, 4]));
        all.add(
            segment,
            Op::SegmentReduce(reduce),
            vec![sorted, ptr],
            vec![(wide(), out)],
        );
    }
    let no_edges = vec![
        (float(vec![e.clone(), 2.into()]), Data::float(&[0, 2], &[])),
        (columns.clone(), Data::int(&[0], &[])),
    ];
    all.add(
        "scatter_max_empty",
        Op::Scatter {
            reduce: Reduce::Max,
            size: 2.into(),
        },
        no_edges.clone(),
        vec![(
            float(vec![2.into(), 2.into()]),
            Data::float(&[2, 2], &[0.0; 4]),
        )],
    );
    all.add(
        "segment_softmax_empty",
        Op::SegmentSoftmax { size: 2.into() },
        no_edges,
        vec![(float(vec![e.clone(), 2.into()]), Data::float(&[0, 2], &[]))],
    );
    all.add(
        "scatter_vector",
        Op::Scatter {
            reduce: Reduce::Mean,
            size: 3.into(),
        },
        vec![
            (
                float(vec![e.clone()]),
                Data::float(&[4], &[1.0, 2.0, 3.0, 4.0]),
            ),
            (columns.clone(), Data::int(&[4], &[0, 0, 2, 2])),
        ],
        vec![(float(vec![3.into()]), Data::float(&[3], &[1.5, 0.0, 3.5]))],
    );
    all.add(
        "scatter_heads",
        Op::Scatter {
            reduce: Reduce::Max,
            size: 2.into(),
        },
        vec![
            (
                float(vec![e.clone(), 2.into(), 1.into()]),
                Data::float(&[4, 2, 1], &[1.0, 2.0, -3.0, 4.0, 5.0, -6.0, 7.0, 8.0]),
            ),
            (columns.clone(), Data::int(&[4], &[0, 1, 1, 0])),
        ],
        vec![(
            float(vec![2.into(), 2.into(), 1.into()]),
            Data::float(&[2, 2, 1], &[7.0, 8.0, 5.0, 4.0]),
        )],
    );
    let (a, b) = (0.268_941_43, 0.731_058_6);
    all.add(
        "segment_softmax",
        Op::SegmentSoftmax { size: 3.into() },
        vec![
            (
                float(vec![e.clone(), 1.into()]),
                Data::float(&[4, 1], &[1.0, 2.0, 0.0, 5.0]),
            ),
            (columns.clone(), Data::int(&[4], &[0, 0, 2, 1])),
        ],
        vec![(
            float(vec![e.clone(), 1.into()]),
            Data::float(&[4, 1], &[a, b, 1.0, 1.0]),
        )],
    );

    let src = || (columns.clone(), Data::int(&[4], &[0, 1, 2, 0]));
    let dst = || (columns.clone(), Data::int(&[4], &[0, 2, 2, 0]));
    let weights = || {
        (
            float(vec![e.clone()]),
            Data::float(&[4], &[1.0, 2.0, -1.0, 3.0]),
        )
    };
    for (reduce, plain, weighted, csr, csr_weighted, out, out_weighted) in [
        (
            Reduce::Sum,
            "spmm_sum",
            "spmm_sum_weighted",
            "spmm_csr_sum",
            "spmm_csr_sum_weighted",
            [2.0, -4.0, 0.0, 0.0, -2.0, 10.0],
            [4.0, -8.0, 0.0, 0.0, 11.0, 2.0],
        ),
        (
            Reduce::Mean,
            "spmm_mean",
            "spmm_mean_weighted",
            "spmm_csr_mean",
            "spmm_csr_mean_weighted",
            [1.0, -2.0, 0.0, 0.0, -1.0, 5.0],
            [2.0, -4.0, 0.0, 0.0, 5.5, 1.0],
        ),
        (
            Reduce::Max,
            "spmm_max",
            "spmm_max_weighted",
            "spmm_csr_max",
            "spmm_csr_max_weighted",
            [1.0, -2.0, 0.0, 0.0, 3.0, 6.0],
            [3.0, -2.0, 0.0, 0.0, 6.0, 8.0],
        ),
        (
            Reduce::Min,
            "spmm_min",
            "spmm_min_weighted",
            "spmm_csr_min",
            "spmm_csr_min_weighted",
            [1.0, -2.0, 0.0, 0.0, -5.0, 4.0],
            [1.0, -6.0, 0.0, 0.0, 5.0, -6.0],
        ),
        (
            Reduce::Mul,
            "spmm_mul",
            "spmm_mul_weighted",
            "spmm_csr_mul",
            "spmm_csr_mul_weighted",
            [1.0, 4.0, 1.0, 1.0, -15.0, 24.0],
            [3.0, 12.0, 1.0, 1.0, 30.0, -48.0],
        ),
    ] {
        let (out, out_weighted) = (
            Data::float(&[3, 2], &out),
            Data::float(&[3, 2], &out_weighted),
        );
        let op = Op::Spmm {
            reduce,
            size: n.clone(),
        };
        all.add(
            plain,
            op.clone(),
            vec![nodes(), src(), dst()],
            vec![(wide(), out.clone())],
        );
        all.add(
            weighted,
            op,
            vec![nodes(), src(), dst(), weights()],
            vec![(wide(), out_weighted.clone())],
        );
        let rowptr = || (int(vec![&n + &k1]), Data::int(&[4], &[0, 2, 2, 4]));
        let col = || (columns.clone(), Data::int(&[4], &[0, 0, 1, 2]));
        let value = || {
            (
                float(vec![e.clone()]),
                Data::float(&[4], &[1.0, 3.0, 2.0, -1.0]),
            )
        };
        all.add(
            csr,
            Op::SpmmCsr { reduce },
            vec![nodes(), rowptr(), col()],
            vec![(wide(), out)],
        );
        all.add(
            csr_weighted,
            Op::SpmmCsr { reduce },
            vec![nodes(), rowptr(), col(), value()],
            vec![(wide(), out_weighted)],
        );
    }
    all.add(
        "degree",
        Op::Degree {
            size: 3.into(),
            elem: ElemType::F32,
        },
        vec![dst()],
        vec![(float(vec![3.into()]), Data::float(&[3], &[2.0, 0.0, 2.0]))],
    );
    all.add(
        "ptr_to_index",
        Op::PtrToIndex { entries: 4.into() },
        vec![(int(vec![&n + &k1]), Data::int(&[4], &[0, 2, 2, 4]))],
        vec![(int(vec![4.into()]), Data::int(&[4], &[0, 0, 2, 2]))],
    );
    all.add(
        "coo_to_csr",
        Op::CooToCsr { size: 3.into() },
        vec![(columns.clone(), Data::int(&[4], &[2, 0, 2, 0]))],
        vec![
            (int(vec![4.into()]), Data::int(&[4], &[0, 2, 2, 4])),
            (columns.clone(), Data::int(&[4], &[1, 3, 0, 2])),
        ],
    );
    all.add(
        "nonzero",
        Op::Nonzero,
        vec![(mask, bits)],
        vec![(int(vec![k]), Data::int(&[2], &[1, 2]))],
    );
    all.add(
        "self_loop_position",
        Op::SelfLoopPosition { size: 4.into() },
        vec![src(), dst()],
        vec![(int(vec![4.into()]), Data::int(&[4], &[3, 4, 2, 4]))],
    );
    all
}

#[test]
fn every_operation_is_written() {
    let Operations { builder, calls, .. } = operations();
    write("operations", &builder.model(), &calls);
}
