//! Invariants 2 to 5 and 8 to 11: names, the module tree, and the ids inside functions.

use std::collections::HashSet;

use super::{Check, Kind, Place, ids, is_component, is_identifier, is_path};
use crate::{
    op::Op,
    program::{
        Arguments, Function, FunctionId, ModuleId, SymbolId, ValueId, Weight, WeightId, WeightRole,
    },
};

const IDENTIFIER: &str = "an identifier";

impl Check<'_> {
    /// Invariant 2.
    pub(super) fn symbols(&mut self) {
        let mut seen = HashSet::new();
        for (id, symbol) in ids(&self.program.symbols) {
            let place = Place::Symbol(SymbolId(id));
            self.identifier(place, 2, "symbol", &symbol.name, &mut seen);
        }
    }

    /// Invariant 3.
    pub(super) fn weights(&mut self) {
        let mut seen = HashSet::new();
        for (id, weight) in ids(&self.program.weights) {
            let place = Place::Weight(WeightId(id));
            let Weight {
                name,
                role: _,
                elem,
                shape,
                tied,
            } = weight;
            if let Some(other) = tied {
                self.tied(WeightId(id), weight, *other);
            }
            if !is_path(name) || name.starts_with("kiln.") || name == "__metadata__" {
                let expected = "names with dots between them, not of \"kiln.\"";
                let kind = Kind::Name {
                    what: "weight",
                    expected,
                    name: name.clone(),
                };
                self.report(place, 3, kind);
            }
            if !seen.insert(name) {
                self.report(
                    place,
                    3,
                    Kind::DuplicateName {
                        what: "weight",
                        name: name.clone(),
                    },
                );
            }
            let bytes = shape.iter().try_fold(elem.size_bytes(), |bytes, &dim| {
                bytes.checked_mul(dim.max(1))
            });
            if bytes.is_none_or(|bytes| i64::try_from(bytes).is_err()) {
                let what = "number of bytes";
                let limit = i64::MAX.unsigned_abs();
                self.report(
                    place,
                    3,
                    Kind::Limit {
                        what,
                        limit,
                        got: bytes.unwrap_or(u64::MAX),
                    },
                );
            }
        }
    }

    /// Whether a weight and the one that it is tied to can be one tensor.
    fn tied(&mut self, id: WeightId, weight: &Weight, other: WeightId) {
        let place = Place::Weight(id);
        let Some(found) = self.program.weights.get(other.index()) else {
            let what = "weight";
            return self.report(place, 3, Kind::Missing { what, id: other.0 });
        };
        let describe = |weight: &Weight, is_tied: bool| {
            let tied = if is_tied { " tied to another" } else { "" };
            format!(
                "{} {}{:?}{tied}",
                weight.role.name(),
                weight.elem,
                weight.shape
            )
        };
        let is_first = other < id && found.tied.is_none();
        let fits = (weight.role, weight.elem) == (found.role, found.elem)
            && weight.shape == found.shape
            && weight.role != WeightRole::Constant;
        if !is_first || !fits {
            let kind = Kind::Type {
                what: format!("the tensor of \"{}\", a weight before this one", found.name),
                expected: describe(weight, false),
                got: describe(found, found.tied.is_some()),
            };
            self.report(place, 3, kind);
        }
    }

    /// Invariants 4 and 5.
    pub(super) fn modules(&mut self) {
        let program = self.program;
        if program.modules.is_empty() {
            self.report(Place::Program, 4, Kind::NoRoot);
            return;
        }
        let mut parents = vec![0_usize; program.modules.len()];
        let mut owners = vec![0_usize; program.weights.len()];
        for (id, module) in ids(&program.modules) {
            let place = Place::Module(ModuleId(id));
            for child in &module.children {
                match program.modules.get(child.index()) {
                    Some(below) => {
                        self.below(Place::Module(*child), 4, &module.path, &below.path);
                        if let Some(count) = parents.get_mut(child.index()) {
                            *count = count.saturating_add(1);
                        }
                    }
                    None => self.report(
                        place,
                        4,
                        Kind::Missing {
                            what: "module",
                            id: child.0,
                        },
                    ),
                }
            }
            for owned in &module.weights {
                match program.weights.get(owned.index()) {
                    Some(weight) => {
                        self.below(Place::Weight(*owned), 5, &module.path, &weight.name);
                        if let Some(count) = owners.get_mut(owned.index()) {
                            *count = count.saturating_add(1);
                        }
                    }
                    None => self.report(
                        place,
                        5,
                        Kind::Missing {
                            what: "weight",
                            id: owned.0,
                        },
                    ),
                }
            }
        }
        for ((id, module), &count) in ids(&program.modules).zip(&parents) {
            let place = Place::Module(ModuleId(id));
            if id == 0 && !module.path.is_empty() {
                let path = module.path.clone();
                self.report(
                    place,
                    4,
                    Kind::Name {
                        what: "root",
                        expected: "nothing",
                        name: path,
                    },
                );
            }
            if count != usize::from(id != 0) {
                self.report(
                    place,
                    4,
                    Kind::Owners {
                        what: "module",
                        count,
                    },
                );
            }
        }
        for ((id, weight), &count) in ids(&program.weights).zip(&owners) {
            let lost = count == 0 && weight.role != WeightRole::Constant;
            if lost || count > 1 {
                let kind = Kind::Owners {
                    what: "weight",
                    count,
                };
                self.report(Place::Weight(WeightId(id)), 5, kind);
            }
        }
    }

    /// Checks that `path` is `parent` and one more name.
    fn below(&mut self, place: Place, invariant: u8, parent: &str, path: &str) {
        let name = match parent {
            "" => Some(path),
            _ => path
                .strip_prefix(parent)
                .and_then(|rest| rest.strip_prefix('.')),
        };
        if !name.is_some_and(is_component) {
            let kind = Kind::Path {
                parent: parent.to_owned(),
                path: path.to_owned(),
            };
            self.report(place, invariant, kind);
        }
    }

    /// Invariants 8 to 11.
    pub(super) fn functions(&mut self) {
        let program = self.program;
        let mut seen = HashSet::new();
        for (id, function) in ids(&program.functions) {
            let id = FunctionId(id);
            let place = Place::Function(id);
            let Function {
                name,
                module,
                arguments,
                input_names,
                inputs,
                ..
            } = function;
            if !is_identifier(name) {
                let name = name.clone();
                let kind = Kind::Name {
                    what: "function",
                    expected: IDENTIFIER,
                    name,
                };
                self.report(place, 8, kind);
            }
            if !seen.insert((module, name)) {
                self.report(
                    place,
                    8,
                    Kind::DuplicateName {
                        what: "function",
                        name: name.clone(),
                    },
                );
            }
            if program.modules.get(module.index()).is_none() {
                self.report(
                    place,
                    8,
                    Kind::Missing {
                        what: "module",
                        id: module.0,
                    },
                );
            }
            match arguments {
                Arguments::Record(name) if !is_identifier(name) => {
                    let name = name.clone();
                    let kind = Kind::Name {
                        what: "record",
                        expected: IDENTIFIER,
                        name,
                    };
                    self.report(place, 8, kind);
                }
                Arguments::Plain | Arguments::Record(_) => {}
            }
            if input_names.len() != inputs.len() {
                let expected = inputs.len().to_string();
                let kind = Kind::Count {
                    what: "input names",
                    expected,
                    got: input_names.len(),
                };
                self.report(place, 8, kind);
            }
            self.values(id, function);
            if self.is_full() {
                return;
            }
        }
    }

    /// Invariants 9 to 11 of one function.
    fn values(&mut self, id: FunctionId, function: &Function) {
        let place = Place::Function(id);
        let mut defined = 0_usize;
        for &input in &function.inputs {
            self.define(place, &mut defined, input);
        }
        for (position, node) in function.nodes.iter().enumerate() {
            let place = Place::Node(id, position);
            for &value in &node.inputs {
                if value.index() >= defined {
                    self.report(place, 10, Kind::Undefined { value });
                }
            }
            for &value in &node.outputs {
                self.define(place, &mut defined, value);
            }
            self.targets(place, id, &node.op);
        }
        for &value in &function.outputs {
            if value.index() >= defined {
                self.report(place, 10, Kind::Undefined { value });
            }
        }
        if defined != function.values.len() {
            let expected = defined.to_string();
            let kind = Kind::Count {
                what: "types of values",
                expected,
                got: function.values.len(),
            };
            self.report(place, 9, kind);
        }
    }

    fn define(&mut self, place: Place, defined: &mut usize, value: ValueId) {
        if value.index() != *defined {
            self.report(
                place,
                9,
                Kind::Definition {
                    expected: *defined,
                    got: value,
                },
            );
        }
        *defined = defined.saturating_add(1);
    }

    /// Invariant 11.
    fn targets(&mut self, place: Place, caller: FunctionId, op: &Op) {
        match op {
            Op::Weight(weight) if weight.index() >= self.program.weights.len() => {
                self.report(
                    place,
                    11,
                    Kind::Missing {
                        what: "weight",
                        id: weight.0,
                    },
                );
            }
            Op::Symbol(symbol) if symbol.index() >= self.program.symbols.len() => {
                self.report(
                    place,
                    11,
                    Kind::Missing {
                        what: "symbol",
                        id: symbol.0,
                    },
                );
            }
            _ => {}
        }
        match op.callee() {
            Some(callee) if callee.index() >= self.program.functions.len() => {
                self.report(
                    place,
                    11,
                    Kind::Missing {
                        what: "function",
                        id: callee.0,
                    },
                );
            }
            Some(callee) if callee >= caller => {
                let function = crate::text::Words(self.program).function(callee);
                self.report(place, 11, Kind::CallOrder { function });
            }
            Some(_) | None => {}
        }
    }

    /// Checks that a name is an identifier that `seen` does not have.
    pub(super) fn identifier<'n>(
        &mut self,
        place: Place,
        invariant: u8,
        what: &'static str,
        name: &'n str,
        seen: &mut HashSet<&'n str>,
    ) {
        if !is_identifier(name) {
            let kind = Kind::Name {
                what,
                expected: IDENTIFIER,
                name: name.to_owned(),
            };
            self.report(place, invariant, kind);
        }
        if !seen.insert(name) {
            self.report(
                place,
                invariant,
                Kind::DuplicateName {
                    what,
                    name: name.to_owned(),
                },
            );
        }
    }
}
