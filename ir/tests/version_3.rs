//! Files of version 3 of the native format, which are written.

use std::{fs, path::PathBuf};

use kiln_ir::Model;

use crate::exec::model;

fn files() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files/native")
}

/// The models of the files of version 2. A change that makes other bytes of a model needs a new
/// version, unless readers of these bytes read the others too. `BLESS=1` writes files that are not
/// there.
#[test]
fn models_are_written_as_they_were() {
    for name in [
        "attention_pair",
        "binary",
        "elementwise",
        "fused",
        "graph",
        "linear",
        "loops",
        "methods",
        "reduce",
        "shape",
        "sizes",
        "unary",
    ] {
        let path = |version: &str| files().join(version).join(name).with_extension("kiln");
        let model = Model::load(path("v2")).unwrap();
        let bytes = model.to_bytes().unwrap();
        if std::env::var_os("BLESS").is_some() && !path("v3").exists() {
            fs::create_dir_all(files().join("v3")).unwrap();
            fs::write(path("v3"), &bytes).unwrap();
        }
        assert_eq!(fs::read(path("v3")).unwrap(), bytes, "{name}");
        assert_eq!(Model::load(path("v3")).unwrap(), model, "{name}");
    }
}

/// The models of programs with operations that version 2 lacks, from `tests/files/exec`. `BLESS=1`
/// writes files that are not there.
#[test]
fn models_with_later_operations_are_written_as_they_were() {
    for name in [
        "detach",
        "dicts",
        "floats",
        "integers",
        "lists",
        "optional",
        "order",
        "parameters",
        "repeat",
        "running_statistic",
        "scan",
        "scatter",
        "tied",
    ] {
        let text = files().join("../exec").join(name).with_extension("kir");
        let model = model(&fs::read_to_string(text).unwrap());
        let path = files().join("v3").join(name).with_extension("kiln");
        let bytes = model.to_bytes().unwrap();
        if std::env::var_os("BLESS").is_some() && !path.exists() {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
        assert_eq!(Model::load(&path).unwrap(), model, "{name}");
    }
}

/// Names and sizes stand once.
#[test]
fn a_recorded_layer_is_smaller_than_in_version_2() {
    let length = |model: &Model| model.to_bytes().unwrap().len();
    let path = files().join("v2/gat_conv.kiln");
    let before = fs::metadata(&path).unwrap().len();
    let now = length(&Model::load(&path).unwrap());
    assert!(
        u64::try_from(now).unwrap() * 3 < before * 2,
        "{now} of {before}"
    );
}
