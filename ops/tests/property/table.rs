//! Every operation: what it computes on a device, and the same by plain loops.

use burn::tensor::{Int, Tensor};
use kiln_ops::{EdgeScores, Reduce};

use super::sample::{
    Input::{self, Bias, Factor, Matrix, Messages, ScoreDst, ScoreSrc, Weight, Weights, X, Y},
    Inputs, Sample,
};
use crate::{
    attention::Op,
    reference::{self, Attention, DotAttention},
    support::is_flex,
};

/// What the error of a result is relative to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// To nothing: values are copied or counted.
    Exact,
    /// To the result: nothing cancels out.
    Value,
    /// To the sum of the magnitudes of what is added.
    Terms,
}

type Run = dyn Fn(&Inputs<'_>) -> Tensor<1>;
type Expected = dyn Fn(&Sample) -> Vec<f64>;

/// An operation on a sample, its result as a vector.
pub(crate) struct Operation {
    pub(crate) name: String,
    /// The inputs that have gradients.
    pub(crate) inputs: &'static [Input],
    pub(crate) bound: Bound,
    pub(crate) run: Box<Run>,
    pub(crate) expected: Box<Expected>,
    /// The sum of the magnitudes of what is added, where it is not the result of the inputs'
    /// magnitudes: scores without signs are others.
    pub(crate) terms: Option<Box<Expected>>,
    /// Whether the roundings of all terms may go one way and stay: sums that are made one term
    /// after the other, and products on devices without `f64`.
    pub(crate) drifts: bool,
    /// Whether it has several steps, after each of which there is a tensor of the inputs' type.
    pub(crate) in_steps: bool,
    /// Whether sources and targets must be the same nodes.
    square: bool,
}

impl Operation {
    fn new(
        name: impl Into<String>,
        inputs: &'static [Input],
        bound: Bound,
        run: impl Fn(&Inputs<'_>) -> Tensor<1> + 'static,
        expected: impl Fn(&Sample) -> Vec<f64> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            inputs,
            bound,
            run: Box::new(run),
            expected: Box::new(expected),
            terms: None,
            drifts: false,
            in_steps: false,
            square: false,
        }
    }

    /// With the sum of magnitudes of what is added.
    fn with_terms(mut self, terms: impl Fn(&Sample) -> Vec<f64> + 'static) -> Self {
        self.terms = Some(Box::new(terms));
        self
    }

    fn drifts(mut self) -> Self {
        self.drifts = true;
        self
    }

    fn in_steps(mut self) -> Self {
        self.in_steps = true;
        self
    }

    /// For graphs of one node set only.
    fn square(mut self) -> Self {
        self.square = true;
        self
    }
}

/// All operations that a sample has the shape for.
pub(crate) fn operations(sample: &Sample) -> Vec<Operation> {
    let mut all = along_edges();
    all.extend(linear());
    all.extend(positions());
    for reduce in Reduce::ALL {
        all.extend(reductions(reduce));
    }
    all.push(aggregate_self());
    all.push(aggregate_with_loops());
    all.extend([false, true].map(attention_with));
    for self_loop in [None, Some(1.0), Some(2.0)] {
        all.extend(normalized(self_loop));
    }
    for loops in [false, true] {
        all.extend([None, Some((0.4, 77))].map(|dropout| attention(loops, dropout)));
        all.extend([None, Some((0.4, 77))].map(|dropout| joint_attention(loops, dropout)));
        all.extend([None, Some((0.4, 77))].map(|dropout| dot_attention(loops, dropout)));
    }
    all.retain(|operation| sample.is_square() || !operation.square);
    all
}

/// What gives each edge a row.
fn along_edges() -> Vec<Operation> {
    let heads = |s: &Sample| [s.heads, s.channels];
    vec![
        Operation::new(
            "gather",
            &[X],
            Bound::Exact,
            |t| flat(kiln_ops::gather(t.get::<3>(X), t.src())),
            |s| reference::gather(&s[X], s.width(), &s.src),
        ),
        Operation::new(
            "lift_j",
            &[X],
            Bound::Exact,
            |t| flat(t.ends.lift_j(t.get::<3>(X))),
            |s| reference::gather(&s[X], s.width(), &s.src),
        ),
        Operation::new(
            "lift_i",
            &[Y],
            Bound::Exact,
            |t| flat(t.ends.lift_i(t.get::<2>(Y))),
            |s| reference::gather(&s[Y], s.width(), &s.dst),
        ),
        Operation::new(
            "edge_dot",
            &[Y, X],
            Bound::Terms,
            |t| flat(kiln_ops::edge_dot(t.get(Y), t.get(X), &t.ends)),
            move |s| reference::edge_dot(&s[Y], &s[X], heads(s), &s.src, &s.dst),
        ),
        Operation::new(
            "segment_softmax",
            &[Messages],
            Bound::Value,
            |t| {
                let x = t.get::<3>(Messages);
                flat(kiln_ops::segment_softmax(x, t.dst(), t.sample.num_dst))
            },
            |s| reference::segment_softmax(&s[Messages], s.width(), &s.dst, s.num_dst),
        ),
        Operation::new(
            "softmax",
            &[Weights],
            Bound::Value,
            |t| flat(t.ends.softmax(t.get(Weights))),
            |s| reference::segment_softmax(&s[Weights], s.heads, &s.dst, s.num_dst),
        ),
    ]
}

/// Linear maps of features.
fn linear() -> Vec<Operation> {
    let bias = Operation::new(
        "add_bias",
        &[X, Bias],
        Bound::Value,
        |t| flat(kiln_ops::add_bias(t.get(X), t.get(Bias))),
        |s| {
            let sums = s[X].iter().zip(s[Bias].iter().cycle());
            sums.map(|(x, bias)| x + bias).collect()
        },
    );
    let mapped = |s: &Sample| -> Vec<f64> {
        let row = |x: &[f64]| {
            let sum = |h: usize| {
                let column = s[Matrix].iter().skip(h).step_by(s.heads);
                x.iter().zip(column).map(|(x, w)| x * w).sum()
            };
            (0..s.heads).map(sum).collect::<Vec<f64>>()
        };
        s[X].chunks(s.width()).flat_map(row).collect()
    };
    let product = Operation::new(
        "linear",
        &[X, Matrix],
        Bound::Terms,
        |t| flat(kiln_ops::linear(t.get(X), t.get(Matrix), None)),
        mapped,
    )
    .in_steps();
    let products = Operation::new(
        "linear_sum",
        &[X, Matrix],
        Bound::Terms,
        |t| {
            let pair = |input| [t.get(input), t.get(input)];
            flat(kiln_ops::linear_sum(pair(X), pair(Matrix), None))
        },
        move |s| mapped(s).iter().map(|value| 2.0 * value).collect(),
    )
    .in_steps();
    let dots = Operation::new(
        "heads_dot",
        &[X, Bias],
        Bound::Terms,
        |t| {
            let shape = [1, t.sample.heads, t.sample.channels];
            flat(kiln_ops::heads_dot(
                t.get(X),
                t.get::<1>(Bias).reshape(shape),
            ))
        },
        |s| {
            let head = |(h, x): (usize, &[f64])| {
                let weight = &s[Bias][h % s.heads * s.channels..];
                x.iter().zip(weight).map(|(x, w)| x * w).sum()
            };
            s[X].chunks(s.channels).enumerate().map(head).collect()
        },
    )
    .in_steps();
    vec![bias, dots, product, products]
}

/// Counts and positions.
fn positions() -> Vec<Operation> {
    let exact = |name, run: fn(&Inputs<'_>) -> Tensor<1>, expected: fn(&Sample) -> Vec<usize>| {
        let expected = move |s: &Sample| numbers(expected(s));
        Operation::new(name, &[], Bound::Exact, run, expected)
    };
    vec![
        exact(
            "degree",
            |t| kiln_ops::degree(t.src(), t.sample.num_src),
            |s| degrees(&s.src, s.num_src),
        ),
        exact(
            "degree of targets",
            |t| t.ends.degree(),
            |s| degrees(&s.dst, s.num_dst),
        ),
        exact(
            "coo_to_csr",
            |t| {
                let (ptr, perm) = kiln_ops::coo_to_csr(t.dst(), t.sample.num_dst);
                float(vec![ptr, perm])
            },
            |s| {
                let (ptr, order) = Sample::sorted(&s.dst, s.num_dst);
                [ptr, order].concat()
            },
        ),
        exact(
            "ptr_to_index",
            |t| {
                float(vec![kiln_ops::ptr_to_index(
                    t.rowptr.clone(),
                    t.sample.num_edges(),
                )])
            },
            |s| {
                let [_, _, dst] = s.csr();
                dst
            },
        ),
        exact(
            "to_adjacency",
            |t| {
                let (adjacency, perm) = kiln_ops::to_adjacency(&t.edge_index(), None);
                float(vec![adjacency.rowptr(), adjacency.col(), perm])
            },
            |s| {
                let [ptr, src, _] = s.csr();
                let (_, order) = Sample::sorted(&s.dst, s.num_dst);
                [ptr, src, order].concat()
            },
        ),
        exact(
            "to_edge_index",
            |t| {
                let (adjacency, _) = kiln_ops::to_adjacency(&t.edge_index(), None);
                let edges = kiln_ops::to_edge_index(&adjacency);
                float(vec![edges.src(), edges.dst()])
            },
            |s| {
                let [_, src, dst] = s.csr();
                [src, dst].concat()
            },
        ),
        exact(
            "self_loop_position",
            |t| {
                float(vec![kiln_ops::self_loop_position(
                    t.src(),
                    t.dst(),
                    t.sample.num_dst,
                )])
            },
            |s| {
                let mut last = vec![s.num_edges(); s.num_dst];
                for (e, (&j, &i)) in s.src.iter().zip(&s.dst).enumerate() {
                    if j == i {
                        last[i] = e;
                    }
                }
                last
            },
        ),
        exact(
            "nonzero",
            |t| {
                float(vec![kiln_ops::nonzero(
                    t.get::<1>(Weight).greater_elem(0.0),
                )])
            },
            |s| (0..s.num_edges()).filter(|&e| s[Weight][e] > 0.0).collect(),
        ),
        exact(
            "size_of",
            |t| {
                let device = t.ends.device();
                let size = Tensor::<1, Int>::zeros([1], &device)
                    + u32::try_from(t.sample.num_dst).unwrap();
                float(vec![kiln_ops::arange(0..kiln_ops::size_of(size), &device)])
            },
            |s| (0..s.num_dst).collect(),
        ),
        exact(
            "arange",
            |t| {
                float(vec![kiln_ops::arange(
                    2..t.sample.num_dst,
                    &t.ends.device(),
                )])
            },
            |s| (2..s.num_dst).collect(),
        ),
    ]
}

/// Everything that reduces in a way.
fn reductions(reduce: Reduce) -> Vec<Operation> {
    let name = reduce.name();
    let sum = match reduce {
        Reduce::Sum | Reduce::Mean => Bound::Terms,
        Reduce::Max | Reduce::Min | Reduce::Mul => Bound::Value,
    };
    let mut all = vec![
        Operation::new(
            format!("scatter {name}"),
            &[Messages],
            sum,
            move |t| {
                let x = t.get::<3>(Messages);
                flat(kiln_ops::scatter(x, t.dst(), t.sample.num_dst, reduce))
            },
            move |s| reference::scatter(&s[Messages], s.width(), &s.dst, s.num_dst, reduce),
        ),
        Operation::new(
            format!("collect {name}"),
            &[Messages],
            sum,
            move |t| flat(t.ends.collect(t.get::<2>(Messages), reduce)),
            move |s| reference::scatter(&s[Messages], s.width(), &s.dst, s.num_dst, reduce),
        ),
        Operation::new(
            format!("segment_reduce {name}"),
            &[Messages],
            sum,
            move |t| {
                let x = t.get::<2>(Messages);
                flat(kiln_ops::segment_reduce(x, t.rowptr.clone(), reduce))
            },
            move |s| {
                let [_, _, dst] = s.csr();
                reference::scatter(&s[Messages], s.width(), &dst, s.num_dst, reduce)
            },
        ),
        Operation::new(
            format!("aggregate_heads {name}"),
            &[X, Weights],
            sum,
            move |t| {
                let (x, weights) = (t.get(X), t.get(Weights));
                flat(kiln_ops::aggregate_heads(x, weights, &t.ends, reduce))
            },
            move |s| product(s, &s.src, &s.dst, Some(Weights), reduce),
        ),
    ];
    for weight in [None, Some(Weight)] {
        let (prefix, inputs): (_, &[Input]) = match weight {
            None => ("", &[X]),
            Some(_) => ("weighted ", &[X, Weight]),
        };
        all.push(Operation::new(
            format!("{prefix}aggregate {name}"),
            inputs,
            sum,
            move |t| {
                let (x, weight) = (t.get(X), weight.map(|weight| t.get(weight)));
                flat(kiln_ops::aggregate(x, weight, &t.ends, reduce))
            },
            move |s| product(s, &s.src, &s.dst, weight, reduce),
        ));
        all.push(Operation::new(
            format!("{prefix}spmm {name}"),
            inputs,
            sum,
            move |t| {
                let (x, weight) = (t.get(X), weight.map(|weight| t.get(weight)));
                let (src, dst, size) = (t.src(), t.dst(), t.sample.num_dst);
                flat(kiln_ops::spmm(x, src, dst, weight, size, reduce))
            },
            move |s| product(s, &s.src, &s.dst, weight, reduce),
        ));
        all.push(Operation::new(
            format!("{prefix}spmm_csr {name}"),
            inputs,
            sum,
            move |t| {
                let (x, weight) = (t.get(X), weight.map(|weight| t.get(weight)));
                let (rowptr, col) = (t.rowptr.clone(), t.col.clone());
                flat(kiln_ops::spmm_csr(x, rowptr, col, weight, reduce))
            },
            move |s| {
                let [_, src, dst] = s.csr();
                product(s, &src, &dst, weight, reduce)
            },
        ));
    }
    for operation in &mut all {
        // GPU kernels of plain lists add up a row entry by entry. Gradients of weighted extremes
        // use them.
        let lists = ["scatter", "segment_reduce", "spmm", "weighted spmm"];
        let is_list = lists.iter().any(|name| operation.name.starts_with(name));
        let is_sum = matches!(reduce, Reduce::Sum | Reduce::Mean);
        operation.drifts = (is_list || !is_sum) && !is_flex();
        operation.in_steps = reduce == Reduce::Mul;
    }
    all
}

/// The sum and a node's own row.
fn aggregate_self() -> Operation {
    Operation::new(
        "aggregate_self",
        &[X, Factor],
        Bound::Terms,
        |t| flat(kiln_ops::aggregate_self(t.get(X), t.get(Factor), &t.ends)),
        |s| {
            let sums = product(s, &s.src, &s.dst, None, Reduce::Sum);
            let own = s[X].iter().map(|x| s[Factor][0] * x);
            sums.iter().zip(own).map(|(sum, own)| sum + own).collect()
        },
    )
    .square()
}

/// The weighted sum with loops, whose weights are some scores.
fn aggregate_with_loops() -> Operation {
    let loops = |s: &Sample| -> Vec<f64> { s[ScoreSrc].iter().step_by(s.heads).copied().collect() };
    let expected = move |s: &Sample, loops: Vec<f64>| {
        reference::with_loops(&s[X], s.width(), &s.src, &s.dst, &s[Weight], &loops)
    };
    Operation::new(
        "aggregate_with_loops",
        &[X, Weight, ScoreSrc],
        Bound::Terms,
        |t| {
            let loops = t.get::<2>(ScoreSrc).narrow(1, 0, 1).squeeze_dim(1);
            let (x, weight) = (t.get(X), t.get(Weight));
            flat(kiln_ops::aggregate_with_loops(x, weight, loops, &t.ends))
        },
        move |s| expected(s, loops(s)),
    )
    .with_terms(move |s| {
        let s = s.magnitudes();
        expected(&s, magnitudes(&loops(&s)))
    })
    .square()
}

/// Attention with scores of edges, and twice those of targets for loops: no sum of three is
/// near 0.
fn attention_with(loops: bool) -> Operation {
    let options = move |s: &Sample| Attention {
        negative_slope: 0.2,
        loops: loops.then(|| s.num_src.min(s.num_dst)),
        dropout: None,
    };
    Operation::new(
        format!("edge_attention_with, loops {loops}"),
        &[X, ScoreSrc, ScoreDst, Weights],
        Bound::Terms,
        move |t| {
            let (x, src, dst) = (t.get(X), t.get(ScoreSrc), t.get::<2>(ScoreDst));
            let more = EdgeScores {
                edges: t.get(Weights),
                loops: loops.then(|| dst.clone() * 2.0),
            };
            let options = options(t.sample).on(&x.device());
            let ends = &t.ends;
            flat(kiln_ops::edge_attention_with(
                x, src, dst, more, ends, &options,
            ))
        },
        move |s| {
            let scores = [&s[ScoreSrc], &s[ScoreDst]];
            let heads = [s.heads, s.channels];
            let loops: Vec<f64> = s[ScoreDst].iter().map(|score| score * 2.0).collect();
            let more = [&s[Weights], loops.as_slice()].concat();
            let (x, more) = (&s[X], Some(more.as_slice()));
            reference::attention_with(x, heads, scores, more, &s.src, &s.dst, &options(s))
        },
    )
    .in_steps()
    .drifts()
}

/// Symmetric normalisation.
fn normalized(self_loop: Option<f64>) -> [Operation; 2] {
    [
        Operation::new(
            format!("inverse_sqrt_degree, loops {self_loop:?}"),
            &[],
            Bound::Value,
            move |t| t.ends.inverse_sqrt_degree(self_loop, &t.get::<2>(X)),
            move |s| reference::inverse_sqrt_degree(&s.src, &s.dst, s.num_dst, self_loop),
        )
        .in_steps()
        .square(),
        Operation::new(
            format!("aggregate_normalized, loops {self_loop:?}"),
            &[X],
            Bound::Terms,
            move |t| {
                let x = t.get(X);
                let scale = t.ends.inverse_sqrt_degree(self_loop, &x);
                flat(kiln_ops::aggregate_normalized(x, scale, &t.ends, self_loop))
            },
            move |s| reference::normalized(&s[X], s.width(), &s.src, &s.dst, self_loop),
        )
        .in_steps()
        .square(),
    ]
}

fn attention(loops: bool, dropout: Option<(f64, u32)>) -> Operation {
    let options = move |s: &Sample| Attention {
        negative_slope: 0.2,
        loops: loops.then(|| s.num_src.min(s.num_dst)),
        dropout,
    };
    Operation::new(
        format!("edge_attention, loops {loops}, dropout {dropout:?}"),
        &[X, ScoreSrc, ScoreDst],
        Bound::Terms,
        move |t| {
            let (x, src, dst) = (t.get(X), t.get(ScoreSrc), t.get(ScoreDst));
            let options = options(t.sample).on(&x.device());
            flat(kiln_ops::edge_attention(x, src, dst, &t.ends, options))
        },
        move |s| {
            let scores = [&s[ScoreSrc], &s[ScoreDst]];
            let heads = [s.heads, s.channels];
            reference::attention(&s[X], heads, scores, &s.src, &s.dst, &options(s))
        },
    )
    .drifts()
}

/// With a bias as what is learned.
fn joint_attention(loops: bool, dropout: Option<(f64, u32)>) -> Operation {
    let op = move |s: &Sample| {
        Op::Joint(Attention {
            negative_slope: 0.2,
            loops: loops.then(|| s.num_src.min(s.num_dst)),
            dropout,
        })
    };
    Operation::new(
        format!("edge_attention_v2, loops {loops}, dropout {dropout:?}"),
        &[X, Y, Bias],
        Bound::Terms,
        move |t| {
            let shape = [1, t.sample.heads, t.sample.channels];
            let att = t.get::<1>(Bias).reshape(shape);
            flat(op(t.sample).run([t.get(X), t.get(Y), att], &t.ends))
        },
        move |s| {
            let sizes = [s.num_dst, s.heads, s.channels];
            op(s).expected([&s[X], &s[Y], &s[Bias]], &s[X], sizes, &s.src, &s.dst)
        },
    )
    .with_terms(move |s| {
        let sizes = [s.num_dst, s.heads, s.channels];
        let magnitudes = magnitudes(&s[X]);
        op(s).expected([&s[X], &s[Y], &s[Bias]], &magnitudes, sizes, &s.src, &s.dst)
    })
    .drifts()
}

/// With keys that are the values.
fn dot_attention(loops: bool, dropout: Option<(f64, u32)>) -> Operation {
    let op = move |s: &Sample| {
        Op::Dot(DotAttention {
            scale: 0.7,
            loops: loops.then(|| s.num_src.min(s.num_dst)),
            dropout,
        })
    };
    Operation::new(
        format!("dot_attention, loops {loops}, dropout {dropout:?}"),
        &[Y, X],
        Bound::Terms,
        move |t| flat(op(t.sample).run([t.get(Y), t.get(X), t.get(X)], &t.ends)),
        move |s| {
            let sizes = [s.num_dst, s.heads, s.channels];
            op(s).expected([&s[Y], &s[X], &s[X]], &s[X], sizes, &s.src, &s.dst)
        },
    )
    .with_terms(move |s| {
        let sizes = [s.num_dst, s.heads, s.channels];
        let magnitudes = magnitudes(&s[X]);
        op(s).expected([&s[Y], &s[X], &s[X]], &magnitudes, sizes, &s.src, &s.dst)
    })
    .drifts()
}

fn magnitudes(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.abs()).collect()
}

fn product(
    s: &Sample,
    src: &[usize],
    dst: &[usize],
    weight: Option<Input>,
    reduce: Reduce,
) -> Vec<f64> {
    let weight = weight.map(|weight| &s[weight]);
    reference::spmm(&s[X], s.width(), src, dst, weight, s.num_dst, reduce)
}

fn degrees(end: &[usize], count: usize) -> Vec<usize> {
    let (ptr, _) = Sample::sorted(end, count);
    ptr.windows(2).map(|row| row[1] - row[0]).collect()
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    tensor.reshape([count])
}

/// Indices one after the other, as floats.
fn float(indices: Vec<Tensor<1, Int>>) -> Tensor<1> {
    Tensor::cat(indices, 0).float()
}

fn numbers(values: Vec<usize>) -> Vec<f64> {
    let number = |value| f64::from(u32::try_from(value).unwrap());
    values.into_iter().map(number).collect()
}
