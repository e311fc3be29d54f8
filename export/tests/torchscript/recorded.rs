//! Modules that are recorded, and what they compute themselves.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor, TensorData},
};
use kiln_core::EdgeIndex;
use kiln_ir::{
    ElemType, Model, Recorder, edge_index,
    record::{Dict, FloatInput, IntInput, OneOf, Optional},
    tensor,
};
use kiln_ops::{Reduce, scatter};

use crate::expectation::{Arg, Call, Data, Refusal, write};

/// A map of the features of one relation's sources.
#[derive(Module, Debug)]
struct Relation {
    weight: Param<Tensor<2>>,
}

impl Relation {
    fn new(values: [[f32; 2]; 3], device: &Device) -> Self {
        let weight = Tensor::from_data(values, device);
        Self {
            weight: Param::from_tensor(weight),
        }
    }

    fn forward(&self, x: Tensor<2>, edges: &EdgeIndex) -> Tensor<2> {
        let [src, dst] = [edges.src(), edges.dst()];
        let messages = x.matmul(self.weight.val()).select(0, src);
        scatter(messages, dst, edges.num_dst(), Reduce::Sum)
    }
}

/// Authors write papers, and papers cite papers.
#[derive(Module, Debug)]
struct Hetero {
    writes: Relation,
    cites: Relation,
}

type ByType<T> = BTreeMap<String, T>;

impl Hetero {
    fn forward(&self, x: &ByType<Tensor<2>>, edges: &ByType<EdgeIndex>) -> ByType<Tensor<2>> {
        let writes = &edges["author__writes__paper"];
        let cites = &edges["paper__cites__paper"];
        let papers = self.writes.forward(x["author"].clone(), writes)
            + self.cites.forward(x["paper"].clone(), cites);
        [
            ("author", x["author"].clone().mul_scalar(2.0)),
            ("paper", papers),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    fn record(&self) -> Model {
        let x = Dict::new([
            ("paper", tensor!(f32["P", 3])),
            ("author", tensor!(f32["A", 3])),
        ]);
        let edges = Dict::new([
            (("author", "writes", "paper"), edge_index!("A", "P", "W")),
            (("paper", "cites", "paper"), edge_index!("P", "C")),
        ]);
        Recorder::new(self)
            .overload("forward", (x, edges), |net: &Self, (x, edges)| {
                net.forward(&x, &edges)
            })
            .finish()
            .unwrap()
    }
}

/// Numbers with few digits.
fn features(rows: usize, seed: i16) -> Data {
    let count = i16::try_from(rows * 3).unwrap();
    let value = |at| f32::from((at * 7 + seed) % 11) / 4.0 - 1.0;
    Data::float(&[rows, 3], &(0..count).map(value).collect::<Vec<_>>())
}

fn float(tensor: Tensor<2>) -> Data {
    let shape = tensor.dims();
    Data::float(
        &shape,
        &tensor.into_data().iter::<f32>().collect::<Vec<_>>(),
    )
}

fn dict(entries: impl IntoIterator<Item = (impl Into<String>, Data)>) -> Arg {
    let entry = |(key, data): (_, Data)| (Into::into(key), Arg::Tensor(data));
    Arg::Dict(entries.into_iter().map(entry).collect())
}

/// The arguments and the result of a call on authors and papers with these edges.
fn call(net: &Hetero, counts: [usize; 2], ends: [&[[usize; 2]]; 2]) -> Call {
    let device = Device::flex();
    let [authors, papers] = counts;
    let x = [
        ("author", features(authors, 1)),
        ("paper", features(papers, 5)),
    ];
    let keys = ["author__writes__paper", "paper__cites__paper"];
    let sources = [authors, papers];
    let (mut edges, mut given) = (BTreeMap::new(), Vec::new());
    for ((key, pairs), sources) in keys.into_iter().zip(ends).zip(sources) {
        let end = |end: usize| {
            pairs
                .iter()
                .map(move |pair| i64::try_from(pair[end]).unwrap())
        };
        let ends: Vec<i64> = end(0).chain(end(1)).collect();
        given.push((key, Data::int(&[2, pairs.len()], &ends)));
        let (src, dst) = ends.split_at(pairs.len());
        let index = EdgeIndex::from_arrays(src, dst, sources, papers, &device).unwrap();
        edges.insert(key.to_owned(), index);
    }
    let tensor = |data: &Data| {
        let data = TensorData::from_bytes_vec(data.bytes(), data.shape.clone(), DTYPE);
        Tensor::<2>::from_data(data, &device)
    };
    let features = x
        .iter()
        .map(|(key, data)| ((*key).to_owned(), tensor(data)));
    let out = net.forward(&features.collect(), &edges);
    Call {
        method: "forward",
        args: vec![("x_dict", dict(x)), ("edge_index_dict", dict(given))],
        out: dict(out.into_iter().map(|(key, value)| (key, float(value)))),
    }
}

const DTYPE: burn::tensor::DType = burn::tensor::DType::F32;

/// Rows summed for each graph of a batch, and the kinds of the graphs by a table of `i32`.
#[derive(Module, Debug)]
struct Pool {
    weight: Param<Tensor<2>>,
    kinds: Param<Tensor<1, Int>>,
}

impl Pool {
    fn forward(
        &self,
        x: Tensor<2>,
        batch: Tensor<1, Int>,
        num_graphs: usize,
        (mode, temperature): (&str, Option<Tensor<1>>),
    ) -> (Tensor<2>, Option<Tensor<1>>, Tensor<1, Int>) {
        let reduce = if mode == "add" {
            Reduce::Sum
        } else {
            Reduce::Max
        };
        let rows = scatter(x.matmul(self.weight.val()), batch, num_graphs, reduce);
        let rows = match &temperature {
            Some(temperature) => rows / temperature.clone().unsqueeze(),
            None => rows,
        };
        let inverse = temperature.map(Tensor::recip);
        (rows, inverse, self.kinds.val() + i32::MAX)
    }

    fn record(&self) -> Model {
        let inputs = (
            tensor!(f32["N", 3]),
            tensor!(i64["N"]).named("batch"),
            IntInput::new("num_graphs", "B"),
            OneOf::new("mode", ["add", "max"]),
            Optional(FloatInput::new("temperature")),
        );
        let forward = |pool: &Self, (x, batch, count, mode, t): (_, _, _, String, _)| {
            pool.forward(x, batch, count, (&mode, t))
        };
        Recorder::new(self)
            .overload("forward", inputs, forward)
            .buffer("kinds", burn::tensor::DType::I32)
            .finish()
            .unwrap()
    }
}

#[test]
fn modules_with_numbers_and_choices_are_written() {
    let device = Device::flex();
    let weight = Tensor::from_data([[1.0, 0.5], [-1.0, 2.0], [0.25, 4.0]], &device);
    let kinds = Tensor::from_data(
        TensorData::from([1_i32, -5]),
        (&device, burn::tensor::DType::I32),
    );
    let pool = Pool {
        weight: Param::from_tensor(weight),
        kinds: Param::initialized(burn::module::ParamId::new(), kinds),
    };
    let calls = [
        ("add", 4, Some(0.5)),
        ("max", 3, None),
        ("max", 3, Some(4.0)),
    ];
    let calls = calls.map(|(mode, count, temperature)| {
        let (x, batch) = (features(3, 2), [1_i64, 2, 1]);
        let data = TensorData::from_bytes_vec(x.bytes(), x.shape.clone(), DTYPE);
        let t = temperature.map(|value: f32| Tensor::from_floats([value], &device));
        let (rows, inverse, _) = pool.forward(
            Tensor::from_data(data, &device),
            Tensor::from_ints(batch, &device),
            count,
            (mode, t),
        );
        let inverse = inverse.map(|tensor| {
            let values = tensor.into_data().iter::<f32>().collect::<Vec<_>>();
            Data::float(&[1], &values)
        });
        let kinds = Data::of(ElemType::I32, &[2], &[f64::from(i32::MIN), 2_147_483_642.0]);
        Call {
            method: if mode == "add" {
                "forward__0"
            } else {
                "forward__1"
            },
            args: vec![
                ("x", x.into()),
                ("batch", Data::int(&[3], &batch).into()),
                ("num_graphs", Arg::Int(i64::try_from(count).unwrap())),
                ("mode", Arg::Text(mode.to_owned())),
                (
                    "temperature",
                    temperature.map_or(Arg::None, |value| Arg::Float(value.into())),
                ),
            ],
            out: Arg::Tuple(vec![
                float(rows).into(),
                inverse.map_or(Arg::None, Arg::Tensor),
                kinds.into(),
            ]),
        }
    });
    write("pool", &pool.record(), &calls, &[]);
}

#[test]
fn modules_with_dictionaries_are_written() {
    let device = Device::flex();
    let net = Hetero {
        writes: Relation::new([[1.0, 0.5], [-1.0, 2.0], [0.25, 4.0]], &device),
        cites: Relation::new([[-2.0, 1.5], [3.0, 0.5], [1.0, 1.0]], &device),
    };
    let calls = [
        call(&net, [2, 4], [&[[0, 1], [1, 1], [0, 3]], &[[0, 1], [2, 0]]]),
        call(&net, [3, 2], [&[[2, 0]], &[]]),
    ];
    let without = |key: &str| {
        let mut args = calls[0].args.clone();
        if let Arg::Dict(entries) = &mut args[0].1 {
            entries.retain(|(other, _)| other != key);
        }
        args
    };
    let mut more = calls[0].args.clone();
    if let Arg::Dict(entries) = &mut more[0].1 {
        entries.push(("venue".to_owned(), features(1, 1).into()));
    }
    let refused = [
        (without("paper"), "expected x_dict to have the key paper"),
        (more, "expected no key venue in x_dict"),
    ];
    let refused = refused.map(|(args, error)| Refusal {
        method: "forward",
        args,
        error,
    });
    write("hetero", &net.record(), &calls, &refused);
}

/// Options that come one at a time: the code tests no further ones once there is one.
#[test]
fn modules_with_many_options_are_written() {
    #[derive(Module, Debug)]
    struct Sum;

    let entry = |at: usize| (format!("type_{at}"), Optional(tensor!(f32["N", 3])));
    let inputs = (tensor!(f32["N", 3]), Dict::new((0..10).map(entry)));
    let model = Recorder::new(&Sum)
        .overload("forward", inputs, |_: &Sum, (x, xs)| {
            xs.into_values().flatten().fold(x * 2.0, |sum, x| sum + x)
        })
        .most_options(1)
        .finish()
        .unwrap();
    let ones = |value: f32| Data::float(&[2, 3], &[value; 6]);
    let given = |keys: &[&str]| {
        let keys = keys
            .iter()
            .map(|key| ((*key).to_owned(), Arg::from(ones(1.0))));
        vec![
            ("x", ones(1.0).into()),
            ("x_dict", Arg::Dict(keys.collect())),
        ]
    };
    let call = |keys: &[&str], sum: f32| Call {
        method: "forward",
        args: given(keys),
        out: ones(sum).into(),
    };
    let calls = [
        call(&[], 2.0),
        call(&["type_0"], 3.0),
        call(&["type_9"], 3.0),
    ];
    let refused = Refusal {
        method: "forward",
        args: given(&["type_2", "type_7"]),
        error: "forward was not exported for this choice of",
    };
    write("options", &model, &calls, &[refused]);
}
