//! A network of two convolutions, by hand.

use kiln_ir::{
    Binary, DenseOp, ElemType, ElementwiseOp, Float, FunctionId, GraphOp, ModuleId, Op, Reduce,
    Scalar, ShapeOp, Size, SymbolId, Type, Unary, WeightRole,
};

use super::{EDGES, Matrix, edge_index, linear, row};
use crate::{
    builder::{Builder, float, int, optional},
    expectation::{Arg, Call, Data},
};

/// A convolution with weights of edges that are optional: two functions of one module.
struct Conv {
    module: ModuleId,
    plain: FunctionId,
    weighted: FunctionId,
}

fn conv(
    builder: &mut Builder,
    parent: ModuleId,
    path: &str,
    symbols: (SymbolId, SymbolId),
    weight: &Matrix,
    bias: &[f32],
) -> Conv {
    let (n, e) = (Size::symbol(symbols.0), Size::symbol(symbols.1));
    let module = builder.module(Some(parent), path, "GraphConv");
    let bias = builder.weight(
        module,
        &format!("{path}.bias"),
        WeightRole::Parameter,
        Data::float(&[bias.len()], bias),
    );
    let lin = linear(builder, module, &format!("{path}.lin"), weight);
    let ones = builder.module(Some(module), &format!("{path}.ones"), "EdgeOnes");
    let (d_input, d_output) = (
        i64::try_from(weight.width).unwrap(),
        i64::try_from(weight.rows()).unwrap(),
    );
    let hidden = float(vec![n.clone(), d_output.into()]);
    let (index, edges) = (int(vec![e.clone()]), float(vec![e.clone()]));
    let edge_index_type = int(vec![2.into(), e.clone()]);

    let mut body = builder.function(ones, "forward");
    body.input("edge_index", &edge_index_type);
    let value = ElementwiseOp::Full {
        value: Scalar::Float(Float(1.0)),
        elem: ElemType::F32,
        dims: vec![e.clone()],
    };
    let out = body.op(value, &[], &edges);
    let ones = body.finish(&[out]);

    // The number of nodes is passed: no message shows it.
    let mut body = builder.function(module, "aggregate");
    let messages = body.input("inputs", &float(vec![e.clone(), d_output.into()]));
    let dst = body.input("index", &index);
    body.integer("dim_size", symbols.0);
    let out = body.op(
        GraphOp::Scatter {
            reduce: Reduce::Sum,
            size: n.clone(),
        },
        &[messages, dst],
        &hidden,
    );
    let aggregate = body.finish(&[out]);

    let mut body = builder
        .function(module, "propagate")
        .record("PropagateArgs");
    let x = body.input("x", &hidden);
    let edge_index = body.input("edge_index", &edge_index_type);
    let edge_weight = body.input("edge_weight", &edges);
    let src = row(&mut body, edge_index, &e, 0);
    let dst = row(&mut body, edge_index, &e, 1);
    let gathered = body.op(
        GraphOp::Gather,
        &[x, src],
        &float(vec![e.clone(), d_output.into()]),
    );
    let column = float(vec![e.clone(), 1.into()]);
    let column = body.op(
        ShapeOp::Reshape {
            dims: vec![e.clone(), 1.into()],
        },
        &[edge_weight],
        &column,
    );
    let messages = body.op(
        Binary::Mul,
        &[gathered, column],
        &float(vec![e.clone(), d_output.into()]),
    );
    let size = body.symbol(symbols.0);
    let out = body.op(Op::Call(aggregate), &[messages, dst, size], &hidden);
    let propagate = body.finish(&[out]);

    let mut forward = |name: &str, weighted: bool| {
        let mut body = builder.function(module, name);
        let x = body.input("x", &float(vec![n.clone(), d_input.into()]));
        let edge_index = body.input("edge_index", &edge_index_type);
        let edge_weight = if weighted {
            body.input("edge_weight", &edges)
        } else {
            body.op(Op::Call(ones), &[edge_index], &edges)
        };
        let lin = body.weight(lin);
        let x = body.op(DenseOp::Linear, &[x, lin], &hidden);
        let x = body.op(Op::Call(propagate), &[x, edge_index, edge_weight], &hidden);
        let bias = body.weight(bias);
        let row = float(vec![1.into(), d_output.into()]);
        let bias = body.op(
            ShapeOp::Reshape {
                dims: vec![1.into(), d_output.into()],
            },
            &[bias],
            &row,
        );
        let x = body.op(Binary::Add, &[x, bias], &hidden);
        body.finish(&[x])
    };
    let plain = forward("forward", false);
    let weighted = forward("forward_1", true);
    Conv {
        module,
        plain,
        weighted,
    }
}

/// Two convolutions with dropout, batch normalisation, a numbered child and a constant.
pub(crate) fn network() -> (Builder, Vec<Call>) {
    let mut builder = Builder::new("Net");
    let root = ModuleId(0);
    let (n, e) = (builder.symbol("N"), builder.symbol("E"));
    let symbols = (n, e);
    let (w1, w2) = (Matrix::sample(3, 4, 1), Matrix::sample(2, 3, 5));
    let (b1, b2) = ([0.5, -0.25, 0.0], [1.0, -1.0]);
    let (gamma, beta, mean, var) = (
        [1.0, 2.0, 0.5],
        [0.0, 0.25, -0.5],
        [0.5, -0.5, 0.25],
        [1.0, 4.0, 0.25],
    );
    let offset = [0.125, -0.375];

    let conv1 = conv(&mut builder, root, "conv1", symbols, &w1, &b1);
    let convs = builder.module(Some(root), "convs", "ModuleList");
    let conv2 = conv(&mut builder, convs, "convs.0", symbols, &w2, &b2);
    let norm = builder.module(Some(root), "norm", "BatchNorm1d");
    let stats = [
        ("weight", WeightRole::Parameter, gamma),
        ("bias", WeightRole::Parameter, beta),
        ("running_mean", WeightRole::Buffer, mean),
        ("running_var", WeightRole::Buffer, var),
    ]
    .map(|(name, role, values)| {
        builder.weight(
            norm,
            &format!("norm.{name}"),
            role,
            Data::float(&[3], &values),
        )
    });
    builder.weight(
        norm,
        "norm.num_batches_tracked",
        WeightRole::Buffer,
        Data::int(&[], &[12]),
    );
    let constant = builder.weight(
        root,
        "offset",
        WeightRole::Constant,
        Data::float(&[1, 2], &offset),
    );
    assert_ne!(conv1.module, conv2.module);

    let (n, e) = (Size::symbol(n), Size::symbol(e));
    let (input, hidden, output) = (
        float(vec![n.clone(), 4.into()]),
        float(vec![n.clone(), 3.into()]),
        float(vec![n, 2.into()]),
    );
    let (edge_index_type, weight_type) = (int(vec![2.into(), e.clone()]), float(vec![e]));

    let mut body = builder.function(norm, "forward");
    let x = body.input("input", &hidden);
    let [gamma_, beta_, mean_, var_] = stats.map(|weight| body.weight(weight));
    let x = body.op(
        DenseOp::BatchNorm {
            epsilon: Float(1e-5),
            momentum: Some(Float(0.1)),
        },
        &[x, gamma_, beta_, mean_, var_],
        &hidden,
    );
    let normalise = body.finish(&[x]);

    let mut forward = |name: &str, weighted: bool| {
        let mut body = builder.function(root, name);
        let x = body.input("x", &input);
        let edge_index = body.input("edge_index", &edge_index_type);
        let mut edges = vec![edge_index];
        if weighted {
            edges.push(body.input("edge_weight", &weight_type));
        }
        let (call1, call2) = if weighted {
            (conv1.weighted, conv2.weighted)
        } else {
            (conv1.plain, conv2.plain)
        };
        let x = body.op(ElementwiseOp::Dropout { prob: Float(0.5) }, &[x], &input);
        let x = body.op(Op::Call(call1), &[&[x], edges.as_slice()].concat(), &hidden);
        let x = body.op(Unary::Relu, &[x], &hidden);
        let x = body.op(Op::Call(normalise), &[x], &hidden);
        let x = body.op(Op::Call(call2), &[&[x], edges.as_slice()].concat(), &output);
        let constant = body.weight(constant);
        let x = body.op(Binary::Add, &[x, constant], &output);
        body.finish(&[x])
    };
    let plain = forward("forward", false);
    let weighted = forward("forward_1", true);
    let params = vec![
        ("x", Type::Tensor(input)),
        ("edge_index", Type::Tensor(edge_index_type)),
        ("edge_weight", optional(Type::Tensor(weight_type))),
    ];
    builder.method(
        "forward",
        params,
        Type::Tensor(output),
        vec![(vec![false], plain), (vec![true], weighted)],
    );

    let reference = |x: &Matrix, edges: &[(usize, usize)], weights: &[f32]| {
        let x = x
            .linear(&w1)
            .propagate(edges, weights, x.rows(), false)
            .map(|c, v| v + b1[c]);
        let x = x.map(|c, v| (v.max(0.0) - mean[c]) / (var[c] + 1e-5).sqrt() * gamma[c] + beta[c]);
        x.linear(&w2)
            .propagate(edges, weights, x.rows(), false)
            .map(|c, v| v + b2[c] + offset[c])
    };
    let x = Matrix::sample(5, 4, 2);
    let weights = [1.0, -0.5, 2.0, 0.25, 0.0, 1.5];
    let edge_weight = Data::float(&[6], &weights);
    let calls = vec![
        Call {
            method: "forward",
            args: vec![
                ("x", x.data().into()),
                ("edge_index", edge_index(&EDGES).into()),
            ],
            out: reference(&x, &EDGES, &[1.0; 6]).data().into(),
        },
        Call {
            method: "forward",
            args: vec![
                ("x", x.data().into()),
                ("edge_index", edge_index(&EDGES).into()),
                ("edge_weight", edge_weight.into()),
            ],
            out: reference(&x, &EDGES, &weights).data().into(),
        },
        Call {
            method: "forward",
            args: vec![
                ("x", x.data().into()),
                ("edge_index", edge_index(&[]).into()),
                ("edge_weight", Arg::None),
            ],
            out: reference(&x, &[], &[]).data().into(),
        },
    ];
    (builder, calls)
}
