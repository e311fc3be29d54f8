//! From named inputs to a function, its arguments and the values of symbols.

use std::collections::BTreeMap;

use burn::{
    backend::{
        Dispatch, DispatchTensor,
        ops::{BoolTensorOps, FloatTensorOps},
    },
    tensor::{DType, Shape, Tensor, TensorData},
};
use kiln_core::{AnyTensor, size_to_i64};

use super::{
    Argument, ExecError, Kind, Session,
    call::Call,
    empty,
    indices::are_small,
    signature::{CasePlan, Input, Signature, SizeInput},
    width::float_dtype,
};
use crate::{
    program::{ElemType, Literal, Method, Program, Type},
    size::Size,
    text::Words,
    validate::{Axis, BindError, SymbolValues},
};

/// Resolves the case, checks types and sizes, and binds symbols.
pub(super) fn bind<'s>(
    session: &Session,
    method: &Method,
    signature: &'s Signature,
    mut inputs: BTreeMap<String, Argument>,
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
    literals(signature, &mut inputs)?;
    let sizes = sizes(signature, &mut inputs)?;
    for (input, given) in signature.sizes.iter().zip(&sizes) {
        if given.is_none() && !input.optional {
            return Err(ExecError::MissingInput {
                name: input.name.clone(),
                expected: input.expected(),
                method: words.signature(method),
            });
        }
    }
    let mut inputs = tensors(session, signature, inputs)?;
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
            let symbol = method.sizes().nth(size).map(|one| one.symbols[part]);
            let symbol = symbol
                .map(|symbol| words.symbol(symbol))
                .unwrap_or_default();
            let input = &signature.sizes[size];
            let (name, expected) = (input.name.clone(), format!("{symbol} = {expected}"));
            if input.count == 1 {
                return ExecError::Int {
                    name,
                    expected,
                    got,
                };
            }
            ExecError::Size {
                name,
                ty: input.expected(),
                axis: part,
                expected,
                got,
            }
        }
        BindError::Unbound(symbol) => {
            let sizes = signature.sizes.iter();
            ExecError::Unbound {
                symbol: program.symbol_name(symbol).into_owned(),
                method: words.signature(method),
                inputs: sizes.map(|size| format!("\"{}\"", size.name)).collect(),
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
pub(super) fn accepts(signature: &Signature, inputs: &BTreeMap<String, Argument>) -> bool {
    let fit = |input: &Input| match inputs.get(&input.name) {
        Some(Argument::Tensor(tensor)) => fits(input, tensor),
        Some(Argument::Float(_)) => is_float(input),
        Some(Argument::Int(_) | Argument::Literal(_)) => false,
        None => input.optional,
    };
    let fit_size = |size: &SizeInput| match inputs.get(&size.name) {
        Some(argument) => integers(size, argument).is_some(),
        None => size.optional,
    };
    let is_chosen = |(name, literal): &(String, Literal)| {
        let given = inputs.get(name);
        given.is_some_and(|given| is_literal(given, literal))
    };
    inputs.keys().all(|name| signature.has(name))
        && signature.inputs.iter().all(fit)
        && signature.sizes.iter().all(fit_size)
        && signature.literals.iter().all(is_chosen)
        && case(signature, inputs).is_some()
}

fn case<'s, T>(signature: &'s Signature, inputs: &BTreeMap<String, T>) -> Option<&'s CasePlan> {
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
pub(super) fn describe(inputs: &BTreeMap<String, Argument>) -> String {
    let one = |(name, argument): (&String, &Argument)| format!("{name}: {argument}");
    format!(
        "({})",
        inputs.iter().map(one).collect::<Vec<_>>().join(", ")
    )
}

/// Takes the parameters that select a method out of the inputs; those given must have the values of
/// this one.
pub(super) fn literals(
    signature: &Signature,
    inputs: &mut BTreeMap<String, Argument>,
) -> Result<(), ExecError> {
    for (name, literal) in &signature.literals {
        if let Some(given) = inputs.remove(name)
            && !is_literal(&given, literal)
        {
            return Err(ExecError::Type {
                name: name.clone(),
                expected: literal.to_string(),
                got: given.to_string(),
            });
        }
    }
    Ok(())
}

fn is_literal(argument: &Argument, expected: &Literal) -> bool {
    matches!(argument, Argument::Literal(literal) if literal == expected)
}

/// Takes the parameters that are integers out of the inputs; their values.
pub(super) fn sizes(
    signature: &Signature,
    inputs: &mut BTreeMap<String, Argument>,
) -> Result<Vec<Option<Vec<i64>>>, ExecError> {
    let size = |size: &SizeInput| {
        let Some(argument) = inputs.remove(&size.name) else {
            return Ok(None);
        };
        let values = integers(size, &argument).map(Some);
        values.ok_or_else(|| ExecError::Type {
            name: size.name.clone(),
            expected: size.expected(),
            got: argument.to_string(),
        })
    };
    signature.sizes.iter().map(size).collect()
}

/// The integers of an argument, if it has as many as the parameter.
fn integers(size: &SizeInput, argument: &Argument) -> Option<Vec<i64>> {
    let tensor = match argument {
        Argument::Int(value) if size.count == 1 => return Some(vec![*value]),
        Argument::Tensor(tensor) => tensor,
        Argument::Int(_) | Argument::Float(_) | Argument::Literal(_) => return None,
    };
    let shape = tensor.shape();
    if tensor.kind() != kiln_core::Kind::Int || *shape != [size.count] {
        return None;
    }
    let data = tensor.clone().int::<1>().into_data();
    data.convert_dtype(DType::I64).try_to_vec().ok()
}

/// Whether an input is a tensor of one float.
fn is_float(input: &Input) -> bool {
    input.ty.elem.is_float() && input.ty == Type::float_tensor(input.ty.elem)
}

/// The inputs as tensors; a float becomes one where the method takes a tensor of one float.
pub(super) fn tensors(
    session: &Session,
    signature: &Signature,
    inputs: BTreeMap<String, Argument>,
) -> Result<BTreeMap<String, AnyTensor>, ExecError> {
    let tensor = |(name, argument): (String, Argument)| {
        let input = signature.inputs.iter().find(|input| input.name == name);
        let tensor = match (argument, input) {
            (Argument::Tensor(tensor), _) => tensor,
            (Argument::Float(value), Some(input)) if is_float(input) => {
                let dtype = DType::from(float_dtype(input.ty.elem));
                let data = TensorData::new(vec![value], [1]).convert_dtype(dtype);
                Tensor::<1>::from_data(data, (&session.device, dtype)).into()
            }
            (argument, input) => {
                let words = Words(&session.program);
                let expected = input.map(|input| words.tensor_type(&input.ty));
                return Err(ExecError::Type {
                    name,
                    expected: expected.unwrap_or_default(),
                    got: argument.to_string(),
                });
            }
        };
        Ok((name, tensor))
    };
    inputs.into_iter().map(tensor).collect()
}
