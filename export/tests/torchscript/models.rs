//! Models by hand: a network of layers, overloads, and results that depend on a flag.

use kiln_ir::{
    Binary, ElemType, Float, FunctionId, ModuleId, Op, Reduce, Scalar, Size, SymbolId, Type, Unary,
    WeightRole,
};

use crate::{
    builder::{Builder, float, int, optional},
    expectation::{Arg, Call, Data, write},
};

/// A matrix for reference results.
#[derive(Clone, Debug)]
struct Matrix {
    width: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// `rows x width` values that are all different and small.
    fn sample(rows: usize, width: usize, seed: usize) -> Self {
        let value = |position: usize| {
            let number = u16::try_from((position * 37 + seed * 11) % 41).unwrap();
            (f32::from(number) - 20.0) / 16.0
        };
        Self {
            width,
            values: (0..rows * width).map(value).collect(),
        }
    }

    fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    fn data(&self) -> Data {
        Data::float(&[self.rows(), self.width], &self.values)
    }

    /// `x wᵀ`
    fn linear(&self, weight: &Matrix) -> Self {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let values = (0..self.rows())
            .flat_map(|row| {
                (0..weight.rows()).map(move |column| dot(self.row(row), weight.row(column)))
            })
            .collect();
        Self {
            width: weight.rows(),
            values,
        }
    }

    fn map(&self, f: impl Fn(usize, f32) -> f32) -> Self {
        let values = self
            .values
            .iter()
            .enumerate()
            .map(|(at, &value)| f(at % self.width, value));
        Self {
            width: self.width,
            values: values.collect(),
        }
    }

    fn add(&self, other: &Matrix) -> Self {
        let values = self
            .values
            .iter()
            .zip(&other.values)
            .map(|(a, b)| a + b)
            .collect();
        Self {
            width: self.width,
            values,
        }
    }

    /// Sums, or averages, the weighted rows of each edge at its destination.
    fn propagate(
        &self,
        edges: &[(usize, usize)],
        weights: &[f32],
        size: usize,
        mean: bool,
    ) -> Self {
        let mut out = Self {
            width: self.width,
            values: vec![0.0; size * self.width],
        };
        for (&(src, dst), weight) in edges.iter().zip(weights) {
            let count = edges.iter().filter(|(_, other)| *other == dst).count();
            let scale = if mean {
                weight / f32::from(u16::try_from(count).unwrap())
            } else {
                *weight
            };
            for (at, value) in self.row(src).iter().enumerate() {
                out.values[dst * self.width + at] += scale * value;
            }
        }
        out
    }
}

/// Edges with a self loop, a duplicate and a node that receives nothing.
const EDGES: [(usize, usize); 6] = [(0, 1), (0, 1), (2, 2), (3, 0), (1, 2), (4, 0)];

fn edge_index(edges: &[(usize, usize)]) -> Data {
    let number = |node: usize| i64::try_from(node).unwrap();
    let src = edges.iter().map(|edge| number(edge.0));
    let dst = edges.iter().map(|edge| number(edge.1));
    Data::int(&[2, edges.len()], &src.chain(dst).collect::<Vec<_>>())
}

/// `(rowptr, col, value)` of edges that are sorted by destination first.
fn adjacency(edges: &[(usize, usize)], size: usize, value: Arg) -> Arg {
    let number = |node: usize| i64::try_from(node).unwrap();
    let mut sorted = edges.to_vec();
    sorted.sort_by_key(|edge| edge.1);
    let before = |node: usize| number(sorted.iter().filter(|edge| edge.1 < node).count());
    let rowptr: Vec<i64> = (0..=size).map(before).collect();
    let col: Vec<i64> = sorted.iter().map(|edge| number(edge.0)).collect();
    Arg::Tuple(vec![
        Data::int(&[size + 1], &rowptr).into(),
        Data::int(&[edges.len()], &col).into(),
        value,
    ])
}

fn linear(
    builder: &mut Builder,
    parent: ModuleId,
    path: &str,
    weight: &Matrix,
) -> kiln_ir::WeightId {
    let module = builder.module(Some(parent), path, "Linear");
    builder.weight(
        module,
        &format!("{path}.weight"),
        WeightRole::Parameter,
        weight.data(),
    )
}

/// Row `row` of an edge index, as the operations that a recording would hold.
fn row(
    body: &mut crate::builder::Body<'_>,
    edge_index: kiln_ir::ValueId,
    e: &Size,
    row: i64,
) -> kiln_ir::ValueId {
    let range = (row.into(), (row + 1).into());
    let slice = Op::Slice(vec![range, (0.into(), e.clone())]);
    let slice = body.op(slice, &[edge_index], &int(vec![1.into(), e.clone()]));
    body.op(
        Op::Reshape(vec![e.clone()]),
        &[slice],
        &int(vec![e.clone()]),
    )
}

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
    let value = Op::Full {
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
        Op::Scatter {
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
        Op::Gather,
        &[x, src],
        &float(vec![e.clone(), d_output.into()]),
    );
    let column = float(vec![e.clone(), 1.into()]);
    let column = body.op(
        Op::Reshape(vec![e.clone(), 1.into()]),
        &[edge_weight],
        &column,
    );
    let messages = body.op(
        Op::Binary(Binary::Mul),
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
        let x = body.op(Op::Linear, &[x, lin], &hidden);
        let x = body.op(Op::Call(propagate), &[x, edge_index, edge_weight], &hidden);
        let bias = body.weight(bias);
        let row = float(vec![1.into(), d_output.into()]);
        let bias = body.op(Op::Reshape(vec![1.into(), d_output.into()]), &[bias], &row);
        let x = body.op(Op::Binary(Binary::Add), &[x, bias], &hidden);
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
        Op::BatchNorm {
            epsilon: Float(1e-5),
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
        let x = body.op(Op::Dropout(Float(0.5)), &[x], &input);
        let x = body.op(Op::Call(call1), &[&[x], edges.as_slice()].concat(), &hidden);
        let x = body.op(Op::Unary(Unary::Relu), &[x], &hidden);
        let x = body.op(Op::Call(normalise), &[x], &hidden);
        let x = body.op(Op::Call(call2), &[&[x], edges.as_slice()].concat(), &output);
        let constant = body.weight(constant);
        let x = body.op(Op::Binary(Binary::Add), &[x, constant], &output);
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
                Op::SpmmCsr {
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
                Op::Spmm {
                    reduce: Reduce::Mean,
                    size: rows.clone(),
                },
                &[x, src, dst],
                &wide(rows),
            )
        };
        let weight = body.weight(lin_l);
        let mut result = body.op(Op::Linear, &[mean, weight], &out(rows));
        if let Some(x_dst) = x_dst {
            let weight = body.weight(lin_r);
            let own = body.op(Op::Linear, &[x_dst, weight], &out(rows));
            result = body.op(Op::Binary(Binary::Add), &[result, own], &out(rows));
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
                Op::PtrToIndex { entries: e.clone() },
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
        let x = body.op(Op::Linear, &[x, lin], &output);
        let x_j = body.op(Op::Gather, &[x, src], &scores);
        let alpha = body.op(Op::LeakyRelu(Float(0.2)), &[x_j], &scores);
        let alpha = body.op(
            Op::SegmentSoftmax { size: n.clone() },
            &[alpha, dst],
            &scores,
        );
        let message = body.op(Op::Binary(Binary::Mul), &[x_j, alpha], &scores);
        let out = body.op(
            Op::Scatter {
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
                    Op::Reshape(vec![e.clone()]),
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
        Op::Arange {
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
    let mask = crate::builder::bool(vec![e.clone()]);
    let mask = body.op(Op::Binary(Binary::NotEqual), &[src, dst], &mask);
    let position = body.op(Op::Nonzero, &[mask], &index(&k));
    let kept = body.op(Op::Select(0), &[dst, position], &index(&k));
    let count = body.symbol(k_id);
    let number = body.op(Op::Call(numbers), &[count], &index(&k));
    let values = body.op(
        Op::Slice(vec![(n.clone(), &n + &e)]),
        &[all],
        &float(vec![e.clone()]),
    );
    let values = body.op(Op::Gather, &[values, position], &float(vec![k.clone()]));
    let sum = Op::Scatter {
        reduce: Reduce::Sum,
        size: n.clone(),
    };
    let sum = body.op(sum, &[values, kept], &float(vec![n.clone()]));
    let column = body.op(
        Op::Reshape(vec![n.clone(), 1.into()]),
        &[sum],
        &float(vec![n, 1.into()]),
    );
    let out = body.op(Op::Binary(Binary::Mul), &[x, column], &nodes_type);
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

#[test]
fn models_are_written() {
    for (name, (builder, calls)) in [
        ("network", network()),
        ("overloads", overloads()),
        ("attention", attention()),
        ("selection", selection()),
    ] {
        write(name, &builder.model(), &calls);
    }
}
