//! From named inputs to a function, its arguments and the values of symbols.

use std::collections::{BTreeMap, HashMap};

use burn::{
    backend::{
        Dispatch, DispatchTensor,
        ops::{BoolTensorOps, FloatTensorOps},
    },
    tensor::DType,
};
use kiln_core::{AnyTensor, size_to_i64};

use super::{ExecError, Kind, Session, eval::float_dtype, indices::are_small};
use crate::{
    leaf::Leaf,
    program::{Case, ElemType, FunctionId, Method, Program, SymbolId},
    size::Size,
    text::Words,
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
    pub(super) symbols: HashMap<SymbolId, i64>,
}

/// Resolves the case, checks types and sizes, and binds symbols.
pub(super) fn bind(
    session: &Session,
    method: &Method,
    mut inputs: BTreeMap<String, AnyTensor>,
) -> Result<Call, ExecError> {
    let program = &session.program;
    let words = Words(program);
    let leaves = method.leaves();
    let known = |name: &str| {
        leaves.iter().any(|leaf| leaf.name == name) || method.sizes().any(|(size, _)| size == name)
    };
    if let Some(name) = inputs.keys().find(|name| !known(name)) {
        let method = words.signature(method);
        return Err(ExecError::UnknownInput {
            name: name.clone(),
            method,
        });
    }
    if let Some(leaf) = leaves
        .iter()
        .find(|leaf| !leaf.optional && !inputs.contains_key(&leaf.name))
    {
        return Err(ExecError::MissingInput {
            name: leaf.name.clone(),
            expected: words.tensor_type(leaf.ty),
            method: words.signature(method),
        });
    }
    for leaf in &leaves {
        if let Some(tensor) = inputs.get(&leaf.name)
            && !fits(leaf, tensor)
        {
            let (name, got) = (leaf.name.clone(), type_of(tensor));
            return Err(ExecError::Type {
                name,
                expected: words.tensor_type(leaf.ty),
                got,
            });
        }
    }
    let case = case(method, &leaves, &inputs).ok_or_else(|| {
        let optional = leaves
            .iter()
            .filter(|leaf| leaf.optional && inputs.contains_key(&leaf.name));
        let given: Vec<&str> = optional.map(|leaf| leaf.name.as_str()).collect();
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
    let present: Vec<Leaf<'_>> = leaves
        .into_iter()
        .filter(|leaf| inputs.contains_key(&leaf.name))
        .collect();
    let sizes = sizes(method, &mut inputs)?;
    let symbols = Binder {
        program,
        method,
        present: &present,
        inputs: &inputs,
    }
    .bind(&sizes)?;
    for &symbol in program.needs(case.function) {
        if !symbols.contains_key(&symbol) {
            return Err(ExecError::Unbound {
                symbol: program.symbol_name(symbol).into_owned(),
                method: words.signature(method),
                inputs: method
                    .sizes()
                    .map(|(name, _)| format!("\"{name}\""))
                    .collect(),
            });
        }
    }
    let mut names = Vec::with_capacity(present.len());
    let mut arguments = Vec::with_capacity(present.len());
    let indices = indices(session, case.function, present.len(), &symbols);
    for (leaf, is_index) in present.into_iter().zip(&indices) {
        if let Some(tensor) = inputs.remove(&leaf.name) {
            let tensor = on_device(session, &leaf.name, leaf.ty.elem, *is_index, tensor)?;
            arguments.push(Some(tensor));
            names.push(leaf.name);
        }
    }
    Ok(Call {
        function: case.function,
        names,
        indices,
        arguments,
        symbols,
    })
}

/// For each input that is a tensor, whether its integers are indices of 32 bits.
fn indices(
    session: &Session,
    function: FunctionId,
    count: usize,
    symbols: &HashMap<SymbolId, i64>,
) -> Vec<bool> {
    let evaluate = |size: &Size| size.evaluate(|symbol| symbols.get(&symbol).copied());
    let is_index = |bounds: &Option<Vec<Size>>| {
        let bounds = bounds.as_ref();
        bounds.is_some_and(|bounds| are_small(bounds, evaluate))
    };
    let inputs = session.indices.get(function.index());
    let inputs = inputs.map_or(&[][..], Vec::as_slice).iter().map(is_index);
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
pub(super) fn accepts(method: &Method, inputs: &BTreeMap<String, AnyTensor>) -> bool {
    let leaves = method.leaves();
    let sizes: Vec<&str> = method.sizes().map(|(name, _)| name).collect();
    let takes = |(name, tensor): (&String, &AnyTensor)| {
        let leaf = leaves.iter().find(|leaf| leaf.name == *name);
        leaf.is_some_and(|leaf| fits(leaf, tensor)) || sizes.contains(&name.as_str())
    };
    inputs.iter().all(takes)
        && leaves
            .iter()
            .all(|leaf| leaf.optional || inputs.contains_key(&leaf.name))
        && case(method, &leaves, inputs).is_some()
}

fn case<'m>(
    method: &'m Method,
    leaves: &[Leaf<'_>],
    inputs: &BTreeMap<String, AnyTensor>,
) -> Option<&'m Case> {
    let optional = leaves.iter().filter(|leaf| leaf.optional);
    let present: Vec<bool> = optional
        .map(|leaf| inputs.contains_key(&leaf.name))
        .collect();
    method.cases.iter().find(|case| case.present == present)
}

/// Whether element type and rank are those of the leaf; every integer type is good if its integers
/// fit.
fn fits(leaf: &Leaf<'_>, tensor: &AnyTensor) -> bool {
    is_of(leaf.ty.elem, tensor) && tensor.shape().num_dims() == leaf.ty.dims.len()
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

/// Name of a size parameter, and the values of its symbols.
type GivenSize = (String, [(SymbolId, i64); 2]);

/// Takes the size parameters out of the inputs; their values.
pub(super) fn sizes(
    method: &Method,
    inputs: &mut BTreeMap<String, AnyTensor>,
) -> Result<Vec<GivenSize>, ExecError> {
    let mut found = Vec::new();
    for (name, [src, dst]) in method.sizes() {
        let Some(tensor) = inputs.remove(name) else {
            continue;
        };
        let got = type_of(&tensor);
        let error = || ExecError::Type {
            name: name.to_owned(),
            expected: "i64[2]".to_owned(),
            got,
        };
        let is_pair = tensor.shape().num_dims() == 1 && tensor.shape()[0] == 2;
        if tensor.kind() != kiln_core::Kind::Int || !is_pair {
            return Err(error());
        }
        let data = tensor.int::<1>().into_data().convert_dtype(DType::I64);
        match data.as_slice::<i64>() {
            Ok([a, b]) => found.push((name.to_owned(), [(src, *a), (dst, *b)])),
            Ok(_) | Err(_) => return Err(error()),
        }
    }
    Ok(found)
}

/// Checks that size parameters agree with what is bound.
pub(super) fn check_sizes(
    program: &Program,
    sizes: &[GivenSize],
    bound: &HashMap<SymbolId, i64>,
) -> Result<(), ExecError> {
    for (name, pair) in sizes {
        for (axis, &(symbol, got)) in pair.iter().enumerate() {
            let expected = bound.get(&symbol).copied().unwrap_or(got);
            if expected != got || got < 0 {
                let symbol = Words(program).symbol(symbol);
                return Err(ExecError::Size {
                    name: name.clone(),
                    ty: "i64[2]".to_owned(),
                    axis,
                    expected: format!("{symbol} = {}", expected.max(0)),
                    got,
                });
            }
        }
    }
    Ok(())
}

/// Finds the values of symbols, in the order that invariant 24 gives, and checks all dimensions.
struct Binder<'a> {
    program: &'a Program,
    method: &'a Method,
    present: &'a [Leaf<'a>],
    inputs: &'a BTreeMap<String, AnyTensor>,
}

impl Binder<'_> {
    fn bind(&self, sizes: &[GivenSize]) -> Result<HashMap<SymbolId, i64>, ExecError> {
        let mut bound: HashMap<SymbolId, i64> = HashMap::new();
        for (leaf, axis, size) in self.dims() {
            if let Some(symbol) = leaf.ty.dims.get(axis).and_then(Size::as_symbol) {
                bound.entry(symbol).or_insert(size);
            }
        }
        for (_, pair) in sizes {
            for &(symbol, value) in pair {
                bound.entry(symbol).or_insert(value);
            }
        }
        check_sizes(self.program, sizes, &bound)?;
        while let Some((symbol, value)) = self.solve(&bound).or_else(|| self.default(&bound)) {
            bound.insert(symbol, value);
        }
        for (leaf, axis, size) in self.dims() {
            let Some(dim) = leaf.ty.dims.get(axis) else {
                continue;
            };
            let expected = dim.evaluate(|symbol| bound.get(&symbol).copied());
            if expected == Some(size) {
                continue;
            }
            let words = Words(self.program);
            let mut text = words.size(dim);
            if let Some(expected) = expected
                && dim.as_fixed().is_none()
            {
                text = format!("{text} = {expected}");
            }
            return Err(ExecError::Size {
                name: leaf.name.clone(),
                ty: words.tensor_type(leaf.ty),
                axis,
                expected: text,
                got: size,
            });
        }
        Ok(bound)
    }

    /// All dimensions of the inputs: leaf, axis, size.
    fn dims(&self) -> impl Iterator<Item = (&Leaf<'_>, usize, i64)> {
        self.present.iter().flat_map(|leaf| {
            let shape = self.inputs.get(&leaf.name).map(AnyTensor::shape);
            let sizes: Vec<usize> = shape
                .iter()
                .flat_map(|shape| shape.iter().copied())
                .collect();
            let sized = sizes.into_iter().enumerate();
            sized.map(move |(axis, size)| (leaf, axis, size_to_i64(size)))
        })
    }

    /// A symbol that is the only unknown of a dimension, and its value.
    fn solve(&self, bound: &HashMap<SymbolId, i64>) -> Option<(SymbolId, i64)> {
        self.dims().find_map(|(leaf, axis, size)| {
            let dim = leaf.ty.dims.get(axis)?;
            let (symbol, coefficient) = dim.solvable(|symbol| bound.contains_key(&symbol))?;
            let rest = dim.evaluate(|other| {
                if other == symbol {
                    Some(0)
                } else {
                    bound.get(&other).copied()
                }
            })?;
            let value = size.checked_sub(rest)?.checked_div(coefficient)?;
            // A remainder shows when the dimension is checked.
            (value >= 0).then_some((symbol, value))
        })
    }

    fn default(&self, bound: &HashMap<SymbolId, i64>) -> Option<(SymbolId, i64)> {
        let mut free = self
            .method
            .defaults
            .iter()
            .filter(|(symbol, _)| !bound.contains_key(symbol));
        free.find_map(|(symbol, other)| Some((*symbol, *bound.get(other)?)))
    }
}
