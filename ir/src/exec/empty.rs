//! Tensors without elements, which come from the host.
//!
//! On GPUs Burn 0.22 joins element-wise operations whose shapes broadcast into one kernel. Where
//! one of them has no elements the kernel has no work, and the others are left out too: after
//! `ones([3, 0])` a sum of shape `[3, 1]` is whatever was in memory. On the CPU some of its
//! operations panic on a part without elements that starts behind the last one. So no operation
//! makes such a tensor unless gradients need it, and those of a caller are made before the first
//! operation.

use burn::{
    backend::{
        Dispatch, DispatchTensor, TensorMetadata as _,
        ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{DType, Device, Shape, TensorData},
};
use kiln_core::AnyTensor;

use super::{
    ExecError, Kind, Session,
    eval::Eval,
    schedule::tensor_type,
    site::Site,
    width::{Width, float_dtype},
};
use crate::{
    op::Op,
    program::{ElemType, ValueId},
};

/// Executes a node, or what stands for it: results without elements are made here. Those with
/// gradients are left to the operation, which is executed alone; so are loops, whose steps count.
pub(super) fn around(
    eval: &mut Eval<'_>,
    site: Site<'_>,
    node: impl FnOnce(&mut Eval<'_>) -> Result<Vec<DispatchTensor>, ExecError>,
) -> Result<Vec<DispatchTensor>, ExecError> {
    if site.op().effects().makes_size {
        let made = node(eval)?;
        return Ok(found(eval, site, made));
    }
    let Some(results) = results(eval, site)? else {
        return node(eval);
    };
    let is_float = |(elem, _): &(ElemType, Shape)| elem.is_float();
    if !eval.device.is_autodiff() || !results.iter().any(is_float) {
        let results = results.into_iter();
        let one = |(elem, shape)| tensor(eval.width, eval.device, elem, shape);
        return Ok(results.map(one).collect());
    }
    // What fails is found where it is read.
    let _ = eval.device.flush();
    let results = node(eval);
    let _ = eval.device.flush();
    results
}

/// Results whose sizes were found by the operation. Those that turned out to have no elements are
/// made anew, behind what made them: nothing that comes is joined with it.
fn found(eval: &Eval<'_>, site: Site<'_>, made: Vec<DispatchTensor>) -> Vec<DispatchTensor> {
    if !made.iter().any(|tensor| is_empty(&tensor.shape())) {
        return made;
    }
    // What fails is found where it is read.
    let _ = eval.device.flush();
    let one = |(made, id): (DispatchTensor, &ValueId)| {
        let shape = made.shape();
        match tensor_type(site.function, *id) {
            Some(ty) if is_empty(&shape) && !ty.elem.is_float() => {
                tensor(eval.width, eval.device, ty.elem, shape)
            }
            _ => made,
        }
    };
    made.into_iter().zip(site.outputs()).map(one).collect()
}

/// The types and shapes of a node's results, if none has elements. Their other sizes must still be
/// such that strides are numbers.
fn results(eval: &Eval<'_>, site: Site<'_>) -> Result<Option<Vec<(ElemType, Shape)>>, ExecError> {
    if matches!(site.op(), Op::Scan(_)) || site.outputs().is_empty() {
        return Ok(None);
    }
    let one = |id: &ValueId| {
        let ty = tensor_type(site.function, *id)?;
        let is_none = |dim| eval.symbols.evaluate(dim) == Some(0);
        let is_empty = ty.dims.iter().any(is_none);
        is_empty.then(|| Ok((ty.elem, eval.shape(&ty.dims)?)))
    };
    let results: Option<Vec<_>> = site.outputs().iter().map(one).collect();
    results
        .map(|results| results.into_iter().collect())
        .transpose()
}

/// An input without elements, unless it has a gradient. What waits for execution on the device is
/// executed, the operation that made the input among it.
pub(super) fn input(
    session: &Session,
    elem: ElemType,
    tensor: &AnyTensor,
) -> Option<DispatchTensor> {
    let device = &session.device;
    let shape = tensor.shape();
    if !is_empty(&shape) {
        return None;
    }
    // What fails is found where it is read: nobody reads the input.
    let _ = device.flush();
    let has_gradient = elem.is_float() && tensor.device().is_autodiff();
    (!has_gradient).then(|| self::tensor(session.width, device, elem, shape))
}

/// A tensor without elements, from the host.
pub(super) fn tensor(
    width: Width,
    device: &Device,
    elem: ElemType,
    shape: Shape,
) -> DispatchTensor {
    let data = |dtype| TensorData::from_bytes_vec(Vec::new(), shape, dtype);
    let on = device.as_dispatch();
    match Kind::of(elem) {
        Kind::Float => Dispatch::float_from_data(data(float_dtype(elem).into()), on),
        Kind::Bool => Dispatch::bool_from_data(data(device.settings().bool_dtype.into()), on),
        Kind::Int if elem == ElemType::I64 => {
            Dispatch::int_from_data(data(width.widest().into()), on)
        }
        Kind::Int => Dispatch::int_from_data(data(DType::I32), on),
    }
}

/// Whether there are no elements.
pub(super) fn is_empty(shape: &Shape) -> bool {
    shape.iter().any(|&size| size == 0)
}
