//! From named inputs to a function, its arguments and the values of symbols.

use std::collections::BTreeMap;

use burn::{
    backend::{
        Dispatch, DispatchTensor,
        ops::{BoolTensorOps, FloatTensorOps},
    },
    tensor::{DType, Shape},
};
use kiln_core::{AnyTensor, size_to_i64};

use super::{
    ExecError, Kind, Session, empty,
    indices::are_small,
    signature::{CasePlan, Input, Signature},
    width::float_dtype,
};
use crate::{
    program::{ElemType, FunctionId, Method, Program},
    size::Size,
    text::Words,
    validate::{Axis, BindError, SymbolValues},
};

/// What to run.
pub(super) struct Call {
    pub(super) function: FunctionId,
    /// Names of the inputs that are tensors, which are the function's first.
    pub(super) names: Vec<String>,
    /// Whether their integers are indices of 32 bits.
    pub(super) indices: Vec<bool>,
    /// One an input of the function; `None` for integers.
    pub(super) arguments: Vec<Option<DispatchTensor>>,
    pub(super) symbols: SymbolValues,
}

/// Resolves the case, checks types and sizes, and binds symbols.
pub(super) fn bind<'s>(
    session: &Session,
    method: &Method,
    signature: &'s Signature,
    mut inputs: BTreeMap<String, AnyTensor>,
) -> Result<(&'s CasePlan, Call), ExecError> {
    let program = &session.program;
    let words = Words(program);
    if let Some(name) = inputs.keys().find(|name| !signature.has(name)) {
        let method = words.signature(method);
        return Err(ExecError::UnknownInput {
            name: name.clone(),
            method,
        });
    }
    for input in &signature.inputs {
        let name = || input.name.clone();
        match inputs.get(&input.name) {
            Some(tensor) if fits(input, tensor) => {}
            Some(tensor) => {
                return Err(ExecError::Type {
                    name: name(),
                    expected: words.tensor_type(&input.ty),
                    got: type_of(tensor),
                });
            }
            None if input.optional => {}
            None => {
                return Err(ExecError::MissingInput {
                    name: name(),
                    expected: words.tensor_type(&input.ty),
                    method: words.signature(method),
                });
            }
        }
    }
    let case = case(signature, &inputs).ok_or_else(|| {
        let optional = signature.inputs.iter().filter(|input| input.optional);
        let given = optional.filter(|input| inputs.contains_key(&input.name));
        let given: Vec<&str> = given.map(|input| input.name.as_str()).collect();
        let given = if given.is_empty() {
            "none".to_owned()
        } else {
            given.join(", ")
        };
        ExecError::NoCase {
            method: words.signature(method),
            given,
        }
    })?;
    let sizes = sizes(signature, &mut inputs)?;
    let mut present = Vec::with_capacity(inputs.len());
    for input in &signature.inputs {
        if let Some(tensor) = inputs.remove(&input.name) {
            present.push((input, tensor));
        }
    }
    let shapes: Vec<Shape> = present.iter().map(|(_, tensor)| tensor.shape()).collect();
    let size_of = |axis: Axis| size_to_i64(shapes[axis.input][axis.axis]);
    let symbols = case.binding.bind(&size_of, &sizes).map_err(|error| {
        let present: Vec<&Input> = present.iter().map(|(input, _)| *input).collect();
        bind_error(program, method, signature, &present, error)
    })?;
    let mut names = Vec::with_capacity(present.len());
    let mut arguments = Vec::with_capacity(present.len());
    let indices = indices(case, present.len(), &symbols);
    for ((input, tensor), is_index) in present.into_iter().zip(&indices) {
        let tensor = on_device(session, &input.name, input.ty.elem, *is_index, tensor)?;
        arguments.push(Some(tensor));
        names.push(input.name.clone());
    }
    let call = Call {
        function: case.function,
        names,
        indices,
        arguments,
        symbols,
    };
    Ok((case, call))
}

/// The error for inputs that give symbols no values.
pub(super) fn bind_error(
    program: &Program,
    method: &Method,
    signature: &Signature,
    present: &[&Input],
    error: BindError,
) -> ExecError {
    let words = Words(program);
    match error {
        BindError::Axis {
            axis: Axis { input, axis },
            expected,
            got,
        } => {
            let input = present[input];
            let dim = &input.ty.dims[axis];
            let mut text = words.size(dim);
            if let Some(expected) = expected
                && dim.as_fixed().is_none()
            {
                text = format!("{text} = {expected}");
            }
            ExecError::Size {
                name: input.name.clone(),
                ty: words.tensor_type(&input.ty),
                axis,
                expected: text,
                got,
            }
        }
        BindError::Given {
            size,
            part,
            expected,
            got,
        } => {
            let symbol = method.sizes().nth(size).map(|(_, pair)| pair[part]);
            let symbol = symbol
                .map(|symbol| words.symbol(symbol))
                .unwrap_or_default();
            ExecError::Size {
                name: signature.sizes[size].clone(),
                ty: "i64[2]".to_owned(),
                axis: part,
                expected: format!("{symbol} = {expected}"),
                got,
            }
        }
        BindError::Unbound(symbol) => {
            let sizes = signature.sizes.iter();
            ExecError::Unbound {
                symbol: program.symbol_name(symbol).into_owned(),
                method: words.signature(method),
                inputs: sizes.map(|name| format!("\"{name}\"")).collect(),
            }
        }
    }
}

/// For each input that is a tensor, whether its integers are indices of 32 bits.
fn indices(case: &CasePlan, count: usize, symbols: &SymbolValues) -> Vec<bool> {
    let is_index = |bounds: &Option<Vec<Size>>| {
        let bounds = bounds.as_ref();
        bounds.is_some_and(|bounds| are_small(bounds, |size| symbols.evaluate(size)))
    };
    let inputs = case.indices.iter().map(is_index);
    inputs
        .chain(core::iter::repeat(false))
        .take(count)
        .collect()
}

/// An input on the session's device; integers in a type of it, and indices in 32 bits.
pub(super) fn on_device(
    session: &Session,
    name: &str,
    elem: ElemType,
    is_index: bool,
    tensor: AnyTensor,
) -> Result<DispatchTensor, ExecError> {
    let device = &session.device;
    let is_there = tensor.device() == *device;
    if let Some(tensor) = empty::input(session, elem, &tensor) {
        return Ok(tensor);
    }
    Ok(match Kind::of(elem) {
        Kind::Int => {
            let what = || format!("input \"{name}\" has");
            let tensor = session.width.import(what, elem, tensor, device)?;
            if is_index {
                kiln_ops::dispatch::narrow(tensor)
            } else {
                tensor
            }
        }
        Kind::Float | Kind::Bool if is_there => tensor.into_dispatch(),
        Kind::Float => Dispatch::float_to_device(tensor.into_dispatch(), device.as_dispatch()),
        Kind::Bool => Dispatch::bool_to_device(tensor.into_dispatch(), device.as_dispatch()),
    })
}

/// Whether a method takes inputs of these names, kinds and ranks.
pub(super) fn accepts(signature: &Signature, inputs: &BTreeMap<String, AnyTensor>) -> bool {
    let fit = |input: &Input| match inputs.get(&input.name) {
        Some(tensor) => fits(input, tensor),
        None => input.optional,
    };
    inputs.keys().all(|name| signature.has(name))
        && signature.inputs.iter().all(fit)
        && case(signature, inputs).is_some()
}

fn case<'s>(
    signature: &'s Signature,
    inputs: &BTreeMap<String, AnyTensor>,
) -> Option<&'s CasePlan> {
    let is_of = |case: &&CasePlan| {
        let optional = signature.inputs.iter().filter(|input| input.optional);
        let present = optional.map(|input| inputs.contains_key(&input.name));
        present.eq(case.present.iter().copied())
    };
    signature.cases.iter().find(is_of)
}

/// Whether element type and rank are those of the input; every integer type is good if its integers
/// fit.
fn fits(input: &Input, tensor: &AnyTensor) -> bool {
    is_of(input.ty.elem, tensor) && tensor.shape().num_dims() == input.ty.dims.len()
}

/// Whether a tensor has the element type.
pub(super) fn is_of(elem: ElemType, tensor: &AnyTensor) -> bool {
    match elem {
        ElemType::I64 | ElemType::I32 | ElemType::U8 => tensor.kind() == kiln_core::Kind::Int,
        ElemType::Bool => tensor.kind() == kiln_core::Kind::Bool,
        ElemType::F32 | ElemType::F64 | ElemType::F16 | ElemType::BF16 => {
            tensor.dtype() == DType::from(float_dtype(elem))
        }
    }
}

/// `f32[5, 4]`
pub(super) fn type_of(tensor: &AnyTensor) -> String {
    let dims: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
    let elem = if tensor.kind() == kiln_core::Kind::Bool {
        "bool".to_owned()
    } else {
        format!("{:?}", tensor.dtype()).to_lowercase()
    };
    format!("{elem}[{}]", dims.join(", "))
}

/// Names and types of all inputs.
pub(super) fn describe(inputs: &BTreeMap<String, AnyTensor>) -> String {
    let one = |(name, tensor): (&String, &AnyTensor)| format!("{name}: {}", type_of(tensor));
    format!(
        "({})",
        inputs.iter().map(one).collect::<Vec<_>>().join(", ")
    )
}

/// Takes the parameters of type `size` out of the inputs; their values.
pub(super) fn sizes(
    signature: &Signature,
    inputs: &mut BTreeMap<String, AnyTensor>,
) -> Result<Vec<Option<[i64; 2]>>, ExecError> {
    let size = |name: &String| {
        let Some(tensor) = inputs.remove(name) else {
            return Ok(None);
        };
        let got = type_of(&tensor);
        let error = || ExecError::Type {
            name: name.clone(),
            expected: "i64[2]".to_owned(),
            got,
        };
        let is_pair = tensor.shape().num_dims() == 1 && tensor.shape()[0] == 2;
        if tensor.kind() != kiln_core::Kind::Int || !is_pair {
            return Err(error());
        }
        let data = tensor.int::<1>().into_data().convert_dtype(DType::I64);
        match data.as_slice::<i64>() {
            Ok([a, b]) => Ok(Some([*a, *b])),
            Ok(_) | Err(_) => Err(error()),
        }
    };
    signature.sizes.iter().map(size).collect()
}
