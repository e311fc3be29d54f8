//! Generates the code of an archive.
//!
//! 1. Each function becomes a method of its module's class (`function`, `ops`), in the order of
//!    the program, so that callers know what their callees want.
//! 2. Each method of a module becomes one that takes structured arguments (`method`, `case`) and
//!    finds the values of symbols as a session does (`binding`); overloads get a common entry
//!    (`dispatch`).
//! 3. Classes are put together from the leaves of the module tree to the root (`module`).

mod binding;
mod case;
mod dispatch;
mod found;
mod function;
mod library;
mod method;
mod module;
mod names;
mod ops;
mod scan;
mod scope;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use kiln_ir::{ModuleId, Program, Valid, WeightId};

use super::error::Error;
use library::Library;
use module::Classes;
use names::{Parameters, overloaded};
use scope::Context;

pub(super) use module::ClassName;

/// The code of an archive and what its pickles need to know.
#[derive(Debug)]
pub(super) struct Code {
    /// Entry name and text of each code file.
    pub(super) files: BTreeMap<String, String>,
    /// What to write for each module.
    pub(super) objects: Vec<Object>,
    /// Weights that go to `constants.pkl`, in order.
    pub(super) constants: Vec<WeightId>,
}

/// A module as an object.
#[derive(Debug)]
pub(super) struct Object {
    /// Its class.
    pub(super) class: ClassName,
    /// Attribute names and weights.
    pub(super) weights: Vec<(String, WeightId)>,
    /// Whether it has the flag `training`.
    pub(super) training: bool,
    /// Attribute names and modules.
    pub(super) children: Vec<(String, ModuleId)>,
}

/// Generates the code of a program.
pub(super) fn generate(program: &Valid) -> Result<Code, Error> {
    names::check(program)?;
    let context = Context::new(program);
    let mut classes = Classes::default();
    let mut library = Library::default();

    let names = function_names(program);
    let mut written = Vec::with_capacity(program.functions.len());
    for (function, name) in program.functions.iter().zip(names) {
        let one = function::Writer {
            context: &context,
            written: &written,
            classes: &mut classes,
            library: &mut library,
        }
        .write(function, name)?;
        written.push(one);
    }

    let mut objects: Vec<Option<Object>> = program.modules.iter().map(|_| None).collect();
    for id in bottom_up(program)? {
        let Some(module) = program.modules.get(id.index()) else {
            continue;
        };
        let attributes = module::attributes(program, id, module);
        let mut children = Vec::new();
        for &child in &module.children {
            let class = objects
                .get(child.index())
                .and_then(Option::as_ref)
                .map(|child| &child.class);
            if let Some(class) = class {
                children.push((context.module_name(child), class, child));
            }
        }
        let declared: Vec<_> = children
            .iter()
            .map(|(name, class, _)| (*name, *class))
            .collect();
        let mut text = module::declarations(program, &attributes, &declared);
        let parameters = Parameters::new(&module.methods);
        for (position, method) in module.methods.iter().enumerate() {
            let mut writer = method::Writer {
                context: &context,
                written: &written,
                library: &mut library,
                parameters: &parameters,
            };
            text.push_str(&writer.write(id, position, method)?);
        }
        for (name, overloads) in overloaded(&module.methods) {
            if !types::is_identifier(name) {
                return Err(Error::Unsupported {
                    place: overloads.first().map_or("", |first| &first.name).to_owned(),
                    what: format!("a method {name:?} for its overloads"),
                });
            }
            text.push_str(&dispatch::write(name, &overloads, &parameters));
        }
        for (function, written) in program.functions.iter().zip(&written) {
            if function.module == id {
                text.push_str(&written.text);
            }
        }
        let class = classes.module(&module.kind, &text);
        let children = children
            .iter()
            .map(|(name, _, id)| ((*name).to_owned(), *id))
            .collect();
        let object = Object {
            class,
            weights: attributes.weights,
            training: attributes.training,
            children,
        };
        if let Some(slot) = objects.get_mut(id.index()) {
            *slot = Some(object);
        }
    }

    let mut files = classes.files();
    if let Some(text) = library.text() {
        files.insert("code/__torch__/kiln/ops.py".to_owned(), text);
    }
    let constants = context.constants.clone();
    Ok(Code {
        files,
        objects: objects.into_iter().flatten().collect(),
        constants,
    })
}

/// The method name of each function: its own, or one with an underscore where a user's method
/// stands in front of it.
fn function_names(program: &Program) -> Vec<String> {
    let behind: BTreeSet<u32> = program
        .modules
        .iter()
        .flat_map(|module| &module.methods)
        .flat_map(|method| &method.cases)
        .map(|case| case.function.0)
        .collect();
    let mut taken: Vec<BTreeSet<String>> = program
        .modules
        .iter()
        .map(|module| names::taken(program, module).collect())
        .collect();
    (0_u32..)
        .zip(&program.functions)
        .map(|(number, function)| {
            let mut name = types::identifier(&function.name);
            if behind.contains(&number) {
                name.insert(0, '_');
            }
            if let Some(taken) = taken.get_mut(function.module.index()) {
                while !taken.insert(name.clone()) {
                    name.insert(0, '_');
                }
            }
            name
        })
        .collect()
}

/// All modules below the root and the root itself, children before parents.
fn bottom_up(program: &Program) -> Result<Vec<ModuleId>, Error> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    let mut stack = vec![ModuleId(0)];
    while let Some(id) = stack.pop() {
        let Some(module) = program.modules.get(id.index()) else {
            return Err(malformed(format!("no module {}", id.0)));
        };
        if !seen.insert(id) {
            return Err(malformed(format!(
                "module {:?} has two parents",
                module.path
            )));
        }
        order.push(id);
        stack.extend(&module.children);
    }
    if seen.len() != program.modules.len() {
        return Err(malformed("a module has no parent".to_owned()));
    }
    order.reverse();
    Ok(order)
}

fn malformed(what: String) -> Error {
    Error::Malformed {
        place: "module tree".to_owned(),
        what,
    }
}
