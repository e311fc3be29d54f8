//! The archive as a file: container, alignment, determinism, errors.

use std::io::{Cursor, Read as _};

use kiln_export::torchscript::{self, Error};
use kiln_ir::{ElemType, ModuleId, Op, Type, WeightRole, Weights};
use zip::{CompressionMethod, ZipArchive};

use crate::{
    builder::{Builder, float},
    expectation::Data,
    models::{network, overloads},
};

fn entries(bytes: &[u8]) -> ZipArchive<Cursor<&[u8]>> {
    ZipArchive::new(Cursor::new(bytes)).unwrap()
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let first = torchscript::to_bytes(&network().0.model()).unwrap();
    let second = torchscript::to_bytes(&network().0.model()).unwrap();
    assert_eq!(first, second);
}

#[test]
fn entries_are_stored_under_one_folder_and_tensors_aligned() {
    let bytes = torchscript::to_bytes(&network().0.model()).unwrap();
    let mut archive = entries(&bytes);
    let mut names = Vec::new();
    for position in 0..archive.len() {
        let entry = archive.by_index(position).unwrap();
        assert_eq!(entry.compression(), CompressionMethod::Stored);
        let name = entry
            .name()
            .unwrap()
            .strip_prefix("kiln/")
            .unwrap()
            .to_owned();
        if name.starts_with("data/") || name.starts_with("constants/") {
            assert_eq!(entry.data_start().unwrap() % 64, 0, "{name}");
        }
        names.push(name);
    }
    let data: Vec<String> = (0..9).map(|number| format!("data/{number}")).collect();
    let rest = [
        "data.pkl",
        "code/__torch__/kiln.py",
        "code/__torch__/kiln/___torch_mangle_0.py",
        "code/__torch__/kiln/ops.py",
        "constants/0",
        "constants.pkl",
        "version",
    ];
    let expected: Vec<&str> = data.iter().map(String::as_str).chain(rest).collect();
    assert_eq!(names, expected);
}

#[test]
fn tensors_are_raw_little_endian_elements() {
    let (builder, _) = network();
    let gamma = builder.values["norm.weight"].bytes();
    let steps = builder.values["norm.num_batches_tracked"].bytes();
    let bytes = torchscript::to_bytes(&builder.model()).unwrap();
    let mut archive = entries(&bytes);
    let mut all = Vec::new();
    for number in 0..9 {
        let mut data = Vec::new();
        archive
            .by_name(&format!("kiln/data/{number}"))
            .unwrap()
            .read_to_end(&mut data)
            .unwrap();
        all.push(data);
    }
    assert!(all.contains(&gamma));
    assert!(all.contains(&steps));
}

#[test]
fn a_written_file_holds_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");
    let model = overloads().0.model();
    std::fs::write(&path, "an older file").unwrap();
    torchscript::write(&model, &path).unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        torchscript::to_bytes(&model).unwrap()
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn nothing_is_left_where_a_file_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("net.pt");
    let error = torchscript::write(&network().0.model(), &path).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("net.pt"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A program whose root function reads a weight of a sibling module.
fn sibling_weight() -> Builder {
    let mut builder = Builder::new("Net");
    let root = ModuleId(0);
    let (a, b) = (
        builder.module(Some(root), "a", "A"),
        builder.module(Some(root), "b", "B"),
    );
    let weight = builder.weight(
        b,
        "b.weight",
        WeightRole::Parameter,
        Data::float(&[2], &[1.0, 2.0]),
    );
    let ty = float(vec![2.into()]);
    let mut body = builder.function(a, "forward");
    let out = body.weight(weight);
    let inner = body.finish(&[out]);
    let mut body = builder.function(root, "forward");
    let out = body.op(Op::Call(inner), &[], &ty);
    let outer = body.finish(&[out]);
    builder.method("forward", vec![], Type::Tensor(ty), vec![(vec![], outer)]);
    builder
}

#[test]
fn a_weight_of_another_branch_is_an_error_that_names_both() {
    let error = torchscript::to_bytes(&sibling_weight().model()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.forward: weight b.weight is not inside the module \"a\""
    );
}

#[test]
fn weights_that_do_not_fit_are_errors_and_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");

    let mut model = overloads().0.model();
    model.weights = Weights::new();
    let error = torchscript::write(&model, &path).unwrap_err();
    assert_eq!(error.to_string(), "weight lin_l.weight has no values");

    model
        .weights
        .insert("lin_l.weight", ElemType::F32, vec![1], vec![0; 4])
        .unwrap();
    let error = torchscript::write(&model, &path).unwrap_err();
    let message = "weight lin_l.weight of type f32 and shape [2, 3] has 4 bytes of values";
    assert_eq!(error.to_string(), message);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_method_that_torchscript_cannot_name_is_an_error() {
    let mut builder = overloads().0;
    builder.program.modules[0].methods[0].name = "lambda".to_owned();
    let error = torchscript::to_bytes(&builder.model()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "lambda: TorchScript has no form of a method of this name"
    );
}

/// A weight, a child or a method cannot have a name that PyTorch or another member has.
#[test]
fn names_that_are_taken_are_errors_and_leave_no_file() {
    let text = |weight: &str, child: &str, method: &str| {
        format!(
            "kiln 1
symbols $N
weight @a.{weight}: parameter f32[2]
weight @a.{child}.b: parameter f32[2]
module @ = Net {{
  child @a
}}
module @a = Net {{
  weight @a.{weight}
  child @a.{child}
  method {method}(x: f32[$N]) -> f32[$N] {{
    case () -> @a.f
  }}
}}
module @a.{child} = Net {{
  weight @a.{child}.b
}}
fn @a.f(x %0: f32[$N]) -> (%0) {{
}}
"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    for (weight, child, method, expected) in [
        (
            "training",
            "child",
            "forward",
            "a weight cannot be called \"training\", a name that PyTorch has",
        ),
        (
            "_buffers",
            "child",
            "forward",
            "a weight cannot be called \"_buffers\", a name that PyTorch has",
        ),
        (
            "weight",
            "training",
            "forward",
            "a child cannot be called \"training\", a name that PyTorch has",
        ),
        (
            "weight",
            "_c",
            "forward",
            "a child cannot be called \"_c\", a name that PyTorch has",
        ),
        (
            "forward",
            "child",
            "forward",
            "a weight cannot be called \"forward\", a name that a method has",
        ),
        (
            "weight",
            "encode",
            "encode",
            "a child cannot be called \"encode\", a name that a method has",
        ),
        (
            "lin",
            "lin",
            "forward",
            "a child cannot be called \"lin\", a name that a weight has",
        ),
        (
            "forward",
            "child",
            "forward__0",
            "a weight cannot be called \"forward\", a name that a method has",
        ),
        (
            "weight",
            "child",
            "__getstate__",
            "a method cannot be called \"__getstate__\", a name that PyTorch has",
        ),
    ] {
        let mut builder = Builder::parse(&text(weight, child, method));
        for weight in &builder.program.weights {
            builder
                .values
                .insert(weight.name.clone(), Data::float(&[2], &[1.0, 2.0]));
        }
        let path = folder.path().join("net.pt");
        let error = torchscript::write(&builder.model(), &path).unwrap_err();
        assert!(matches!(error, Error::Name { .. }), "{error}");
        assert_eq!(error.to_string(), format!("module \"a\": {expected}"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    // A constant is no attribute, and words of TorchScript are names as any others.
    let mut builder = Builder::parse(&text("weight", "lambda", "forward"));
    for weight in &builder.program.weights {
        builder
            .values
            .insert(weight.name.clone(), Data::float(&[2], &[1.0, 2.0]));
    }
    torchscript::to_bytes(&builder.model()).unwrap();
}

#[test]
fn a_word_of_torchscript_names_no_overloads() {
    let text = "kiln 1
symbols $N
module @ = Net {
  method in__0(x: f32[$N]) -> f32[$N] {
    case () -> @f
  }
}
fn @f(x %0: f32[$N]) -> (%0) {
}
";
    let error = torchscript::to_bytes(&Builder::parse(text).model()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "in__0: TorchScript has no form of a method \"in\" for its overloads"
    );
}

/// Each of these integers has a default, and each choice of those that are given leaves another
/// symbol for the sum to show.
#[test]
fn integers_that_show_sizes_in_too_many_ways_are_an_error() {
    let model = |count: usize| {
        let all = |one: &dyn Fn(usize) -> String, between: &str| {
            (0..count).map(one).collect::<Vec<_>>().join(between)
        };
        let names = all(&|at| format!("$A{at}"), ", ");
        let sum = all(&|at| format!("$A{at}"), " + ");
        let integers = all(&|at| format!("a{at}: int $A{at}?"), ", ");
        let defaults = all(&|at| format!("    default $A{at} = $N\n"), "");
        let text = format!(
            "kiln 1\nsymbols $N, {names}\nmodule @ = Net {{\n  method forward(x: f32[$N], y: \
             f32[{sum}], {integers}) -> f32[$N] {{\n{defaults}    case () -> @f\n  }}\n}}\nfn @f(x \
             %0: f32[$N], y %1: f32[{sum}]) -> (%0) {{\n}}\n"
        );
        Builder::parse(text.leak()).model()
    };
    torchscript::to_bytes(&model(8)).unwrap();
    let error = torchscript::to_bytes(&model(9)).unwrap_err();
    assert!(
        error.to_string().contains("256 ways in which integers"),
        "{error}"
    );
}
