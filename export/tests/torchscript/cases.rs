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
    let (mut calls, mut outputs): (Vec<Call>, Vec<Data>) = Default::default();
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
                    (
                        name,
                        set.unwrap_or_else(|| argument(&param.ty, name, &inputs)),
                    )
                });
                calls.push(Call {
                    method: method.name.clone().leak(),
                    args: args.collect(),
                    out: Arg::None,
                });
                inputs.clear();
                settings.clear();
            }
            "output" => {
                outputs.push(tensor(rest).1);
                let call = calls.last_mut().unwrap();
                let result = &method(call.method).result;
                if outputs.len() == result.leaves("").len() {
                    call.out = structure(result, &mut outputs.drain(..));
                    if !takes {
                        calls.pop();
                    }
                }
            }
            // PyTorch refuses it in other words, or not at all.
            "error:" => drop(calls.pop()),
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

/// An argument from the tensors in it.
fn argument(ty: &Type, name: &str, inputs: &BTreeMap<String, Data>) -> Arg {
    if let Type::Dict(entries) = ty {
        let entry = |(key, ty): &(String, Type)| {
            (key.clone(), argument(ty, &entry_name(name, key), inputs))
        };
        return Arg::Dict(entries.iter().map(entry).collect());
    }
    if let Type::List(items) = ty {
        let item = |(at, ty)| argument(ty, &format!("{name}.{at}"), inputs);
        return Arg::List(items.iter().enumerate().map(item).collect());
    }
    if let (Type::Int(_) | Type::Float(_), Some(data)) = (ty, inputs.get(name)) {
        return data.scalar();
    }
    let leaves = ty.leaves(name);
    match ty {
        Type::Literal(Literal::Bool(value)) => return Arg::Flag(*value),
        Type::Literal(Literal::Text(text)) => return Arg::Text(text.clone()),
        _ if leaves.is_empty() => return Arg::None,
        _ => {}
    }
    if leaves.iter().any(|leaf| !inputs.contains_key(&leaf.name)) {
        return Arg::None;
    }
    let mut given = leaves.iter().map(|leaf| inputs[&leaf.name].clone());
    structure(ty, &mut given)
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

/// A value of a type from all tensors in it.
fn structure(ty: &Type, tensors: &mut dyn Iterator<Item = Data>) -> Arg {
    match ty {
        Type::Tensor(_) => Arg::Tensor(tensors.next().unwrap()),
        Type::Optional(inner) => structure(inner, tensors),
        Type::Tuple(items) => {
            let items = items.iter().map(|item| structure(item, tensors));
            Arg::Tuple(items.collect())
        }
        Type::List(items) => {
            let items = items.iter().map(|item| structure(item, tensors));
            Arg::List(items.collect())
        }
        Type::Dict(entries) => {
            let entries = entries.iter();
            Arg::Dict(
                entries
                    .map(|(key, ty)| (key.clone(), structure(ty, tensors)))
                    .collect(),
            )
        }
        other => panic!("no case has {other:?}"),
    }
}

#[test]
fn cases_of_the_executor_are_written() {
    for name in ["dicts", "floats", "integers", "lists", "parameters", "tied"] {
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
