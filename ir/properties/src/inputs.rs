//! Inputs and weights of random programs.

use std::collections::BTreeMap;

use burn::{
    backend::{
        Dispatch,
        ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{DType, Device, TensorData},
};
use kiln_core::AnyTensor;
use kiln_ir::{ElemType, Leaf, Method, Program, Weight, Weights};

use crate::{choices::Choices, valid::SYMBOLS};

/// Numbers of nodes and edges.
const SIZES: [usize; 8] = [3, 1, 2, 0, 5, 4, 7, 40];

/// Inputs of the method `forward`, by name.
pub(crate) fn inputs(
    choices: &mut Choices<'_>,
    program: &Program,
    device: &Device,
) -> BTreeMap<String, AnyTensor> {
    let symbols = SYMBOLS.map(|_| SIZES[choices.below(SIZES.len())]);
    let method = program.method("forward");
    let leaves = method.map(Method::leaves).unwrap_or_default();
    let input = |leaf: Leaf<'_>| {
        let shape = leaf.ty.dims.iter().map(|dim| {
            let value = dim.evaluate(|id| i64::try_from(*symbols.get(id.index())?).ok());
            value
                .and_then(|value| usize::try_from(value).ok())
                .unwrap_or(0)
        });
        let shape: Vec<usize> = shape.collect();
        let is_pointer = leaf.name == "rowptr" && !choices.once_in(4);
        let tensor = if is_pointer {
            integers(pointer(choices, shape[0], symbols[2]), shape, device)
        } else {
            tensor(choices, leaf.ty.elem, shape, symbols, device)
        };
        (leaf.name, tensor)
    };
    let mut inputs: BTreeMap<String, AnyTensor> = leaves.into_iter().map(input).collect();
    let sizes = method.into_iter().flat_map(Method::sizes);
    for size in sizes.filter(|size| !size.optional) {
        let value = size.symbols.first().and_then(|id| symbols.get(id.index()));
        let value = value.and_then(|&value| i64::try_from(value).ok());
        let value = integers(vec![value.unwrap_or_default()], vec![1], device);
        inputs.insert(size.name.to_owned(), value);
    }
    inputs
}

/// A row pointer that ends with the number of edges.
fn pointer(choices: &mut Choices<'_>, rows: usize, edges: usize) -> Vec<i64> {
    let mut values: Vec<usize> = (0..rows).map(|_| choices.below(edges + 1)).collect();
    values.sort_unstable();
    if let Some(first) = values.first_mut() {
        *first = 0;
    }
    if let Some(last) = values.last_mut() {
        *last = edges;
    }
    values
        .into_iter()
        .map(|value| i64::try_from(value).unwrap_or_default())
        .collect()
}

fn integers(values: Vec<i64>, shape: Vec<usize>, device: &Device) -> AnyTensor {
    let data = TensorData::new(values, shape);
    AnyTensor::from_dispatch(Dispatch::int_from_data(data, device.as_dispatch()))
}

fn tensor(
    choices: &mut Choices<'_>,
    elem: ElemType,
    shape: Vec<usize>,
    symbols: [usize; 3],
    device: &Device,
) -> AnyTensor {
    let count = shape.iter().product();
    match elem {
        ElemType::I64 | ElemType::I32 | ElemType::U8 => {
            // Positions below some size, mostly; or anything.
            let limit = match choices.below(8) {
                kind @ 0..3 => symbols[kind].max(1),
                3..7 => 1 + choices.below(4),
                _ => 0,
            };
            let values = (0..count).map(|_| match limit {
                // As many bits as sizes have.
                0 => i64::from_le_bytes(choices.word().to_le_bytes()) >> 44,
                limit => i64::try_from(choices.below(limit)).unwrap_or_default(),
            });
            integers(values.collect(), shape, device)
        }
        ElemType::Bool => {
            let values: Vec<bool> = (0..count).map(|_| choices.below(2) == 1).collect();
            let dtype = device.settings().bool_dtype.into();
            let data = TensorData::new(values, shape).convert_dtype(dtype);
            AnyTensor::from_dispatch(Dispatch::bool_from_data(data, device.as_dispatch()))
        }
        ElemType::F32 | ElemType::F64 | ElemType::F16 | ElemType::BF16 => {
            let values: Vec<f32> = (0..count).map(|_| float(choices)).collect();
            let dtype = match elem {
                ElemType::F64 => DType::F64,
                ElemType::F16 => DType::F16,
                ElemType::BF16 => DType::BF16,
                _ => DType::F32,
            };
            let data = TensorData::new(values, shape).convert_dtype(dtype);
            AnyTensor::from_dispatch(Dispatch::float_from_data(data, device.as_dispatch()))
        }
    }
}

fn float(choices: &mut Choices<'_>) -> f32 {
    match choices.byte() {
        255 => f32::NAN,
        254 => f32::INFINITY,
        253 => f32::NEG_INFINITY,
        252 => f32::MAX,
        byte => (f32::from(byte) - 64.0) / 32.0,
    }
}

/// Values for the weights of a program.
pub(crate) fn weights(choices: &mut Choices<'_>, program: &Program) -> Weights {
    let mut weights = Weights::new();
    for Weight {
        name, elem, shape, ..
    } in &program.weights
    {
        let count = shape.iter().product();
        let mut bytes = Vec::new();
        for _ in 0..count {
            match elem {
                ElemType::I64 => bytes.extend(i64::from(choices.byte() % 3).to_le_bytes()),
                ElemType::Bool => bytes.push(choices.byte() % 2),
                ElemType::F64 => bytes.extend(f64::from(float(choices)).to_le_bytes()),
                ElemType::F32 => bytes.extend(float(choices).to_le_bytes()),
                ElemType::I32 => bytes.extend(i32::from(choices.byte()).to_le_bytes()),
                ElemType::U8 => bytes.push(choices.byte()),
                ElemType::F16 | ElemType::BF16 => bytes.extend([0, 0]),
            }
        }
        let inserted = weights.insert(name, *elem, shape.clone(), bytes);
        inserted.expect("as many bytes as the type has");
    }
    weights
}
