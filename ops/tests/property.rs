//! What holds for every operation: one table of them, and a test for each property.
//!
//! A new operation is a line of the [table](table::operations).

mod sample;
mod table;

use core::iter::repeat_n;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use burn::backend::{BackendTensor, DispatchTensorKind};
use burn::tensor::{DType, Device, Tensor, TensorData};
use kiln_core::{EdgeForm, Flow, Walk};
use kiln_ops::Reduce;
use proptest::prelude::*;

use crate::{
    gradient::{check, cotangent},
    reference,
    support::{BACKEND, device, float_type, is_flex, read, read_ints},
};
use sample::{Input, Inputs, Layout, Plan, Sample, plans, widths};
use table::{Bound, Operation, operations};

/// Largest error of a result in `f32`, however long the rows are.
///
/// Rounding makes an error relative to what is added, not to what is left of it, so a [`Bound`]
/// says what counts: a sum of large terms that cancel out may be all error.
const TOLERANCE: f64 = 1e-5;

/// [`TOLERANCE`], or what roundings can make that all go one way: two for each term of a row, half
/// an `EPSILON` each.
fn tolerance(operation: &Operation, sample: &Sample) -> f64 {
    if operation.drifts {
        TOLERANCE.max(f64::from(sample.longest_row()) * f64::from(f32::EPSILON))
    } else {
        TOLERANCE
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        max_global_rejects: 100_000,
        ..ProptestConfig::with_cases(if is_flex() { cases } else { cases.div_ceil(8) })
    }
}

/// One hub of up to 10,000 edges, of which there are fewer the wider rows are.
fn hubs() -> impl Strategy<Value = ([usize; 2], usize)> {
    let edges = prop_oneof![Just(10_000), 127..=129_usize, 200..=10_000_usize];
    (edges, any::<bool>()).prop_flat_map(|(edges, out)| {
        let hubs = if out { [edges, 0] } else { [0, edges] };
        (Just(hubs), 1..=(40_000 / edges).min(257))
    })
}

/// Half the distance of 1 to the next number of a type, and of 0.
fn rounding(dtype: DType) -> [f64; 2] {
    match dtype {
        DType::BF16 => [2.0_f64.powi(-8), 2.0_f64.powi(-134)],
        DType::F16 => [2.0_f64.powi(-11), 2.0_f64.powi(-25)],
        _ => [0.0; 2],
    }
}

fn check_results(plan: &Plan, dtype: DType) {
    let sample = Sample::new(plan).rounded(dtype);
    let magnitudes = sample.magnitudes();
    let device = if plan.autodiff {
        device().autodiff()
    } else {
        device()
    };
    let inputs = Inputs::new(&sample, &device, dtype);
    let [relative, absolute] = rounding(dtype);
    for operation in operations(&sample) {
        if dtype != DType::F32 && operation.in_steps {
            continue;
        }
        let name = &operation.name;
        let got = (operation.run)(&inputs);
        assert!(
            operation.inputs.is_empty() || got.dtype() == dtype,
            "{name}"
        );
        let got = read(got);
        let expected = (operation.expected)(&sample);
        let scale = match operation.bound {
            Bound::Exact => vec![0.0; expected.len()],
            Bound::Value => expected.iter().map(|value| value.abs()).collect(),
            Bound::Terms => match &operation.terms {
                None => (operation.expected)(&magnitudes),
                Some(terms) => terms(&sample),
            },
        };
        let tolerance = tolerance(&operation, &sample);
        assert_eq!(got.len(), expected.len(), "{name}: number of values");
        for (at, ((got, expected), scale)) in got.iter().zip(expected).zip(scale).enumerate() {
            // A product of many small factors may be too small a number for `f32`.
            let allowed = tolerance * scale + f64::from(f32::MIN_POSITIVE);
            let allowed = allowed + relative * expected.abs() + absolute;
            assert!(
                (got - expected).abs() <= allowed,
                "{name} in {dtype:?}: value {at} is {got}, expected {expected} up to {allowed}"
            );
        }
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn results_match_plain_loops(plan in plans(1..=40, 60, (Just([0, 0]), widths()))) {
        check_results(&plan, DType::F32);
    }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn results_of_16_bits_are_rounded_once(plan in plans(1..=40, 60, (Just([0, 0]), widths()))) {
        // WGSL has 16-bit floats on few devices.
        let dtypes = [DType::BF16, DType::F16].into_iter().filter(|_| *BACKEND != "wgpu");
        for dtype in dtypes {
            check_results(&plan, dtype);
        }
    }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn results_of_long_rows_match_plain_loops(plan in plans(100..=400, 200, hubs())) {
        check_results(&plan, DType::F32);
    }
}

/// What a number is, if it is not finite: infinite, or none at all.
fn class(value: f64) -> Option<f64> {
    match value {
        value if value.is_finite() => None,
        value if value.is_nan() => Some(0.0),
        value => Some(value),
    }
}

proptest! {
    #![proptest_config(config(256))]

    /// Nothing that is left out shows: no loop that has given way, no padding, no unit without
    /// work.
    #[test]
    fn what_is_not_finite_stays_where_it_belongs(
        plan in plans(1..=12, 40, prop_oneof![
            3 => (Just([0, 0]), 1..=70_usize),
            1 => (prop_oneof![Just([0, 300]), Just([300, 0])], 1..=9_usize),
        ]),
        seed in any::<u64>(),
    ) {
        let sample = Sample::new(&plan).poisoned(seed);
        let device = if plan.autodiff { device().autodiff() } else { device() };
        let inputs = Inputs::new(&sample, &device, DType::F32);
        for operation in operations(&sample) {
            // Products of many numbers are 0 in `f32`, and not in `f64`.
            if operation.name.ends_with("mul") && sample.longest_row() > 16 {
                continue;
            }
            let (got, expected) = (read((operation.run)(&inputs)), (operation.expected)(&sample));
            for (at, (got, expected)) in got.into_iter().zip(expected).enumerate() {
                let is_close = (got - expected).abs() <= 1e-3 * expected.abs().max(1.0);
                assert!(
                    class(got) == class(expected) && (class(got).is_some() || is_close),
                    "{}: value {at} is {got}, expected {expected}", operation.name
                );
            }
        }
    }
}

/// Whether terms of a maximum are so close that a difference step could swap them. Equal ones do
/// not count: they are the same number in memory, which moves as one.
fn has_near_ties(sample: &Sample) -> bool {
    let width = sample.width();
    let [_, src, _] = sample.csr();
    let rows = [&sample.src, &src].map(|src| reference::gather(&sample[Input::X], width, src));
    let weighed = |rows: &Vec<f64>, weights: &[f64]| -> Vec<f64> {
        let channels = rows.len().checked_div(weights.len()).unwrap_or(1);
        let weights = weights.iter().flat_map(|w| repeat_n(w, channels));
        rows.iter().zip(weights).map(|(x, w)| x * w).collect()
    };
    let mut terms = vec![sample[Input::Messages].to_vec()];
    for rows in &rows {
        terms.push(rows.clone());
        terms.push(weighed(rows, &sample[Input::Weight]));
        terms.push(weighed(rows, &sample[Input::Weights]));
    }
    let is_close = |step: f64| step > 0.0 && step < 1e-4;
    terms.iter().any(|terms| {
        (0..width).any(|f| {
            let mut column: Vec<f64> = terms.iter().skip(f).step_by(width).copied().collect();
            column.sort_by(f64::total_cmp);
            column.windows(2).any(|pair| is_close(pair[1] - pair[0]))
        })
    })
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn gradients_match_differences(plan in plans(1..=4, 9, (Just([0, 0]), 1..=5_usize))) {
        let sample = Sample::new(&plan);
        prop_assume!(!has_near_ties(&sample));
        for operation in operations(&sample) {
            for &input in operation.inputs {
                let what = format!("{}, gradient of {input:?}", operation.name);
                let stored = sample.stored(input);
                check(&what, &stored, [stored.len()], |stored: Tensor<1>, device| {
                    let inputs = Inputs::new(&sample, device, float_type(device));
                    (operation.run)(&inputs.with(input, stored))
                });
            }
        }
    }
}

/// Numbers between -1 and 1 that differ by position, to weigh outputs with.
fn signed(count: usize) -> Vec<f64> {
    let values = cotangent(count).into_iter();
    values.map(|value| 2.0 * value - 1.2).collect()
}

/// A result, and its gradient for each input when the result's is [`signed`], as they lie in
/// memory.
fn run(operation: &Operation, inputs: &Inputs<'_>) -> (Tensor<1>, Vec<(Input, Tensor<1>)>) {
    // No graph is begun that is not walked back: after many of those Burn frees nodes of the next
    // one.
    let out = (operation.run)(inputs);
    if operation.inputs.is_empty() || out.dims()[0] == 0 {
        return (out, vec![]);
    }
    let leaves: Vec<_> = operation
        .inputs
        .iter()
        .map(|&input| (input, inputs.stored(input).require_grad()))
        .collect();
    let inputs = leaves.iter().fold(inputs.clone(), |inputs, (input, leaf)| {
        inputs.with(*input, leaf.clone())
    });
    let out = (operation.run)(&inputs);
    let data = TensorData::new(signed(out.dims()[0]), out.dims());
    let cotangent = Tensor::from_data(data, (&out.device(), out.dtype()));
    let mut grads = (out.clone() * cotangent).backward();
    let gradients = leaves
        .into_iter()
        .map(|(input, leaf)| (input, leaf.grad_remove(&mut grads).unwrap()))
        .collect();
    (out, gradients)
}

/// The gradient against the difference along the input itself: terms that all grow alike keep their
/// order, so no maximum jumps.
fn check_slopes(plan: &Plan) {
    // So small that hardly a leaky ReLU among many thousands has its kink within it.
    const STEP: f64 = 1e-8;
    let sample = Sample::new(plan);
    let [plain, tracked] = [Device::flex(), device().autodiff()]
        .map(|device| Inputs::new(&sample, &device, float_type(&device)));
    let tolerance = if is_flex() { 1e-6 } else { 1e-4 };
    for operation in operations(&sample) {
        let (out, gradients) = run(&operation, &tracked);
        let weighted = |out: Tensor<1>| -> Vec<f64> {
            let weights = signed(out.dims()[0]);
            read(out).iter().zip(weights).map(|(x, c)| x * c).collect()
        };
        let size = magnitude(&weighted(out));
        for (input, gradient) in gradients {
            let stored = plain.stored(input);
            let loss = |factor: f64| -> f64 {
                let inputs = plain.clone().with(input, stored.clone() * factor);
                weighted((operation.run)(&inputs)).iter().sum()
            };
            let expected = (loss(1.0 + STEP) - loss(1.0 - STEP)) / (2.0 * STEP);
            let parts: Vec<f64> = read(gradient)
                .iter()
                .zip(read(stored.clone()))
                .map(|(gradient, x)| {
                    // Padding is no number, and nothing depends on it.
                    assert!(x.is_finite() || *gradient == 0.0, "{}", operation.name);
                    if x.is_finite() { gradient * x } else { 0.0 }
                })
                .collect();
            let got: f64 = parts.iter().sum();
            let scale = magnitude(&parts).max(size).max(1.0);
            assert!(
                (got - expected).abs() <= tolerance * scale,
                "{}, gradient of {input:?}: slope {got}, expected {expected}",
                operation.name
            );
        }
    }
}

/// One node with a hub's edges to itself, along all of which the same numbers go: the roundings of
/// a sum all go one way.
fn equal_terms(seed: u64) -> Plan {
    Plan {
        nodes: [1, 1],
        edges: 0,
        hubs: [10_000, 0],
        heads: 2,
        width: 4,
        flow: Flow::SourceToTarget,
        adjacency: false,
        layouts: [Layout::Expanded; Input::ALL.len()],
        autodiff: false,
        seed,
    }
}

#[test]
fn sums_of_equal_terms_lose_little() {
    for seed in 0..if is_flex() { 4 } else { 2 } {
        check_results(&equal_terms(seed), DType::F32);
        check_gradients(&equal_terms(seed));
    }
}

/// The gradients in `f32` against those in `f64`.
fn check_gradients(plan: &Plan) {
    let mut sample = Sample::new(plan);
    // A view's gradient is Burn's sum over what it repeats.
    sample.plan.layouts = [Layout::Contiguous; Input::ALL.len()];
    let exact = Inputs::new(&sample, &Device::flex().autodiff(), DType::F64);
    let inputs = Inputs::new(&sample, &device().autodiff(), DType::F32);
    for operation in operations(&sample) {
        let (out, expected) = run(&operation, &exact);
        let size = magnitude(&read(out));
        let (_, gradients) = run(&operation, &inputs);
        for ((input, gradient), (_, expected)) in gradients.into_iter().zip(expected) {
            let (got, expected) = (read(gradient), read(expected));
            let largest = expected.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
            let tolerance = tolerance(&operation, &sample);
            let allowed = tolerance * largest.max(size) + f64::from(f32::MIN_POSITIVE);
            for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
                assert!(
                    (got - expected).abs() <= allowed,
                    "{}, gradient of {input:?}: value {at} is {got}, expected {expected} up to {allowed}",
                    operation.name
                );
            }
        }
    }
}

/// The sum of magnitudes.
fn magnitude(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum()
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn gradients_of_long_rows_match_differences(plan in plans(100..=400, 200, hubs())) {
        check_slopes(&plan);
    }
}

/// A graph whose edges are sorted, and whose rows are walked, by several threads.
fn large() -> Plan {
    Plan {
        nodes: [5000, 5000],
        edges: 13_000,
        hubs: [10_000, 10_000],
        heads: 2,
        width: 4,
        flow: Flow::SourceToTarget,
        adjacency: false,
        layouts: [Layout::Sliced; Input::ALL.len()],
        autodiff: true,
        seed: 1,
    }
}

#[test]
fn results_of_a_large_graph_match_plain_loops() {
    check_results(&large(), DType::F32);
}

/// Requires the edges to be sorted both ways, those of one node in their order.
fn check_sorted(plan: &Plan) {
    let sample = Sample::new(plan);
    let inputs = Inputs::new(&sample, &device().autodiff(), DType::F32);
    // The first use leaves the edges sorted.
    kiln_ops::aggregate(inputs.get(Input::X), None, &inputs.ends, Reduce::Sum);
    let targets = (&sample.dst, &sample.src, sample.num_dst);
    let sources = (&sample.src, &sample.dst, sample.num_src);
    let (by_destination, by_source) = match plan.flow {
        Flow::SourceToTarget => (targets, sources),
        Flow::TargetToSource => (sources, targets),
    };
    for (walk, (rows, cols, count)) in [
        (Walk::ByDestination, by_destination),
        (Walk::BySource, by_source),
    ] {
        let build = || panic!("{walk:?}: edges are not sorted");
        let csr = match inputs.ends.edges().form() {
            EdgeForm::Coo(edges) => edges.sorted_or_init(walk, build),
            EdgeForm::Csr(adjacency) => adjacency.sorted_or_init(walk, build),
        };
        let (ptr, order) = Sample::sorted(rows, count);
        let cols: Vec<usize> = order.iter().map(|&e| cols[e]).collect();
        assert_eq!(read_ints(csr.ptr), ptr, "{walk:?}");
        assert_eq!(read_ints(csr.edge), order, "{walk:?}");
        assert_eq!(read_ints(csr.col), cols, "{walk:?}");
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn edges_are_sorted_both_ways(plan in plans(1..=40, 60, Just(([5, 3], 1)))) {
        check_sorted(&plan);
    }
}

#[test]
fn a_large_graph_is_sorted_by_several_threads() {
    check_sorted(&large());
}

/// Whether views are what they are for: tensors whose rows do not lie one after the other.
#[test]
fn only_contiguous_inputs_are_contiguous() {
    fn is_contiguous<const D: usize>(tensor: Tensor<D>) -> bool {
        match tensor.into_dispatch().kind {
            DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => tensor.is_contiguous(),
            kind => panic!("expected a float tensor on the CPU, got {kind:?}"),
        }
    }
    let layouts = [
        Layout::Contiguous,
        Layout::Transposed,
        Layout::Sliced,
        Layout::Expanded,
    ];
    for layout in layouts {
        let sample = Sample::new(&Plan {
            layouts: [layout; Input::ALL.len()],
            autodiff: false,
            ..large()
        });
        let inputs = Inputs::new(&sample, &Device::flex(), DType::F32);
        let got = [
            is_contiguous::<3>(inputs.get(Input::X)),
            is_contiguous::<2>(inputs.get(Input::X)),
            is_contiguous::<2>(inputs.get(Input::ScoreSrc)),
            is_contiguous::<1>(inputs.get(Input::Weight)),
        ];
        let rows = layout == Layout::Contiguous;
        // A column by itself is a vector like another.
        let column = rows || layout == Layout::Transposed;
        assert_eq!(got, [rows, rows, rows, column], "{layout:?}");
        assert_eq!(read(inputs.get::<3>(Input::X)), sample[Input::X]);
        assert_eq!(read(inputs.get::<1>(Input::Weight)), sample[Input::Weight]);
    }
}

/// For the result of each operation and each of its gradients, a number that stands for its bits.
fn fingerprints(sample: &Sample) -> Vec<(String, u64)> {
    let bits = |tensor| {
        let mut hasher = DefaultHasher::new();
        for value in read(tensor) {
            value.to_bits().hash(&mut hasher);
        }
        hasher.finish()
    };
    let inputs = Inputs::new(sample, &device().autodiff(), DType::F32);
    let mut all = Vec::new();
    for operation in operations(sample) {
        let (out, gradients) = run(&operation, &inputs);
        all.push((operation.name.clone(), bits(out)));
        for (input, gradient) in gradients {
            let what = format!("{}, gradient of {input:?}", operation.name);
            all.push((what, bits(gradient)));
        }
    }
    all
}

#[test]
fn results_repeat_bit_by_bit() {
    let sample = Sample::new(&large());
    let run = |threads: Option<usize>| {
        let Some(threads) = threads else {
            return fingerprints(&sample);
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| fingerprints(&sample))
    };
    let runs = if is_flex() {
        vec![Some(1), Some(2), Some(3), Some(8), Some(8)]
    } else {
        vec![None, None]
    };
    let expected = run(runs[0]);
    for threads in &runs[1..] {
        for ((what, got), (_, expected)) in run(*threads).into_iter().zip(&expected) {
            assert_eq!(got, *expected, "{what}: other bits, threads: {threads:?}");
        }
    }
}
