//! Names of an archive: those of a module's members must differ, and PyTorch keeps some for itself.

use std::collections::BTreeMap;

use kiln_ir::{Method, Module, Program, WeightRole};

use super::{
    super::error::Error,
    scope::attribute,
    types::{self, Names},
};

/// Attributes that PyTorch, from 1.13 on, gives each module itself: one of ours under such a name
/// does not load, or makes its methods fail.
const RESERVED_ATTRIBUTES: &[&str] = &[
    "__annotations__",
    "__buffers__",
    "__parameters__",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_buffers",
    "_c",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_is_full_backward_hook",
    "_load_state_dict_post_hooks",
    "_load_state_dict_pre_hooks",
    "_modules",
    "_parameters",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "training",
];

/// Methods that PyTorch calls when it saves and loads a module.
const RESERVED_METHODS: &[&str] = &["__getstate__", "__setstate__"];

/// Base names of overloaded methods that have no method of that very name, with the overloads.
pub(super) fn overloaded(methods: &[Method]) -> BTreeMap<&str, Vec<&Method>> {
    let mut groups: BTreeMap<&str, Vec<&Method>> = BTreeMap::new();
    for method in methods {
        if let Some((base, _)) = method.variant() {
            groups.entry(base).or_default().push(method);
        }
    }
    groups.retain(|base, _| methods.iter().all(|method| method.name != *base));
    groups
}

/// The members of a module that a user names: name and what it is, in the order of the program.
fn members(program: &Program, module: &Module) -> Vec<(String, &'static str)> {
    let methods = module.methods.iter().map(|method| method.name.clone());
    let dispatchers = overloaded(&module.methods).into_keys();
    let weights = module.weights.iter().filter(|weight| {
        let weight = program.weights.get(weight.index());
        weight.is_some_and(|weight| weight.role != WeightRole::Constant)
    });
    let weights = weights.map(|&weight| attribute(program, weight));
    let children = module.children.iter().filter_map(|child| {
        let path = &program.modules.get(child.index())?.path;
        let name = path
            .rsplit_once('.')
            .map_or(path.as_str(), |(_, name)| name);
        Some(name.to_owned())
    });
    methods
        .chain(dispatchers.map(str::to_owned))
        .map(|name| (name, METHOD))
        .chain(weights.map(|name| (name, "a weight")))
        .chain(children.map(|name| (name, "a child")))
        .collect()
}

const METHOD: &str = "a method";

/// Checks the names of the members of all modules.
pub(super) fn check(program: &Program) -> Result<(), Error> {
    for module in &program.modules {
        let mut seen: BTreeMap<String, &'static str> = BTreeMap::new();
        for (name, what) in members(program, module) {
            let is_method = what == METHOD;
            let reserved = if is_method {
                RESERVED_METHODS
            } else {
                RESERVED_ATTRIBUTES
            };
            let taken = if reserved.contains(&name.as_str()) {
                Some("PyTorch")
            } else {
                seen.get(&name).copied()
            };
            if let Some(by) = taken {
                return Err(Error::Name {
                    module: module.path.clone(),
                    what,
                    name,
                    by,
                });
            }
            seen.insert(name, what);
        }
    }
    Ok(())
}

/// Names that a function of a module cannot have as a method of the class.
pub(super) fn taken(program: &Program, module: &Module) -> impl Iterator<Item = String> {
    let members = members(program, module).into_iter().map(|(name, _)| name);
    let reserved = RESERVED_ATTRIBUTES.iter().chain(RESERVED_METHODS);
    members.chain(reserved.map(|&name| name.to_owned()))
}

/// The parameters of a module's methods as identifiers: equal names become equal identifiers in all
/// methods, and different names different ones.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn new(methods: &[Method]) -> Self {
        let params = methods.iter().flat_map(|method| &method.params);
        let mut names: Vec<&str> = params.map(|param| param.name.as_str()).collect();
        // What is an identifier keeps its name, so that others make room.
        names.sort_unstable_by_key(|name| (!types::is_identifier(name), *name));
        names.dedup();
        let mut taken = Names::default();
        let identifiers = names
            .into_iter()
            .map(|name| (name.to_owned(), taken.fresh(name)));
        Self(identifiers.collect())
    }

    /// The identifier for a parameter.
    pub(super) fn identifier(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A name that no parameter has.
    pub(super) fn other(&self, base: &str) -> String {
        let mut taken = Names::default();
        for identifier in self.0.values() {
            taken.fresh(identifier);
        }
        taken.fresh(base)
    }
}
