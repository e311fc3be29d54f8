//! Invariants 6, 7 and 22 to 24: methods, their cases, and how inputs bind symbols.

use std::collections::HashSet;

use super::{Binding, Bindings, Check, Kind, Place, Symbols, ids};
use crate::{
    leaf::{Leaf, MAX_TYPE_DEPTH},
    program::{Case, Function, Method, ModuleId, Param, SymbolId, TensorType, Type, ValueType},
    size::Size,
    text::Words,
};

impl Check<'_> {
    /// Invariants 6 and 7.
    pub(super) fn methods(&mut self) {
        let program = self.program;
        for (id, module) in ids(&program.modules) {
            let module_id = ModuleId(id);
            if module.kind.is_empty() {
                let expected = "a class name";
                let kind = Kind::Name {
                    what: "kind of module",
                    expected,
                    name: String::new(),
                };
                self.report(Place::Module(module_id), 6, kind);
            }
            let mut seen = HashSet::new();
            for (position, method) in module.methods.iter().enumerate() {
                let place = Place::Method(module_id, position);
                self.identifier(place, 6, "method", &method.name, &mut seen);
                let mut names = HashSet::new();
                for param in &method.params {
                    self.identifier(place, 6, "parameter", &param.name, &mut names);
                    self.alone(place, param);
                    self.keys(place, &param.ty, MAX_TYPE_DEPTH);
                }
                self.keys(place, &method.result, MAX_TYPE_DEPTH);
                self.cases(module_id, position, method);
                if self.is_full() {
                    return;
                }
            }
        }
    }

    /// Checks that integers and literals are parameters themselves and no parts of one.
    fn alone(&mut self, place: Place, param: &Param) {
        let inner = match &param.ty {
            Type::Optional(inner) if matches!(**inner, Type::Int(_)) => return,
            Type::Int(_) | Type::Literal(_) => return,
            ty => ty,
        };
        if let Some(what) = inner.stray(MAX_TYPE_DEPTH) {
            let name = param.name.clone();
            self.report(place, 6, Kind::Part { what, name });
        }
    }

    /// Checks that the keys of each dictionary differ. Types nested too deep are reported
    /// elsewhere.
    fn keys(&mut self, place: Place, ty: &Type, depth: usize) {
        let Some(below) = depth.checked_sub(1) else {
            return;
        };
        if let Type::Dict(entries) = ty {
            let mut seen = HashSet::new();
            for (key, _) in entries {
                if !seen.insert(key) {
                    let (what, name) = ("key", key.clone());
                    self.report(place, 6, Kind::DuplicateName { what, name });
                }
            }
        }
        for part in ty.parts() {
            self.keys(place, part, below);
        }
    }

    fn cases(&mut self, module: ModuleId, position: usize, method: &Method) {
        let leaves = method.leaves();
        let optional = leaves.iter().filter(|leaf| leaf.optional).count();
        if method.cases.is_empty() {
            let expected = "at least 1".to_owned();
            let kind = Kind::Count {
                what: "cases",
                expected,
                got: 0,
            };
            self.report(Place::Method(module, position), 7, kind);
        }
        let mut seen = HashSet::new();
        for (number, case) in method.cases.iter().enumerate() {
            let place = Place::Case(module, position, number);
            let Case {
                present,
                results,
                function,
            } = case;
            self.results(place, method, results);
            if present.len() == optional {
                let mut flags = present.iter().copied();
                for param in &method.params {
                    self.groups(place, param, &mut flags);
                }
            } else {
                let expected = optional.to_string();
                let what = "presence flags, one for each optional input";
                self.report(
                    place,
                    7,
                    Kind::Count {
                        what,
                        expected,
                        got: present.len(),
                    },
                );
            }
            if !seen.insert(present) {
                self.report(place, 7, Kind::DuplicateCase);
            }
            match self.program.functions.get(function.index()) {
                Some(target) if target.module == module => {}
                Some(_) => {
                    let function = Words(self.program).function(*function);
                    self.report(place, 7, Kind::ForeignFunction { function });
                }
                None => self.report(
                    place,
                    7,
                    Kind::Missing {
                        what: "function",
                        id: function.0,
                    },
                ),
            }
        }
    }

    /// Checks the flags of the optional leaves of a result; those of an optional part must agree.
    fn results(&mut self, place: Place, method: &Method, flags: &[bool]) {
        let leaves = method.result_leaves();
        let optional = leaves.iter().filter(|leaf| leaf.optional).count();
        if flags.is_empty() {
            return;
        }
        if flags.len() != optional {
            let expected = optional.to_string();
            let (what, got) = ("presence flags, one for each optional result", flags.len());
            let kind = Kind::Count {
                what,
                expected,
                got,
            };
            return self.report(place, 7, kind);
        }
        let mut flags = flags.iter().copied();
        let mut present = leaves
            .iter()
            .map(|leaf| !leaf.optional || flags.next() == Some(true));
        if !is_whole(&method.result, &mut present, MAX_TYPE_DEPTH) {
            let name = "output".to_owned();
            self.report(place, 7, Kind::SplitOptional { name });
        }
    }

    /// Takes the flags of a parameter's optional leaves; those of an optional tuple must agree.
    fn groups(&mut self, place: Place, param: &Param, flags: &mut impl Iterator<Item = bool>) {
        let leaves = param.ty.leaves(&param.name);
        let own: Vec<(&Leaf<'_>, bool)> = leaves
            .iter()
            .filter(|leaf| leaf.optional)
            .filter_map(|leaf| Some((leaf, flags.next()?)))
            .collect();
        if let Type::Optional(_) = param.ty {
            // The value of a graph is optional in its own right, whether or not the graph is.
            let value = format!("{}.value", param.name);
            let mut outer = own.iter().filter(|(leaf, _)| leaf.name != value);
            let first = outer.next().map(|&(_, present)| present);
            let split = outer.any(|&(_, present)| Some(present) != first)
                || (first == Some(false) && own.iter().any(|&(_, present)| present));
            if split {
                self.report(
                    place,
                    7,
                    Kind::SplitOptional {
                        name: param.name.clone(),
                    },
                );
            }
        }
    }

    /// Invariants 12 and 22 to 24; gives how each case binds symbols.
    pub(super) fn signatures(&mut self, symbols: &[Symbols]) -> Bindings {
        let program = self.program;
        let mut bindings = Bindings::new();
        for (id, module) in ids(&program.modules) {
            for (position, method) in module.methods.iter().enumerate() {
                let place = Place::Method(ModuleId(id), position);
                let types = method.leaves().into_iter().chain(method.result_leaves());
                let known = types
                    .filter(|leaf| !self.tensor_type(place, leaf.ty))
                    .count()
                    == 0;
                let given = method.sizes().flat_map(|one| one.symbols.iter().copied());
                let defaults = method.defaults.iter().flat_map(|&(a, b)| [a, b]);
                let missing = given
                    .chain(defaults)
                    .find(|symbol| symbol.index() >= program.symbols.len());
                if let Some(symbol) = missing {
                    self.report(
                        place,
                        12,
                        Kind::Missing {
                            what: "symbol",
                            id: symbol.0,
                        },
                    );
                }
                if !known || missing.is_some() {
                    continue;
                }
                for param in &method.params {
                    self.floats(place, &param.ty);
                }
                self.result_type(place, &method.result);
                self.defaults(place, method);
                for (number, case) in method.cases.iter().enumerate() {
                    let place = Place::Case(ModuleId(id), position, number);
                    let function = program.functions.get(case.function.index());
                    let symbols = symbols.get(case.function.index());
                    if let (Some(function), Some(symbols)) = (function, symbols) {
                        let leaves = case.present_leaves(method);
                        self.outputs(place, &case.result_leaves(method), function, symbols);
                        if let Some(ints) = self.inputs(place, &leaves, function) {
                            let binding = Binding::new(program.symbols.len(), method, &leaves);
                            self.bound(place, &binding, &leaves, ints, symbols);
                            let key = (ModuleId(id), position, number);
                            bindings.insert(key, binding.needing(&symbols.needs));
                        }
                    }
                }
                if self.is_full() {
                    return bindings;
                }
            }
        }
        bindings
    }

    fn result_type(&mut self, place: Place, ty: &Type) {
        match ty {
            Type::Tensor(_) | Type::Adjacency(_) => {}
            Type::Tuple(items) | Type::List(items) => {
                for item in items {
                    self.result_type(place, item);
                }
            }
            Type::Dict(entries) => {
                let types = entries.iter().map(|(_, ty)| ty);
                types.for_each(|ty| self.result_type(place, ty));
            }
            Type::Optional(inner) => self.result_type(place, inner),
            Type::Size(_) => self.report(place, 23, Kind::ResultType { what: "a size" }),
            Type::Flag => self.report(place, 23, Kind::ResultType { what: "a flag" }),
            Type::Int(_) => self.report(place, 23, Kind::ResultType { what: "an integer" }),
            Type::Float(_) => self.report(place, 23, Kind::ResultType { what: "a float" }),
            Type::Literal(_) => self.report(place, 23, Kind::ResultType { what: "a literal" }),
        }
    }

    /// Checks that the tensors of floats are floats of one element.
    fn floats(&mut self, place: Place, ty: &Type) {
        if let Type::Float(ty) = ty
            && (*ty != Type::float_tensor(ty.elem) || !ty.elem.is_float())
        {
            let kind = Kind::Type {
                what: "a float parameter".to_owned(),
                expected: "floats of the shape [1]".to_owned(),
                got: Words(self.program).tensor_type(ty),
            };
            self.report(place, 15, kind);
        }
        for part in ty.parts() {
            self.floats(place, part);
        }
    }

    fn defaults(&mut self, place: Place, method: &Method) {
        let mut seen = HashSet::new();
        for &(symbol, other) in &method.defaults {
            if symbol == other || !seen.insert(symbol) {
                let name = self.program.symbol_name(symbol).into_owned();
                self.report(
                    place,
                    24,
                    Kind::DuplicateName {
                        what: "default",
                        name,
                    },
                );
            }
        }
    }

    /// Invariant 22; gives the symbols of the integer inputs if it holds.
    fn inputs(
        &mut self,
        place: Place,
        leaves: &[Leaf<'_>],
        function: &Function,
    ) -> Option<Vec<SymbolId>> {
        let words = Words(self.program);
        let mut ints = Vec::new();
        let types = function
            .inputs
            .iter()
            .map(|input| function.values.get(input.index()));
        let mut problems = Vec::new();
        let mut count = 0_usize;
        for (position, ty) in types.enumerate() {
            match (leaves.get(position), ty) {
                (Some(leaf), Some(ValueType::Tensor(ty))) if leaf.ty == ty => {}
                (Some(leaf), Some(ty)) => problems.push(Kind::Type {
                    what: format!(
                        "input {position} of @{}, for {}",
                        words.name(function),
                        leaf.name
                    ),
                    expected: words.tensor_type(leaf.ty),
                    got: words.value_type(ty),
                }),
                (None, Some(ValueType::Int(symbol))) if !ints.contains(symbol) => {
                    ints.push(*symbol);
                }
                (None, Some(ty)) => problems.push(Kind::Type {
                    what: format!("input {position} of @{}", words.name(function)),
                    expected: "an integer of its own".to_owned(),
                    got: words.value_type(ty),
                }),
                (_, None) => {}
            }
            count = position.saturating_add(1);
        }
        if count < leaves.len() {
            let expected = format!("at least {}", leaves.len());
            problems.push(Kind::Count {
                what: "inputs of the function",
                expected,
                got: count,
            });
        }
        let holds = problems.is_empty();
        for problem in problems {
            self.report(place, 22, problem);
        }
        holds.then_some(ints)
    }

    /// Invariant 23.
    fn outputs(
        &mut self,
        place: Place,
        leaves: &[Leaf<'_>],
        function: &Function,
        symbols: &Symbols,
    ) {
        if leaves.len() != function.outputs.len() {
            let expected = leaves.len().to_string();
            let what = "outputs of the function";
            self.report(
                place,
                23,
                Kind::Count {
                    what,
                    expected,
                    got: function.outputs.len(),
                },
            );
            return;
        }
        let depends = |size: &Size| size.symbols().iter().any(|one| symbols.data.contains(one));
        let same = |a: &TensorType, b: &TensorType| {
            a.elem == b.elem
                && a.dims.len() == b.dims.len()
                && a.dims
                    .iter()
                    .zip(&b.dims)
                    .all(|(a, b)| a == b || depends(b))
        };
        for (leaf, output) in leaves.iter().zip(&function.outputs) {
            let ty = function.values.get(output.index());
            let fits = matches!(ty, Some(ValueType::Tensor(ty)) if same(leaf.ty, ty));
            if !fits {
                let words = Words(self.program);
                let kind = Kind::Type {
                    what: format!(
                        "%{} of @{}, for {}",
                        output.0,
                        words.name(function),
                        leaf.name
                    ),
                    expected: words.tensor_type(leaf.ty),
                    got: ty.map(|ty| words.value_type(ty)).unwrap_or_default(),
                };
                self.report(place, 23, kind);
            }
        }
    }

    /// Invariant 24.
    fn bound(
        &mut self,
        place: Place,
        binding: &Binding,
        leaves: &[Leaf<'_>],
        ints: Vec<SymbolId>,
        symbols: &Symbols,
    ) {
        let reached = binding.reached();
        let dims = leaves.iter().flat_map(|leaf| &leaf.ty.dims);
        let mut needed = ints;
        needed.extend(&symbols.needs);
        needed.extend(dims.flat_map(Size::symbols));
        needed.sort_unstable();
        needed.dedup();
        for symbol in needed {
            if reached.get(symbol).is_none() {
                let symbol = self.program.symbol_name(symbol).into_owned();
                self.report(place, 24, Kind::Unbound { symbol });
            }
        }
    }
}

/// Whether what an optional value needs is there with it, and nothing of one that is absent.
/// `present` has whether each leaf is there.
fn is_whole(ty: &Type, present: &mut dyn Iterator<Item = bool>, depth: usize) -> bool {
    let Some(below) = depth.checked_sub(1) else {
        return true;
    };
    match ty {
        Type::Optional(inner) => {
            let leaves = inner.leaves("").len();
            let own: Vec<bool> = present.take(leaves).collect();
            let is_given = own.contains(&true);
            !is_given || is_whole(inner, &mut own.into_iter(), below)
        }
        Type::Tensor(_) | Type::Float(_) => present.next() == Some(true),
        Type::Adjacency(_) => {
            let own: Vec<bool> = present.take(3).collect();
            own.starts_with(&[true, true])
        }
        Type::Tuple(items) | Type::List(items) => {
            items.iter().all(|item| is_whole(item, present, below))
        }
        Type::Dict(entries) => entries.iter().all(|(_, ty)| is_whole(ty, present, below)),
        Type::Size(_) | Type::Flag | Type::Int(_) | Type::Literal(_) => true,
    }
}

impl Case {
    /// The leaves of a method's result that are present in this case, in order.
    pub fn result_leaves<'m>(&self, method: &'m Method) -> Vec<Leaf<'m>> {
        let leaves = method.result_leaves().into_iter();
        if self.results.is_empty() {
            return leaves.collect();
        }
        let mut flags = self.results.iter();
        leaves
            .filter(|leaf| !leaf.optional || flags.next() == Some(&true))
            .collect()
    }

    /// The leaves of a method's parameters that are present in this case, in order.
    pub fn present_leaves<'m>(&self, method: &'m Method) -> Vec<Leaf<'m>> {
        let mut flags = self.present.iter();
        method
            .leaves()
            .into_iter()
            .filter(|leaf| !leaf.optional || flags.next() == Some(&true))
            .collect()
    }
}
