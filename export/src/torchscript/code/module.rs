//! Modules of a program as classes, and the files that hold them.
//!
//! Classes with the same text are one class. Where two texts want one name, the second gets
//! TorchScript's mangled form `__torch__.kiln.___torch_mangle_0.Name`, counted from 0 in each
//! archive.

use std::collections::BTreeMap;

use kiln_ir::{DenseOp, Module, ModuleId, Op, Program, WeightId, WeightRole};

use super::{scope::attribute, types};

/// A qualified class name, split as a pickle has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassName {
    /// Everything before the last dot.
    pub(crate) module: String,
    /// The name itself.
    pub(crate) name: String,
}

impl ClassName {
    /// The name in code.
    pub(super) fn qualified(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

/// The package of all classes.
const PACKAGE: &str = "__torch__.kiln";

/// The classes of an archive.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// Name, text below the `class` line, and where it is.
    classes: Vec<(String, String, ClassName)>,
    mangled: usize,
}

impl Classes {
    /// A class of modules, with a text that does not name the class itself.
    pub(super) fn module(&mut self, kind: &str, text: &str) -> ClassName {
        self.class(kind, "Module", text)
    }

    /// A named tuple with the given fields; its qualified name.
    pub(super) fn record(&mut self, name: &str, fields: &[(&str, &str)]) -> String {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, ty)| format!("  {name} : {ty}\n"))
            .collect();
        let text = fields.concat();
        self.class(name, "NamedTuple", &text).qualified()
    }

    fn class(&mut self, kind: &str, base: &str, text: &str) -> ClassName {
        let mut name = types::identifier(kind);
        if name == "ops" {
            name.push('_'); // the package of the library
        }
        let text = format!("class {name}({base}):\n{text}");
        if let Some((.., class)) = self.classes.iter().find(|(_, other, _)| *other == text) {
            return class.clone();
        }
        let module = if self.classes.iter().any(|(other, ..)| *other == name) {
            let module = format!("{PACKAGE}.___torch_mangle_{}", self.mangled);
            self.mangled += 1;
            module
        } else {
            PACKAGE.to_owned()
        };
        let class = ClassName {
            module,
            name: name.clone(),
        };
        self.classes.push((name, text, class.clone()));
        class
    }

    /// The code files: entry name and text.
    pub(super) fn files(&self) -> BTreeMap<String, String> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for (_, text, class) in &self.classes {
            let entry = format!("code/{}.py", class.module.replace('.', "/"));
            files.entry(entry).or_default().push_str(text);
        }
        files
    }
}

/// The attributes of a module.
pub(super) struct Attributes {
    /// Parameters and buffers, with their names.
    pub(super) weights: Vec<(String, WeightId)>,
    /// Whether the module has the flag `training` of its own.
    pub(super) training: bool,
}

/// The attributes of a module of a program.
pub(super) fn attributes(program: &Program, id: ModuleId, module: &Module) -> Attributes {
    let weights = module
        .weights
        .iter()
        .filter(|weight| {
            program
                .weights
                .get(weight.index())
                .is_some_and(|weight| weight.role != WeightRole::Constant)
        })
        .map(|&weight| (attribute(program, weight), weight))
        .collect();
    let drops = program
        .functions
        .iter()
        .filter(|function| function.module == id)
        .flat_map(|function| &function.nodes)
        .any(|node| node.op.effects().random.is_some());
    let normalizes =
        trained_statistics(program).any(|statistics| module.weights.contains(&statistics));
    Attributes {
        weights,
        training: drops || normalizes || id.index() == 0,
    }
}

/// The running statistics of norms that are trained; of batch normalisations the means.
fn trained_statistics(program: &Program) -> impl Iterator<Item = WeightId> {
    program.functions.iter().flat_map(|function| {
        function.nodes.iter().filter_map(|node| match node.op {
            Op::Dense(
                DenseOp::BatchNorm {
                    momentum: Some(_), ..
                }
                | DenseOp::RunningStatistic { .. },
            ) => function.weight_of(*node.inputs.get(3)?),
            _ => None,
        })
    })
}

/// The declarations of a module class. Children are given by attribute name and class.
pub(super) fn declarations(
    program: &Program,
    attributes: &Attributes,
    children: &[(&str, &ClassName)],
) -> String {
    let with_role = |role: WeightRole| {
        let has_role = |weight: &WeightId| {
            program
                .weights
                .get(weight.index())
                .is_some_and(|weight| weight.role == role)
        };
        let weights = attributes
            .weights
            .iter()
            .filter(|(_, weight)| has_role(weight));
        let names: Vec<String> = weights
            .map(|(name, _)| types::string(name) + ", ")
            .collect();
        names.concat()
    };
    let mut text = format!(
        "  __parameters__ = [{}]\n  __buffers__ = [{}]\n",
        with_role(WeightRole::Parameter),
        with_role(WeightRole::Buffer)
    );
    let mut declare = |name: &str, ty: &str| {
        let line = if types::is_identifier(name) {
            format!("  {name} : {ty}\n")
        } else {
            format!("  __annotations__[{}] = {ty}\n", types::string(name))
        };
        text.push_str(&line);
    };
    for (name, _) in &attributes.weights {
        declare(name, "Tensor");
    }
    if attributes.training {
        declare("training", "bool");
    }
    for (name, class) in children {
        declare(name, &class.qualified());
    }
    text
}
