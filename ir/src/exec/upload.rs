//! Weights to the device, each once.

use std::collections::HashSet;

use burn::{
    backend::{
        Dispatch, DispatchTensor,
        ops::{BoolTensorOps, FloatTensorOps},
    },
    tensor::{DType, Device, Shape, TensorData},
};

use super::{ExecError, Kind, width::Width, width::float_dtype};
use crate::{
    op::{DenseOp, Op},
    program::{ElemType, Function, FunctionId, Program, ValueId},
    weights::{WeightData, Weights},
};

/// The weights that functions of the root's methods use, by number.
pub(super) fn weights(
    program: &Program,
    weights: &Weights,
    device: &Device,
    width: Width,
) -> Result<Vec<Option<DispatchTensor>>, ExecError> {
    let mut uploaded = vec![None; program.weights.len()];
    for function in executed(program) {
        let of_products: HashSet<ValueId> = (function.nodes.iter())
            .filter(|node| matches!(node.op, Op::Dense(DenseOp::Linear)))
            .map(|node| node.inputs[1])
            .collect();
        for node in &function.nodes {
            let Op::Weight(id) = node.op else { continue };
            let id = program.stored(id);
            let (Some(slot), Some(weight)) = (
                uploaded.get_mut(id.index()),
                program.weights.get(id.index()),
            ) else {
                continue;
            };
            if slot.is_none() {
                let name = &weight.name;
                let data = weights.get(name);
                let data = data.ok_or_else(|| ExecError::MissingWeight { name: name.clone() })?;
                *slot = Some(if of_products.contains(&node.outputs[0]) {
                    upload_columns(data, device)
                } else if Kind::of(data.elem) == Kind::Int {
                    let what = || format!("weight \"{name}\" has");
                    width.upload(what, integers(data), shape(data), device)?
                } else {
                    upload(data, device)
                });
            }
        }
    }
    Ok(uploaded)
}

/// The functions that methods of the root run, themselves or in loops.
fn executed(program: &Program) -> impl Iterator<Item = &Function> {
    let methods = program.root().map_or(&[][..], |root| &root.methods);
    let cases = methods.iter().flat_map(|method| &method.cases);
    let mut executed: HashSet<FunctionId> = cases.map(|case| case.function).collect();
    // Bodies stand before the functions whose loops they are.
    let ids = (0..).map(FunctionId).zip(&program.functions);
    for (id, function) in ids.collect::<Vec<_>>().into_iter().rev() {
        if executed.contains(&id) {
            executed.extend(function.nodes.iter().filter_map(|node| node.op.callee()));
        }
    }
    let ids = (0..).map(FunctionId).zip(&program.functions);
    ids.filter_map(move |(id, function)| executed.contains(&id).then_some(function))
}

/// A matrix whose columns lie in one piece each: a product with its transpose reads rows, and would
/// copy it in each run if they were not.
fn upload_columns(data: WeightData<'_>, device: &Device) -> DispatchTensor {
    let &[rows, columns] = data.shape else {
        return upload(data, device);
    };
    let row = data.bytes.len() / usize::try_from(rows).unwrap_or(1).max(1);
    let element = row / usize::try_from(columns).unwrap_or(1).max(1);
    let starts = (0..row).step_by(element.max(1));
    let bytes: Vec<u8> = starts
        .flat_map(|start| data.bytes.chunks_exact(row).map(move |row| &row[start..]))
        .flat_map(|rest| &rest[..element])
        .copied()
        .collect();
    let transposed = WeightData {
        elem: data.elem,
        shape: &[columns, rows],
        bytes: &bytes,
    };
    Dispatch::float_transpose(upload(transposed, device))
}

fn integers(data: WeightData<'_>) -> Vec<i64> {
    match data.elem {
        ElemType::U8 => data.bytes.iter().map(|&byte| byte.into()).collect(),
        ElemType::I32 => {
            let (values, _) = data.bytes.as_chunks();
            let value = |bytes: &[u8; 4]| i32::from_le_bytes(*bytes).into();
            values.iter().map(value).collect()
        }
        _ => {
            let (values, _) = data.bytes.as_chunks();
            let value = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes);
            values.iter().map(value).collect()
        }
    }
}

/// Floats or booleans.
fn upload(data: WeightData<'_>, device: &Device) -> DispatchTensor {
    let shape = shape(data);
    // GPUs make no tensor without axes, but they have one.
    let is_scalar = shape.num_dims() == 0;
    let made = if is_scalar {
        Shape::new([1])
    } else {
        shape.clone()
    };
    let target = device.as_dispatch();
    if Kind::of(data.elem) == Kind::Bool {
        let values: Vec<bool> = data.bytes.iter().map(|&byte| byte != 0).collect();
        let dtype = device.settings().bool_dtype.into();
        let tensor = TensorData::new(values, made).convert_dtype(dtype);
        let tensor = Dispatch::bool_from_data(tensor, target);
        return if is_scalar {
            Dispatch::bool_reshape(tensor, shape)
        } else {
            tensor
        };
    }
    let dtype = DType::from(float_dtype(data.elem));
    let tensor = TensorData::from_bytes_vec(data.bytes.to_vec(), made, dtype);
    let tensor = Dispatch::float_from_data(tensor, target);
    if is_scalar {
        Dispatch::float_reshape(tensor, shape)
    } else {
        tensor
    }
}

fn shape(data: WeightData<'_>) -> Shape {
    let sizes = data.shape.iter();
    let sizes = sizes.map(|&dim| usize::try_from(dim).unwrap_or(usize::MAX));
    Shape::from(sizes.collect::<Vec<usize>>())
}
