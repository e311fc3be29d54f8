//! Elementwise operations, scalars, masks.

use core::f32::consts::{E, LN_2};

use kiln_ir::{Binary, ElemType, ElementwiseOp, Float, Scalar, Unary};

use super::{Operations, number};
use crate::{
    builder::{bool, float, int},
    expectation::Data,
};

/// Adds elementwise operations.
pub(super) fn add(all: &mut Operations) {
    let (n, e) = (all.n.clone(), all.e.clone());
    let unary = [
        ("neg", Unary::Neg, [1.0, -2.0, 0.0], [-1.0, 2.0, 0.0]),
        ("abs", Unary::Abs, [1.0, -2.0, 0.0], [1.0, 2.0, 0.0]),
        ("sign", Unary::Sign, [3.0, -2.0, 0.0], [1.0, -1.0, 0.0]),
        ("exp", Unary::Exp, [0.0, 1.0, -1.0], [1.0, E, 0.367_879_44]),
        ("log", Unary::Log, [1.0, 2.0, 0.5], [0.0, LN_2, -LN_2]),
        ("log1p", Unary::Log1p, [0.0, 1.0, -0.5], [0.0, LN_2, -LN_2]),
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
            [-LN_2, -0.313_261_7, -1.313_261_7],
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
        all.unary(name, op, x, out);
    }
    let mask = bool(vec![e.clone()]);
    let bits = Data::bool(&[4], &[false, true, true, false]);
    let flipped = Data::bool(&[4], &[true, false, false, true]);
    all.add(
        "logical_not",
        Unary::Not,
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
        Binary::Div,
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
            ElementwiseOp::BinaryScalar {
                function: op,
                rhs: number(2.0),
            },
            [1.0, 2.0, 3.0],
            out,
        );
    }
    all.unary(
        "mul_infinity",
        ElementwiseOp::BinaryScalar {
            function: Binary::Mul,
            rhs: number(f64::NEG_INFINITY),
        },
        [1.0, 2.0, 3.0],
        [f32::NEG_INFINITY; 3],
    );
    all.add(
        "mul_size",
        ElementwiseOp::BinaryScalar {
            function: Binary::Mul,
            rhs: Scalar::Int(n.clone()),
        },
        vec![(ints(), Data::int(&[3], &[1, 2, 3]))],
        vec![(ints(), Data::int(&[3], &[3, 6, 9]))],
    );
    all.add(
        "div_int_scalar",
        ElementwiseOp::BinaryScalar {
            function: Binary::Div,
            rhs: Scalar::Int(2.into()),
        },
        vec![(ints(), Data::int(&[3], &[7, -7, 6]))],
        vec![(ints(), Data::int(&[3], &[3, -3, 3]))],
    );
    all.add(
        "lower_scalar",
        ElementwiseOp::BinaryScalar {
            function: Binary::Lower,
            rhs: Scalar::Int(n.clone()),
        },
        vec![(ints(), Data::int(&[3], &[2, 3, 4]))],
        vec![(
            bool(vec![n.clone()]),
            Data::bool(&[3], &[true, false, false]),
        )],
    );
    all.add(
        "equal_true",
        ElementwiseOp::BinaryScalar {
            function: Binary::Equal,
            rhs: Scalar::Bool(true),
        },
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), bits.clone())],
    );
    all.add(
        "equal_false",
        ElementwiseOp::BinaryScalar {
            function: Binary::Equal,
            rhs: Scalar::Bool(false),
        },
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), flipped.clone())],
    );
    all.add(
        "and_false",
        ElementwiseOp::BinaryScalar {
            function: Binary::And,
            rhs: Scalar::Bool(false),
        },
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), Data::bool(&[4], &[false; 4]))],
    );
    all.add(
        "or_true",
        ElementwiseOp::BinaryScalar {
            function: Binary::Or,
            rhs: Scalar::Bool(true),
        },
        vec![(mask.clone(), bits.clone())],
        vec![(mask.clone(), Data::bool(&[4], &[true; 4]))],
    );

    all.unary(
        "leaky_relu",
        ElementwiseOp::LeakyRelu { slope: Float(0.25) },
        [1.0, -2.0, 0.0],
        [1.0, -0.5, 0.0],
    );
    all.unary(
        "clamp",
        ElementwiseOp::Clamp {
            min: Some(number(-1.0)),
            max: Some(number(0.5)),
        },
        [1.0, -2.0, 0.0],
        [0.5, -1.0, 0.0],
    );
    all.unary(
        "clamp_min",
        ElementwiseOp::Clamp {
            min: Some(number(0.0)),
            max: None,
        },
        [1.0, -2.0, 0.0],
        [1.0, 0.0, 0.0],
    );
    all.unary(
        "detach",
        ElementwiseOp::Detach,
        [1.0, -2.0, 0.0],
        [1.0, -2.0, 0.0],
    );
    all.add(
        "cast_float",
        ElementwiseOp::Cast {
            elem: ElemType::F32,
        },
        vec![(ints(), Data::int(&[3], &[1, -2, 3]))],
        vec![(float(vec![n.clone()]), Data::float(&[3], &[1.0, -2.0, 3.0]))],
    );
    all.add(
        "cast_int",
        ElementwiseOp::Cast {
            elem: ElemType::I64,
        },
        vec![(mask.clone(), bits.clone())],
        vec![(int(vec![e.clone()]), Data::int(&[4], &[0, 1, 1, 0]))],
    );
    all.add(
        "cast_bool",
        ElementwiseOp::Cast {
            elem: ElemType::Bool,
        },
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
        ElementwiseOp::MaskWhere,
        vec![
            (at_n.clone(), x.clone()),
            (mask_n.clone(), m.clone()),
            (at_n.clone(), Data::float(&[3], &[7.0, 8.0, 9.0])),
        ],
        vec![(at_n.clone(), Data::float(&[3], &[7.0, 2.0, 9.0]))],
    );
    all.add(
        "mask_fill",
        ElementwiseOp::MaskFill {
            value: number(-1.0),
        },
        vec![(at_n.clone(), x.clone()), (mask_n.clone(), m.clone())],
        vec![(at_n.clone(), Data::float(&[3], &[-1.0, 2.0, -1.0]))],
    );
    all.add(
        "mask_fill_false",
        ElementwiseOp::MaskFill {
            value: Scalar::Bool(false),
        },
        vec![
            (mask_n.clone(), Data::bool(&[3], &[true; 3])),
            (mask_n.clone(), m.clone()),
        ],
        vec![(mask_n.clone(), Data::bool(&[3], &[false, true, false]))],
    );
    all.unary(
        "dropout",
        ElementwiseOp::Dropout { prob: Float(0.5) },
        [1.0, -2.0, 0.0],
        [1.0, -2.0, 0.0],
    );
}
