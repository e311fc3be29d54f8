//! The signature of a method: types of its parameters and of its result.

use kiln_core::{
    Kind, Signature,
    signature::{Dim, Param as InputParam, Type as InputType},
    size_to_i64,
};

use super::lift;
use crate::{
    program::{ElemType, Param, SymbolId, TensorType, Type},
    size::Size,
};

/// What declared types mean in a program.
pub(super) struct Declaration<'a> {
    /// Names of the symbols, and what they are in the program.
    pub(super) symbols: &'a [(String, SymbolId)],
    /// Type of floats that the declaration leaves open.
    pub(super) float: ElemType,
}

impl Declaration<'_> {
    /// The parameters of a method; the error is the name of one that has no type in a program.
    pub(super) fn params(&self, signature: &Signature) -> Result<Vec<Param>, String> {
        let param = |InputParam { name, ty }: &InputParam| {
            let ty = self.parameter_type(ty).ok_or_else(|| name.clone())?;
            let name = name.clone();
            Ok(Param { name, ty })
        };
        signature.params.iter().map(param).collect()
    }

    fn lookup(&self, name: &str) -> Option<SymbolId> {
        let symbol = self.symbols.iter().find(|(other, _)| other == name);
        symbol.map(|&(_, id)| id)
    }

    fn size(&self, dim: &Dim) -> Size {
        match dim {
            Dim::Fixed(n) => Size::fixed(size_to_i64(*n)),
            Dim::Symbol(name) => self.lookup(name).map_or_else(Size::default, Size::symbol),
        }
    }

    /// A declared input's type in the program.
    ///
    /// `None` if a program has no such element type.
    fn parameter_type(&self, ty: &InputType) -> Option<Type> {
        let size = |dim: &Dim| self.size(dim);
        let tensor = |elem, dims| TensorType { elem, dims };
        Some(match ty {
            InputType::Tensor { kind, dtype, dims } => {
                let elem = match (dtype, kind) {
                    (Some(dtype), _) => lift::elem(*dtype)?,
                    (None, Kind::Float) => self.float,
                    (None, Kind::Int) => ElemType::I64,
                    (None, Kind::Bool) => ElemType::Bool,
                };
                Type::Tensor(tensor(elem, dims.iter().map(size).collect()))
            }
            InputType::EdgeIndex {
                src: _,
                dst: _,
                edges,
            } => Type::Tensor(tensor(ElemType::I64, vec![Size::fixed(2), size(edges)])),
            InputType::Adjacency { src: _, dst, edges } => Type::Adjacency(Box::new([
                tensor(ElemType::I64, vec![&size(dst) + &Size::fixed(1)]),
                tensor(ElemType::I64, vec![size(edges)]),
                tensor(self.float, vec![size(edges)]),
            ])),
            InputType::Optional(inner) => Type::Optional(Box::new(self.parameter_type(inner)?)),
            InputType::Tuple(items) => Type::Tuple(
                items
                    .iter()
                    .map(|item| self.parameter_type(item))
                    .collect::<Option<_>>()?,
            ),
            InputType::Size { src, dst } => {
                let id = |dim: &Dim| {
                    dim.symbol()
                        .and_then(|name| self.lookup(name))
                        .unwrap_or(SymbolId(u32::MAX))
                };
                Type::Size([id(src), id(dst)])
            }
            InputType::Dict(entries) => {
                let entry =
                    |(key, ty): &(String, InputType)| Some((key.clone(), self.parameter_type(ty)?));
                Type::Dict(entries.iter().map(entry).collect::<Option<_>>()?)
            }
            InputType::List(items) => {
                let items = items.iter().map(|item| self.parameter_type(item));
                Type::List(items.collect::<Option<_>>()?)
            }
            InputType::Flag => Type::Flag,
            InputType::Int(dim) => match self.size(dim).as_symbol() {
                Some(symbol) => Type::Int(symbol),
                None => return None,
            },
            InputType::Float => Type::float(self.float),
            // Each variant has one.
            InputType::OneOf(literals) => match literals.as_slice() {
                [only] => Type::Literal(only.clone()),
                _ => return None,
            },
        })
    }

    /// Targets that nothing counts are as many as sources, as in PyG.
    pub(super) fn defaults(&self, signature: &Signature) -> Vec<(SymbolId, SymbolId)> {
        let mut defaults: Vec<(SymbolId, SymbolId)> = Vec::new();
        for param in &signature.params {
            let InputType::EdgeIndex { src, dst, edges: _ } = &param.ty else {
                continue;
            };
            let ends = [dst, src].map(|end| end.symbol().and_then(|name| self.lookup(name)));
            // Several kinds of edges may lead to the same targets.
            if let [Some(dst), Some(src)] = ends
                && dst != src
                && defaults.iter().all(|(known, _)| *known != dst)
            {
                defaults.push((dst, src));
            }
        }
        defaults
    }
}

/// Names of the symbols of a signature, in order of appearance.
pub(super) fn symbol_names(signature: &Signature) -> Vec<String> {
    fn collect(ty: &InputType, names: &mut Vec<String>) {
        let push = &mut |dim: &Dim| {
            if let Some(name) = dim.symbol()
                && !names.iter().any(|other| other == name)
            {
                names.push(name.to_owned());
            }
        };
        match ty {
            InputType::Tensor { dims, .. } => dims.iter().for_each(push),
            InputType::EdgeIndex { src, dst, edges } | InputType::Adjacency { src, dst, edges } => {
                [src, dst, edges].into_iter().for_each(push);
            }
            InputType::Size { src, dst } => [src, dst].into_iter().for_each(push),
            InputType::Optional(inner) => collect(inner, names),
            InputType::Tuple(items) | InputType::List(items) => {
                for item in items {
                    collect(item, names);
                }
            }
            InputType::Dict(entries) => entries.iter().for_each(|(_, ty)| collect(ty, names)),
            InputType::Int(dim) => push(dim),
            InputType::Flag | InputType::Float | InputType::OneOf(_) => {}
        }
    }
    let mut names = Vec::new();
    for param in &signature.params {
        collect(&param.ty, &mut names);
    }
    names
}
