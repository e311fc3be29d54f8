//! Parameters that are no tensors, recorded: integers, floats, and choices.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};
use kiln_core::{AnyTensor, EdgeIndex, Value};
use kiln_ir::{
    Argument, Literal, Model, Recorder, Session, Type, edge_index, parse, print,
    record::{Dict, FloatInput, IntInput, List, OneOf, Optional},
    tensor,
};
use kiln_ops::{Reduce, scatter};

use crate::support::{self, assert_close, floats, values};

/// Rows mapped, reduced for each graph of a batch, and divided by a temperature.
#[derive(Module, Debug)]
struct Pool {
    weight: Param<Tensor<2>>,
}

impl Pool {
    fn new(device: &Device) -> Self {
        let weight = Tensor::from_data([[1.0_f32, -2.0], [0.5, 4.0]], device);
        Self {
            weight: Param::from_tensor(weight),
        }
    }

    fn forward(
        &self,
        x: Tensor<2>,
        batch: Tensor<1, Int>,
        num_graphs: usize,
        mode: &str,
        temperature: Option<Tensor<1>>,
    ) -> Tensor<2> {
        let reduce = match mode {
            "add" => Reduce::Sum,
            _ => Reduce::Max,
        };
        let rows = scatter(x.matmul(self.weight.val()), batch, num_graphs, reduce);
        match temperature {
            Some(temperature) => rows / temperature.unsqueeze(),
            None => rows,
        }
    }

    fn record(&self) -> Model {
        let inputs = (
            tensor!(f32["N", 2]),
            tensor!(i64["N"]).named("batch"),
            IntInput::new("num_graphs", "B"),
            OneOf::new("mode", ["add", "max"]),
            Optional(FloatInput::new("temperature")),
        );
        let forward =
            |pool: &Self, (x, batch, num_graphs, mode, temperature): (_, _, _, String, _)| {
                pool.forward(x, batch, num_graphs, &mode, temperature)
            };
        Recorder::new(self)
            .overload("forward", inputs, forward)
            .finish()
            .unwrap()
    }
}

#[test]
fn integers_floats_and_texts_are_parameters() {
    let device = Device::flex();
    let pool = Pool::new(&device);
    let model = pool.record();
    let methods = &model.program.root().unwrap().methods;
    let chosen = methods
        .iter()
        .map(|method| (&*method.name, &method.params[3].ty));
    let text = |text: &str| Type::Literal(Literal::from(text));
    assert_eq!(
        chosen.collect::<Vec<_>>(),
        [("forward__0", &text("add")), ("forward__1", &text("max"))]
    );
    let program = print(&model.program);
    assert_eq!(parse(&program).unwrap(), *model.program);

    let session = Session::new(
        &Model::from_bytes(&model.to_bytes().unwrap()).unwrap(),
        &device,
    );
    let session = session.unwrap();
    let batch = Tensor::<1, Int>::from_ints([1, 0, 1, 3], &device);
    let x = floats([4, 2], 1, &device);
    for (mode, num_graphs, temperature) in [
        ("add", 4, Some(0.5)),
        ("max", 6, None),
        ("max", 4, Some(-2.0)),
    ] {
        let mut inputs: BTreeMap<String, Argument> = BTreeMap::from([
            ("x".to_owned(), x.clone().into()),
            ("batch".to_owned(), batch.clone().into()),
            ("num_graphs".to_owned(), i64::from(num_graphs).into()),
            ("mode".to_owned(), mode.into()),
        ]);
        if let Some(temperature) = temperature {
            inputs.insert("temperature".to_owned(), temperature.into());
        }
        let expected = pool.forward(
            x.clone().float(),
            batch.clone(),
            usize::try_from(num_graphs).unwrap(),
            mode,
            temperature.map(|value| Tensor::from_floats([value], &device)),
        );
        let got = session.run("forward", inputs).unwrap().remove(0).1;
        assert_close(mode, got, expected.into(), 1e-6);
    }
}

/// A prepared call takes other floats in each run, and no other integers.
#[test]
fn prepared_calls_keep_integers_and_take_floats() {
    let device = Device::flex();
    let session = Session::new(&Pool::new(&device).record(), &device).unwrap();
    let batch = Tensor::<1, Int>::from_ints([0, 1], &device);
    let inputs: BTreeMap<String, Argument> = BTreeMap::from([
        ("x".to_owned(), floats([2, 2], 1, &device).into()),
        ("batch".to_owned(), batch.into()),
        ("num_graphs".to_owned(), 2_i64.into()),
        ("temperature".to_owned(), 1.0.into()),
    ]);
    let mut call = session.prepare("forward__0", inputs).unwrap();
    let first = values(call.run().unwrap().remove(0).1).1;
    let one = |name: &str, argument: Argument| BTreeMap::from([(name.to_owned(), argument)]);
    let halved = call.run_with(one("temperature", 2.0.into())).unwrap();
    let halved = values(halved.into_iter().next().unwrap().1).1;
    assert_eq!(
        halved,
        first.iter().map(|value| value / 2.0).collect::<Vec<_>>()
    );
    for (name, argument, expected) in [
        (
            "num_graphs",
            Argument::from(3_i64),
            "expected input \"num_graphs\" to be $B = 2, got 3",
        ),
        (
            "mode",
            "max".into(),
            "expected input \"mode\" as \"add\", got \"max\"",
        ),
        (
            "batch",
            1.0.into(),
            "expected input \"batch\" as i64[$N], got float",
        ),
    ] {
        let error = call.run_with(one(name, argument)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// The largest of the outputs of several layers, and each of them doubled.
#[derive(Module, Debug)]
struct Jump;

impl Jump {
    fn forward(&self, xs: &[Tensor<2>]) -> (Tensor<2>, Vec<Tensor<2>>) {
        let _ = self;
        let largest = xs.iter().cloned().reduce(Tensor::max_pair).unwrap();
        let doubled = xs.iter().cloned().map(|x| x * 2.0);
        (largest, doubled.collect())
    }
}

#[test]
fn lists_are_inputs_and_results() {
    let device = Device::flex();
    let inputs = (List::new([tensor!(f32["N", 3]), tensor!(f32["N", 3])]),);
    let model = Recorder::new(&Jump)
        .overload("forward", inputs, |jump: &Jump, (xs,)| {
            let (largest, doubled) = jump.forward(&xs);
            Value::Tuple(vec![largest.into(), doubled.into()])
        })
        .finish()
        .unwrap();
    let method = model.program.method("forward").unwrap();
    assert_eq!(method.params[0].name, "xs");
    let program = print(&model.program);
    assert!(
        program.contains(
            "forward(xs: [f32[$N, 3], f32[$N, 3]]) -> (f32[$N, 3], [f32[$N, 3], f32[$N, 3]])"
        ),
        "{program}"
    );
    let session = Session::new(&model, &device).unwrap();
    let xs = [1, 2].map(|seed| floats([4, 3], seed, &device).float::<2>());
    let names = ["xs.0", "xs.1"].map(str::to_owned);
    let given: BTreeMap<String, Tensor<2>> = names.into_iter().zip(xs.clone()).collect();
    let got = session.run("forward", given).unwrap();
    let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["output.0", "output.1.0", "output.1.1"]);
    let (largest, doubled) = Jump.forward(&xs);
    let expected = [largest].into_iter().chain(doubled);
    for ((name, got), expected) in got.into_iter().zip(expected) {
        assert_close(&name, got, expected.into(), 0.0);
    }
}

/// What pooling layers return: attributes of edges where there are some, here halved.
#[test]
fn results_are_optional_where_a_case_has_none() {
    let device = Device::flex();
    let forward = |x: Tensor<2>, attr: Option<Tensor<1>>| -> Value {
        (x.exp(), (attr.map(|attr| attr / 2.0), None::<Tensor<1>>)).into()
    };
    let inputs = (
        tensor!(f32["N", 2]),
        Optional(tensor!(f32["E"]).named("edge_attr")),
    );
    let model = Recorder::new(&Plain)
        .overload("forward", inputs, move |_: &Plain, (x, attr)| {
            forward(x, attr)
        })
        .finish()
        .unwrap();
    let program = print(&model.program);
    assert!(
        program.contains("-> (f32[$N, 2], (f32[$E]?, ()?)) {"),
        "{program}"
    );
    assert!(
        program.contains("case (absent) -> @forward_impl (absent)"),
        "{program}"
    );
    let again = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(again, model);

    let session = Session::new(&again, &device).unwrap();
    let x = floats([3, 2], 1, &device);
    let attr = floats([4], 2, &device);
    for attr in [None, Some(attr)] {
        let mut inputs = support::one("x", x.clone());
        inputs.extend(attr.clone().map(|attr| ("edge_attr".to_owned(), attr)));
        let got = session.run("forward", inputs.clone()).unwrap();
        let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
        let expected: Vec<AnyTensor> = [x.clone().float::<2>().exp().into()]
            .into_iter()
            .chain(attr.map(|attr| (attr.float::<1>() / 2.0).into()))
            .collect();
        assert_eq!(names, &["output.0", "output.1.0"][..expected.len()]);
        let prepared = session.prepare("forward", inputs).unwrap().run().unwrap();
        for (((name, got), (_, again)), expected) in got.into_iter().zip(prepared).zip(expected) {
            assert_close(&name, got, expected.clone(), 1e-6);
            assert_close(&name, again, expected, 1e-6);
        }
    }
}

/// With one at a time, the number of cases grows by one with each input that may be absent.
#[test]
fn fewer_combinations_of_optional_inputs_are_recorded() {
    let device = Device::flex();
    let inputs = |count: usize| {
        let entry = |at: usize| (format!("type_{at}"), Optional(tensor!(f32["N", 2])));
        (tensor!(f32["N", 2]), Dict::new((0..count).map(entry)))
    };
    let recorder = |count: usize| {
        Recorder::new(&Plain).overload("forward", inputs(count), |_: &Plain, (x, xs)| {
            xs.into_values().flatten().fold(x, |sum, x| sum + x)
        })
    };
    let error = recorder(12).finish().unwrap_err().to_string();
    assert!(
        error.contains("12 optional inputs have more than 256"),
        "{error}"
    );
    let model = recorder(12).most_options(1).finish().unwrap();
    assert_eq!(model.program.method("forward").unwrap().cases.len(), 13);
    let pairs = recorder(3).most_options(2).finish().unwrap();
    assert_eq!(pairs.program.method("forward").unwrap().cases.len(), 7);

    let session = Session::new(&model, &device).unwrap();
    let x = || Tensor::<2>::ones([2, 2], &device);
    let mut given = BTreeMap::from([("x".to_owned(), x()), ("x_dict.type_7".to_owned(), x())]);
    let got = session.run("forward", given.clone()).unwrap().remove(0).1;
    assert_eq!(values(got).1, [2.0; 4]);
    given.insert("x_dict.type_3".to_owned(), x());
    let error = session.run("forward", given).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "was not recorded with just x_dict.type_3, x_dict.type_7 of its optional inputs"
        ),
        "{error}"
    );
}

/// The forward pass is run equally often for each case: with one optional input at a time, as many
/// times more as there are optional inputs.
#[test]
fn each_case_is_recorded_equally_often() {
    let runs = |count: usize, most: usize| {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let options = (0..count).map(|_| Optional(tensor!(f32["N", 2])));
        let inputs = (tensor!(f32["N", 2]), List::new(options).named("xs"));
        Recorder::new(&Plain)
            .most_options(most)
            .overload("forward", inputs, move |_: &Plain, (x, xs)| {
                counter.fetch_add(1, Ordering::Relaxed);
                xs.into_iter().flatten().fold(x, |sum, x| sum + x)
            })
            .finish()
            .unwrap();
        runs.load(Ordering::Relaxed)
    };
    let once = runs(0, 1);
    for count in 1..=8 {
        assert_eq!(runs(count, 1), (count + 1) * once, "{count} at most one");
    }
    assert_eq!(runs(4, 4), 16 * once);
}

/// Parts of results that differ in more than that they are absent are refused.
#[test]
fn results_of_other_types_are_refused() {
    let inputs = (Optional(tensor!(f32["N", 2])), tensor!(f32["N"]).named("y"));
    let recorded = Recorder::new(&Plain)
        .overload(
            "forward",
            inputs,
            |_: &Plain, (x, y): (Option<Tensor<2>>, Tensor<1>)| {
                x.map_or_else(|| Value::from(y), Value::from)
            },
        )
        .finish();
    let error = recorded.unwrap_err().to_string();
    assert!(error.contains("the result has another type"), "{error}");
}

/// A module that does what an integer says, but not with a size.
#[derive(Module, Debug)]
struct Plain;

#[test]
fn numbers_that_are_no_sizes_are_refused() {
    let record = |forward: fn(Tensor<2>, usize) -> Tensor<2>| {
        Recorder::new(&Plain)
            .overload(
                "forward",
                (tensor!(f32["N", 2]), IntInput::new("k", "K")),
                move |_: &Plain, (x, k)| forward(x, k),
            )
            .finish()
    };
    let scaled = record(|x, k| x * f32::from(u16::try_from(k).unwrap()));
    let error = scaled.unwrap_err().to_string();
    assert!(error.contains("depends on a size"), "{error}");
    let repeated = record(|x, k| (0..k % 3).fold(x, |x, _| x.exp()));
    assert!(repeated.is_err());
    // As a number of rows it is a size.
    let shaped = record(|x, k| Tensor::zeros([k, 2], &x.device()) + x.sum_dim(0));
    let text = print(&shaped.unwrap().program);
    assert!(text.contains("dims=[$K, 2]"), "{text}");
}

/// Choices multiply: a boolean and a text have four variants, beside those of edges.
#[test]
fn choices_multiply() {
    let record = |kinds: Vec<&'static str>| {
        let inputs = (
            tensor!(f32["N", 2]),
            edge_index!("N", "E"),
            OneOf::new("negate", [false, true]),
            OneOf::new("kind", kinds),
        );
        let forward =
            |_: &Plain, (x, edges, negate, kind): (Tensor<2>, EdgeIndex, bool, String)| {
                let rows = x.select(0, edges.src());
                let rows = if negate { -rows } else { rows };
                AnyTensor::from(if kind == "exp" { rows.exp() } else { rows })
            };
        let model = Recorder::new(&Plain)
            .overload("rows", inputs, forward)
            .finish();
        model.unwrap()
    };
    let names = |model: &Model| -> Vec<String> {
        let methods = &model.program.root().unwrap().methods;
        methods.iter().map(|method| method.name.clone()).collect()
    };
    assert_eq!(
        names(&record(vec!["same", "exp"])),
        ["rows__0", "rows__1", "rows__2", "rows__3"]
    );
    assert_eq!(names(&record(vec!["same"])), ["rows__0", "rows__1"]);
}
