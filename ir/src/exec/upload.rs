//! Weights to the device, each once.

use burn::{
    backend::{
        Dispatch, DispatchTensor,
        ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{DType, Device, Shape, TensorData},
};

use super::{ExecError, Kind, eval::float_dtype};
use crate::{
    op::Op,
    program::Program,
    weights::{WeightData, Weights},
};

/// The weights that functions of the root's methods use, by number.
pub(super) fn weights(
    program: &Program,
    weights: &Weights,
    device: &Device,
) -> Result<Vec<Option<DispatchTensor>>, ExecError> {
    let mut uploaded = vec![None; program.weights.len()];
    let methods = program.root().map_or(&[][..], |root| &root.methods);
    let cases = methods.iter().flat_map(|method| &method.cases);
    let functions = cases.filter_map(|case| program.functions.get(case.function.index()));
    for node in functions.flat_map(|function| &function.nodes) {
        let Op::Weight(id) = node.op else { continue };
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
            *slot = Some(upload(data, device));
        }
    }
    Ok(uploaded)
}

fn upload(data: WeightData<'_>, device: &Device) -> DispatchTensor {
    let sizes: Vec<usize> = data
        .shape
        .iter()
        .map(|&dim| usize::try_from(dim).unwrap_or(usize::MAX))
        .collect();
    let shape = Shape::from(sizes);
    let settings = device.settings();
    let target = device.as_dispatch();
    match Kind::of(data.elem) {
        Kind::Float => {
            let dtype = DType::from(float_dtype(data.elem));
            let tensor = TensorData::from_bytes_vec(data.bytes.to_vec(), shape, dtype);
            Dispatch::float_from_data(tensor, target)
        }
        Kind::Int => {
            let (values, _) = data.bytes.as_chunks();
            let values: Vec<i64> = values
                .iter()
                .map(|bytes| i64::from_le_bytes(*bytes))
                .collect();
            let tensor = TensorData::new(values, shape);
            Dispatch::int_from_data(tensor.convert_dtype(settings.int_dtype.into()), target)
        }
        Kind::Bool => {
            let values: Vec<bool> = data.bytes.iter().map(|&byte| byte != 0).collect();
            let tensor = TensorData::new(values, shape);
            Dispatch::bool_from_data(tensor.convert_dtype(settings.bool_dtype.into()), target)
        }
    }
}
