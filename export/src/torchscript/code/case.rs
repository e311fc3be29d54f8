//! One case of a method: integers for its function, and the structure of its result.

use kiln_ir::{Case, Method, ModuleId, Type};

use super::{super::error::Error, binding::CaseBinding, scope::Scope, types};

/// A method in the making.
pub(super) struct Task<'a> {
    /// The method.
    pub(super) method: &'a Method,
    /// How its cases bind symbols.
    pub(super) bindings: Vec<CaseBinding<'a>>,
    /// Its module.
    pub(super) module: ModuleId,
    /// Variable of the result.
    pub(super) out: String,
    /// Type of the result.
    pub(super) result: String,
}

/// Assigns the results of a call, in the method's structure.
pub(super) fn assign(
    scope: &mut Scope<'_>,
    task: &Task<'_>,
    case: &Case,
    outputs: usize,
    call: &str,
) -> Result<(), Error> {
    let leaves = case.result_leaves(task.method).len();
    if outputs != leaves {
        let what = format!(
            "function {} has {outputs} outputs for {leaves} leaves",
            case.function.0
        );
        return Err(malformed(scope, what));
    }
    let out = &task.out;
    if let (Type::Tensor(_), 1) = (&task.method.result, outputs) {
        scope.line(&format!("{out} = {call}"));
        return Ok(());
    }
    let parts: Vec<String> = (0..outputs)
        .map(|position| scope.names.fresh(&format!("{out}_{position}")))
        .collect();
    match parts.as_slice() {
        [] => scope.line(call),
        [part] => scope.line(&format!("{part} = {call}")),
        parts => scope.line(&format!("{}, = {call}", parts.join(", "))),
    }
    let mut parts = parts.into_iter();
    let mut flags = case.results.iter();
    let all = task.method.result_leaves().into_iter();
    let all = all.map(|leaf| {
        let is_absent = leaf.optional && flags.next() == Some(&false);
        if is_absent { None } else { parts.next() }
    });
    let value = structure(
        &task.method.result,
        &mut all.collect::<Vec<_>>().into_iter(),
    )
    .ok_or_else(|| malformed(scope, "a result that is not made of tensors".to_owned()))?;
    // Otherwise the branches of the cases have values of different types.
    let mut cases = task.method.cases.iter();
    let differ = cases.any(|case| !case.results.is_empty());
    if differ || task.method.result.has_optional() {
        scope.line(&format!("{out} = annotate({}, {value})", task.result));
    } else {
        scope.line(&format!("{out} = {value}"));
    }
    Ok(())
}

/// An expression of the given type from its tensors, those that are absent included.
fn structure(ty: &Type, parts: &mut dyn Iterator<Item = Option<String>>) -> Option<String> {
    match ty {
        Type::Tensor(_) => parts.next()?,
        Type::Adjacency(_) => {
            let (rowptr, col) = (parts.next()??, parts.next()??);
            let value = parts.next()?.unwrap_or_else(|| "None".to_owned());
            Some(format!("({rowptr}, {col}, {value})"))
        }
        Type::Optional(inner) => {
            let leaves = inner.leaves("").len();
            let own: Vec<Option<String>> = parts.take(leaves).collect();
            if own.iter().any(Option::is_some) {
                structure(inner, &mut own.into_iter())
            } else {
                Some("None".to_owned())
            }
        }
        Type::Tuple(items) => {
            let items = items
                .iter()
                .map(|item| structure(item, parts))
                .collect::<Option<Vec<_>>>()?;
            Some(format!("({},)", items.join(", ")))
        }
        Type::List(items) => {
            let items = items.iter().map(|item| structure(item, parts));
            let items = items.collect::<Option<Vec<_>>>()?;
            let text = types::type_text(ty);
            Some(format!("annotate({text}, [{}])", items.join(", ")))
        }
        Type::Dict(entries) => {
            let mut items = Vec::with_capacity(entries.len());
            for (key, ty) in entries {
                let value = structure(ty, parts)?;
                // What is absent has no key.
                if value != "None" {
                    items.push(format!("{}: {value}", types::string(key)));
                }
            }
            Some(if items.is_empty() {
                format!("annotate({}, {{}})", types::type_text(ty))
            } else {
                format!("{{{}}}", items.join(", "))
            })
        }
        Type::Size(_) | Type::Flag | Type::Int(_) | Type::Float(_) | Type::Literal(_) => None,
    }
}

/// The message for optional arguments that no case takes.
pub(super) fn unknown_case(method: &Method) -> String {
    let leaves: Vec<String> = method
        .leaves()
        .into_iter()
        .filter(|leaf| leaf.optional)
        .map(|leaf| leaf.name)
        .collect();
    let cases: Vec<String> = method
        .cases
        .iter()
        .map(|case| {
            let given: Vec<&str> = leaves
                .iter()
                .zip(&case.present)
                .filter(|(_, present)| **present)
                .map(|(name, _)| name.as_str())
                .collect();
            if given.is_empty() {
                "none of them".to_owned()
            } else {
                given.join(" and ")
            }
        })
        .collect();
    format!(
        "{} was not exported for this choice of {}; it takes {}",
        method.name,
        leaves.join(", "),
        cases.join(", or ")
    )
}

pub(super) fn malformed(scope: &Scope<'_>, what: String) -> Error {
    Error::Malformed {
        place: scope.place.clone(),
        what,
    }
}
