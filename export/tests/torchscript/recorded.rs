//! Modules that are recorded, and what they compute themselves.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use kiln_core::EdgeIndex;
use kiln_ir::{Model, Recorder, edge_index, record::Dict, tensor};
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
