//! Runs the programs in `tests/files/exec` on the CPU.
//!
//! Comments are a script: `; weight NAME = VALUES` before anything runs; then `; input NAME: TYPE =
//! VALUES` and `; set NAME = VALUE` (`3`, `0.5`, `true`, `"mean"`) collect inputs, `; run METHOD`
//! runs with them, and after it stands either every output as `; output NAME: TYPE = VALUES` or `;
//! error: ...`. Floats are compared to 1e-5.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor, TensorData};
use kiln_core::{AnyTensor, Kind};
use kiln_ir::{Argument, ElemType, Model, Session, Weights, parse, validate};

use crate::files::files;

/// `f32[2, 3] = 1 2 3 4 5 6`
struct Literal {
    elem: String,
    shape: Vec<usize>,
    values: Vec<f64>,
}

fn literal(text: &str) -> Literal {
    let (ty, values) = text.split_once(" =").unwrap();
    let (elem, shape) = ty.split_once('[').unwrap();
    let shape = shape
        .trim_end_matches(']')
        .split(',')
        .map(str::trim)
        .filter(|dim| !dim.is_empty());
    Literal {
        elem: elem.to_owned(),
        shape: shape.map(|dim| dim.parse().unwrap()).collect(),
        values: values
            .split_whitespace()
            .map(|value| value.parse().unwrap())
            .collect(),
    }
}

fn ints(values: &[f64]) -> Vec<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "tests use small integers")]
    values.iter().map(|&value| value as i64).collect()
}

/// `3`, `0.5`, `true` or `"mean"`
fn argument(text: &str) -> Argument {
    if let Some(text) = text.strip_prefix('"') {
        return text.trim_end_matches('"').into();
    }
    let boolean = || text.parse::<bool>().map(Argument::from).ok();
    let float = || text.parse::<f64>().map(Argument::from).ok();
    let integer = text.parse::<i64>().map(Argument::from).ok();
    integer.or_else(boolean).or_else(float).unwrap()
}

fn tensor(
    Literal {
        elem,
        shape,
        values,
    }: Literal,
    device: &Device,
) -> AnyTensor {
    let data = match elem.as_str() {
        "f32" => TensorData::new(values, shape.clone()).convert_dtype(DType::F32),
        "f64" => TensorData::new(values, shape.clone()),
        "i64" => TensorData::new(ints(&values), shape.clone()),
        "i32" => TensorData::new(ints(&values), shape.clone()).convert_dtype(DType::I32),
        "u8" => TensorData::new(ints(&values), shape.clone()).convert_dtype(DType::U8),
        "f16" => TensorData::new(values, shape.clone()).convert_dtype(DType::F16),
        "bf16" => TensorData::new(values, shape.clone()).convert_dtype(DType::BF16),
        "bool" => {
            let values: Vec<bool> = values.iter().map(|&value| value != 0.0).collect();
            TensorData::new(values, shape.clone())
        }
        other => panic!("unknown element type {other}"),
    };
    macro_rules! of_rank {
        ($($rank:literal),*) => {
            match (elem.as_str(), shape.len()) {
                $(("f32" | "f64" | "f16" | "bf16", $rank) => {
                    let dtype = data.dtype();
                    Tensor::<$rank>::from_data(data, (device, dtype)).into()
                })*
                $(("i64" | "i32" | "u8", $rank) => {
                    let dtype = data.dtype();
                    Tensor::<$rank, burn::tensor::Int>::from_data(data, (device, dtype)).into()
                })*
                $(("bool", $rank) => {
                    Tensor::<$rank, burn::tensor::Bool>::from_data(data, device).into()
                })*
                _ => panic!("no such test input"),
            }
        };
    }
    of_rank!(1, 2, 3)
}

/// Element type, shape and values.
fn contents(tensor: AnyTensor) -> (String, Vec<usize>, Vec<f64>) {
    let kind = tensor.kind();
    let shape: Vec<usize> = tensor.shape().iter().copied().collect();
    let data = match (kind, shape.len()) {
        (Kind::Float, 1) => tensor.float::<1>().into_data(),
        (Kind::Float, 2) => tensor.float::<2>().into_data(),
        (Kind::Float, 3) => tensor.float::<3>().into_data(),
        (Kind::Int, 1) => tensor.int::<1>().into_data(),
        (Kind::Int, 2) => tensor.int::<2>().into_data(),
        (Kind::Bool, 1) => tensor.bool::<1>().into_data(),
        (Kind::Bool, 2) => tensor.bool::<2>().into_data(),
        _ => panic!("no such test output"),
    };
    let name = match kind {
        Kind::Bool => "bool".to_owned(),
        Kind::Float | Kind::Int => format!("{:?}", data.dtype()).to_lowercase(),
    };
    (
        name,
        shape,
        data.convert_dtype(DType::F64).try_to_vec().unwrap(),
    )
}

pub(crate) fn model(text: &str) -> Model {
    let program = validate(parse(text).unwrap()).unwrap();
    let mut weights = Weights::new();
    for weight in program
        .weights
        .iter()
        .filter(|weight| weight.tied.is_none())
    {
        let count = weight.shape.iter().product::<u64>();
        let prefix = format!("; weight {} =", weight.name);
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
        let values: Vec<f64> = match line {
            Some(values) => values
                .split_whitespace()
                .map(|value| value.parse().unwrap())
                .collect(),
            None => vec![0.0; usize::try_from(count).unwrap()],
        };
        let dtype = match weight.elem {
            ElemType::F32 => DType::F32,
            ElemType::F64 => DType::F64,
            ElemType::F16 => DType::F16,
            ElemType::BF16 => DType::BF16,
            ElemType::I64 => DType::I64,
            ElemType::I32 => DType::I32,
            ElemType::U8 | ElemType::Bool => DType::U8,
        };
        let count = values.len();
        let data = TensorData::new(values, [count]).convert_dtype(dtype);
        let bytes = data.as_bytes().to_vec();
        weights
            .insert(&weight.name, weight.elem, weight.shape.clone(), bytes)
            .unwrap();
    }
    Model::new(program, weights).unwrap()
}

fn close(a: &[f64], b: &[f64]) -> bool {
    let near = |(a, b): (&f64, &f64)| {
        a.total_cmp(b).is_eq()
            || (a - b).abs() <= 1e-5 * b.abs().max(1.0)
            || (a.is_nan() && b.is_nan())
    };
    a.len() == b.len() && a.iter().zip(b).all(near)
}

#[test]
fn programs_compute_what_their_files_say() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.kiln");
    for path in files("exec") {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("; test: exec\n"), "{name}");
        println!("{name}");
        model(&text).save(&file).unwrap();
        let session = Session::new(&Model::load(&file).unwrap(), &device).unwrap();
        let mut inputs: BTreeMap<String, Argument> = BTreeMap::new();
        let mut outcome = None;
        let mut runs = 0;
        for (line, number) in text.lines().zip(1..) {
            let at = format!("{name}:{number}");
            if let Some(input) = line.strip_prefix("; input ") {
                let (leaf, value) = input.split_once(": ").unwrap();
                inputs.insert(leaf.to_owned(), tensor(literal(value), &device).into());
            } else if let Some(setting) = line.strip_prefix("; set ") {
                let (name, value) = setting.split_once(" = ").unwrap();
                inputs.insert(name.to_owned(), argument(value));
            } else if let Some(method) = line.strip_prefix("; run ") {
                assert!(
                    left_over(outcome.as_ref()).is_empty(),
                    "{at}: before this: {outcome:?}"
                );
                println!("{at}: {method}");
                outcome = Some(
                    session
                        .run(method, core::mem::take(&mut inputs))
                        .map(|outputs| {
                            outputs
                                .into_iter()
                                .map(|(name, value)| (name, contents(value)))
                                .collect::<Vec<_>>()
                        }),
                );
                runs += 1;
            } else if let Some(output) = line.strip_prefix("; output ") {
                let (leaf, value) = output.split_once(": ").unwrap();
                let expected = literal(value);
                let outputs = outcome.as_mut().unwrap().as_mut().unwrap();
                assert!(!outputs.is_empty(), "{at}: there are no further outputs");
                let (own, (elem, shape, values)) = outputs.remove(0);
                assert_eq!(own, leaf, "{at}");
                assert_eq!(elem, expected.elem, "{at}");
                assert_eq!(shape, expected.shape, "{at}");
                assert!(close(&values, &expected.values), "{at}: got {values:?}");
            } else if let Some(error) = line.strip_prefix("; error: ") {
                let got = outcome
                    .take()
                    .unwrap()
                    .map(|outputs| outputs.len())
                    .unwrap_err();
                assert_eq!(got.to_string(), error, "{at}");
            }
        }
        assert!(runs > 0, "{name}: nothing runs");
        assert!(
            left_over(outcome.as_ref()).is_empty(),
            "{name}: at the end: {outcome:?}"
        );
    }
}

type Outputs = Vec<(String, (String, Vec<usize>, Vec<f64>))>;

/// Outputs that the file does not name, or an error that it does not expect.
fn left_over(outcome: Option<&Result<Outputs, kiln_ir::ExecError>>) -> Vec<String> {
    match outcome {
        None => Vec::new(),
        Some(Ok(outputs)) => outputs.iter().map(|(name, _)| name.clone()).collect(),
        Some(Err(error)) => vec![error.to_string()],
    }
}
