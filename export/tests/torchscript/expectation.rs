//! Archives with inputs and expected results, as `torch/check.py` reads them.

use std::{collections::BTreeMap, path::PathBuf};

use kiln_ir::{ElemType, Model, WeightRole};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

/// Values of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    Float(Vec<f32>),
    Int(Vec<i64>),
    Bool(Vec<bool>),
    /// Of any type: the bytes in a file.
    Bytes(ElemType, Vec<u8>),
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Data {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

impl Data {
    pub(crate) fn float(shape: &[usize], values: &[f32]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        Self {
            shape: shape.to_vec(),
            values: Values::Float(values.to_vec()),
        }
    }

    pub(crate) fn int(shape: &[usize], values: &[i64]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        Self {
            shape: shape.to_vec(),
            values: Values::Int(values.to_vec()),
        }
    }

    pub(crate) fn bool(shape: &[usize], values: &[bool]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        Self {
            shape: shape.to_vec(),
            values: Values::Bool(values.to_vec()),
        }
    }

    /// Numbers that the element type has exactly.
    pub(crate) fn of(elem: ElemType, shape: &[usize], values: &[f64]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        let bytes = values.iter().flat_map(|&value| bytes_of(elem, value));
        Self {
            shape: shape.to_vec(),
            values: Values::Bytes(elem, bytes.collect()),
        }
    }

    pub(crate) fn elem(&self) -> ElemType {
        match self.values {
            Values::Bytes(elem, _) => elem,
            Values::Float(_) => ElemType::F32,
            Values::Int(_) => ElemType::I64,
            Values::Bool(_) => ElemType::Bool,
        }
    }

    /// The only element, as a number.
    pub(crate) fn scalar(&self) -> Arg {
        let bytes = self.bytes();
        match self.elem() {
            ElemType::I64 => Arg::Int(i64::from_le_bytes(bytes.try_into().unwrap())),
            ElemType::F32 => Arg::Float(f32::from_le_bytes(bytes.try_into().unwrap()).into()),
            elem => panic!("no number of the type {elem}"),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match &self.values {
            Values::Bytes(_, bytes) => bytes.clone(),
            Values::Float(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Values::Int(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Values::Bool(values) => values.iter().map(|&value| u8::from(value)).collect(),
        }
    }
}

/// The bytes of a number that the element type has exactly. Floats of 16 bits are 0 or not too near
/// to it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "tests use numbers that fit"
)]
fn bytes_of(elem: ElemType, value: f64) -> Vec<u8> {
    let bits = (value as f32).to_bits();
    match elem {
        ElemType::F64 => value.to_le_bytes().to_vec(),
        ElemType::F32 => bits.to_le_bytes().to_vec(),
        ElemType::BF16 => bits.to_le_bytes()[2..].to_vec(),
        ElemType::F16 => {
            let magnitude = match bits & 0x7fff_ffff {
                0 => 0,
                bits => (bits >> 13) - (112 << 10),
            };
            ((bits >> 16 & 0x8000) | magnitude).to_le_bytes()[..2].to_vec()
        }
        ElemType::I64 => (value as i64).to_le_bytes().to_vec(),
        ElemType::I32 => (value as i32).to_le_bytes().to_vec(),
        ElemType::U8 => vec![u8::try_from(value as i64).unwrap()],
        ElemType::Bool => vec![u8::from(value != 0.0)],
    }
}

/// An argument or a result.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Tensor(Data),
    Tuple(Vec<Arg>),
    List(Vec<Arg>),
    Dict(Vec<(String, Arg)>),
    Ints(Vec<i64>),
    Int(i64),
    Float(f64),
    Flag(bool),
    Text(String),
    None,
}

impl From<Data> for Arg {
    fn from(data: Data) -> Self {
        Self::Tensor(data)
    }
}

/// One call of a method.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) args: Vec<(&'static str, Arg)>,
    pub(crate) out: Arg,
}

/// A call of a method that must raise an error.
pub(crate) struct Refusal {
    pub(crate) method: &'static str,
    pub(crate) args: Vec<(&'static str, Arg)>,
    /// A part of the message.
    pub(crate) error: &'static str,
}

/// Writes `<name>.pt`, `<name>.safetensors` and `<name>.json`.
pub(crate) fn write(name: &str, model: &Model, calls: &[Call], refused: &[Refusal]) {
    write_all(name, model, calls, refused, &Value::Null);
}

/// The same of a model that is a module of `torch.nn` with its names of parameters: the class, and
/// the arguments that make it.
pub(crate) fn write_beside(name: &str, model: &Model, calls: &[Call], torch: &Value) {
    write_all(name, model, calls, &[], torch);
}

fn write_all(name: &str, model: &Model, calls: &[Call], refused: &[Refusal], torch: &Value) {
    let folder = match std::env::var_os("KILN_TORCH_OUT") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("torch"),
    };
    std::fs::create_dir_all(&folder).unwrap();
    kiln_export::torchscript::write(model, folder.join(format!("{name}.pt"))).unwrap();

    let mut tensors = BTreeMap::new();
    let mut list = Vec::new();
    let store_all = |args: &[(&str, Arg)], prefix: &str, tensors: &mut BTreeMap<String, Data>| {
        let one = |(name, arg): &(&str, Arg)| {
            json!([name, store(arg, &format!("{prefix}.in.{name}"), tensors)])
        };
        args.iter().map(one).collect::<Vec<Value>>()
    };
    for (number, call) in calls.iter().enumerate() {
        let args = store_all(&call.args, &number.to_string(), &mut tensors);
        let out = store(&call.out, &format!("{number}.out"), &mut tensors);
        list.push(json!({ "method": call.method, "args": args, "out": out }));
    }
    let refuse = |(number, call): (usize, &Refusal)| {
        let args = store_all(&call.args, &format!("refused.{number}"), &mut tensors);
        json!({ "method": call.method, "args": args, "error": call.error })
    };
    let refused: Vec<Value> = refused.iter().enumerate().map(refuse).collect();
    let keys = |role: WeightRole| {
        let weights = model
            .program
            .weights
            .iter()
            .filter(move |weight| weight.role == role);
        weights
            .map(|weight| json!([weight.name, weight.shape]))
            .collect::<Vec<Value>>()
    };
    let weights = &model.program.weights;
    let tied = weights.iter().filter_map(|weight| {
        let other = weights[weight.tied?.index()].name.clone();
        Some((weight.name.clone(), other.into()))
    });
    let json = json!({
        "tied": tied.collect::<serde_json::Map<_, _>>(),
        "calls": list,
        "refused": refused,
        "parameters": keys(WeightRole::Parameter),
        "buffers": keys(WeightRole::Buffer),
        "torch": torch,
    });
    let json = serde_json::to_string_pretty(&json).unwrap();
    std::fs::write(folder.join(format!("{name}.json")), json).unwrap();

    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, data): (&String, &Data)| (name, data.bytes()))
        .collect();
    let views = tensors.iter().map(|(name, data)| {
        let dtype = match data.elem() {
            ElemType::F32 => Dtype::F32,
            ElemType::F64 => Dtype::F64,
            ElemType::F16 => Dtype::F16,
            ElemType::BF16 => Dtype::BF16,
            ElemType::I64 => Dtype::I64,
            ElemType::I32 => Dtype::I32,
            ElemType::U8 => Dtype::U8,
            ElemType::Bool => Dtype::BOOL,
        };
        (
            name,
            TensorView::new(dtype, data.shape.clone(), &bytes[name]).unwrap(),
        )
    });
    let file = folder.join(format!("{name}.safetensors"));
    safetensors::serialize_to_file(views, None, &file).unwrap();
}

/// The JSON form of an argument: the name of a tensor, a list for a tuple, `{"list": [..]}`,
/// `{"dict": {..}}`, `{"ints": [..]}`, `{"text": ".."}`, a number, a boolean, or null.
fn store(arg: &Arg, name: &str, tensors: &mut BTreeMap<String, Data>) -> Value {
    match arg {
        Arg::Tensor(data) => {
            tensors.insert(name.to_owned(), data.clone());
            json!(name)
        }
        Arg::Tuple(items) => items
            .iter()
            .enumerate()
            .map(|(position, item)| store(item, &format!("{name}.{position}"), tensors))
            .collect(),
        Arg::List(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(at, item)| store(item, &format!("{name}.{at}"), tensors));
            json!({ "list": items.collect::<Value>() })
        }
        Arg::Dict(entries) => {
            let entry = |(key, item): &(String, Arg)| {
                (key.clone(), store(item, &format!("{name}.{key}"), tensors))
            };
            json!({ "dict": entries.iter().map(entry).collect::<serde_json::Map<_, _>>() })
        }
        Arg::Ints(ints) => json!({ "ints": ints }),
        Arg::Int(int) => json!(int),
        Arg::Float(float) => json!(float),
        Arg::Flag(flag) => json!(flag),
        Arg::Text(text) => json!({ "text": text }),
        Arg::None => Value::Null,
    }
}
