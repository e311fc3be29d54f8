//! The type of a method's result: one for all its cases, with optional parts where some have none.

use super::recording::Structure;
use crate::program::{Case, TensorType, Type};

/// Type of a result from those of its tensors.
pub(super) fn result_type(
    structure: &Structure,
    outputs: &mut dyn Iterator<Item = TensorType>,
) -> Type {
    match structure {
        Structure::Tensor => outputs.next().map_or_else(nothing, Type::Tensor),
        Structure::Adjacency { value } => {
            let count = if *value { 3 } else { 2 };
            Type::Tuple(outputs.take(count).map(Type::Tensor).collect())
        }
        Structure::Dict(entries) => {
            let entries = entries.iter();
            let entry = |(key, one): &(String, Structure)| (key.clone(), result_type(one, outputs));
            Type::Dict(entries.map(entry).collect())
        }
        Structure::Tuple(items) => {
            let items = items.iter().map(|item| result_type(item, outputs));
            Type::Tuple(items.collect())
        }
        Structure::List(items) => {
            let items = items.iter().map(|item| result_type(item, outputs));
            Type::List(items.collect())
        }
        Structure::None => nothing(),
    }
}

/// The type of what is absent: optional, and nothing is known of it.
fn nothing() -> Type {
    Type::Optional(Box::new(Type::Tuple(Vec::new())))
}

/// The type of the results of all cases, if they differ in absent parts alone. Each case is told
/// which optional parts it has.
pub(super) fn unite(types: &[Type], cases: &mut [Case]) -> Option<Type> {
    let (first, others) = types.split_first()?;
    let mut united = first.clone();
    for other in others {
        united = both(&united, other)?;
    }
    if united.has_optional() {
        for (case, own) in cases.iter_mut().zip(types) {
            let mut flags = Vec::new();
            presence(&united, own, false, &mut flags);
            case.results = if flags.contains(&false) {
                flags
            } else {
                Vec::new()
            };
        }
    }
    Some(united)
}

/// The type of values of either type.
fn both(a: &Type, b: &Type) -> Option<Type> {
    let all = |a: &[Type], b: &[Type]| -> Option<Vec<Type>> {
        let same = a.len() == b.len();
        same.then(|| a.iter().zip(b).map(|(a, b)| both(a, b)).collect())?
    };
    let optional = |ty: &Type| match ty {
        Type::Optional(_) => ty.clone(),
        ty => Type::Optional(Box::new(ty.clone())),
    };
    Some(match (a, b) {
        _ if a == b => a.clone(),
        (absent, ty) | (ty, absent) if *absent == nothing() => optional(ty),
        (Type::Optional(a), Type::Optional(b)) => Type::Optional(Box::new(both(a, b)?)),
        (Type::Optional(inner), ty) | (ty, Type::Optional(inner)) => {
            Type::Optional(Box::new(both(inner, ty)?))
        }
        (Type::Tuple(a), Type::Tuple(b)) => Type::Tuple(all(a, b)?),
        (Type::List(a), Type::List(b)) => Type::List(all(a, b)?),
        (Type::Dict(a), Type::Dict(b)) => {
            let keys = |entries: &[(String, Type)]| -> Vec<String> {
                entries.iter().map(|(key, _)| key.clone()).collect()
            };
            let types = |entries: &[(String, Type)]| -> Vec<Type> {
                entries.iter().map(|(_, ty)| ty.clone()).collect()
            };
            if keys(a) != keys(b) {
                return None;
            }
            Type::Dict(
                keys(a)
                    .into_iter()
                    .zip(all(&types(a), &types(b))?)
                    .collect(),
            )
        }
        _ => return None,
    })
}

/// For each optional leaf of a type, whether a value of the other type has it.
fn presence(united: &Type, own: &Type, optional: bool, flags: &mut Vec<bool>) {
    match (united, own) {
        (Type::Optional(inner), own) if *own == nothing() => {
            flags.extend(inner.leaves("").iter().map(|_| false));
        }
        (Type::Optional(inner), Type::Optional(own)) => presence(inner, own, true, flags),
        (Type::Optional(inner), own) => presence(inner, own, true, flags),
        (Type::Tuple(united), Type::Tuple(own)) | (Type::List(united), Type::List(own)) => {
            let items = united.iter().zip(own);
            items.for_each(|(united, own)| presence(united, own, optional, flags));
        }
        (Type::Dict(united), Type::Dict(own)) => {
            let items = united.iter().zip(own);
            items.for_each(|((_, united), (_, own))| presence(united, own, optional, flags));
        }
        _ if optional => flags.push(true),
        _ => {}
    }
}
