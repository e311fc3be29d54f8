//! What is left out has no effect, even where numbers are not finite: edges that give way to loops,
//! scores of minus infinity, and rows that are not read. Results and gradients on a list of edges
//! with options must be those on the list that the options stand for.

use burn::tensor::{DType, Device, Gradients, Int, Tensor};
use kiln_core::{EdgeIndex, Flow};
use kiln_ops::{AttentionOptions, DotAttentionOptions, EdgeScores, Endpoints, Loops, Reduce};

use crate::support::{Numbers, assert_close, device, floats, is_flex, read};

const HEADS: usize = 2;
const CHANNELS: usize = 3;

/// A graph of one node set, and the list of edges without loops and with one loop for each node
/// behind.
struct Graph {
    nodes: usize,
    edges: Vec<(usize, usize)>,
    /// Numbers of the edges that do not give way.
    kept: Vec<usize>,
}

impl Graph {
    fn new(numbers: &mut Numbers) -> Self {
        let nodes = 1 + numbers.below(6);
        let mut edges: Vec<_> = (0..numbers.below(14))
            .map(|_| (numbers.below(nodes), numbers.below(nodes)))
            .collect();
        // Some long rows, which are walked in pieces.
        if numbers.below(4) == 0 {
            edges.extend((0..300).map(|_| (numbers.below(nodes), 0)));
        }
        let kept = (0..edges.len()).filter(|&e| edges[e].0 != edges[e].1);
        Self {
            nodes,
            kept: kept.collect(),
            edges,
        }
    }

    fn explicit(&self) -> Vec<(usize, usize)> {
        let kept = self.kept.iter().map(|&e| self.edges[e]);
        kept.chain((0..self.nodes).map(|i| (i, i))).collect()
    }

    fn ends(&self, edges: &[(usize, usize)], device: &Device) -> Endpoints {
        let number = |i: usize| i64::try_from(i).unwrap();
        let pairs: Vec<_> = edges.iter().map(|&(j, i)| (number(j), number(i))).collect();
        let edges = EdgeIndex::from_pairs(&pairs, self.nodes, device).unwrap();
        Endpoints::new(edges, Flow::SourceToTarget)
    }
}

/// Numbers, some of which are not finite.
fn poisoned(numbers: &mut Numbers, count: usize) -> Vec<f64> {
    let mut values = numbers.floats(count);
    for _ in 0..numbers.below(3) {
        let value = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][numbers.below(3)];
        let at = numbers.below(count.max(1));
        if let Some(place) = values.get_mut(at) {
            *place = value;
        }
    }
    values
}

/// The result of `f` and the gradients of its inputs.
fn all<const D: usize>(
    inputs: Vec<Tensor<D>>,
    f: impl FnOnce(&[Tensor<D>]) -> Tensor<D>,
) -> Vec<Vec<f64>> {
    let inputs: Vec<_> = inputs.into_iter().map(Tensor::require_grad).collect();
    let out = f(&inputs);
    let count = out.shape().num_elements();
    let cotangent = floats(&Numbers(7).floats(count), [count], &out.device());
    let gradients: Gradients = (out.clone().reshape([count]) * cotangent).sum().backward();
    let mut all = vec![read(out)];
    for input in inputs {
        all.push(input.grad(&gradients).map(read).unwrap_or_default());
    }
    all
}

#[track_caller]
fn assert_same(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let is_same = if expected.is_finite() {
            (got - expected).abs() <= 1e-4 * expected.abs().max(1.0)
        } else {
            got.total_cmp(expected).is_eq() || got.is_nan() && expected.is_nan()
        };
        assert!(is_same, "{what}: value {at} is {got}, expected {expected}");
    }
}

/// Runs `f` on graphs with inputs of some shapes, on the list of edges and on the explicit one.
fn on_both_lists<const D: usize>(
    name: &str,
    shape: impl Fn(usize) -> [usize; D],
    count: usize,
    implicit: impl Fn(&[Tensor<D>], &Endpoints) -> Tensor<D>,
    explicit: impl Fn(&[Tensor<D>], &Endpoints) -> Tensor<D>,
) {
    let device = device().autodiff();
    for seed in 0..if is_flex() { 200 } else { 25 } {
        let mut numbers = Numbers(seed);
        let graph = Graph::new(&mut numbers);
        let shape = shape(graph.nodes);
        let size = shape.iter().product();
        let inputs: Vec<_> = (0..count).map(|_| poisoned(&mut numbers, size)).collect();
        let tensors = || -> Vec<Tensor<D>> {
            let one = |values: &Vec<f64>| floats(values, shape, &device);
            inputs.iter().map(one).collect()
        };
        let ends = graph.ends(&graph.edges, &device);
        let got = all(tensors(), |inputs| implicit(inputs, &ends));
        let ends = graph.ends(&graph.explicit(), &device);
        let expected = all(tensors(), |inputs| explicit(inputs, &ends));
        for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let what = match at {
                0 => "result".to_owned(),
                at => format!("gradient of input {}", at - 1),
            };
            assert_same(&format!("{name}, seed {seed}, {what}"), got, expected);
        }
    }
}

fn options(loops: Option<Loops>) -> AttentionOptions {
    AttentionOptions {
        negative_slope: 0.2,
        loops,
        dropout: 0.0,
        seed: None,
    }
}

#[test]
fn normalised_sums_do_not_read_edges_that_give_way() {
    on_both_lists(
        "aggregate_normalized",
        |nodes| [nodes, CHANNELS],
        1,
        |inputs, ends| {
            let scale = ends.inverse_sqrt_degree(Some(1.0), &inputs[0]);
            kiln_ops::aggregate_normalized(inputs[0].clone(), scale, ends, Some(1.0))
        },
        |inputs, ends| {
            let scale = ends.inverse_sqrt_degree(None, &inputs[0]);
            kiln_ops::aggregate_normalized(inputs[0].clone(), scale, ends, None)
        },
    );
}

#[test]
fn weighted_sums_do_not_read_edges_that_give_way() {
    let device = device().autodiff();
    for seed in 0..if is_flex() { 200 } else { 25 } {
        let mut numbers = Numbers(seed);
        let graph = Graph::new(&mut numbers);
        let x = poisoned(&mut numbers, graph.nodes * CHANNELS);
        let weight = poisoned(&mut numbers, graph.edges.len());
        let loops = poisoned(&mut numbers, graph.nodes);
        let x = || floats(&x, [graph.nodes, CHANNELS], &device).require_grad();
        let vector = |values: &[f64]| floats(values, [values.len()], &device).require_grad();
        let run = |x: Tensor<2>, out: Tensor<2>, weights: [Tensor<1>; 2]| {
            let cotangent = floats(
                &Numbers(7).floats(graph.nodes * CHANNELS),
                out.dims(),
                &device,
            );
            let gradients = (out.clone() * cotangent).sum().backward();
            // Without edges nothing depends on their weights.
            let [weight, loops] =
                weights.map(|weight| weight.grad(&gradients).map(read).unwrap_or_default());
            (read(out), read(x.grad(&gradients).unwrap()), weight, loops)
        };

        let (rows, weights, own) = (x(), vector(&weight), vector(&loops));
        let ends = graph.ends(&graph.edges, &device);
        let out = kiln_ops::aggregate_with_loops(rows.clone(), weights.clone(), own.clone(), &ends);
        let (out, dx, dweight, dloops) = run(rows, out, [weights, own]);

        let kept: Vec<f64> = graph.kept.iter().map(|&e| weight[e]).collect();
        let (rows, weights, own) = (x(), vector(&kept), vector(&loops));
        let ends = graph.ends(&graph.explicit(), &device);
        let all = Tensor::cat(vec![weights.clone(), own.clone()], 0);
        let expected = kiln_ops::aggregate(rows.clone(), Some(all), &ends, Reduce::Sum);
        let expected = run(rows, expected, [weights, own]);

        let mut kept = vec![0.0; graph.edges.len()];
        for (&e, &gradient) in graph.kept.iter().zip(&expected.2) {
            kept[e] = gradient;
        }
        assert_same(&format!("result, seed {seed}"), &out, &expected.0);
        assert_same(&format!("gradient of x, seed {seed}"), &dx, &expected.1);
        if !dweight.is_empty() {
            assert_same(
                &format!("gradient of weights, seed {seed}"),
                &dweight,
                &kept,
            );
        }
        assert_same(
            &format!("gradient of loops, seed {seed}"),
            &dloops,
            &expected.3,
        );
    }
}

/// Attention of one number for each node and head, whose inputs are rows of features here.
fn attend(inputs: &[Tensor<3>], ends: &Endpoints, options: AttentionOptions) -> Tensor<3> {
    let [x, src, dst] = [0, 1, 2].map(|at| inputs[at].clone());
    let score = |rows: Tensor<3>| rows.narrow(2, 0, 1).squeeze_dim(2);
    kiln_ops::edge_attention(x, score(src), score(dst), ends, options)
}

#[test]
fn attention_does_not_read_edges_that_give_way() {
    on_both_lists(
        "edge_attention",
        |nodes| [nodes, HEADS, CHANNELS],
        3,
        |inputs, ends| attend(inputs, ends, options(Some(Loops::Every))),
        |inputs, ends| attend(inputs, ends, options(None)),
    );
}

#[test]
fn attention_in_parts_does_not_read_edges_that_give_way() {
    on_both_lists(
        "edge_attention_with",
        |nodes| [nodes, HEADS, CHANNELS],
        3,
        |inputs, ends| {
            let [x, src, dst] = [0, 1, 2].map(|at| inputs[at].clone());
            let score = |rows: Tensor<3>| rows.narrow(2, 0, 1).squeeze_dim(2);
            let zeros = |rows: usize| floats(&vec![0.0; rows * HEADS], [rows, HEADS], &x.device());
            let more = EdgeScores {
                edges: zeros(ends.num_edges()),
                loops: Some(zeros(ends.num_targets())),
            };
            let options = options(Some(Loops::Every));
            kiln_ops::edge_attention_with(x, score(src), score(dst), more, ends, &options)
        },
        |inputs, ends| attend(inputs, ends, options(None)),
    );
}

#[test]
fn attention_that_compares_rows_does_not_read_edges_that_give_way() {
    let attend = |inputs: &[Tensor<3>], ends: &Endpoints, loops: Option<Loops>| {
        let [x_src, x_dst, att] = [0, 1, 2].map(|at| inputs[at].clone());
        let att = att.narrow(0, 0, 1).squeeze_dim(0);
        kiln_ops::edge_attention_v2(x_src, x_dst, att, ends, options(loops))
    };
    on_both_lists(
        "edge_attention_v2",
        |nodes| [nodes, HEADS, CHANNELS],
        3,
        |inputs, ends| attend(inputs, ends, Some(Loops::Every)),
        |inputs, ends| attend(inputs, ends, None),
    );
}

/// Weights of a softmax are those of the scores that are finite, however many of minus infinity
/// come first, and however low all are; of scores that are all minus infinity there are none.
#[test]
fn scores_of_minus_infinity_weigh_nothing() {
    let device = device();
    // More than are taken at once, and more than a piece of a long row.
    for (low, others) in [(70, 3), (300, 3), (300, 0), (0, 3)] {
        let count = low + others;
        let pairs: Vec<_> = (0..count).map(|j| (i64::try_from(j).unwrap(), 0)).collect();
        let edges = EdgeIndex::from_pairs(&pairs, count, &device).unwrap();
        let ends = Endpoints::new(edges, Flow::SourceToTarget);
        for other in [-0.5, -1.5e30] {
            let score = |j: usize| if j < low { f64::NEG_INFINITY } else { other };
            let scores: Vec<f64> = (0..count).map(score).collect();
            let x: Vec<f64> = (0..count)
                .map(|j| if j < low { 5.0 } else { 2.0 })
                .collect();
            let expected = if others == 0 { f64::NAN } else { 2.0 };
            let check = |what: &str, out: Vec<f64>| {
                let what = format!("{what}, {low} of {count}, score {other}");
                assert_same(&what, &out[..1], &[expected]);
            };

            let rows = || floats(&x, [count, 1, 1], &device);
            let src = floats(&scores, [count, 1], &device);
            let dst = floats(&vec![0.0; count], [count, 1], &device);
            let mut options = options(None);
            // A slope of 1 leaves scores as they are.
            options.negative_slope = 1.0;
            let out = kiln_ops::edge_attention(rows(), src.clone(), dst, &ends, options);
            check("edge_attention", read(out));

            let alpha = ends.softmax(src.clone());
            let alpha = alpha.unsqueeze_dim::<3>(2);
            check("softmax", read(ends.collect(alpha * rows(), Reduce::Sum)));
            let alpha = kiln_ops::segment_softmax(src.clone(), ends.target(), count);
            let alpha = alpha.unsqueeze_dim::<3>(2);
            let sums = kiln_ops::scatter(alpha * rows(), ends.target(), count, Reduce::Sum);
            check("segment_softmax", read(sums));

            let query = floats(&vec![1.0; count], [count, 1, 1], &device);
            let options = DotAttentionOptions {
                scale: 1.0,
                loops: None,
                dropout: 0.0,
                seed: None,
            };
            let key = src.unsqueeze_dim::<3>(2);
            let out = kiln_ops::dot_attention(query, key, rows(), &ends, options);
            check("dot_attention", read(out));
        }
    }
}

/// As in PyTorch, all that share a maximum which is not a number have no gradient that is one, and
/// others keep theirs.
#[test]
fn gradients_of_extrema_that_are_not_numbers() {
    type Sum = fn(Tensor<2>, &Endpoints, Reduce) -> Tensor<2>;
    let device = device().autodiff();
    let edges = EdgeIndex::from_pairs(&[(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)], 4, &device);
    let ends = Endpoints::new(edges.unwrap(), Flow::SourceToTarget);
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let x = || floats(&[nan, 1.0, inf, nan], [4, 1], &device).require_grad();
    for reduce in [Reduce::Max, Reduce::Min] {
        // Node 2 is the maximum of rows 1 and 2; node 1 the minimum of row 1.
        let second = if reduce == Reduce::Max { 2.0 } else { 1.0 };
        let expected = [nan, nan, second, 0.0];
        let sums: [(&str, Sum); 3] = [
            ("aggregate", |x, ends, reduce| {
                kiln_ops::aggregate(x, None, ends, reduce)
            }),
            ("spmm", |x, ends, reduce| {
                kiln_ops::spmm(x, ends.source(), ends.target(), None, 4, reduce)
            }),
            ("scatter", |x, ends, reduce| {
                kiln_ops::scatter(ends.lift_j(x), ends.target(), 4, reduce)
            }),
        ];
        for (name, f) in sums {
            let x = x();
            let gradients = f(x.clone(), &ends, reduce).sum().backward();
            let got = read(x.grad(&gradients).unwrap());
            assert_same(&format!("{name} {reduce:?}"), &got, &expected);
        }
    }
    // Zeros next to what is infinite make a product that is no number.
    let x = floats(&[0.0, inf, 2.0, 3.0], [4, 1], &device).require_grad();
    let index = Tensor::from_ints([0, 0, 1, 1], &device);
    let out = kiln_ops::scatter(x.clone(), index, 2, Reduce::Mul);
    let got = read(x.grad(&out.sum().backward()).unwrap());
    assert_same("product", &got, &[inf, nan, 3.0, 2.0]);
    assert_close("product", &got[2..], &[3.0, 2.0], 1.0);
}

/// Burn joins element-wise operations whose shapes broadcast, those on tensors without elements
/// too.
#[test]
fn edges_that_are_not_there_leave_nodes_alone() {
    let device = device();
    for width in [1, 2] {
        let x = floats::<2>(&[2.0; 4][..2 * width], [2, width], &device);
        let none = Tensor::<2, Int>::zeros([2, 0], (&device, DType::I32));
        let edges = EdgeIndex::new_unchecked(none, 2, 2);
        let ends = Endpoints::new(edges, Flow::SourceToTarget);
        let hidden = x.clone() + 1.0;
        let message = ends.lift_j(hidden.clone()) * 3.0 + ends.lift_i(x.clone());
        let degree = ends.inverse_sqrt_degree(Some(1.0), &x);
        let out = ends.collect(message, Reduce::Sum) + hidden * 2.0;
        assert_close("output", &read(out), &[6.0; 4][..2 * width], 1.0);
        assert_close("degree", &read(degree), &[1.0; 2], 1.0);
    }
}
