//! Overloads with different results, by hand.

use kiln_ir::{
    Binary, DenseOp, ElementwiseOp, Float, GraphOp, ModuleId, Reduce, ShapeOp, Size, Type,
};

use super::{EDGES, Matrix, adjacency, edge_index, linear, row};
use crate::{
    builder::{Builder, float, int},
    expectation::{Arg, Call, Data},
};

/// A layer whose overloads return different things: with a flag, also the edges and their weights.
pub(crate) fn attention() -> (Builder, Vec<Call>) {
    let mut builder = Builder::new("GATConv");
    let root = ModuleId(0);
    let (n_id, e_id) = (builder.symbol("N"), builder.symbol("E"));
    let (n, e) = (Size::symbol(n_id), Size::symbol(e_id));
    let weight = Matrix::sample(1, 3, 4);
    let lin = linear(&mut builder, root, "lin", &weight);
    let (input, output) = (
        float(vec![n.clone(), 3.into()]),
        float(vec![n.clone(), 1.into()]),
    );
    let (edge_index_type, scores) = (
        int(vec![2.into(), e.clone()]),
        float(vec![e.clone(), 1.into()]),
    );
    let adjacency_types = [
        int(vec![&n + &1.into()]),
        int(vec![e.clone()]),
        float(vec![e.clone()]),
    ];

    let mut functions = Vec::new();
    for (attention, csr) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut body = builder.function(root, &format!("forward_{}", functions.len()));
        let x = body.input("x", &input);
        let (graph, src, dst) = if csr {
            let rowptr = body.input("edge_index.rowptr", &adjacency_types[0]);
            let col = body.input("edge_index.col", &adjacency_types[1]);
            let dst = body.op(
                GraphOp::PtrToIndex { entries: e.clone() },
                &[rowptr],
                &int(vec![e.clone()]),
            );
            (vec![rowptr, col], col, dst)
        } else {
            let edge_index = body.input("edge_index", &edge_index_type);
            let src = row(&mut body, edge_index, &e, 0);
            (vec![edge_index], src, row(&mut body, edge_index, &e, 1))
        };
        let lin = body.weight(lin);
        let x = body.op(DenseOp::Linear, &[x, lin], &output);
        let x_j = body.op(GraphOp::Gather, &[x, src], &scores);
        let alpha = body.op(
            ElementwiseOp::LeakyRelu { slope: Float(0.2) },
            &[x_j],
            &scores,
        );
        let alpha = body.op(
            GraphOp::SegmentSoftmax { size: n.clone() },
            &[alpha, dst],
            &scores,
        );
        let message = body.op(Binary::Mul, &[x_j, alpha], &scores);
        let out = body.op(
            GraphOp::Scatter {
                reduce: Reduce::Sum,
                size: n.clone(),
            },
            &[message, dst],
            &output,
        );
        let mut outputs = vec![out];
        if attention {
            outputs.extend(graph);
            outputs.push(if csr {
                body.op(
                    ShapeOp::Reshape {
                        dims: vec![e.clone()],
                    },
                    &[alpha],
                    &float(vec![e.clone()]),
                )
            } else {
                alpha
            });
        }
        functions.push(body.finish(&outputs));
    }
    let x = || ("x", Type::Tensor(input.clone()));
    let coo = || ("edge_index", Type::Tensor(edge_index_type.clone()));
    let csr = || {
        (
            "edge_index",
            Type::Adjacency(Box::new(adjacency_types.clone())),
        )
    };
    let size = || ("size", Type::Size([n_id, n_id]));
    let flag = || ("return_attention_weights", Type::Flag);
    let out = Type::Tensor(output);
    let pair = Type::Tuple(vec![
        out.clone(),
        Type::Tuple(vec![
            Type::Tensor(edge_index_type.clone()),
            Type::Tensor(scores),
        ]),
    ]);
    let with_csr = Type::Tuple(vec![
        out.clone(),
        Type::Adjacency(Box::new(adjacency_types.clone())),
    ]);
    let none = || vec![(vec![false], functions[1])];
    builder.method(
        "forward__0",
        vec![x(), coo(), size()],
        out.clone(),
        vec![(vec![], functions[0])],
    );
    builder.method("forward__1", vec![x(), csr(), size()], out, none());
    builder.method(
        "forward__2",
        vec![x(), coo(), size(), flag()],
        pair,
        vec![(vec![], functions[2])],
    );
    builder.method(
        "forward__3",
        vec![x(), csr(), size(), flag()],
        with_csr,
        vec![(vec![false], functions[3])],
    );

    let x = Matrix::sample(5, 3, 6);
    let hidden = x.linear(&weight);
    let weights = |edges: &[(usize, usize)]| {
        let score = |src: usize| {
            let value = hidden.values[src];
            (if value < 0.0 { 0.2 * value } else { value }).exp()
        };
        let total = |dst: usize| {
            edges
                .iter()
                .filter(|edge| edge.1 == dst)
                .map(|edge| score(edge.0))
                .sum::<f32>()
        };
        edges
            .iter()
            .map(|&(src, dst)| score(src) / total(dst))
            .collect::<Vec<f32>>()
    };
    let mut sorted = EDGES.to_vec();
    sorted.sort_by_key(|edge| edge.1);
    let (alpha, alpha_sorted) = (weights(&EDGES), weights(&sorted));
    let out = Arg::from(hidden.propagate(&EDGES, &alpha, 5, false).data());
    let ei = edge_index(&EDGES);
    let csr = |value: Arg| adjacency(&EDGES, 5, value);
    let x = || ("x", Arg::from(x.data()));
    let flag = || ("return_attention_weights", Arg::Flag(true));
    let attended = Arg::Tuple(vec![
        out.clone(),
        Arg::Tuple(vec![ei.clone().into(), Data::float(&[6, 1], &alpha).into()]),
    ]);
    let attended_csr = Arg::Tuple(vec![
        out.clone(),
        csr(Data::float(&[6], &alpha_sorted).into()),
    ]);
    let calls = vec![
        Call {
            method: "forward__0",
            args: vec![x(), ("edge_index", ei.clone().into())],
            out: out.clone(),
        },
        Call {
            method: "forward__1",
            args: vec![x(), ("edge_index", csr(Arg::None))],
            out,
        },
        Call {
            method: "forward__2",
            args: vec![
                x(),
                ("edge_index", ei.clone().into()),
                ("size", Arg::None),
                flag(),
            ],
            out: attended.clone(),
        },
        Call {
            method: "forward__2",
            args: vec![x(), ("edge_index", ei.into()), flag()],
            out: attended,
        },
        Call {
            method: "forward__3",
            args: vec![x(), ("edge_index", csr(Arg::None)), flag()],
            out: attended_csr,
        },
    ];
    (builder, calls)
}
