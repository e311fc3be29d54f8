//! Prepared calls give what single runs give, whichever inputs change.
//!
//! The device is that of `KILN_TEST_BACKEND`. On CUDA runs are repeated by the device.

use burn::tensor::{Bool, Int, Tensor};
use kiln_core::AnyTensor;
use kiln_ir::{ExecError, Prepared, Session};

use crate::{
    exec::model,
    support::{Inputs, assert_close, backend_name, device, edges, floats, one, values},
};

/// A graph convolution: coefficients come from the graph, features are multiplied and propagated.
const CONVOLUTION: &str = "kiln 1
symbols $N, $E
weight @w: parameter f32[2, 3]
module @ = Net {
  weight @w
  method forward(x: f32[$N, 3], edge_index: i64[2, $E], scale: f32[$N]?, size: size($N, $N)) -> (f32[$N, 2], f32[$N]) {
    case (absent) -> @plain
    case (present) -> @scaled
  }
}
fn @plain(x %0: f32[$N, 3], edge_index %1: i64[2, $E]) -> (%12, %6) {
  %2: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)
  %3: i64[$E] = reshape{dims=[$E]}(%2)
  %4: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)
  %5: i64[$E] = reshape{dims=[$E]}(%4)
  %6: f32[$N] = degree{size=$N, elem=f32}(%5)
  %7: f32[$N] = add_scalar{rhs=1.0}(%6)
  %8: f32[$N] = recip(%7)
  %9: f32[$E] = gather(%8, %5)
  %10: f32[2, 3] = weight @w
  %11: f32[$N, 2] = linear(%0, %10)
  %12: f32[$N, 2] = spmm{reduce=sum, size=$N}(%11, %3, %5, %9)
}
fn @scaled(x %0: f32[$N, 3], edge_index %1: i64[2, $E], scale %2: f32[$N]) -> (%12, %13) {
  %3: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)
  %4: i64[$E] = reshape{dims=[$E]}(%3)
  %5: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)
  %6: i64[$E] = reshape{dims=[$E]}(%5)
  %7: f32[$E] = gather(%2, %6)
  %8: f32[2, 3] = weight @w
  %9: f32[$N, 2] = linear(%0, %8)
  %10: f32[$N, 2] = spmm{reduce=max, size=$N}(%9, %4, %6, %7)
  %11: f32[$N, 2] = spmm{reduce=sum, size=$N}(%10, %6, %4, %7)
  %12: f32[$N, 2] = add(%10, %11)
  %13: f32[$N] = exp(%2)
}
; weight w = 1 -2 3 0.5 0.25 -1
";

/// Counts of values that depend on the features, and on the graph alone.
const COUNTS: &str = "kiln 1
symbols $N, $E, $K, $L
module @ = Net {
  method forward(x: f32[$N], edge_index: i64[2, $E], mask: bool[$N]) -> (i64[$K], i64[$L], f32[$N]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N], edge_index %1: i64[2, $E], mask %2: bool[$N]) -> (%6, %12, %13) {
  %3: bool[$N] = greater_scalar{rhs=0.0}(%0)
  %4: bool[$N] = and(%3, %2)
  %5: i64[$K] = nonzero(%4)
  %6: i64[$K] = mul_scalar{rhs=2}(%5)
  %7: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)
  %8: i64[$E] = reshape{dims=[$E]}(%7)
  %9: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)
  %10: i64[$E] = reshape{dims=[$E]}(%9)
  %11: bool[$E] = equal(%8, %10)
  %12: i64[$L] = nonzero(%11)
  %13: f32[$N] = exp(%0)
}
";

/// A result that is an input, and one that an input does not reach.
const VIEWS: &str = "kiln 1
symbols $N
module @ = Net {
  method forward(x: f32[$N, 2], id: i64[$N]) -> (f32[2*$N], i64[$N]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 2], id %1: i64[$N]) -> (%2, %3) {
  %2: f32[2*$N] = reshape{dims=[2*$N]}(%0)
  %3: i64[$N] = add_scalar{rhs=1}(%1)
}
";

/// Sizes that only a count of true values shows: no operand leads to what is made of them.
const SIZED: &str = "kiln 1
symbols $N, $E, $K, $L
module @ = Net {
  method forward(mask: bool[$N], edge_index: i64[2, $E]) -> (f32[$K], i64[$K], f32[$L], f32[$N]) {
    case () -> @forward
  }
}
fn @forward(mask %0: bool[$N], edge_index %1: i64[2, $E]) -> (%4, %5, %12, %13) {
  %2: bool[$N] = not(%0)
  %3: i64[$K] = nonzero(%2)
  %4: f32[$K] = full{value=1.0, elem=f32, dims=[$K]}()
  %5: i64[$K] = arange{start=0, end=$K}()
  %6: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)
  %7: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)
  %8: i64[$E] = reshape{dims=[$E]}(%6)
  %9: i64[$E] = reshape{dims=[$E]}(%7)
  %10: bool[$E] = equal(%8, %9)
  %11: i64[$L] = nonzero(%10)
  %12: f32[$L] = full{value=2.0, elem=f32, dims=[$L]}()
  %13: f32[$N] = full{value=$K, elem=f32, dims=[$N]}()
}
";

type Outputs = Vec<(String, AnyTensor)>;

/// CUDA repeats runs that need no host; others may.
#[track_caller]
pub(crate) fn assert_replays(call: &Prepared<'_>) {
    match backend_name().split(':').next() {
        Some("flex") => assert!(!call.replays()),
        Some("cuda") => assert!(call.replays()),
        _ => {}
    }
}

#[track_caller]
fn assert_equal(got: Outputs, expected: Outputs) {
    assert_eq!(got.len(), expected.len());
    // On the CPU a prepared call does the same with the same numbers. GPUs may fuse other kernels.
    let tolerance = if backend_name() == "flex" { 0.0 } else { 1e-5 };
    for ((name, got), (expected_name, expected)) in got.into_iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert_close(&name, got, expected, tolerance);
    }
}

const GRAPH: [[i64; 2]; 6] = [[0, 1], [1, 2], [2, 0], [3, 3], [0, 2], [3, 1]];
const OTHER_GRAPH: [[i64; 2]; 6] = [[1, 0], [2, 1], [0, 0], [3, 1], [1, 3], [2, 2]];

#[test]
fn changed_inputs_give_what_a_run_gives() {
    let (device, _guard) = device();
    let session = Session::new(&model(CONVOLUTION), &device).unwrap();
    for scaled in [false, true] {
        let mut inputs = one("x", floats([4, 3], 0, &device));
        inputs.insert("edge_index".to_owned(), edges(&GRAPH, &device));
        if scaled {
            inputs.insert("scale".to_owned(), floats([4], 7, &device));
        }
        let mut call = session.prepare("forward", inputs.clone()).unwrap();
        assert_replays(&call);
        let expected = |inputs: &Inputs| session.run("forward", inputs.clone()).unwrap();
        assert_equal(call.run().unwrap(), expected(&inputs));
        assert_equal(call.run().unwrap(), expected(&inputs));
        for seed in 1..5 {
            let mut changed = one("x", floats([4, 3], seed, &device));
            if scaled && seed % 2 == 0 {
                changed.insert("scale".to_owned(), floats([4], seed, &device));
            }
            if seed == 3 {
                changed.insert("edge_index".to_owned(), edges(&OTHER_GRAPH, &device));
            }
            inputs.extend(changed.clone());
            assert_equal(call.run_with(changed).unwrap(), expected(&inputs));
        }
        // Values of an input stay until they are changed again.
        assert_equal(call.run().unwrap(), expected(&inputs));
        for graph in [GRAPH, OTHER_GRAPH] {
            let changed = one("edge_index", edges(&graph, &device));
            inputs.extend(changed.clone());
            assert_equal(call.run_with(changed).unwrap(), expected(&inputs));
            assert_equal(call.run().unwrap(), expected(&inputs));
        }
        assert_replays(&call);
    }
}

#[test]
fn results_outlive_later_runs_and_the_call() {
    let (device, _guard) = device();
    let session = Session::new(&model(CONVOLUTION), &device).unwrap();
    let mut inputs = one("x", floats([4, 3], 0, &device));
    inputs.insert("edge_index".to_owned(), edges(&GRAPH, &device));
    let mut call = session.prepare("forward", inputs.clone()).unwrap();
    let given = floats([4, 3], 5, &device);
    let first = call.run_with(one("x", given.clone())).unwrap();
    let second = call.run_with(one("x", floats([4, 3], 6, &device))).unwrap();
    drop(call);
    for (seed, got) in [(5, first), (6, second)] {
        inputs.insert("x".to_owned(), floats([4, 3], seed, &device));
        assert_equal(got, session.run("forward", inputs.clone()).unwrap());
    }
    // A call does not write what it was given.
    assert_eq!(values(given), values(floats([4, 3], 5, &device)));
}

#[test]
fn results_in_place_are_those_of_the_run() {
    let (device, _guard) = device();
    let session = Session::new(&model(CONVOLUTION), &device).unwrap();
    let mut inputs = one("x", floats([4, 3], 0, &device));
    inputs.insert("edge_index".to_owned(), edges(&GRAPH, &device));
    let mut call = session.prepare("forward", inputs.clone()).unwrap();
    let mut kept = Vec::new();
    for seed in 1..4 {
        let x = one("x", floats([4, 3], seed, &device));
        inputs.extend(x.clone());
        let expected = || session.run("forward", inputs.clone()).unwrap();
        assert_equal(call.run_in_place(x).unwrap().to_vec(), expected());
        kept.push((call.run().unwrap(), expected()));
    }
    // Copies do not change when other runs write in place.
    for (got, expected) in kept {
        assert_equal(got, expected);
    }
}

#[test]
fn counted_results_and_inputs_as_results() {
    let (device, _guard) = device();
    let session = Session::new(&model(COUNTS), &device).unwrap();
    let mask = |values: [bool; 3]| Tensor::<1, Bool>::from_data(values, &device).into();
    let mut inputs = one("x", floats([3], 0, &device));
    inputs.insert("edge_index".to_owned(), edges(&GRAPH[..3], &device));
    inputs.insert("mask".to_owned(), mask([true; 3]));
    let mut call = session.prepare("forward", inputs.clone()).unwrap();
    assert!(!call.replays());
    let changes = [
        one("x", floats([3], 1, &device)),
        one("mask", mask([false, true, true])),
        one("edge_index", edges(&[[0, 0], [1, 2], [2, 2]], &device)),
        one("x", floats([3], 2, &device)),
    ];
    for changed in changes {
        inputs.extend(changed.clone());
        let expected = session.run("forward", inputs.clone()).unwrap();
        assert_equal(call.run_with(changed).unwrap(), expected);
    }

    let session = Session::new(&model(VIEWS), &device).unwrap();
    let id = |values: [i64; 2]| Tensor::<1, Int>::from_data(values, &device).into();
    let mut inputs = one("x", floats([2, 2], 0, &device));
    inputs.insert("id".to_owned(), id([3, 4]));
    let mut call = session.prepare("forward", inputs.clone()).unwrap();
    let first = call.run().unwrap();
    let expected = session.run("forward", inputs.clone()).unwrap();
    for changed in [one("x", floats([2, 2], 1, &device)), one("id", id([5, 6]))] {
        inputs.extend(changed.clone());
        let expected = session.run("forward", inputs.clone()).unwrap();
        assert_equal(call.run_with(changed).unwrap(), expected);
    }
    assert_equal(first, expected);
}

#[test]
fn what_does_not_fit_is_an_error_and_changes_nothing() {
    let (device, _guard) = device();
    let session = Session::new(&model(CONVOLUTION), &device).unwrap();
    let mut inputs = one("x", floats([4, 3], 0, &device));
    let error = |result: Result<Outputs, ExecError>| result.map(drop).unwrap_err().to_string();
    let missing = session.prepare("forward", inputs.clone()).unwrap_err();
    assert!(matches!(missing, ExecError::MissingInput { name, .. } if name == "edge_index"));
    inputs.insert("edge_index".to_owned(), edges(&GRAPH, &device));
    let mut call = session.prepare("forward", inputs.clone()).unwrap();

    let size = |values: [i64; 2]| Tensor::<1, Int>::from_data(values, &device).into();
    let cases: [(&str, AnyTensor, &str); 6] = [
        (
            "x",
            floats([5, 3], 1, &device),
            "expected input \"x\" as f32[4, 3], got f32[5, 3]",
        ),
        (
            "x",
            floats([12], 1, &device),
            "expected input \"x\" as f32[4, 3], got f32[12]",
        ),
        (
            "edge_index",
            floats([2, 6], 1, &device),
            "expected input \"edge_index\" as i64[2, 6], got f32[2, 6]",
        ),
        (
            "y",
            floats([1], 1, &device),
            "there is no input \"y\" of forward(x: f32[$N, 3], edge_index: i64[2, $E], scale: \
             f32[$N]?, size: size($N, $N))",
        ),
        (
            "scale",
            floats([4], 1, &device),
            "expected no input \"scale\", which was absent when the call was prepared",
        ),
        (
            "size",
            size([4, 5]),
            "expected size $N = 4 at axis 1 of input \"size\", i64[2], got 5",
        ),
    ];
    for (name, tensor, expected) in cases {
        let mut changed = one(name, tensor);
        // Comes first, and must not be taken while another input is wrong.
        changed
            .entry("edge_index".to_owned())
            .or_insert_with(|| edges(&OTHER_GRAPH, &device));
        assert_eq!(error(call.run_with(changed)), expected);
        let expected = session.run("forward", inputs.clone()).unwrap();
        assert_equal(call.run().unwrap(), expected);
    }
    let expected = session.run("forward", inputs.clone()).unwrap();
    let unchanged = one("size", size([4, 4]));
    assert_equal(call.run_with(unchanged).unwrap(), expected);
}

#[test]
fn graphs_without_nodes_or_edges() {
    let (device, _guard) = device();
    let session = Session::new(&model(CONVOLUTION), &device).unwrap();
    for (nodes, graph) in [(0, &GRAPH[..0]), (4, &GRAPH[..0])] {
        let mut inputs = one("x", floats([nodes, 3], 0, &device));
        inputs.insert("edge_index".to_owned(), edges(graph, &device));
        let mut call = session.prepare("forward", inputs.clone()).unwrap();
        inputs.insert("x".to_owned(), floats([nodes, 3], 1, &device));
        let expected = session.run("forward", inputs.clone()).unwrap();
        let got = call.run_with(one("x", floats([nodes, 3], 1, &device)));
        assert_equal(got.unwrap(), expected);
    }
}

/// A size that depends on values is that of the run, and so is what is made of it.
#[test]
fn sizes_that_depend_on_values_are_those_of_the_run() {
    let (device, _guard) = device();
    let session = Session::new(&model(SIZED), &device).unwrap();
    let mask = |values: [bool; 4]| Tensor::<1, Bool>::from_data(values, &device);
    let mut inputs = one("mask", mask([true, false, false, false]).into());
    inputs.insert("edge_index".to_owned(), edges(&GRAPH, &device));
    let mut call = session.prepare("forward", inputs.clone()).unwrap();
    let expected = |inputs: &Inputs| session.run("forward", inputs.clone()).unwrap();
    assert_equal(call.run().unwrap(), expected(&inputs));
    for values in [[true; 4], [false; 4], [true, false, true, false]] {
        for graph in [&GRAPH, &OTHER_GRAPH] {
            let mut changed = one("mask", mask(values).into());
            changed.insert("edge_index".to_owned(), edges(graph, &device));
            inputs.extend(changed.clone());
            assert_equal(call.run_with(changed).unwrap(), expected(&inputs));
            let kept = values.iter().filter(|&&value| !value).count();
            let outputs = call.run().unwrap();
            assert_eq!(outputs[0].1.shape()[0], kept);
            assert_equal(outputs, expected(&inputs));
        }
    }
}
