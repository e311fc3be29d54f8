//! Operations along sorted edges: against plain loops, against finite differences, and against
//! themselves with other numbers of threads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use kiln_core::{Adjacency, EdgeIndex, Edges, Flow};
use kiln_ops::{Endpoints, Reduce};

use crate::{
    gradient::check,
    reference::{self, Attention},
    support::{Numbers, assert_close, device, float_type, floats, is_flex, read},
};

/// A graph and values on it.
struct Sample {
    num_src: usize,
    num_dst: usize,
    heads: usize,
    channels: usize,
    pairs: Vec<(usize, usize)>,
    x: Vec<f64>,
    y: Vec<f64>,
    weight: Vec<f64>,
    score_src: Vec<f64>,
    score_dst: Vec<f64>,
}

impl Sample {
    /// `hub` edges more go to destination 1. Self loops, duplicates and empty rows occur.
    fn new(
        [num_src, num_dst]: [usize; 2],
        edges: usize,
        hub: usize,
        [heads, channels]: [usize; 2],
    ) -> Self {
        let mut numbers = Numbers(edges as u64 + 31 * channels as u64);
        let mut pairs: Vec<_> = (0..edges)
            .map(|_| (numbers.below(num_src), numbers.below(num_dst)))
            .collect();
        pairs.extend((0..hub).map(|_| (numbers.below(num_src), 1)));
        let width = heads * channels;
        Self {
            num_src,
            num_dst,
            heads,
            channels,
            x: numbers.floats(num_src * width),
            y: numbers.floats(num_dst * width),
            weight: numbers.floats(pairs.len() * heads),
            score_src: numbers.floats(num_src * heads),
            score_dst: numbers.floats(num_dst * heads),
            pairs,
        }
    }

    /// The edges so that messages run from `pairs.0` to `pairs.1`.
    fn ends(&self, flow: Flow, csr: bool, device: &Device) -> Endpoints {
        let number = |i: &usize| i64::try_from(*i).unwrap();
        let (sources, targets): (Vec<i64>, Vec<i64>) = self
            .pairs
            .iter()
            .map(|(j, i)| (number(j), number(i)))
            .unzip();
        let edges = match flow {
            Flow::SourceToTarget => {
                EdgeIndex::from_arrays(&sources, &targets, self.num_src, self.num_dst, device)
            }
            Flow::TargetToSource => {
                EdgeIndex::from_arrays(&targets, &sources, self.num_dst, self.num_src, device)
            }
        };
        let edges = edges.unwrap();
        let edges = if csr {
            Edges::from(kiln_ops::to_adjacency(&edges, None).0)
        } else {
            Edges::from(edges)
        };
        Endpoints::new(edges, flow)
    }

    fn width(&self) -> usize {
        self.heads * self.channels
    }

    fn x_heads(&self, device: &Device) -> Tensor<3> {
        floats(&self.x, [self.num_src, self.heads, self.channels], device)
    }

    fn y_heads(&self, device: &Device) -> Tensor<3> {
        floats(&self.y, [self.num_dst, self.heads, self.channels], device)
    }

    fn weights(&self, device: &Device) -> Tensor<2> {
        floats(&self.weight, [self.pairs.len(), self.heads], device)
    }

    fn scores(&self, device: &Device) -> [Tensor<2>; 2] {
        [
            floats(&self.score_src, [self.num_src, self.heads], device),
            floats(&self.score_dst, [self.num_dst, self.heads], device),
        ]
    }

    /// Sources and targets.
    fn pairs(&self) -> (Vec<usize>, Vec<usize>) {
        self.pairs.iter().copied().unzip()
    }

    /// The reduction by plain loops; weights for each head.
    fn reduced(&self, reduce: Reduce, weighted: bool) -> Vec<f64> {
        let (src, dst) = self.pairs();
        let weight = weighted.then_some(self.weight.as_slice());
        reference::spmm(
            &self.x,
            self.width(),
            &src,
            &dst,
            weight,
            self.num_dst,
            reduce,
        )
    }

    /// Attention by plain loops.
    fn attended(&self, options: &Attention) -> Vec<f64> {
        let (src, dst) = self.pairs();
        let scores = [self.score_src.as_slice(), &self.score_dst];
        reference::attention(
            &self.x,
            [self.heads, self.channels],
            scores,
            &src,
            &dst,
            options,
        )
    }
}

const WIDTHS: [usize; 14] = [1, 2, 3, 4, 7, 8, 16, 31, 32, 64, 100, 128, 130, 257];

#[test]
fn padded_rows_are_read_in_place() {
    // The last columns of a wider matrix, which backends hold as rows with a distance.
    let device = device();
    let sample = Sample::new([40, 40], 300, 3000, [1, 20]);
    let ends = sample.ends(Flow::SourceToTarget, false, &device);
    let rows = sample.x.chunks(20);
    let wide: Vec<f64> = rows.flat_map(|row| [&[0.5; 64], row].concat()).collect();
    let view = floats::<2>(&wide, [40, 84], &device).slice([0..40, 64..84]);
    let x: Tensor<2> = floats(&sample.x, [40, 20], &device);
    let weight: Tensor<1> = floats(&[1.5], [1], &device);
    let scale: Tensor<1> = floats(&sample.x[..40], [40], &device);
    let run = |x: &Tensor<2>| {
        let reduced = [Reduce::Sum, Reduce::Mean, Reduce::Max]
            .map(|reduce| kiln_ops::aggregate(x.clone(), None, &ends, reduce));
        let own = kiln_ops::aggregate_self(x.clone(), weight.clone(), &ends);
        let normalized = kiln_ops::aggregate_normalized(x.clone(), scale.clone(), &ends, Some(1.0));
        let all = [&reduced[..], &[own, normalized]].concat();
        all.into_iter().map(read).collect::<Vec<_>>()
    };
    assert_eq!(run(&view), run(&x));
}

#[test]
fn reductions_at_all_widths() {
    for (at, width) in WIDTHS.into_iter().enumerate() {
        let sample = Sample::new(
            [40, 37],
            150,
            if at % 4 == 0 { 1300 } else { 0 },
            [1, width],
        );
        let flow = [Flow::SourceToTarget, Flow::TargetToSource][at % 2];
        let device = device();
        let ends = sample.ends(flow, false, &device);
        let x = || floats(&sample.x, [sample.num_src, width], &device);
        for reduce in [
            Reduce::Sum,
            Reduce::Mean,
            Reduce::Max,
            Reduce::Min,
            Reduce::Mul,
        ] {
            if reduce == Reduce::Mul && at % 4 == 0 {
                continue; // A product of a thousand factors is nothing.
            }
            let out = kiln_ops::aggregate(x(), None, &ends, reduce);
            let what = format!("{} of width {width}", reduce.name());
            assert_close(&what, &read(out), &sample.reduced(reduce, false), 10.0);
            let weight = sample.weights(&device).squeeze_dim(1);
            let out = kiln_ops::aggregate(x(), Some(weight), &ends, reduce);
            let what = format!("weighted {what}");
            assert_close(&what, &read(out), &sample.reduced(reduce, true), 10.0);
        }
    }
}

#[test]
fn normalised_sums() {
    for (at, width) in [1, 3, 8, 31, 64, 130, 257].into_iter().enumerate() {
        for edges in [0, 150] {
            let hub = if at % 2 == 0 { 700 } else { 0 };
            let sample = Sample::new([40, 40], edges, hub, [1, width]);
            let flow = [Flow::SourceToTarget, Flow::TargetToSource][at % 2];
            let device = device();
            let ends = sample.ends(flow, at % 3 == 0, &device);
            for self_loop in [None, Some(1.0), Some(2.0)] {
                let x = floats(&sample.x, [sample.num_src, width], &device);
                let scale = ends.inverse_sqrt_degree(self_loop, &x);
                let out = kiln_ops::aggregate_normalized(x, scale, &ends, self_loop);
                let what = format!("normalised, width {width}, loops {self_loop:?}");
                let (src, dst) = sample.pairs();
                let expected = reference::normalized(&sample.x, width, &src, &dst, self_loop);
                assert_close(&what, &read(out), &expected, 10.0);
            }
        }
    }
}

#[test]
fn heads_have_weights_of_their_own() {
    for (heads, channels) in [(1, 5), (2, 64), (4, 16), (8, 8), (3, 1)] {
        let sample = Sample::new([30, 20], 90, 700, [heads, channels]);
        let device = device();
        for csr in [false, true] {
            // An adjacency sorts the edges, so weights are taken in its order.
            let ends = sample.ends(Flow::SourceToTarget, csr, &device);
            let mut order: Vec<usize> = (0..sample.pairs.len()).collect();
            if csr {
                order.sort_by_key(|&e| sample.pairs[e].1);
            }
            let weight: Vec<f64> = order
                .iter()
                .flat_map(|e| sample.weight[e * heads..][..heads].to_vec())
                .collect();
            let weight = floats(&weight, [order.len(), heads], &device);
            let out =
                kiln_ops::aggregate_heads(sample.x_heads(&device), weight, &ends, Reduce::Sum);
            let expected = sample.reduced(Reduce::Sum, true);
            assert_close("aggregate_heads", &read(out), &expected, 10.0);

            let out = kiln_ops::edge_dot(sample.y_heads(&device), sample.x_heads(&device), &ends);
            let (src, dst): (Vec<_>, Vec<_>) = order.iter().map(|&e| sample.pairs[e]).unzip();
            let expected = reference::edge_dot(&sample.y, &sample.x, [heads, channels], &src, &dst);
            assert_close("edge_dot", &read(out), &expected, 10.0);
        }
    }
}

#[test]
fn softmax_among_the_edges_of_a_target() {
    for heads in [1, 4] {
        let sample = Sample::new([30, 20], 90, 900, [heads, 1]);
        let device = device();
        let ends = sample.ends(Flow::SourceToTarget, false, &device);
        let got = read(ends.softmax(sample.weights(&device)));
        let total = |i: usize, h: usize| -> f64 {
            let edges = sample
                .pairs
                .iter()
                .enumerate()
                .filter(|(_, (_, dst))| *dst == i);
            edges.map(|(e, _)| sample.weight[e * heads + h].exp()).sum()
        };
        let expected: Vec<f64> = sample
            .pairs
            .iter()
            .enumerate()
            .flat_map(|(e, &(_, i))| (0..heads).map(move |h| (e, i, h)))
            .map(|(e, i, h)| sample.weight[e * heads + h].exp() / total(i, h))
            .collect();
        assert_close("softmax", &got, &expected, 1.0);
    }
}

/// With and without loops, with and without dropout.
fn options(sample: &Sample) -> impl Iterator<Item = Attention> {
    let loops = sample.num_src.min(sample.num_dst);
    [None, Some(loops)].into_iter().flat_map(|loops| {
        [None, Some((0.4, 77))].map(|dropout| Attention {
            negative_slope: 0.2,
            loops,
            dropout,
        })
    })
}

#[test]
fn attention_in_one_walk() {
    for (heads, channels) in [(1, 1), (1, 7), (4, 8), (2, 64), (8, 8), (4, 33)] {
        for nodes in [[25, 25], [40, 20], [20, 40]] {
            let sample = Sample::new(nodes, 120, 600, [heads, channels]);
            let device = device();
            for (at, options) in options(&sample).enumerate() {
                let flow = [Flow::SourceToTarget, Flow::TargetToSource][at % 2];
                let ends = sample.ends(flow, false, &device);
                let [src, dst] = sample.scores(&device);
                let out = kiln_ops::edge_attention(
                    sample.x_heads(&device),
                    src,
                    dst,
                    &ends,
                    options.on(&device),
                );
                let what = format!("attention {heads} x {channels} {options:?}");
                assert_close(&what, &read(out), &sample.attended(&options), 10.0);
            }
        }
    }
}

#[test]
fn graphs_without_edges_or_nodes() {
    let device = device();
    for nodes in [[3, 2], [3, 0], [0, 2], [0, 0]] {
        let sample = Sample::new(nodes, 0, 0, [2, 4]);
        let ends = sample.ends(Flow::SourceToTarget, false, &device);
        let x = Tensor::<2>::zeros(burn::tensor::Shape::new([nodes[0], 8]), &device);
        let out = kiln_ops::aggregate(x.clone(), None, &ends, Reduce::Max);
        assert_eq!(read(out), vec![0.0; nodes[1] * 8]);
        let x = x.reshape(burn::tensor::Shape::new([nodes[0], 2, 4]));
        let scores = |n| Tensor::<2>::zeros(burn::tensor::Shape::new([n, 2]), &device);
        let options = Attention {
            negative_slope: 0.2,
            loops: None,
            dropout: None,
        };
        let (src, dst) = (scores(nodes[0]), scores(nodes[1]));
        let out = kiln_ops::edge_attention(x, src, dst, &ends, options.on(&device));
        assert_eq!(read(out), vec![0.0; nodes[1] * 8]);
    }
}

#[test]
fn gradients() {
    let sample = Sample::new([7, 5], 16, 3, [2, 3]);
    let (nodes, edges) = (sample.num_src, sample.pairs.len());
    for csr in [false, true] {
        let ends = |device: &Device| sample.ends(Flow::SourceToTarget, csr, device);
        for reduce in [Reduce::Sum, Reduce::Mean, Reduce::Max, Reduce::Min] {
            let what = format!("aggregate {}", reduce.name());
            check(&what, &sample.x, [nodes, 6], |x, d| {
                kiln_ops::aggregate(x, None, &ends(d), reduce)
            });
            let weight = |d: &Device| floats(&sample.weight[..edges], [edges], d);
            check(&what, &sample.x, [nodes, 6], |x, d| {
                kiln_ops::aggregate(x, Some(weight(d)), &ends(d), reduce)
            });
            check(&what, &sample.weight[..edges], [edges], |w, d| {
                let x = floats(&sample.x, [nodes, 6], d);
                kiln_ops::aggregate(x, Some(w), &ends(d), reduce)
            });
            check(&what, &sample.x, [nodes, 2, 3], |x, d| {
                kiln_ops::aggregate_heads(x, sample.weights(d), &ends(d), reduce)
            });
            check(&what, &sample.weight, [edges, 2], |w, d| {
                kiln_ops::aggregate_heads(sample.x_heads(d), w, &ends(d), reduce)
            });
        }
        check("edge_dot a", &sample.y, [5, 2, 3], |y, d| {
            kiln_ops::edge_dot(y, sample.x_heads(d), &ends(d))
        });
        check("edge_dot b", &sample.x, [7, 2, 3], |x, d| {
            kiln_ops::edge_dot(sample.y_heads(d), x, &ends(d))
        });
        check("softmax", &sample.weight, [edges, 2], |x, d| {
            ends(d).softmax(x)
        });
        for options in options(&sample) {
            let what = format!("attention {options:?}");
            check(&what, &sample.x, [7, 2, 3], |x, d| {
                let [src, dst] = sample.scores(d);
                kiln_ops::edge_attention(x, src, dst, &ends(d), options.on(d))
            });
            check(&what, &sample.score_src, [7, 2], |src, d| {
                let [_, dst] = sample.scores(d);
                kiln_ops::edge_attention(sample.x_heads(d), src, dst, &ends(d), options.on(d))
            });
            check(&what, &sample.score_dst, [5, 2], |dst, d| {
                let [src, _] = sample.scores(d);
                kiln_ops::edge_attention(sample.x_heads(d), src, dst, &ends(d), options.on(d))
            });
        }
    }
}

#[test]
fn sums_with_the_row_itself() {
    for (at, width) in [1, 8, 31, 130].into_iter().enumerate() {
        for edges in [0, 150] {
            let hub = if at % 2 == 0 { 700 } else { 0 };
            let sample = Sample::new([40, 40], edges, hub, [1, width]);
            let device = device();
            let ends = sample.ends(Flow::SourceToTarget, at % 2 == 0, &device);
            let x = floats(&sample.x, [sample.num_src, width], &device);
            let weight = floats(&[1.5], [1], &device);
            let out = kiln_ops::aggregate_self(x, weight, &ends);
            let sums = sample.reduced(Reduce::Sum, false);
            let own = sums.iter().zip(&sample.x);
            let expected: Vec<f64> = own.map(|(sum, x)| sum + 1.5 * x).collect();
            assert_close("sum with the row itself", &read(out), &expected, 10.0);
        }
    }
    let sample = Sample::new([7, 7], 16, 200, [1, 6]);
    let ends = |d: &Device| sample.ends(Flow::SourceToTarget, false, d);
    check("sum with the row itself", &sample.x, [7, 6], |x, d| {
        kiln_ops::aggregate_self(x, floats(&[1.5], [1], d), &ends(d))
    });
    check("weight of the row itself", &[1.5], [1], |weight, d| {
        kiln_ops::aggregate_self(floats(&sample.x, [7, 6], d), weight, &ends(d))
    });
}

#[test]
fn gradient_of_normalised_sums() {
    let sample = Sample::new([7, 7], 16, 200, [1, 6]);
    for (csr, self_loop) in [
        (false, None),
        (true, None),
        (false, Some(1.0)),
        (true, Some(2.0)),
    ] {
        check("normalised", &sample.x, [7, 6], |x, d| {
            let ends = sample.ends(Flow::SourceToTarget, csr, d);
            let scale = ends.inverse_sqrt_degree(self_loop, &x);
            kiln_ops::aggregate_normalized(x, scale, &ends, self_loop)
        });
    }
}

/// Long rows and wide features, in the gradient too: against the gradient of the parts.
#[test]
fn gradients_of_long_rows() {
    let device = device().autodiff();
    for (heads, channels) in [(1, 130), (4, 32), (2, 5)] {
        let sample = Sample::new([50, 50], 200, 1500, [heads, channels]);
        let ends = sample.ends(Flow::SourceToTarget, false, &device);
        let options = Attention {
            negative_slope: 0.2,
            loops: None,
            dropout: None,
        };
        let gradients = |fused: bool| {
            let x = sample.x_heads(&device).require_grad();
            let [src, dst] = sample.scores(&device).map(Tensor::require_grad);
            let out = if fused {
                kiln_ops::edge_attention(
                    x.clone(),
                    src.clone(),
                    dst.clone(),
                    &ends,
                    options.on(&device),
                )
            } else {
                let scores = ends.lift_j(src.clone()) + ends.lift_i(dst.clone());
                let scores = burn::tensor::activation::leaky_relu(scores, 0.2);
                let alpha = kiln_ops::segment_softmax(scores, ends.target(), sample.num_dst);
                kiln_ops::aggregate_heads(x.clone(), alpha, &ends, Reduce::Sum)
            };
            let cotangent = sample.y_heads(&device);
            let mut grads = (out * cotangent).sum().backward();
            let mut values = read(x.grad_remove(&mut grads).unwrap());
            values.extend(read(src.grad_remove(&mut grads).unwrap()));
            values.extend(read(dst.grad_remove(&mut grads).unwrap()));
            values
        };
        assert_close("attention", &gradients(true), &gradients(false), 10.0);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    if !is_flex() {
        return;
    }
    let device = device().autodiff();
    let sample = Sample::new([3000, 2900], 60_000, 10_000, [4, 8]);
    let bits = |threads: usize| -> Vec<Vec<u64>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let ends = sample.ends(Flow::SourceToTarget, false, &device);
            let x = sample.x_heads(&device).cast(DType::F32).require_grad();
            let [src, dst] = sample.scores(&device).map(|score| score.cast(DType::F32));
            let options = Attention {
                negative_slope: 0.2,
                loops: Some(2900),
                dropout: Some((0.3, 5)),
            };
            let attended = kiln_ops::edge_attention(
                x.clone(),
                src.clone(),
                dst.clone(),
                &ends,
                options.on(&device),
            );
            let flat = x.clone().reshape([3000, 32]);
            let mean = kiln_ops::aggregate(flat.clone(), None, &ends, Reduce::Mean);
            let max = kiln_ops::aggregate(flat, None, &ends, Reduce::Max);
            let loss = attended.clone().powi_scalar(2).sum()
                + mean.clone().powi_scalar(2).sum()
                + max.clone().sum();
            let grad = x.grad(&loss.backward()).unwrap();
            let values =
                |data: TensorData| -> Vec<u64> { data.iter::<f64>().map(f64::to_bits).collect() };
            vec![
                values(attended.into_data()),
                values(mean.into_data()),
                values(max.into_data()),
                values(grad.into_data()),
            ]
        })
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(3) && one == bits(8));
}

#[test]
fn a_wrong_number_of_rows_is_named() {
    let device = device();
    let sample = Sample::new([4, 3], 5, 0, [1, 2]);
    let ends = sample.ends(Flow::SourceToTarget, false, &device);
    let x = Tensor::<2>::zeros([3, 2], (&device, float_type(&device)));
    let error = catch_unwind(AssertUnwindSafe(|| {
        kiln_ops::aggregate(x, None, &ends, Reduce::Sum)
    }));
    let message = error
        .err()
        .and_then(|error| error.downcast::<String>().ok());
    assert_eq!(
        *message.unwrap(),
        "aggregate: expected `x` with 4 rows, one for each source, got 3"
    );
}

/// An id that 32 bits would cut to one in range is as wrong as any other.
#[test]
fn ids_beyond_32_bits_are_out_of_range() {
    let device = device();
    // GPUs leave such edges out.
    if !is_flex() {
        return;
    }
    for csr in [false, true] {
        for [src, dst] in [[(1_i64 << 32) + 1, 0], [1, (1 << 32) + 1]] {
            let ids = |values: Vec<i64>| {
                let data = TensorData::new(values.clone(), [values.len()]);
                Tensor::<1, Int>::from_data(data, (&device, DType::I64))
            };
            let edges: Edges = if csr {
                Adjacency::new_unchecked(ids(vec![0, dst, 1]), ids(vec![src]), None, 2).into()
            } else {
                let rows = [src, dst].map(|id| ids(vec![id]).reshape([1, 1]));
                EdgeIndex::new_unchecked(Tensor::cat(rows.to_vec(), 0), 2, 2).into()
            };
            let x = Tensor::<2>::ones([2, 3], &device);
            let ends = Endpoints::new(edges, Flow::SourceToTarget);
            let sum = || kiln_ops::aggregate(x, None, &ends, Reduce::Sum).into_data();
            let result = catch_unwind(AssertUnwindSafe(sum));
            assert!(result.is_err(), "csr: {csr}, {src} to {dst}: {result:?}");
        }
    }
}

/// Edges of either width, where every head is a graph of its own.
#[test]
fn heads_of_edges_of_both_widths() {
    let device = device();
    let ends = |dtype: DType| {
        let data = TensorData::from([[0_i64, 1, 2, 1], [1, 1, 0, 2]]);
        let tensor = Tensor::<2, Int>::from_data(data, (&device, dtype));
        let edges = EdgeIndex::new_unchecked(tensor, 3, 3);
        Endpoints::new(edges, Flow::SourceToTarget)
    };
    let x = floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2, 1], &device);
    let weight = floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [4, 2], &device);
    for reduce in [Reduce::Mul, Reduce::Sum] {
        let sum = |dtype: DType| {
            let out = kiln_ops::aggregate_heads(x.clone(), weight.clone(), &ends(dtype), reduce);
            read(out)
        };
        assert_eq!(sum(DType::I32), sum(DType::I64), "{reduce:?}");
    }
}
