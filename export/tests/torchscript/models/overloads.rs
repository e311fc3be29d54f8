//! A layer with overloads, by hand.

use kiln_ir::{Binary, DenseOp, GraphOp, ModuleId, Reduce, Size, Type};

use super::{EDGES, Matrix, adjacency, edge_index, linear, row};
use crate::{
    builder::{Builder, float, int, optional},
    expectation::{Arg, Call, Data},
};

/// A layer with four overloads: one node set or a pair, COO or CSR.
pub(crate) fn overloads() -> (Builder, Vec<Call>) {
    let mut builder = Builder::new("SAGEConv");
    let root = ModuleId(0);
    let (n_id, m_id, e_id) = (
        builder.symbol("N"),
        builder.symbol("M"),
        builder.symbol("E"),
    );
    let (n, m, e) = (Size::symbol(n_id), Size::symbol(m_id), Size::symbol(e_id));
    let (w_l, w_r) = (Matrix::sample(2, 3, 3), Matrix::sample(2, 3, 8));
    let lin_l = linear(&mut builder, root, "lin_l", &w_l);
    let lin_r = linear(&mut builder, root, "lin_r", &w_r);
    let edge_index_type = int(vec![2.into(), e.clone()]);
    let (wide, out) = (
        |rows: &Size| float(vec![rows.clone(), 3.into()]),
        |rows: &Size| float(vec![rows.clone(), 2.into()]),
    );

    let mut functions = Vec::new();
    for (pair, csr, dst_given, valued) in [
        (false, false, true, false),
        (false, true, true, false),
        (false, true, true, true),
        (true, false, false, false),
        (true, false, true, false),
        (true, true, false, false),
        (true, true, true, false),
    ] {
        let rows = if pair { &m } else { &n };
        let mut body = builder.function(root, &format!("forward_{}", functions.len()));
        let x = body.input(if pair { "x.0" } else { "x" }, &wide(&n));
        let x_dst = match (pair, dst_given) {
            (true, true) => Some(body.input("x.1", &wide(&m))),
            (true, false) => None,
            (false, _) => Some(x),
        };
        let mean = if csr {
            let rowptr = body.input("edge_index.rowptr", &int(vec![rows + &1.into()]));
            let col = body.input("edge_index.col", &int(vec![e.clone()]));
            let mut inputs = vec![x, rowptr, col];
            if valued {
                inputs.push(body.input("edge_index.value", &float(vec![e.clone()])));
            }
            body.op(
                GraphOp::SpmmCsr {
                    reduce: Reduce::Mean,
                },
                &inputs,
                &wide(rows),
            )
        } else {
            let edge_index = body.input("edge_index", &edge_index_type);
            if pair && !dst_given {
                body.integer("num_dst", m_id);
            }
            let src = row(&mut body, edge_index, &e, 0);
            let dst = row(&mut body, edge_index, &e, 1);
            body.op(
                GraphOp::Spmm {
                    reduce: Reduce::Mean,
                    size: rows.clone(),
                },
                &[x, src, dst],
                &wide(rows),
            )
        };
        let weight = body.weight(lin_l);
        let mut result = body.op(DenseOp::Linear, &[mean, weight], &out(rows));
        if let Some(x_dst) = x_dst {
            let weight = body.weight(lin_r);
            let own = body.op(DenseOp::Linear, &[x_dst, weight], &out(rows));
            result = body.op(Binary::Add, &[result, own], &out(rows));
        }
        functions.push(body.finish(&[result]));
    }

    let single = || ("x", Type::Tensor(wide(&n)));
    let pair = || {
        (
            "x",
            Type::Tuple(vec![
                Type::Tensor(wide(&n)),
                optional(Type::Tensor(wide(&m))),
            ]),
        )
    };
    let coo = || ("edge_index", Type::Tensor(edge_index_type.clone()));
    let csr = |rows: &Size| {
        let parts = [
            int(vec![rows + &1.into()]),
            int(vec![e.clone()]),
            float(vec![e.clone()]),
        ];
        ("edge_index", Type::Adjacency(Box::new(parts)))
    };
    let size = |dst| ("size", Type::Size([n_id, dst]));
    let one = Type::Tensor(out(&n));
    let two = Type::Tensor(out(&m));
    builder.method(
        "forward__0",
        vec![single(), coo(), size(n_id)],
        one.clone(),
        vec![(vec![], functions[0])],
    );
    builder.method(
        "forward__1",
        vec![single(), csr(&n), size(n_id)],
        one,
        vec![(vec![false], functions[1]), (vec![true], functions[2])],
    );
    let method = builder.method(
        "forward__2",
        vec![pair(), coo(), size(m_id)],
        two.clone(),
        vec![(vec![false], functions[3]), (vec![true], functions[4])],
    );
    method.defaults = vec![(m_id, n_id)];
    builder.method(
        "forward__3",
        vec![pair(), csr(&m), size(m_id)],
        two,
        vec![
            (vec![false, false], functions[5]),
            (vec![true, false], functions[6]),
        ],
    );

    let reference = |x: &Matrix,
                     dst: Option<&Matrix>,
                     edges: &[(usize, usize)],
                     weights: &[f32],
                     size: usize| {
        let out = x.propagate(edges, weights, size, true).linear(&w_l);
        dst.map_or(out.clone(), |dst| out.add(&dst.linear(&w_r)))
    };
    let (x, x_dst) = (Matrix::sample(5, 3, 2), Matrix::sample(3, 3, 9));
    let ones = [1.0; 6];
    let ei = || ("edge_index", Arg::from(edge_index(&EDGES)));
    let pair_of = |dst: Arg| ("x", Arg::Tuple(vec![x.data().into(), dst]));
    let mut sorted = EDGES.to_vec();
    sorted.sort_by_key(|edge| edge.1);
    let values = [0.5, 1.0, -1.0, 2.0, 0.25, 1.0];
    let calls = vec![
        Call {
            method: "forward__0",
            args: vec![("x", x.data().into()), ei()],
            out: reference(&x, Some(&x), &EDGES, &ones, 5).data().into(),
        },
        Call {
            method: "forward__0",
            args: vec![
                ("x", x.data().into()),
                ei(),
                ("size", Arg::Ints(vec![5, 5])),
            ],
            out: reference(&x, Some(&x), &EDGES, &ones, 5).data().into(),
        },
        Call {
            method: "forward__1",
            args: vec![
                ("x", x.data().into()),
                ("edge_index", adjacency(&EDGES, 5, Arg::None)),
            ],
            out: reference(&x, Some(&x), &EDGES, &ones, 5).data().into(),
        },
        Call {
            method: "forward__1",
            args: vec![
                ("x", x.data().into()),
                (
                    "edge_index",
                    adjacency(&EDGES, 5, Data::float(&[6], &values).into()),
                ),
            ],
            out: reference(&x, Some(&x), &sorted, &values, 5).data().into(),
        },
        Call {
            method: "forward__2",
            args: vec![pair_of(x_dst.data().into()), ei()],
            out: reference(&x, Some(&x_dst), &EDGES, &ones, 3).data().into(),
        },
        Call {
            method: "forward__2",
            args: vec![pair_of(Arg::None), ei()],
            out: reference(&x, None, &EDGES, &ones, 5).data().into(),
        },
        Call {
            method: "forward__2",
            args: vec![pair_of(Arg::None), ei(), ("size", Arg::Ints(vec![5, 3]))],
            out: reference(&x, None, &EDGES, &ones, 3).data().into(),
        },
        Call {
            method: "forward__3",
            args: vec![
                pair_of(x_dst.data().into()),
                ("edge_index", adjacency(&EDGES, 3, Arg::None)),
            ],
            out: reference(&x, Some(&x_dst), &EDGES, &ones, 3).data().into(),
        },
        Call {
            method: "forward__3",
            args: vec![
                pair_of(Arg::None),
                ("edge_index", adjacency(&EDGES, 3, Arg::None)),
            ],
            out: reference(&x, None, &EDGES, &ones, 3).data().into(),
        },
    ];
    (builder, calls)
}
