//! Programs of the executor's tests, whose files say what they compute, as archives.

use std::{collections::BTreeMap, path::PathBuf};

use kiln_ir::{ElemType, Leaf, Literal, Method, Type, leaf::entry_name};

use crate::{
    builder::Builder,
    expectation::{Arg, Call, Data, Refusal, write},
};

/// A program in text form, and the calls of its file that have results.
fn case(name: &str) -> (Builder, Vec<Call>) {
    let file = format!("../ir/tests/files/exec/{name}.kir");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let text: &'static str = std::fs::read_to_string(path).unwrap().leak();
    let mut builder = Builder::parse(text);
    let methods = builder.program.modules[0].methods.clone();
    let method = |name: &str| methods.iter().find(|method| method.name == name).unwrap();
    let mut calls: Vec<Call> = Vec::new();
    let mut outputs = BTreeMap::new();
    let mut inputs = BTreeMap::new();
    let mut settings = BTreeMap::new();
    // An archive leaves integers in the type that they have, and a session does not.
    let mut takes = true;
    for line in text.lines().filter_map(|line| line.strip_prefix("; ")) {
        let Some((word, rest)) = line.split_once(' ') else {
            continue;
        };
        match word {
            "weight" => {
                let (name, values) = rest.split_once(" =").unwrap();
                let weights = &builder.program.weights;
                let weight = weights.iter().find(|weight| weight.name == name).unwrap();
                let size = |&size: &u64| usize::try_from(size).unwrap();
                let shape: Vec<usize> = weight.shape.iter().map(size).collect();
                let data = Data::of(weight.elem, &shape, &numbers(values));
                builder.values.insert(name.to_owned(), data);
            }
            "input" => {
                let (name, data) = tensor(rest);
                inputs.insert(name, data);
            }
            "set" => {
                let (name, value) = rest.split_once(" = ").unwrap();
                settings.insert(name.to_owned(), setting(value));
            }
            "run" => {
                // A name of variants stands for the one that the settings select.
                let is_chosen = |method: &&&Method| {
                    let mut literals = method.literals();
                    literals.all(|(name, literal)| match (settings.get(name), literal) {
                        (Some(Arg::Flag(given)), Literal::Bool(value)) => given == value,
                        (Some(Arg::Text(given)), Literal::Text(value)) => given == value,
                        _ => false,
                    })
                };
                let variants = methods.iter().filter(|method| method.is_variant_of(rest));
                let variants: Vec<&Method> = variants.collect();
                let chosen = variants.iter().find(is_chosen).or(variants.first());
                let method = chosen.copied().unwrap_or_else(|| method(rest));
                let leaves = method.leaves();
                let of_type = |leaf: &Leaf<'_>| {
                    let data = inputs.get(&leaf.name);
                    data.is_none_or(|data: &Data| data.elem() == leaf.ty.elem)
                };
                takes = leaves.iter().all(of_type);
                let args = method.params.iter().map(|param| {
                    let name: &'static str = param.name.clone().leak();
                    let set = settings.get(name).cloned();
                    (name, set.unwrap_or_else(|| value(&param.ty, name, &inputs)))
                });
                outputs.clear();
                let out = value(&method.result, "output", &outputs);
                let call = Call {
                    method: method.name.clone().leak(),
                    args: args.collect(),
                    out,
                };
                if takes {
                    calls.push(call);
                }
                inputs.clear();
                settings.clear();
            }
            "output" if takes => {
                let (name, data) = tensor(rest);
                outputs.insert(name, data);
                let call = calls.last_mut().unwrap();
                call.out = value(&method(call.method).result, "output", &outputs);
            }
            // PyTorch refuses it in other words, or not at all.
            "error:" if takes => drop(calls.pop()),
            _ => {}
        }
    }
    (builder, calls)
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect()
}

/// `x: f32[3, 2] = 1 2 3 4 5 6`
fn tensor(text: &str) -> (String, Data) {
    let (name, rest) = text.split_once(": ").unwrap();
    let (ty, values) = rest.split_once(" =").unwrap();
    let (elem, shape) = ty.trim_end_matches(']').split_once('[').unwrap();
    let elem = ElemType::WORDS.iter().position(|word| *word == elem);
    let elem = ElemType::ALL[elem.unwrap()];
    let shape = shape.split(", ").filter(|dim| !dim.is_empty());
    let shape: Vec<usize> = shape.map(|dim| dim.parse().unwrap()).collect();
    (name.to_owned(), Data::of(elem, &shape, &numbers(values)))
}

/// A value of a type from the tensors in it, by name; `None` where there are none.
fn value(ty: &Type, name: &str, tensors: &BTreeMap<String, Data>) -> Arg {
    let part = |(at, ty): (usize, &Type)| value(ty, &format!("{name}.{at}"), tensors);
    match ty {
        Type::Tensor(_) => tensors.get(name).cloned().map_or(Arg::None, Arg::Tensor),
        Type::Int(_) | Type::Float(_) => tensors.get(name).map_or(Arg::None, Data::scalar),
        Type::Optional(inner) => {
            let leaves = inner.leaves(name);
            if leaves.iter().any(|leaf| tensors.contains_key(&leaf.name)) {
                value(inner, name, tensors)
            } else {
                Arg::None
            }
        }
        Type::Tuple(items) => Arg::Tuple(items.iter().enumerate().map(part).collect()),
        Type::List(items) => Arg::List(items.iter().enumerate().map(part).collect()),
        Type::Dict(entries) => {
            let entry = |(key, ty): &(String, Type)| {
                (key.clone(), value(ty, &entry_name(name, key), tensors))
            };
            Arg::Dict(entries.iter().map(entry).collect())
        }
        Type::Literal(Literal::Bool(value)) => Arg::Flag(*value),
        Type::Literal(Literal::Text(text)) => Arg::Text(text.clone()),
        Type::Adjacency(_) | Type::Size(_) | Type::Flag => panic!("no case has {ty:?}"),
    }
}

/// `3`, `0.5`, `true` or `"mean"`
fn setting(text: &str) -> Arg {
    if let Some(text) = text.strip_prefix('"') {
        return Arg::Text(text.trim_end_matches('"').to_owned());
    }
    let integer = text.parse().map(Arg::Int).ok();
    let boolean = || text.parse().map(Arg::Flag).ok();
    let float = || text.parse().map(Arg::Float).ok();
    integer.or_else(boolean).or_else(float).unwrap()
}

#[test]
fn cases_of_the_executor_are_written() {
    for name in [
        "dicts",
        "floats",
        "integers",
        "lists",
        "optional",
        "parameters",
        "scan",
        "tied",
    ] {
        let (builder, calls) = case(name);
        assert!(!calls.is_empty(), "{name}");
        write(name, &builder.model(), &calls, &refused(name));
    }
}

/// Calls of a program that must raise errors.
fn refused(name: &str) -> Vec<Refusal> {
    let vector = || Arg::from(Data::float(&[2], &[1.0, 2.0]));
    let list = |items: usize| Arg::List((0..items).map(|_| vector()).collect());
    let refusal = |(method, args, error)| Refusal {
        method,
        args,
        error,
    };
    let batch = |num_graphs: i64| {
        vec![
            ("x", Data::float(&[1, 2], &[1.0, 2.0]).into()),
            ("batch", Data::int(&[1], &[0]).into()),
            ("num_graphs", Arg::Int(num_graphs)),
            ("t", Arg::Float(1.0)),
        ]
    };
    let choice = |mode: &str| {
        vec![
            ("x", vector()),
            ("mode", Arg::Text(mode.to_owned())),
            ("negate", Arg::Flag(false)),
        ]
    };
    let calls = match name {
        "lists" => vec![
            (
                "forward",
                vec![("xs", list(1))],
                "expected 2 items in xs, got 1",
            ),
            (
                "forward",
                vec![("xs", list(3))],
                "expected 2 items in xs, got 3",
            ),
        ],
        "parameters" => vec![
            ("pool", batch(-1), "expected sizes that leave B at least 0"),
            (
                "known",
                vec![("x", vector()), ("num_nodes", Arg::Int(3))],
                "expected num_nodes to be 2 as the inputs show, got 3",
            ),
            ("forward", choice("half"), "no overload of forward"),
            (
                "forward__0",
                choice("double"),
                "expected mode to be \"same\"",
            ),
        ],
        _ => Vec::new(),
    };
    calls.into_iter().map(refusal).collect()
}
