//! Programs of the executor's tests, whose files say what they compute, as archives.

use std::{collections::BTreeMap, path::PathBuf};

use kiln_ir::{ElemType, Leaf, Type, leaf::entry_name};

use crate::{
    builder::Builder,
    expectation::{Arg, Call, Data, write},
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
            "run" => {
                let leaves = method(rest).leaves();
                let of_type = |leaf: &Leaf<'_>| {
                    let data = inputs.get(&leaf.name);
                    data.is_none_or(|data: &Data| data.elem() == leaf.ty.elem)
                };
                takes = leaves.iter().all(of_type);
                let params = method(rest).params.iter();
                let args = params.map(|param| {
                    let name: &'static str = param.name.clone().leak();
                    (name, argument(&param.ty, name, &inputs))
                });
                calls.push(Call {
                    method: rest,
                    args: args.collect(),
                    out: Arg::None,
                });
                inputs.clear();
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
    let leaves = ty.leaves(name);
    if leaves.iter().any(|leaf| !inputs.contains_key(&leaf.name)) {
        return Arg::None;
    }
    let mut given = leaves.iter().map(|leaf| inputs[&leaf.name].clone());
    structure(ty, &mut given)
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
        Type::Dict(entries) => {
            let entries = entries.iter();
            Arg::Dict(
                entries
                    .map(|(key, ty)| (key.clone(), structure(ty, tensors)))
                    .collect(),
            )
        }
        Type::Adjacency(_) | Type::Size(_) | Type::Flag => panic!("no case has {ty:?}"),
    }
}

#[test]
fn cases_of_the_executor_are_written() {
    for name in ["dicts", "floats", "integers", "scan", "tied"] {
        let (builder, calls) = case(name);
        assert!(!calls.is_empty(), "{name}");
        write(name, &builder.model(), &calls, &[]);
    }
}
