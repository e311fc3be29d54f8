//! One `forward` for all overloads.
//!
//! A module with the methods `forward__0`, `forward__1`, ... and no `forward` gets one whose
//! parameters are the unions of theirs. It looks at the arguments' types and calls the overload
//! that takes them. This is the form of PyG's own `forward(x: Union[Tensor, OptPairTensor], ..)`.

use kiln_ir::{Literal, Method, Type};

use super::{method, names::Parameters, types};

/// A parameter of the union: its name, and its type in each overload that has it.
struct Parameter {
    name: String,
    types: Vec<Option<String>>,
    /// Its value in each overload that it selects.
    literals: Vec<Option<Literal>>,
    /// Whether it has floats in each overload in which it is a tensor, or a tuple that begins with
    /// one: TorchScript has one type for tensors of floats and of integers.
    floats: Vec<Option<bool>>,
}

impl Parameter {
    /// The distinct types that are not `Optional`, in order of the overloads.
    fn choices(&self) -> Vec<&str> {
        let mut choices = Vec::new();
        for ty in self.types.iter().flatten() {
            let ty = types::required(ty);
            if !choices.contains(&ty) {
                choices.push(ty);
            }
        }
        choices
    }

    /// Whether an overload can do without it. The first value of those that select stands for a
    /// value that is not given.
    fn may_miss(&self, overload: usize) -> bool {
        match self.types.get(overload) {
            Some(Some(ty)) => ty.starts_with("Optional[") || self.is_default(overload),
            _ => true,
        }
    }

    /// Whether an overload is selected by the value that the first such overload is selected by.
    fn is_default(&self, overload: usize) -> bool {
        let own = self.literal(overload);
        own.is_some() && own == self.literals.iter().flatten().next()
    }

    /// Its value in an overload that it selects.
    fn literal(&self, overload: usize) -> Option<&Literal> {
        self.literals.get(overload)?.as_ref()
    }

    /// Whether it has floats in some overloads and integers in others.
    fn differs_in_kind(&self, overloads: &[usize]) -> bool {
        let floats = |overload: &usize| self.floats.get(*overload).copied().flatten();
        let mut kinds = overloads.iter().filter_map(floats);
        let first = kinds.next();
        kinds.any(|kind| Some(kind) != first)
    }

    fn union(&self) -> String {
        let union = union(&self.choices());
        if (0..self.types.len()).any(|overload| self.may_miss(overload)) {
            types::optional(&union)
        } else {
            union
        }
    }
}

fn union(types: &[&str]) -> String {
    match types {
        [only] => (*only).to_owned(),
        types => format!("Union[{}]", types.join(", ")),
    }
}

/// The definition of the method that chooses among overloads.
pub(super) fn write(name: &str, overloads: &[&Method], names: &Parameters) -> String {
    let parameters = merge(overloads, names);
    let mut results: Vec<String> = Vec::new();
    for overload in overloads {
        let result = types::type_text(&overload.result);
        if !results.contains(&result) {
            results.push(result);
        }
    }
    let results: Vec<&str> = results.iter().map(String::as_str).collect();
    let mut dispatch = Dispatch {
        name,
        overloads,
        names,
        parameters: &parameters,
        out: names.other("out_"),
        cast: (results.len() > 1).then(|| union(&results)),
        result: union(&results),
        text: String::new(),
    };
    let candidates: Vec<usize> = (0..overloads.len()).collect();
    dispatch.decide(&candidates, 0, 2);

    let mut defaults = true;
    let mut list: Vec<String> = parameters
        .iter()
        .rev()
        .map(|parameter| {
            let union = parameter.union();
            defaults &= union.starts_with("Optional[");
            let default = if defaults { "=None" } else { "" };
            format!(",\n    {}: {union}{default}", parameter.name)
        })
        .collect();
    list.reverse();
    format!(
        "  def {name}(self{}) -> {}:\n{}    return {}\n",
        list.concat(),
        dispatch.result,
        dispatch.text,
        dispatch.out
    )
}

/// All parameters of the overloads, in an order that agrees with each of them.
fn merge(overloads: &[&Method], names: &Parameters) -> Vec<Parameter> {
    let mut merged: Vec<Parameter> = Vec::new();
    for (number, overload) in overloads.iter().enumerate() {
        let mut at = 0;
        let parameters = method::parameters(names, &overload.params).into_iter();
        for ((name, ty, _), param) in parameters.zip(&overload.params) {
            let position = merged.iter().position(|parameter| parameter.name == name);
            let position = position.unwrap_or_else(|| {
                merged.insert(
                    at,
                    Parameter {
                        name,
                        types: vec![None; overloads.len()],
                        literals: vec![None; overloads.len()],
                        floats: vec![None; overloads.len()],
                    },
                );
                at
            });
            at = position + 1;
            let Some(found) = merged.get_mut(position) else {
                continue;
            };
            if let Some(slot) = found.types.get_mut(number) {
                *slot = Some(ty);
            }
            if let Some(slot) = found.floats.get_mut(number) {
                *slot = has_floats(&param.ty);
            }
            if let (Some(slot), Type::Literal(literal)) =
                (found.literals.get_mut(number), &param.ty)
            {
                *slot = Some(literal.clone());
            }
        }
    }
    merged
}

/// Whether a tensor, or the first of a tuple, has floats.
fn has_floats(ty: &Type) -> Option<bool> {
    match ty {
        Type::Tensor(ty) => Some(ty.elem.is_float()),
        Type::Tuple(items) => match items.first()? {
            Type::Tensor(ty) => Some(ty.elem.is_float()),
            _ => None,
        },
        _ => None,
    }
}

struct Dispatch<'a> {
    name: &'a str,
    overloads: &'a [&'a Method],
    /// The parameters of the module's methods.
    names: &'a Parameters,
    /// Those of the overloads.
    parameters: &'a [Parameter],
    /// Variable of the result.
    out: String,
    /// Type to which results are cast, where overloads differ.
    cast: Option<String>,
    result: String,
    text: String,
}

impl Dispatch<'_> {
    fn line(&mut self, indent: usize, text: &str) {
        self.text.push_str(&"  ".repeat(indent));
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Tests the parameters from the given one on, until one overload is left.
    fn decide(&mut self, candidates: &[usize], position: usize, indent: usize) {
        let Some(parameter) = self.parameters.get(position) else {
            return self.call(candidates, indent);
        };
        let choices = parameter.choices();
        let plain = |overload: &usize| {
            let ty = parameter.types.get(*overload).cloned().flatten();
            ty.as_deref() == Some(parameter.union().as_str())
                && parameter.literal(*overload).is_none()
        };
        if candidates.iter().all(plain) && !parameter.differs_in_kind(candidates) {
            return self.decide(candidates, position + 1, indent);
        }
        let mut indent = indent;
        if parameter.union().starts_with("Optional[") {
            let without: Vec<usize> = candidates
                .iter()
                .copied()
                .filter(|&overload| parameter.may_miss(overload))
                .collect();
            self.line(indent, &format!("if {} is None:", parameter.name));
            self.decide_or_raise(&without, position + 1, indent + 1);
            self.line(indent, "else:");
            indent += 1;
        }
        for (number, choice) in choices.iter().enumerate() {
            let fitting: Vec<usize> = candidates
                .iter()
                .copied()
                .filter(|&overload| {
                    let ty = parameter.types.get(overload).cloned().flatten();
                    ty.is_some_and(|ty| types::required(&ty) == *choice)
                })
                .collect();
            if number + 1 == choices.len() {
                self.by_value(&fitting, position, indent);
            } else {
                self.line(
                    indent,
                    &format!("if isinstance({}, {choice}):", parameter.name),
                );
                self.by_value(&fitting, position, indent + 1);
                self.line(indent, "else:");
                indent += 1;
            }
        }
    }

    /// Tests the value of a parameter, where it selects, and goes on to the next parameter.
    fn by_value(&mut self, candidates: &[usize], position: usize, indent: usize) {
        let Some(parameter) = self.parameters.get(position) else {
            return self.decide_or_raise(candidates, position + 1, indent);
        };
        let mut values = Vec::new();
        for literal in candidates.iter().filter_map(|&one| parameter.literal(one)) {
            if !values.contains(&literal) {
                values.push(literal);
            }
        }
        let any = |overload: &usize| parameter.literal(*overload).is_none();
        let mut indent = indent;
        for value in values {
            let is_of =
                |overload: &usize| any(overload) || parameter.literal(*overload) == Some(value);
            let fitting: Vec<usize> = candidates.iter().copied().filter(is_of).collect();
            let test = format!("if {} == {}:", parameter.name, types::literal(value));
            self.line(indent, &test);
            self.decide_or_raise(&fitting, position + 1, indent + 1);
            self.line(indent, "else:");
            indent += 1;
        }
        let others: Vec<usize> = candidates.iter().copied().filter(any).collect();
        self.by_kind(&others, position, indent);
    }

    /// Tests whether a tensor has floats, where overloads differ in that, and goes on to the next
    /// parameter.
    fn by_kind(&mut self, candidates: &[usize], position: usize, indent: usize) {
        let parameter = self.parameters.get(position);
        let Some(parameter) = parameter.filter(|one| one.differs_in_kind(candidates)) else {
            return self.decide_or_raise(candidates, position + 1, indent);
        };
        let (floats, integers): (Vec<usize>, Vec<usize>) = candidates
            .iter()
            .partition(|&&one| parameter.floats.get(one).copied().flatten() != Some(false));
        let ty = candidates
            .first()
            .and_then(|&one| parameter.types.get(one).cloned()?);
        let ty = ty.unwrap_or_default();
        let ty = types::required(&ty);
        let first = if ty == "Tensor" { "" } else { "[0]" };
        let tensor = format!("(unchecked_cast({ty}, {})){first}", parameter.name);
        let test = format!("if torch.is_floating_point({tensor}):");
        self.line(indent, &test);
        self.decide_or_raise(&floats, position + 1, indent + 1);
        self.line(indent, "else:");
        self.decide_or_raise(&integers, position + 1, indent + 1);
    }

    fn decide_or_raise(&mut self, candidates: &[usize], position: usize, indent: usize) {
        if candidates.is_empty() {
            let message = format!("no overload of {} takes these arguments", self.name);
            self.line(indent, &types::raise(&message));
            let result = self.result.clone();
            self.line(indent, &format!("{} = uninitialized({result})", self.out));
        } else {
            self.decide(candidates, position, indent);
        }
    }

    fn call(&mut self, candidates: &[usize], indent: usize) {
        let Some(overload) = candidates
            .first()
            .and_then(|&number| self.overloads.get(number))
        else {
            return;
        };
        let arguments: Vec<String> = method::parameters(self.names, &overload.params)
            .into_iter()
            .zip(&overload.params)
            .map(|((name, ty, _), param)| {
                let parameter = self
                    .parameters
                    .iter()
                    .find(|parameter| parameter.name == name);
                if let Type::Literal(literal) = &param.ty {
                    return types::literal(literal);
                }
                match parameter {
                    Some(parameter) if parameter.union() != ty => {
                        format!("unchecked_cast({ty}, {name})")
                    }
                    _ => name,
                }
            })
            .collect();
        let call = format!("self.{}({})", overload.name, arguments.join(", "));
        match &self.cast {
            Some(cast) => {
                let line = format!("{} = unchecked_cast({cast}, {call})", self.out);
                self.line(indent, &line);
            }
            None => self.line(indent, &format!("{} = {call}", self.out)),
        }
    }
}
