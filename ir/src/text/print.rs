//! The printer.

use core::fmt::{self, Write};

use super::{
    TEXT_VERSION, Words,
    print_op::print_op,
    words::{at, list, word},
};
use crate::program::{Arguments, Function, Method, Module, Node, Program, ValueId, ValueType};

/// The text form of a program, valid or not. Of an invalid one it may not parse.
pub fn print(program: &Program) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_program(&mut text, program);
    text
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_program(f, self)
    }
}

fn write_program(out: &mut impl Write, program: &Program) -> fmt::Result {
    let words = Words(program);
    let Program {
        symbols,
        weights,
        modules,
        functions,
    } = program;
    writeln!(out, "kiln {TEXT_VERSION}")?;
    if !symbols.is_empty() {
        writeln!(
            out,
            "\nsymbols {}",
            list(symbols, |symbol| format!("${}", symbol.name))
        )?;
    }
    if !weights.is_empty() {
        writeln!(out)?;
    }
    for weight in weights {
        let shape = list(&weight.shape, u64::to_string);
        let (name, role) = (at(&weight.name), weight.role.name());
        write!(out, "weight {name}: {role} {}[{shape}]", weight.elem)?;
        if let Some(other) = weight.tied {
            write!(out, " = {}", words.weight(other))?;
        }
        writeln!(out)?;
    }
    if !modules.is_empty() {
        writeln!(out)?;
    }
    for module in modules {
        write_module(out, words, module)?;
    }
    for function in functions {
        writeln!(out)?;
        write_function(out, words, function)?;
    }
    Ok(())
}

fn write_module(out: &mut impl Write, words: Words<'_>, module: &Module) -> fmt::Result {
    let Module {
        path,
        kind,
        children,
        weights,
        methods,
    } = module;
    writeln!(out, "module {} = {} {{", at(path), word(kind))?;
    for weight in weights {
        writeln!(out, "  weight {}", words.weight(*weight))?;
    }
    for child in children {
        writeln!(out, "  child {}", words.module(*child))?;
    }
    for method in methods {
        write_method(out, words, method)?;
    }
    writeln!(out, "}}")
}

fn write_method(out: &mut impl Write, words: Words<'_>, method: &Method) -> fmt::Result {
    let Method {
        name,
        params,
        result,
        cases,
        defaults,
    } = method;
    let params = list(params, |param| {
        format!("{}: {}", word(&param.name), words.ty(&param.ty))
    });
    writeln!(
        out,
        "  method {}({params}) -> {} {{",
        word(name),
        words.ty(result)
    )?;
    for (symbol, other) in defaults {
        writeln!(
            out,
            "    default {} = {}",
            words.symbol(*symbol),
            words.symbol(*other)
        )?;
    }
    for case in cases {
        let flag = |&present: &bool| String::from(if present { "present" } else { "absent" });
        let present = list(&case.present, flag);
        let function = at(&words.function(case.function));
        write!(out, "    case ({present}) -> {function}")?;
        if !case.results.is_empty() {
            write!(out, " ({})", list(&case.results, flag))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "  }}")
}

fn write_function(out: &mut impl Write, words: Words<'_>, function: &Function) -> fmt::Result {
    let Function {
        name: _,
        module: _,
        arguments,
        input_names,
        inputs,
        values,
        nodes,
        outputs,
    } = function;
    let ty = |id: &ValueId| words.type_of(values, *id);
    let record = match arguments {
        Arguments::Plain => String::new(),
        Arguments::Record(name) => format!(" record {}", word(name)),
    };
    let mut names = input_names.iter();
    let inputs = list(inputs, |id| {
        let name = names.next().map_or_else(|| word(""), |name| word(name));
        format!("{name} %{}: {}", id.0, ty(id))
    });
    let results = list(outputs, |id| format!("%{}", id.0));
    writeln!(
        out,
        "fn {}{record}({inputs}) -> ({results}) {{",
        at(&words.name(function))
    )?;
    for node in nodes {
        writeln!(out, "  {}", words.node(function, node))?;
    }
    writeln!(out, "}}")
}

impl Words<'_> {
    /// `%2: f32[$N] = exp(%1)`
    pub(crate) fn node(self, function: &Function, node: &Node) -> String {
        let Node {
            op,
            inputs,
            outputs,
        } = node;
        let inputs = list(inputs, |id| format!("%{}", id.0));
        let op = print_op(self, op, &inputs);
        if outputs.is_empty() {
            return op;
        }
        let outputs = list(outputs, |id| {
            format!("%{}: {}", id.0, self.type_of(&function.values, *id))
        });
        format!("{outputs} = {op}")
    }

    fn type_of(self, values: &[ValueType], id: ValueId) -> String {
        values
            .get(id.index())
            .map_or_else(|| "?".to_owned(), |ty| self.value_type(ty))
    }
}
