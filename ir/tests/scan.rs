//! Loops: recorded ones compute what their modules do, whatever the number of steps, and sessions
//! bound what they take.
//!
//! The device is that of `KILN_TEST_BACKEND`.

use std::fmt::Write as _;

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor, activation::sigmoid},
};
use kiln_core::{EdgeIndex, Flow, Value};
use kiln_ir::{
    ExecError, Model, Op, RecordError, Recorder, Session, Weights, edge_index, parse, pass, print,
    tensor, validate, validate::MAX_LOOPS,
};
use kiln_ops::{Endpoints, Reduce, aggregate, linear, repeat, scan, scan_reversed, scope};

use crate::{
    exec::model,
    prepared::assert_replays,
    support::{Inputs, assert_close, device, edges, floats, one},
};

/// A gated recurrent unit, as PyTorch has it, in both directions over a sequence `[T, N, 3]`, and
/// the hops of its last state along edges.
#[derive(Module, Debug)]
struct Recurrent {
    weight_ih: Param<Tensor<2>>,
    weight_hh: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

const WIDTH: usize = 2;

impl Recurrent {
    fn new(device: &Device) -> Self {
        let matrix = |columns, seed| {
            let weight = floats([3 * WIDTH, columns], seed, device).float::<2>();
            Param::from_tensor(weight.mul_scalar(0.5))
        };
        Self {
            weight_ih: matrix(3, 5),
            weight_hh: matrix(WIDTH, 7),
            bias: Param::from_tensor(floats([3 * WIDTH], 11, device).float::<1>()),
        }
    }

    fn cell(&self, h: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        let input = linear(x, self.weight_ih.val().transpose(), None) + self.bias.val().unsqueeze();
        let state = linear(h.clone(), self.weight_hh.val().transpose(), None);
        let part = |of: &Tensor<2>, at: usize| of.clone().narrow(1, at * WIDTH, WIDTH);
        let r = sigmoid(part(&input, 0) + part(&state, 0));
        let z = sigmoid(part(&input, 1) + part(&state, 1));
        let n = (part(&input, 2) + r * part(&state, 2)).tanh();
        n.clone() + z * (h - n)
    }

    fn forward(&self, x: Tensor<3>, edges: &EdgeIndex) -> [Tensor<2>; 4] {
        let scope = scope::layer(self, "Recurrent", "forward");
        let x = scope.input("x", x);
        let edges = scope.input("edge_index", edges.clone());
        let [steps, nodes, _] = x.dims();
        let first = Tensor::zeros([nodes, WIDTH], &x.device());
        let step = |h: Tensor<2>, x| {
            let h = self.cell(h, x);
            (h.clone(), (h.clone().sum_dim(0), h.mul_scalar(2.0)))
        };
        let (last, (sums, _)) = scan(steps, first.clone(), x.clone(), step);
        let (back, (sums_back, _)) = scan_reversed(steps, first, x, step);
        let ends = Endpoints::new(edges, Flow::SourceToTarget);
        let hop = |h| aggregate(h, None, &ends, Reduce::Sum).mul_scalar(0.5);
        let hops = repeat(3, last, hop);
        let [sums, sums_back] = [sums, sums_back].map(|sums| sums.squeeze_dim::<2>(1));
        scope
            .exit(vec![hops, back, sums, sums_back])
            .try_into()
            .unwrap()
    }

    fn record(&self) -> Model {
        let inputs = (tensor!(f32["T", "N", 3]), edge_index!("N", "E"));
        Recorder::new(self)
            .overload("forward", inputs, |net: &Self, (x, edges)| {
                let results = net.forward(x, &edges).map(|out| Value::Tensor(out.into()));
                Value::Tuple(results.into())
            })
            .finish()
            .unwrap()
    }
}

fn inputs(steps: usize, nodes: usize, device: &Device) -> (Inputs, Tensor<3>, EdgeIndex) {
    let x = floats([steps, nodes, 3], steps, device).float::<3>();
    let pairs: Vec<[i64; 2]> = (0_i64..)
        .take(nodes)
        .map(|node| [node, (node * 3 + 1) % i64::try_from(nodes).unwrap()])
        .collect();
    let index = edges(&pairs, device);
    let mut inputs = one("x", x.clone().into());
    inputs.insert("edge_index".to_owned(), index.clone());
    let edges = EdgeIndex::new(index.int::<2>(), nodes, nodes).unwrap();
    (inputs, x, edges)
}

/// No steps, one, and many, and numbers that no recording had; by runs, prepared calls, and after
/// text and file.
#[test]
fn recorded_loops_compute_what_their_modules_do() {
    let (device, _alone) = device();
    let net = Recurrent::new(&device);
    let model = net.record();
    let text = print(&model.program);
    assert_eq!(parse(&text).unwrap(), *model.program);
    let read = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(print(&read.program), text);
    let loops = model.program.functions.iter().flat_map(|one| &one.nodes);
    let loops = loops.filter(|node| matches!(node.op, Op::Scan(_)));
    assert_eq!(loops.count(), 3, "{text}");
    // Both directions have one body.
    let steps = model.program.functions.iter();
    let steps = steps.filter(|function| function.name.starts_with("step"));
    assert_eq!(steps.count(), 2, "{text}");
    let session = Session::new(&read, &device).unwrap();
    for (steps, nodes) in [(0, 3), (1, 1), (1, 4), (2, 3), (6, 5), (12, 2), (40, 9)] {
        let (inputs, x, edges) = inputs(steps, nodes, &device);
        let expected = net.forward(x, &edges);
        let got = session.run("forward", inputs.clone()).unwrap();
        let mut call = session.prepare("forward", inputs).unwrap();
        let again = call.run().unwrap();
        for (((name, got), (_, again)), expected) in got.into_iter().zip(again).zip(expected) {
            let what = format!("{name} of {steps} steps, {nodes} nodes");
            assert_close(&what, got, expected.clone().into(), 1e-5);
            assert_close(&format!("{what}, prepared"), again, expected.into(), 1e-5);
        }
    }
}

/// Through the steps to every input, as through the module itself, which has no loop.
#[test]
fn gradients_are_those_of_the_steps_one_by_one() {
    let (device, _alone) = device();
    let model = Recurrent::new(&device).record();
    let device = device.autodiff();
    let net = Recurrent::new(&device);
    let session = Session::new(&model, &device).unwrap();
    let weighted = |outputs: [Tensor<2>; 4]| {
        let weighted = outputs.map(|out| {
            let weight = floats(out.dims(), 3, &out.device()).float::<2>();
            (out * weight).sum()
        });
        let [a, b, c, d] = weighted;
        a + b + c + d
    };
    for (steps, nodes) in [(1, 2), (5, 3)] {
        let (mut inputs, x, edges) = inputs(steps, nodes, &device);
        let x = x.require_grad();
        let grads = weighted(net.forward(x.clone(), &edges)).backward();
        let expected = x.grad(&grads).unwrap();
        let x = x.detach().require_grad();
        inputs.insert("x".to_owned(), x.clone().into());
        let got = session.run("forward", inputs).unwrap().into_iter();
        let got: Vec<Tensor<2>> = got.map(|(_, out)| out.float()).collect();
        let grads = weighted(got.try_into().unwrap()).backward();
        let rows = steps * nodes;
        let [got, expected] =
            [x.grad(&grads).unwrap(), expected].map(|grad| grad.reshape([rows, 3]));
        assert_close("gradient", got.into(), expected.into(), 1e-4);
    }
}

/// A prepared call takes other features, and other edges.
#[test]
fn prepared_loops_follow_their_inputs() {
    let (device, _alone) = device();
    let net = Recurrent::new(&device);
    let model = net.record();
    let session = Session::new(&model, &device).unwrap();
    let (first, ..) = inputs(4, 3, &device);
    let mut call = session.prepare("forward", first).unwrap();
    assert_replays(&call);
    for seed in 0..3 {
        let x = floats([4, 3, 3], seed, &device).float::<3>();
        let mut changed = one("x", x.clone().into());
        let index = edges(
            &[[0, 1], [1, 2], [2, i64::try_from(seed).unwrap()]],
            &device,
        );
        if seed > 0 {
            changed.insert("edge_index".to_owned(), index.clone());
        }
        let index = if seed > 0 {
            index
        } else {
            inputs(4, 3, &device).0["edge_index"].clone()
        };
        let edges = EdgeIndex::new(index.int::<2>(), 3, 3).unwrap();
        let got = call.run_with(changed).unwrap();
        for ((name, got), expected) in got.into_iter().zip(net.forward(x, &edges)) {
            assert_close(&format!("{name} of {seed}"), got, expected.into(), 1e-5);
        }
    }
}

/// A layer in a step of a loop in a step of a loop; the number of steps is a size and a half of it.
#[derive(Module, Debug)]
struct Nested {
    inner: Scaled,
}

#[derive(Module, Debug)]
struct Scaled {
    weight: Param<Tensor<1>>,
}

impl Scaled {
    fn forward(&self, x: Tensor<1>) -> Tensor<1> {
        let scope = scope::layer(self, "Scaled", "forward");
        let x = scope.input("x", x);
        scope.exit(x * self.weight.val())
    }
}

impl Nested {
    fn forward(&self, x: Tensor<2>, steps: &Tensor<1, Int>) -> Tensor<1> {
        let [rows, columns] = x.dims();
        let half = steps.dims()[0];
        let (sum, ()) = scan(
            rows,
            Tensor::zeros([columns], &x.device()),
            x,
            |sum, row| {
                let row = repeat(half, row, |row| self.inner.forward(row));
                (sum + row, ())
            },
        );
        sum
    }
}

#[test]
fn loops_nest() {
    let (device, _alone) = device();
    let weight = floats([2], 1, &device).float::<1>();
    let inner = Scaled {
        weight: Param::from_tensor(weight),
    };
    let net = Nested { inner };
    let inputs = (tensor!(f32["N", 2]), tensor!(i64["T"]).named("steps"));
    let model = Recorder::new(&net)
        .overload("forward", inputs, |net: &Nested, (x, steps)| {
            net.forward(x, &steps)
        })
        .finish()
        .unwrap();
    let text = print(&model.program);
    assert!(text.contains("call @inner.forward"), "{text}");
    let session = Session::new(&model, &device).unwrap();
    for (rows, half) in [(0, 2), (3, 0), (1, 1), (4, 2), (9, 5)] {
        let x = floats([rows, 2], rows, &device).float::<2>();
        let steps = Tensor::<1, Int>::zeros([half], &device);
        let mut inputs = one("x", x.clone().into());
        inputs.insert("steps".to_owned(), steps.clone().into());
        let got = session.run("forward", inputs).unwrap().remove(0).1;
        let expected = net.forward(x, &steps);
        assert_close(&format!("{rows} rows"), got, expected.into(), 1e-5);
    }
}

/// A module of steps that cannot be a loop.
#[derive(Module, Debug)]
struct Growing {}

#[test]
fn steps_that_change_the_shape_are_refused() {
    let finish = |forward: fn(Tensor<2>) -> Tensor<2>| {
        Recorder::new(&Growing {})
            .overload(
                "forward",
                (tensor!(f32["N", 2]),),
                move |_: &Growing, (x,)| forward(x),
            )
            .finish()
            .map(|_| ())
    };
    let grows = finish(|x| repeat(3, x, |x| Tensor::cat(vec![x.clone(), x], 0)));
    let Err(RecordError::Unproven { problem, .. }) = grows else {
        panic!("{grows:?}");
    };
    assert_eq!(problem, "a step gets f32[$N, 2] and leaves f32[2*$N, 2]");
    let other = finish(|x| {
        let first = Tensor::zeros([2], &x.device());
        let (_, rows) = scan(x.dims()[0], first, x, |sum: Tensor<1>, row| {
            (sum.clone(), sum + row)
        });
        rows
    });
    other.unwrap();
    let fewer = finish(|x| {
        let first = Tensor::zeros([2], &x.device());
        scan(2, first, x.clone(), |sum: Tensor<1>, row| (sum + row, ()));
        x
    });
    assert!(
        matches!(fewer, Err(RecordError::Panicked { .. })),
        "{fewer:?}"
    );
}

/// A loop of `times` steps, each of which makes a row as long as `x`.
fn program(times: &str) -> String {
    format!(
        "kiln 1
symbols $N
module @ = Net {{
  method forward(x: f32[$N]) -> (f32[$N], f32[{times}, $N]) {{
    case () -> @forward
  }}
}}
fn @step(x %0: f32[$N]) -> (%2, %1) {{
  %1: f32[$N] = exp(%0)
  %2: f32[$N] = add(%1, %0)
}}
fn @forward(x %0: f32[$N]) -> (%1, %2) {{
  %1: f32[$N], %2: f32[{times}, $N] = scan @step{{times={times}, carried=1, scanned=0, reverse=false}}(%0)
}}
"
    )
}

#[test]
fn steps_are_counted_before_the_first() {
    let (device, _alone) = device();
    let run = |times: &str, count: usize, limit: Option<u64>| {
        let mut session = Session::new(&model(&program(times)), &device).unwrap();
        if let Some(limit) = limit {
            session = session.with_loops(limit);
        }
        let x = floats([count], 1, &device);
        let prepared = session
            .prepare("forward", one("x", x.clone()))
            .map(|mut call| {
                for _ in 0..3 {
                    call.run().unwrap();
                }
            });
        let run = session.run("forward", one("x", x)).map(|_| ());
        assert_eq!(run, prepared);
        run
    };
    assert_eq!(run("10", 3, Some(20)), Ok(()));
    assert_eq!(run("$N", 10, Some(20)), Ok(()));
    for (times, count, steps) in [("11", 1, 11), ("$N", 11, 11), ("$N*$N", 4, 16)] {
        let Err(ExecError::Looped { looped, limit, .. }) = run(times, count, Some(20)) else {
            panic!("{times}");
        };
        assert_eq!((looped, limit), (2 * steps, 20), "{times}");
    }
    // A file of a few bytes takes no longer than others.
    let endless = run("1099511627776", 0, None);
    assert!(
        matches!(endless, Err(ExecError::Looped { .. })),
        "{endless:?}"
    );
}

/// Each takes its part of the stack while it runs.
#[test]
fn loops_nest_so_deep_and_no_deeper() {
    let (device, _alone) = device();
    let nested = |depth: usize| {
        let mut text = "kiln 1
symbols $N
module @ = Net {
  method forward(x: f32[$N]) -> f32[$N] {
    case () -> @forward
  }
}
fn @step_0(x %0: f32[$N]) -> (%1) {
  %1: f32[$N] = add(%0, %0)
}
"
        .to_owned();
        for level in 1..=depth {
            let name = match level {
                level if level == depth => "forward".to_owned(),
                level => format!("step_{level}"),
            };
            let body = level - 1;
            write!(
                text,
                "fn @{name}(x %0: f32[$N]) -> (%1) {{\n  %1: f32[$N] = scan @step_{body}{{times=1, \
                 carried=1, scanned=0, reverse=false}}(%0)\n}}\n"
            )
            .unwrap();
        }
        validate(parse(&text).unwrap())
    };
    let program = nested(MAX_LOOPS).unwrap();
    let model = Model::new(program, Weights::new()).unwrap();
    let session = Session::new(&model, &device).unwrap();
    let x = floats([2], 1, &device);
    let got = session.run("forward", one("x", x.clone())).unwrap();
    let expected = x.float::<1>().mul_scalar(2.0);
    assert_close("nested", got[0].1.clone(), expected.into(), 0.0);
    let refused = nested(MAX_LOOPS + 1).unwrap_err().to_string();
    let expected = "number of loops in each other 17 is above the limit of 16";
    assert!(refused.contains(expected), "{refused}");
}

/// The rows of all steps, and what a step needs beside them, count.
#[test]
fn the_memory_of_a_step_counts() {
    let (device, _alone) = device();
    let session = |bytes| {
        let session = Session::new(&model(&program("8")), &device).unwrap();
        session.with_memory(bytes)
    };
    let run = |bytes| {
        let x = floats([100], 1, &device);
        session(bytes).run("forward", one("x", x)).map(|_| ())
    };
    // Rows, once as they are made and once together, the carried value, and three of a step.
    let least = 400 * (8 + 7 + 1 + 3);
    assert_eq!(run(least), Ok(()));
    let Err(ExecError::Memory { node, .. }) = run(least - 400) else {
        panic!("expected an error of the memory");
    };
    assert_eq!(node, "%2: f32[$N] = add(%1, %0)");
    let Err(ExecError::Memory { node, .. }) = run(400 * 8) else {
        panic!("expected an error of the memory");
    };
    assert!(node.contains("scan @step"), "{node}");
}

/// Passes see the bodies, and equal loops are one if nothing in them is random.
#[test]
fn passes_reach_bodies() {
    let text = |op: &str| {
        format!(
            "kiln 1
symbols $N
module @ = Net {{
  method forward(x: f32[$N]) -> (f32[$N], f32[$N]) {{
    case () -> @forward
  }}
}}
fn @unused(x %0: f32[$N]) -> (%1) {{
  %1: f32[$N] = exp(%0)
}}
fn @part(x %0: f32[$N]) -> (%1) {{
  %1: f32[$N] = {op}(%0)
}}
fn @step(x %0: f32[$N]) -> (%4) {{
  %1: f32[$N] = call @part(%0)
  %2: f32[$N] = call @part(%0)
  %3: f32[$N] = call @unused(%0)
  %4: f32[$N] = add(%1, %2)
}}
fn @forward(x %0: f32[$N]) -> (%1, %2) {{
  %1: f32[$N] = scan @step{{times=3, carried=1, scanned=0, reverse=false}}(%0)
  %2: f32[$N] = scan @step{{times=3, carried=1, scanned=0, reverse=false}}(%0)
  %3: f32[$N] = scan @unused{{times=3, carried=1, scanned=0, reverse=false}}(%0)
}}
"
        )
    };
    let nodes = |op: &str| {
        let program = validate(parse(&text(op)).unwrap()).unwrap();
        let program = pass::run(program, &pass::EXECUTION).unwrap();
        let functions = program.functions.iter();
        let nodes = functions.map(|one| (one.name.clone(), one.nodes.len()));
        nodes.collect::<Vec<_>>()
    };
    let named = |[step, forward]: [usize; 2]| {
        [("step", step), ("forward", forward)].map(|(name, count)| (name.to_owned(), count))
    };
    assert_eq!(nodes("tanh"), named([2, 1]));
    assert_eq!(nodes("dropout{prob=0.5}"), named([3, 2]));
}
