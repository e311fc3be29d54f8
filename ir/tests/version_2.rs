//! Files of version 2 of the native format, as they were written when it was the newest one.

use std::{fs, path::PathBuf};

use kiln_ir::{Model, parse};

fn files() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files")
}

/// The texts have every operation and type of version 2.
#[test]
fn programs_are_those_that_their_texts_say() {
    let texts = [
        ("exec", "binary"),
        ("exec", "elementwise"),
        ("exec", "errors"),
        ("exec", "fused"),
        ("exec", "graph"),
        ("exec", "linear"),
        ("exec", "loops"),
        ("exec", "methods"),
        ("exec", "reduce"),
        ("exec", "shape"),
        ("exec", "unary"),
        ("exec", "undefined"),
        ("exec", "variants"),
        ("native/v2", "sizes"),
        ("parts", "attention_pair"),
    ];
    for (folder, name) in texts {
        let text = files().join(folder).join(name).with_extension("kir");
        let expected = parse(&fs::read_to_string(text).unwrap()).unwrap();
        let path = files().join("native/v2").join(name).with_extension("kiln");
        let model = Model::load(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Model::check(&path).unwrap();
        assert_eq!(*model.program, expected, "{name}");
        let again = Model::from_bytes(&model.to_bytes().unwrap());
        assert_eq!(again.unwrap(), model, "{name}");
    }
}

/// A recorded layer: the same program and weights as in its file of version 1.
#[test]
fn a_recorded_layer_is_what_it_was() {
    let load = |version: &str| {
        let path = files().join("native").join(version).join("gat_conv.kiln");
        Model::load(&path).unwrap_or_else(|error| panic!("{version}: {error}"))
    };
    assert_eq!(load("v2"), load("v1"));
}
