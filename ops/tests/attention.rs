//! Attention whose scores compare rows of features: against plain loops, against finite
//! differences, against the composition of its parts, and against itself with other numbers of
//! threads.

use burn::tensor::{DType, Device, Shape, Tensor, TensorData};
use kiln_core::{EdgeIndex, Edges, Flow};
use kiln_ops::{AttentionOptions, EdgeScores, Endpoints, Reduce};

use crate::{
    gradient::check,
    reference::{Attention, DotAttention},
    support::{BACKEND, assert_close, device, float_type, floats, is_flex, read},
};

/// The finaliser of MurmurHash3.
fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// Numbers between -1 and 1 that look random.
fn numbers(count: usize, seed: u32) -> Vec<f64> {
    let count = u32::try_from(count).unwrap();
    let number = |i| f64::from(mix(mix(i) ^ seed)) / f64::from(1_u32 << 31) - 1.0;
    (0..count).map(number).collect()
}

/// What is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Of `x_src`, `x_dst` and `att`.
    Joint(Attention),
    /// Of `query`, `key` and `value`.
    Dot(DotAttention),
}

/// With and without loops and dropout, where there are such.
fn ops(sample: &Sample) -> Vec<Op> {
    let loops = sample.num_src.min(sample.num_dst);
    let mut ops = Vec::new();
    for dropout in [None, Some((0.4, 77))] {
        for loops in [None, Some(loops)] {
            ops.push(Op::Joint(Attention {
                negative_slope: 0.2,
                loops,
                dropout,
            }));
            ops.push(Op::Dot(DotAttention {
                scale: 0.7,
                loops,
                dropout,
            }));
        }
    }
    ops
}

impl Op {
    pub(crate) fn run(self, inputs: [Tensor<3>; 3], ends: &Endpoints) -> Tensor<3> {
        let [a, b, c] = inputs;
        let device = a.device();
        match self {
            Self::Joint(options) => {
                kiln_ops::edge_attention_v2(a, b, c.squeeze_dim(0), ends, options.on(&device))
            }
            Self::Dot(options) => kiln_ops::dot_attention(a, b, c, ends, options.on(&device)),
        }
    }

    /// The same by operations that make a row of features for each edge; without loops and dropout.
    fn composed(self, inputs: [Tensor<3>; 3], ends: &Endpoints) -> Tensor<3> {
        let [a, b, c] = inputs;
        let (products, rows) = match self {
            Self::Joint(options) => {
                let sums = ends.lift_j(a.clone()) + ends.lift_i(b);
                (kiln_ops::leaky_relu(sums, options.negative_slope) * c, a)
            }
            Self::Dot(options) => {
                let products = ends.lift_i(a) * ends.lift_j(b);
                (products.mul_scalar(options.scale), c)
            }
        };
        let alpha = ends.softmax(products.sum_dim(2).squeeze_dim(2));
        kiln_ops::aggregate_heads(rows, alpha, ends, Reduce::Sum)
    }

    /// What `rows` of the sources become by plain loops, with the weights of `inputs`: `[n, H, C]`
    /// in `sizes`.
    pub(crate) fn expected(
        self,
        [a, b, c]: [&[f64]; 3],
        rows: &[f64],
        [targets, heads, channels]: [usize; 3],
        src: &[usize],
        dst: &[usize],
    ) -> Vec<f64> {
        let mut entries = vec![Vec::new(); targets];
        for (e, (&j, &i)) in src.iter().zip(dst).enumerate() {
            if self.loops().is_none() || j != i {
                entries[i].push((e, j));
            }
        }
        let loops = self.loops().unwrap_or_default();
        for (i, entries) in entries.iter_mut().enumerate().take(loops) {
            entries.push((src.len() + i, i));
        }
        let width = heads * channels;
        let mut out = vec![0.0; targets * width];
        for (i, h) in (0..targets).flat_map(|i| (0..heads).map(move |h| (i, h))) {
            let features = h * channels..(h + 1) * channels;
            let score = |j: usize| -> f64 {
                let part = |f: usize| match self {
                    Self::Joint(options) => {
                        let sum = a[j * width + f] + b[i * width + f];
                        c[f] * sum.max(sum * options.negative_slope)
                    }
                    Self::Dot(options) => options.scale * a[i * width + f] * b[j * width + f],
                };
                features.clone().map(part).sum()
            };
            let total: f64 = entries[i].iter().map(|&(_, j)| score(j).exp()).sum();
            for &(e, j) in &entries[i] {
                let alpha = score(j).exp() / total * self.kept(e * heads + h);
                for f in features.clone() {
                    out[i * width + f] += alpha * rows[j * width + f];
                }
            }
        }
        out
    }

    /// What dropout multiplies a weight with.
    fn kept(self, number: usize) -> f64 {
        let Some((probability, seed)) = self.dropout() else {
            return 1.0;
        };
        let hash = f64::from(mix(mix(u32::try_from(number).unwrap()) ^ seed));
        if hash < (probability * f64::from(u32::MAX)).floor() {
            0.0
        } else {
            1.0 / (1.0 - probability)
        }
    }

    fn loops(self) -> Option<usize> {
        match self {
            Self::Joint(options) => options.loops,
            Self::Dot(options) => options.loops,
        }
    }

    fn dropout(self) -> Option<(f64, u32)> {
        match self {
            Self::Joint(options) => options.dropout,
            Self::Dot(options) => options.dropout,
        }
    }
}

/// A graph and features on it.
struct Sample {
    num_src: usize,
    num_dst: usize,
    heads: usize,
    channels: usize,
    pairs: Vec<(usize, usize)>,
}

impl Sample {
    /// `hub` edges more go to destination 1, and as many come from source 2. Self loops, duplicates
    /// and empty rows occur.
    fn new(
        [num_src, num_dst]: [usize; 2],
        edges: usize,
        hub: usize,
        [heads, channels]: [usize; 2],
    ) -> Self {
        let node = |edge: usize, seed: u32, end: usize| {
            let hash = mix(mix(u32::try_from(edge).unwrap()) ^ seed);
            usize::try_from(hash).unwrap() % end
        };
        let pairs = (0..edges + 2 * hub)
            .map(|edge| match edge {
                _ if edge < edges => (node(edge, 1, num_src), node(edge, 2, num_dst)),
                _ if edge < edges + hub => (node(edge, 1, num_src), 1),
                _ => (2, node(edge, 2, num_dst)),
            })
            .collect();
        Self {
            num_src,
            num_dst,
            heads,
            channels,
            pairs,
        }
    }

    /// The graph whose loops have taken the place of its edges from nodes to themselves.
    fn looped(&self, loops: Option<usize>) -> Self {
        let mut pairs = self.pairs.clone();
        if let Some(loops) = loops {
            pairs.retain(|(j, i)| j != i);
            pairs.extend((0..loops).map(|i| (i, i)));
        }
        Self { pairs, ..*self }
    }

    /// The edges so that messages run from `pairs.0` to `pairs.1`.
    fn ends(&self, flow: Flow, csr: bool, device: &Device) -> Endpoints {
        let number = |i: &usize| i64::try_from(*i).unwrap();
        let (sources, targets): (Vec<i64>, Vec<i64>) = self
            .pairs
            .iter()
            .map(|(j, i)| (number(j), number(i)))
            .unzip();
        let (ends, nodes) = match flow {
            Flow::SourceToTarget => ([sources, targets], [self.num_src, self.num_dst]),
            Flow::TargetToSource => ([targets, sources], [self.num_dst, self.num_src]),
        };
        let edges = EdgeIndex::from_arrays(&ends[0], &ends[1], nodes[0], nodes[1], device).unwrap();
        let edges = if csr {
            Edges::from(kiln_ops::to_adjacency(&edges, None).0)
        } else {
            Edges::from(edges)
        };
        Endpoints::new(edges, flow)
    }

    fn shapes(&self, op: Op) -> [[usize; 3]; 3] {
        let (src, dst, one) = (self.num_src, self.num_dst, 1);
        let rows = match op {
            Op::Joint(_) => [src, dst, one],
            Op::Dot(_) => [dst, src, src],
        };
        rows.map(|rows| [rows, self.heads, self.channels])
    }

    fn values(&self, op: Op) -> [Vec<f64>; 3] {
        let counts = self.shapes(op).map(|shape| shape.iter().product());
        let [a, b, c] = counts;
        [numbers(a, 11), numbers(b, 12), numbers(c, 13)]
    }

    fn inputs(&self, op: Op, device: &Device) -> [Tensor<3>; 3] {
        let (values, shapes) = (self.values(op), self.shapes(op));
        [0, 1, 2].map(|i| floats(&values[i], shapes[i], device))
    }

    fn expected(&self, op: Op) -> Vec<f64> {
        let (sources, targets): (Vec<usize>, Vec<usize>) = self.pairs.iter().copied().unzip();
        let [a, b, c] = &self.values(op);
        let sizes = [self.num_dst, self.heads, self.channels];
        let rows = match op {
            Op::Joint(_) => a,
            Op::Dot(_) => c,
        };
        op.expected([a, b, c], rows, sizes, &sources, &targets)
    }
}

#[test]
fn outputs_of_all_widths() {
    for (at, sizes) in [
        [1, 1],
        [1, 7],
        [4, 8],
        [2, 64],
        [8, 8],
        [4, 33],
        [1, 130],
        [3, 257],
    ]
    .into_iter()
    .enumerate()
    {
        for nodes in [[25, 25], [40, 20], [20, 40]] {
            let hub = if at % 2 == 0 { 500 } else { 0 };
            let sample = Sample::new(nodes, 120, hub, sizes);
            let device = device();
            for (at, op) in ops(&sample).into_iter().enumerate() {
                let flow = [Flow::SourceToTarget, Flow::TargetToSource][at % 2];
                let ends = sample.ends(flow, false, &device);
                let out = op.run(sample.inputs(op, &device), &ends);
                let what = format!("{op:?}, {nodes:?} nodes, {sizes:?}");
                assert_close(&what, &read(out), &sample.expected(op), 10.0);
            }
        }
    }
}

#[test]
fn graphs_without_edges_nodes_or_features() {
    let device = device().autodiff();
    for nodes in [[3, 2], [3, 0], [0, 2], [0, 0]] {
        for (heads, channels) in [(2, 4), (2, 0), (0, 4)] {
            let sample = Sample::new(nodes, 0, 0, [heads, channels]);
            let ends = sample.ends(Flow::SourceToTarget, false, &device);
            for op in ops(&sample) {
                let zeros = |shape| Tensor::<3>::zeros(Shape::new(shape), &device).require_grad();
                let inputs = sample.shapes(op).map(zeros);
                let out = op.run(inputs.clone(), &ends);
                assert_eq!(out.dims(), [nodes[1], heads, channels]);
                if op.loops().is_some_and(|loops| loops > 0) {
                    continue;
                }
                assert!(read(out.clone()).iter().all(|&value| value == 0.0));
                let grads = out.backward();
                for input in inputs {
                    let grad = input.grad(&grads).unwrap();
                    assert_eq!(grad.dims(), input.dims());
                    assert!(read(grad).iter().all(|&value| value == 0.0));
                }
            }
        }
    }
}

#[test]
fn large_scores_stay_finite() {
    let device = device();
    let sample = Sample::new([10, 10], 40, 200, [2, 8]);
    let ends = sample.ends(Flow::SourceToTarget, false, &device);
    for op in ops(&sample) {
        let [a, b, c] = sample.inputs(op, &device);
        let out = op.run([a.mul_scalar(300.0), b.mul_scalar(300.0), c], &ends);
        assert!(read(out).iter().all(|value| value.is_finite()), "{op:?}");
    }
}

/// Each input's gradient against finite differences.
#[test]
fn gradients() {
    let sample = Sample::new([7, 5], 12, 4, [2, 3]);
    for op in ops(&sample) {
        let (values, shapes) = (sample.values(op), sample.shapes(op));
        for csr in [false, true] {
            for which in 0..3 {
                let what = format!("input {which} of {op:?}");
                check(&what, &values[which], shapes[which], |input, device| {
                    let mut inputs = sample.inputs(op, device);
                    inputs[which] = input;
                    let ends = sample.ends(Flow::SourceToTarget, csr, device);
                    op.run(inputs, &ends)
                });
            }
        }
    }
}

/// The output and the gradients of the inputs, one after the other.
fn all_values(
    sample: &Sample,
    op: Op,
    (device, dtype): (&Device, DType),
    f: impl FnOnce(Op, [Tensor<3>; 3], &Endpoints) -> Tensor<3>,
) -> Vec<f64> {
    let device = device.clone().autodiff();
    let inputs = sample.inputs(op, &device);
    let inputs = inputs.map(|input| input.cast(dtype).require_grad());
    let ends = sample.ends(Flow::SourceToTarget, false, &device);
    let out = f(op, inputs.clone(), &ends);
    let values = numbers(out.dims().iter().product(), 14);
    let cotangent = floats(&values, out.dims(), &device).cast(dtype);
    let grads = (out.clone() * cotangent).backward();
    let mut values = read(out);
    for input in inputs {
        let grad = input.grad(&grads).unwrap();
        assert_eq!(grad.dtype(), dtype);
        values.extend(read(grad));
    }
    values
}

/// Long rows both ways and wide features, against the parts on the CPU.
#[test]
fn gradients_of_long_rows() {
    let (device, cpu) = (device(), Device::flex());
    for sizes in [[1, 130], [4, 32], [2, 5], [1, 64], [1, 300]] {
        let sample = Sample::new([50, 50], 200, 700, sizes);
        for op in ops(&sample) {
            if op.dropout().is_some() {
                continue;
            }
            let fused = all_values(&sample, op, (&device, float_type(&device)), Op::run);
            let looped = sample.looped(op.loops());
            let composed = all_values(&looped, op, (&cpu, DType::F64), Op::composed);
            let what = format!("{op:?} {sizes:?}");
            assert_close(&what, &fused, &composed, 20.0);
        }
    }
}

#[test]
fn half_precision_is_summed_in_single() {
    if *BACKEND == "wgpu" {
        return; // WGSL has 16-bit floats on few devices.
    }
    let sample = Sample::new([30, 20], 100, 300, [2, 16]);
    for op in ops(&sample) {
        let half = all_values(&sample, op, (&device(), DType::F16), Op::run);
        let exact = all_values(&sample, op, (&Device::flex(), DType::F64), Op::run);
        for (half, exact) in half.into_iter().zip(exact) {
            let error = (half - exact).abs();
            assert!(
                error < 1e-2 * exact.abs().max(1.0),
                "{op:?}: got {half}, expected {exact}"
            );
        }
    }
}

/// Gradients need the edges by source, whichever input they are for.
#[test]
fn one_tracked_input_is_enough() {
    let (plain, tracked) = (device(), device().autodiff());
    let sample = Sample::new([7, 5], 12, 4, [2, 3]);
    let ends = sample.ends(Flow::SourceToTarget, false, &plain);
    for op in ops(&sample) {
        let gradient = |mut inputs: [Tensor<3>; 3], which: usize| {
            let input = sample.inputs(op, &tracked)[which].clone().require_grad();
            inputs[which] = input.clone();
            let grads = op.run(inputs, &ends).backward();
            read(input.grad(&grads).unwrap())
        };
        for which in 0..3 {
            let alone = gradient(sample.inputs(op, &plain), which);
            let among = gradient(sample.inputs(op, &tracked), which);
            assert_eq!(alone, among, "input {which} of {op:?}");
        }
    }

    let score = |count: usize, device: &Device| floats(&numbers(count * 2, 15), [count, 2], device);
    let gradient = |device: &Device| {
        let x = floats(&numbers(42, 16), [7, 2, 3], device);
        let score_src = score(7, &tracked).require_grad();
        let options = Attention {
            negative_slope: 0.2,
            loops: None,
            dropout: None,
        };
        let out = kiln_ops::edge_attention(
            x,
            score_src.clone(),
            score(5, device),
            &ends,
            options.on(device),
        );
        read(score_src.grad(&out.backward()).unwrap())
    };
    assert_eq!(gradient(&plain), gradient(&tracked));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    if !is_flex() {
        return;
    }
    let sample = Sample::new([2500, 2400], 12_000, 2000, [4, 8]);
    let bits = |threads: usize| -> Vec<u64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let run = |op: Op| all_values(&sample, op, (&device(), DType::F32), Op::run);
            let values = ops(&sample).into_iter().flat_map(run);
            values.map(f64::to_bits).collect()
        })
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(3) && one == bits(8));
}

#[test]
fn wrong_shapes_are_named() {
    let device = device();
    let sample = Sample::new([4, 3], 5, 0, [1, 2]);
    let ends = sample.ends(Flow::SourceToTarget, false, &device);
    let message = |op: Op| {
        let [a, b, c] = sample.inputs(op, &device);
        let error =
            std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| op.run([b, a, c], &ends)));
        *(error.err().unwrap().downcast::<String>()).unwrap()
    };
    let expected = [
        "edge_attention_v2: expected shapes [4, 1, 2], [3, 1, 2] and [1, 2], got [3, 1, 2], [4, 1, 2] and [1, 2]",
        "dot_attention: expected shapes [3, 1, 2], [4, 1, 2] and [4, 1, 2], got [4, 1, 2], [3, 1, 2] and [4, 1, 2]",
    ];
    let all = ops(&sample);
    assert_eq!([message(all[0]), message(all[1])], expected);
}

/// Where a score is 0, its leaky ReLU has the slope of negative numbers, in one walk and in parts.
#[test]
fn scores_of_zero_have_the_gradient_of_negative_ones() {
    let device = device().autodiff();
    let data = TensorData::from([[0, 1, 2, 1], [1, 2, 0, 0]]);
    let edges = EdgeIndex::new(Tensor::from_data(data, &device), 3, 3).unwrap();
    let ends = Endpoints::new(edges, Flow::SourceToTarget);
    let gradients = |is_in_parts: bool| -> [Vec<f64>; 2] {
        let x = floats(&[1.0, -2.0, 0.5], [3, 1, 1], &device);
        let [src, dst] = [[0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
            .map(|scores| floats(&scores, [3, 1], &device).require_grad());
        let options = AttentionOptions {
            negative_slope: 0.2,
            loops: None,
            dropout: 0.0,
            seed: None,
        };
        let out = if is_in_parts {
            let more = EdgeScores {
                edges: Tensor::zeros([4, 1], (&device, x.dtype())),
                loops: None,
            };
            kiln_ops::edge_attention_with(x, src.clone(), dst.clone(), more, &ends, &options)
        } else {
            kiln_ops::edge_attention(x, src.clone(), dst.clone(), &ends, options)
        };
        let mut grads = (out.clone() * out).sum().backward();
        [src, dst].map(|scores| read(scores.grad_remove(&mut grads).unwrap()))
    };
    for (got, expected) in gradients(true).iter().zip(gradients(false)) {
        assert_close("scores of zero", got, &expected, 10.0);
    }
}
