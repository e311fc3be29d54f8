//! Sizes that depend on data, by hand.

use kiln_ir::{Binary, ElementwiseOp, GraphOp, ModuleId, Op, Reduce, ShapeOp, Size, Type};

use super::Matrix;
use crate::{
    builder::{Builder, bool, float, int},
    expectation::{Arg, Call, Data},
};

/// Edges without self loops: a size that depends on data, a function without tensors, and a
/// number of edges that only a sum shows.
pub(crate) fn selection() -> (Builder, Vec<Call>) {
    let mut builder = Builder::new("Selection");
    let root = ModuleId(0);
    let numbers = builder.module(Some(root), "numbers", "Numbers");
    let (n_id, e_id) = (builder.symbol("N"), builder.symbol("E"));
    let k_id = builder.symbol("K0");
    let [n, e, k] = [n_id, e_id, k_id].map(Size::symbol);
    let index = |size: &Size| int(vec![size.clone()]);

    let mut body = builder.function(numbers, "forward");
    body.integer("count", k_id);
    let out = body.op(
        ElementwiseOp::Arange {
            start: 0.into(),
            end: k.clone(),
        },
        &[],
        &index(&k),
    );
    let numbers = body.finish(&[out]);

    let (src_type, all_type) = (index(&e), float(vec![&n + &e]));
    let nodes_type = float(vec![n.clone(), 2.into()]);
    let mut body = builder.function(root, "forward");
    let x = body.input("x", &nodes_type);
    let src = body.input("src", &src_type);
    let dst = body.input("dst", &src_type);
    let all = body.input("all", &all_type);
    let mask = bool(vec![e.clone()]);
    let mask = body.op(Binary::NotEqual, &[src, dst], &mask);
    let position = body.op(GraphOp::Nonzero, &[mask], &index(&k));
    let kept = body.op(ShapeOp::Select { dim: 0 }, &[dst, position], &index(&k));
    let count = body.symbol(k_id);
    let number = body.op(Op::Call(numbers), &[count], &index(&k));
    let values = body.op(
        ShapeOp::Slice {
            ranges: vec![(n.clone(), &n + &e)],
        },
        &[all],
        &float(vec![e.clone()]),
    );
    let values = body.op(
        GraphOp::Gather,
        &[values, position],
        &float(vec![k.clone()]),
    );
    let sum = GraphOp::Scatter {
        reduce: Reduce::Sum,
        size: n.clone(),
    };
    let sum = body.op(sum, &[values, kept], &float(vec![n.clone()]));
    let column = body.op(
        ShapeOp::Reshape {
            dims: vec![n.clone(), 1.into()],
        },
        &[sum],
        &float(vec![n, 1.into()]),
    );
    let out = body.op(Binary::Mul, &[x, column], &nodes_type);
    let function = body.finish(&[out, kept, number]);
    let params = vec![
        ("x", Type::Tensor(nodes_type.clone())),
        ("src", Type::Tensor(src_type.clone())),
        ("dst", Type::Tensor(src_type)),
        ("all", Type::Tensor(all_type)),
    ];
    let result = vec![
        Type::Tensor(nodes_type),
        Type::Tensor(index(&k)),
        Type::Tensor(index(&k)),
    ];
    builder.method(
        "forward",
        params,
        Type::Tuple(result),
        vec![(vec![], function)],
    );

    let x = Matrix::sample(3, 2, 1);
    let call = |src: &[i64], dst: &[i64], all: &[f32], sums: [f32; 3], kept: &[i64]| {
        let out = Matrix {
            width: 2,
            values: x
                .values
                .iter()
                .enumerate()
                .map(|(at, v)| v * sums[at / 2])
                .collect(),
        };
        let number: Vec<i64> = (0..).take(kept.len()).collect();
        let parts = [
            out.data(),
            Data::int(&[kept.len()], kept),
            Data::int(&[kept.len()], &number),
        ];
        Call {
            method: "forward",
            args: vec![
                ("x", x.data().into()),
                ("src", Data::int(&[src.len()], src).into()),
                ("dst", Data::int(&[dst.len()], dst).into()),
                ("all", Data::float(&[all.len()], all).into()),
            ],
            out: Arg::Tuple(parts.into_iter().map(Arg::Tensor).collect()),
        }
    };
    let calls = vec![
        call(
            &[0, 1, 2, 0],
            &[1, 1, 0, 1],
            &[9.0, 9.0, 9.0, 1.0, 2.0, 4.0, 8.0],
            [4.0, 9.0, 0.0],
            &[1, 0, 1],
        ),
        call(&[1], &[1], &[9.0, 9.0, 9.0, 1.0], [0.0; 3], &[]),
        call(&[], &[], &[9.0, 9.0, 9.0], [0.0; 3], &[]),
    ];
    (builder, calls)
}
