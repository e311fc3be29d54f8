//! Recordings of small modules: element types as Burn has them, and dictionaries.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param},
    tensor::{Bool, DType, Device, Int, Tensor, TensorData},
};
use kiln_core::{AnyTensor, EdgeIndex, Flow, Value};
use kiln_ir::{
    ElemType, Model, Recorder, Session, Type, edge_index, parse, print,
    record::{Dict, Optional, TensorInput},
    tensor,
};
use kiln_ops::Endpoints;

use crate::support;

/// A product, and the rows of it that numbers choose.
#[derive(Module, Debug)]
struct Rows {
    weight: Param<Tensor<2>>,
    offset: Param<Tensor<1, Int>>,
}

impl Rows {
    fn new(dtype: DType, device: &Device) -> Self {
        let weight = TensorData::from([[1.0, 2.0], [-0.5, 4.0]]);
        Self {
            weight: Param::from_tensor(Tensor::from_data(weight, (device, dtype))),
            offset: Param::initialized(
                burn::module::ParamId::new(),
                Tensor::from_data(TensorData::from([1_i32]), (device, DType::I32)),
            ),
        }
    }

    fn forward(
        &self,
        x: Tensor<2>,
        kinds: Tensor<1, Int>,
        bytes: Tensor<1, Int>,
    ) -> [AnyTensor; 4] {
        let rows = x.matmul(self.weight.val());
        let all = rows.clone().sum_dim(0);
        let chosen = rows.select(0, kinds.clone());
        let numbers = kinds + self.offset.val();
        let wrapped = bytes + 200;
        [all.into(), chosen.into(), numbers.into(), wrapped.into()]
    }
}

fn recorded(module: &Rows, float: TensorInput<2, burn::tensor::Float>) -> Model {
    let inputs = (
        float,
        tensor!(i32["K"]).named("kinds"),
        tensor!(u8["B"]).named("bytes"),
    );
    Recorder::new(module)
        .overload("forward", inputs, |rows: &Rows, (x, kinds, bytes)| {
            let results = rows.forward(x, kinds, bytes);
            Value::Tuple(results.map(Value::Tensor).into())
        })
        .finish()
        .unwrap()
}

fn data(tensor: AnyTensor) -> TensorData {
    match (tensor.kind(), tensor.shape().num_dims()) {
        (kiln_core::Kind::Float, _) => tensor.float::<2>().into_data(),
        _ => tensor.int::<1>().into_data(),
    }
}

/// Types are as declared, the module's where nothing is declared, and results are those of the
/// module itself, also after text and file.
#[test]
fn recordings_have_the_types_of_their_modules() {
    let device = Device::flex();
    let all = [
        (DType::F32, ElemType::F32, tensor!(f32["N", 2])),
        (DType::F64, ElemType::F64, tensor!(f64["N", 2])),
        (DType::F16, ElemType::F16, tensor!(f16["N", 2])),
        (DType::BF16, ElemType::BF16, tensor!(bf16["N", 2])),
    ];
    for (dtype, elem, declared) in all {
        let module = Rows::new(dtype, &device);
        let model = recorded(&module, declared);
        assert_eq!(
            print(&model.program),
            print(&recorded(&module, TensorInput::new(["N".into(), 2.into()])).program)
        );
        let method = model.program.method("forward").unwrap();
        let elems = |ty: &Type| {
            let leaves = ty.leaves("");
            leaves.iter().map(|leaf| leaf.ty.elem).collect::<Vec<_>>()
        };
        let params = method.params.iter().flat_map(|param| elems(&param.ty));
        let (i32, u8) = (ElemType::I32, ElemType::U8);
        assert_eq!(params.collect::<Vec<_>>(), [elem, i32, u8]);
        assert_eq!(elems(&method.result), [elem, elem, i32, u8]);

        assert_eq!(parse(&print(&model.program)).unwrap(), *model.program);
        let model = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
        let x = TensorData::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        let x = Tensor::<2>::from_data(x, (&device, dtype));
        let int = |values: &[i64], dtype| {
            Tensor::<1, Int>::from_data(TensorData::from(values), (&device, dtype))
        };
        let (kinds, bytes) = (int(&[2, 0], DType::I32), int(&[50, 60], DType::U8));
        let expected = module.forward(x.clone(), kinds.clone(), bytes.clone());
        let inputs = BTreeMap::from([
            ("x".to_owned(), AnyTensor::from(x)),
            ("kinds".to_owned(), kinds.into()),
            ("bytes".to_owned(), bytes.into()),
        ]);
        let session = Session::new(&model, &device).unwrap();
        let got = session.run("forward", inputs).unwrap();
        for ((name, got), expected) in got.into_iter().zip(expected) {
            assert_eq!(data(got), data(expected), "{name} of {elem}");
        }
    }
}

/// Readers of before the types learn what they lack.
#[test]
fn files_say_that_they_have_further_integers() {
    let bytes = recorded(
        &Rows::new(DType::F32, &Device::flex()),
        tensor!(f32["N", 2]),
    )
    .to_bytes()
    .unwrap();
    for name in [b"\x08type.i32".as_slice(), b"\x07type.u8"] {
        assert!(bytes.windows(name.len()).any(|part| part == name));
    }
}

/// One relation of a heterogeneous graph, as PyG's `HeteroConv` has it: the mean of the sources,
/// mapped.
#[derive(Module, Debug)]
struct Relation {
    weight: Param<Tensor<2>>,
}

/// Papers and authors; a relation has a module of its own.
#[derive(Module, Debug)]
struct Hetero {
    writes: Relation,
    cites: Relation,
}

type Features = BTreeMap<String, Tensor<2>>;

impl Hetero {
    fn new(device: &Device) -> Self {
        let relation = |values: [[f32; 2]; 3]| Relation {
            weight: Param::from_tensor(Tensor::from_data(values, device)),
        };
        Self {
            writes: relation([[1.0, 0.5], [-1.0, 2.0], [0.25, 4.0]]),
            cites: relation([[-2.0, 1.5], [3.0, 0.5], [1.0, 1.0]]),
        }
    }

    fn forward(&self, x: &Features, edges: &BTreeMap<String, EdgeIndex>) -> Features {
        let propagate = |relation: &Relation, key: &str, source: &str| {
            let mapped = x[source].clone().matmul(relation.weight.val());
            let ends = Endpoints::new(edges[key].clone(), Flow::SourceToTarget);
            kiln_ops::aggregate(mapped, None, &ends, kiln_ops::Reduce::Mean)
        };
        let papers = propagate(&self.writes, "author__writes__paper", "author")
            + propagate(&self.cites, "paper__cites__paper", "paper");
        let authors = x["author"].clone().mul_scalar(2.0);
        [("author", authors), ("paper", papers)]
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

/// A module that takes and gives dictionaries keeps them in the program, in text and file.
#[test]
fn dictionaries_by_node_and_edge_type_are_recorded() {
    let device = Device::flex();
    let module = Hetero::new(&device);
    let model = module.record();
    let text = print(&model.program);
    let signature = "forward(x_dict: {paper: f32[$P, 3], author: f32[$A, 3]}, \
        edge_index_dict: {author__writes__paper: i64[2, $W], paper__cites__paper: i64[2, $C]}) \
        -> {author: f32[$A, 3], paper: f32[$P, 2]}";
    assert!(text.contains(signature), "{text}");
    assert_eq!(parse(&text).unwrap(), *model.program);
    let model = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(print(&model.program), text);

    let features = |rows, seed| support::floats([rows, 3], seed, &device).float::<2>();
    let x = Features::from([
        ("author".to_owned(), features(2, 1)),
        ("paper".to_owned(), features(4, 2)),
    ]);
    let pairs = |pairs: &[[i64; 2]]| support::edges(pairs, &device).int::<2>();
    let writes = EdgeIndex::new(pairs(&[[0, 1], [1, 1], [0, 3]]), 2, 4).unwrap();
    let cites = EdgeIndex::new(pairs(&[[0, 1], [2, 0]]), 4, 4).unwrap();
    let edges = BTreeMap::from([
        ("author__writes__paper".to_owned(), writes),
        ("paper__cites__paper".to_owned(), cites),
    ]);
    let mut inputs = support::Inputs::new();
    for (key, value) in &x {
        inputs.insert(format!("x_dict.{key}"), value.clone().into());
    }
    for (key, value) in &edges {
        inputs.insert(format!("edge_index_dict.{key}"), value.tensor().into());
    }
    let session = Session::new(&model, &device).unwrap();
    let got = session.run("forward", inputs.clone()).unwrap();
    let expected = module.forward(&x, &edges);
    let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["output.author", "output.paper"]);
    for ((name, got), expected) in got.into_iter().zip(expected.into_values()) {
        support::assert_close(&name, got, expected.into(), 1e-6);
    }

    inputs.remove("x_dict.author");
    let error = session.run("forward", inputs).unwrap_err().to_string();
    assert!(error.contains("x_dict.author"), "{error}");
}

/// Two tables of integers and a mask.
#[derive(Module, Debug)]
struct Tables {
    short: Param<Tensor<1, Int>>,
    byte: Param<Tensor<1, Int>>,
    long: Param<Tensor<1, Int>>,
    mask: Param<Tensor<1, Bool>>,
}

impl Tables {
    fn new(device: &Device) -> Self {
        let ints = |values: [i32; 3]| {
            let data = TensorData::from(values);
            let tensor = Tensor::from_data(data, (device, DType::I32));
            Param::initialized(burn::module::ParamId::new(), tensor)
        };
        let mask = Tensor::from_data([true, false, true], device);
        Self {
            short: ints([i32::MAX, 2, -3]),
            byte: ints([250, 1, 0]),
            long: ints([1, 2, 3]),
            mask: Param::initialized(burn::module::ParamId::new(), mask),
        }
    }

    fn recorder(&self) -> Recorder<'_, Self> {
        let inputs = (tensor!(f32["N", 3]),);
        Recorder::new(self).overload("forward", inputs, |tables: &Self, (x,)| {
            let masked = tables.short.val().mask_fill(tables.mask.val(), 7);
            Value::Tuple(vec![
                (tables.short.val() + 1).into(),
                (tables.byte.val() + 10).into(),
                (tables.long.val() - 1).into(),
                masked.into(),
                x.into(),
            ])
        })
    }
}

#[test]
fn buffers_have_the_integers_that_are_asked_for() {
    let device = Device::flex();
    let tables = Tables::new(&device);
    let recorder = tables.recorder();
    let recorder = recorder.buffer("short", DType::I32);
    let model = recorder.buffer("byte", DType::U8).finish().unwrap();
    let again = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(again, model);
    let weights = model.program.weights.iter();
    let types: Vec<(&str, ElemType)> = weights.map(|one| (&*one.name, one.elem)).collect();
    assert_eq!(
        types,
        [
            ("short", ElemType::I32),
            ("byte", ElemType::U8),
            ("long", ElemType::I64),
            ("mask", ElemType::Bool)
        ]
    );
    let session = Session::new(&again, &device).unwrap();
    let x = Tensor::<2>::ones([2, 3], &device);
    let got = session.run("forward", BTreeMap::from([("x".to_owned(), x)]));
    let got = got.unwrap().into_iter();
    let got: Vec<Vec<f64>> = got.map(|(_, tensor)| support::values(tensor).1).collect();
    // They wrap as their types do.
    let least = f64::from(i32::MIN);
    let expected = [
        [least, 3.0, -2.0],
        [4.0, 11.0, 10.0],
        [0.0, 1.0, 2.0],
        [7.0, 2.0, 7.0],
    ];
    assert_eq!(got[..4], expected);

    for (name, dtype, problem) in [
        (
            "none",
            DType::I32,
            "buffer `none`: the module has no such weight",
        ),
        ("mask", DType::I32, "buffer `mask`: bool cannot become i32"),
        ("byte", DType::F32, "buffer `byte`: i64 cannot become f32"),
        ("short", DType::U8, "buffer `short`: 2147483647 is no u8"),
        (
            "short",
            DType::U64,
            "buffer `short`: programs have no elements of the type U64",
        ),
    ] {
        let recorded = tables.recorder().buffer(name, dtype).finish();
        assert_eq!(recorded.unwrap_err().to_string(), problem);
    }
}

/// An edge type that a graph may lack is an input that may be absent.
#[test]
fn entries_of_dictionaries_may_be_optional() {
    let device = Device::flex();
    let module = Relation {
        weight: Param::from_tensor(Tensor::from_data([[1.0_f32], [2.0]], &device)),
    };
    let inputs = (Dict::new([
        ("paper", Optional(tensor!(f32["P", 2]))),
        ("field of study", Optional(tensor!(f32["F", 2]))),
    ]),);
    let model = Recorder::new(&module)
        .overload("forward", inputs, |relation: &Relation, (x,)| {
            let rows = x.into_values().flatten().map(|x| x.sum_dim(0));
            let none = Tensor::zeros([1, 2], &relation.weight.device());
            rows.fold(none, |sum, row| sum + row)
                .matmul(relation.weight.val())
        })
        .finish()
        .unwrap();
    assert_eq!(model.program.method("forward").unwrap().cases.len(), 4);
    let session = Session::new(&model, &device).unwrap();
    let given = |name: &str| {
        let x = Tensor::<2>::from_data([[1.0_f32, 3.0], [4.0, 5.0]], &device);
        support::one(name, x.into())
    };
    for name in ["x_dict.paper", "x_dict.\"field of study\""] {
        let got = session.run("forward", given(name)).unwrap();
        assert_eq!(support::values(got[0].1.clone()).1, [21.0]);
    }
}

/// An encoder and a decoder with one matrix, which the decoder applies backwards.
#[derive(Module, Debug)]
struct Tied {
    encoder: Relation,
    decoder: Relation,
}

/// A parameter that two modules have is one tensor under two names, in the program and in files.
#[test]
fn tied_parameters_are_stored_once() {
    let device = Device::flex();
    let matrix = Tensor::<2>::from_data([[1.0_f32, 0.5], [-1.0, 2.0]], &device);
    let encoder = Relation {
        weight: Param::from_tensor(matrix),
    };
    let module = Tied {
        decoder: encoder.clone(),
        encoder,
    };
    let forward = |tied: &Tied, (x,): (Tensor<2>,)| {
        let hidden = x.matmul(tied.encoder.weight.val());
        hidden.matmul(tied.decoder.weight.val().transpose())
    };
    let model = Recorder::new(&module)
        .overload("forward", (tensor!(f32["N", 2]),), forward)
        .finish()
        .unwrap();
    let text = print(&model.program);
    let declared = "weight @encoder.weight: parameter f32[2, 2]\n\
        weight @decoder.weight: parameter f32[2, 2] = @encoder.weight\n";
    assert!(text.contains(declared), "{text}");
    assert!(text.contains("= weight @decoder.weight"), "{text}");
    assert_eq!(parse(&text).unwrap(), *model.program);
    assert_eq!(model.weights.len(), 1);

    let bytes = model.to_bytes().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    assert_eq!(print(&model.program), text);
    let x = support::floats([3, 2], 4, &device);
    let expected = forward(&module, (x.clone().float(),));
    let session = Session::new(&model, &device).unwrap();
    let got = session.run("forward", support::one("x", x)).unwrap();
    support::assert_close("output", got[0].1.clone(), expected.into(), 1e-6);

    let mut weights = model.weights.clone();
    let values = weights.bytes("encoder.weight").unwrap().to_vec();
    weights
        .insert("decoder.weight", ElemType::F32, [2, 2], values)
        .unwrap();
    let error = Model::new(model.program, weights).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"decoder.weight\" has values of its own, but it is tied to \"encoder.weight\""
    );
}
