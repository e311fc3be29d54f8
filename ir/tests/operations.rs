//! What is said of operations outside their declarations keeps up with them.

use std::{fmt::Write as _, fs, path::PathBuf};

use kiln_ir::{
    Op,
    op::{
        Bound, Class, Count, DenseOp, ElementwiseOp, Extent, GraphOp, Operand, ReduceOp, ShapeOp,
        Spec, attribute::Kind,
    },
    parse,
};

use crate::files::files;

const START: &str =
    "<!-- Written by `BLESS=1 cargo test -p kiln-ir operations` from the declarations. -->\n";
const END: &str = "<!-- End of the operations. -->\n";

/// `name{attributes}`, with a `?` behind those that may be `none`.
fn form(spec: &Spec) -> String {
    let attributes: Vec<String> = spec
        .named_attributes()
        .iter()
        .map(|attribute| match attribute.kind {
            Kind::OptionalFloat | Kind::OptionalScalar => format!("{}?", attribute.name),
            _ => attribute.name.to_owned(),
        })
        .collect();
    let attributes = match attributes.join(", ") {
        none if none.is_empty() => none,
        some => format!("{{{some}}}"),
    };
    let one = |name: &String| format!("`{name}{attributes}`");
    spec.names().iter().map(one).collect::<Vec<_>>().join(" ")
}

fn operand(operand: &Operand) -> String {
    let name = match operand.count {
        Count::One => operand.name.to_owned(),
        Count::Optional => format!("{}?", operand.name),
        Count::Many => format!("{}...", operand.name),
    };
    let extent = |extent| match extent {
        Extent::Attribute(attribute) => format!("`{attribute}`"),
        Extent::Rows(operand) => format!("the number of rows of `{operand}`"),
        Extent::Axis(operand, attribute) => format!("the size of `{operand}` along `{attribute}`"),
    };
    let what = match (operand.bound, operand.class) {
        (Some(Bound::Below(below)), _) => format!("below {}", extent(below)),
        (Some(Bound::Pointer(end)), _) => format!("a row pointer up to {}", extent(end)),
        (None, Class::Float) => "floats".to_owned(),
        (None, Class::Number) => "numbers".to_owned(),
        (None, Class::Int) => "integers".to_owned(),
        (None, Class::Bool) => "booleans".to_owned(),
        (None, Class::Any | Class::Same) => return format!("`{name}`"),
    };
    format!("`{name}`: {what}")
}

/// A table for each family.
fn tables() -> String {
    let families = [
        ("Elementwise", ElementwiseOp::SPECS),
        ("Shapes", ShapeOp::SPECS),
        ("Reductions", ReduceOp::SPECS),
        ("Products and layers", DenseOp::SPECS),
        ("Message passing", GraphOp::SPECS),
    ];
    let mut text = String::new();
    for (family, specs) in families {
        writeln!(
            text,
            "\n### {family}\n\n| operation | operands | result |\n|---|---|---|"
        )
        .unwrap();
        for spec in specs {
            let operands: Vec<_> = spec.operands.iter().map(operand).collect();
            let meaning: Vec<_> = spec.doc.split_whitespace().collect();
            writeln!(
                text,
                "| {} | {} | {} |",
                form(spec),
                operands.join("; "),
                meaning.join(" ")
            )
            .unwrap();
        }
    }
    text + "\n"
}

/// `BLESS=1` writes the tables.
#[test]
fn the_documentation_lists_the_declarations() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/ir.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(START).expect("the start of the operations");
    let (found, after) = rest.split_once(END).expect("the end of the operations");
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, [before, START, &tables(), END, after].concat()).unwrap();
        return;
    }
    assert_eq!(found, tables(), "`BLESS=1` writes the tables");
}

#[test]
fn names_are_of_one_declaration_each() {
    let mut names: Vec<_> = Op::specs().flat_map(Spec::names).collect();
    let all = names.len();
    names.extend(["weight", "call", "symbol"].map(str::to_owned));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all + 3);
    let mut variants: Vec<_> = Op::specs().map(|spec| spec.variant).collect();
    variants.sort_unstable();
    variants.dedup();
    assert_eq!(variants.len(), Op::specs().count());
}

/// Operands and attributes that declarations speak of are theirs.
#[test]
fn declarations_refer_to_what_they_have() {
    for spec in Op::specs() {
        let kind = |name: &str| {
            let attribute = spec.attributes.iter().find(|one| one.name == name);
            attribute.map(|attribute| attribute.kind)
        };
        let has = |name: &str| spec.operands.iter().any(|one| one.name == name);
        for operand in spec.operands {
            let fits = match operand.bound {
                Some(Bound::Below(extent) | Bound::Pointer(extent)) => match extent {
                    Extent::Attribute(attribute) => kind(attribute) == Some(Kind::Size),
                    Extent::Rows(operand) => has(operand),
                    Extent::Axis(operand, attribute) => {
                        has(operand) && kind(attribute) == Some(Kind::Integer)
                    }
                },
                None => true,
            };
            assert!(fits, "{}: {operand:?}", spec.variant);
        }
        if let Some(probability) = spec.effects.random {
            assert_eq!(kind(probability), Some(Kind::Float), "{}", spec.variant);
        }
    }
}

/// `tests/files/exec` executes each operation, with each of its words.
#[test]
fn every_operation_has_a_case() {
    let mut names: Vec<_> = Op::specs().flat_map(Spec::names).collect();
    for path in files("exec") {
        let program = parse(&fs::read_to_string(path).unwrap()).unwrap();
        let nodes = program
            .functions
            .iter()
            .flat_map(|function| &function.nodes);
        for node in nodes {
            names.retain(|name| **name != node.op.name());
        }
    }
    assert!(names.is_empty(), "without a case: {names:?}");
}
