//! Parameters that are integers, floats, texts and booleans.

use std::fs;

use safetensors::Dtype;

use super::support::{Folder, Tensors, floats, ints};

/// A model with such parameters; its program is `parameters.kir`, beside the tests of the executor.
const MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../ir/tests/files/native/v3/parameters.kiln"
);

fn float(shape: &[usize], values: &[f32]) -> (Dtype, Vec<usize>, Vec<u8>) {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    (Dtype::F32, shape.to_vec(), bytes.collect())
}

/// A folder with the model and a graph.
fn folder(graph: &Tensors) -> Folder {
    let folder = Folder::new();
    folder.write("model.kiln", fs::read(MODEL).unwrap());
    folder.write_tensors("graph.safetensors", graph);
    folder
}

fn batch() -> Tensors {
    let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    Tensors::from([
        ("x".to_owned(), float(&[4, 2], &rows)),
        ("batch".to_owned(), ints(&[4], &[0, 0, 1, 1])),
    ])
}

fn row() -> Tensors {
    Tensors::from([("x".to_owned(), float(&[3], &[1.0, 2.0, 3.0]))])
}

fn run<'a>(method: &'a str, settings: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["run", "model.kiln", "--graph", "graph.safetensors"];
    args.extend([
        "-o",
        "out.safetensors",
        "--backend",
        "flex",
        "--method",
        method,
    ]);
    args.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    args
}

#[track_caller]
fn gives(graph: &Tensors, method: &str, settings: &[&str], expected: &[f32]) {
    let folder = folder(graph);
    folder.kiln(&run(method, settings)).ok();
    let out = &folder.read_tensors("out.safetensors")["output"];
    assert_eq!(floats(out), expected);
}

#[test]
fn numbers_are_set_or_in_the_graph() {
    let expected = [8.0, 12.0, 24.0, 28.0];
    gives(&batch(), "pool", &["num_graphs=2", "t=0.5"], &expected);
    let mut graph = batch();
    graph.insert("num_graphs".to_owned(), ints(&[1], &[2]));
    graph.insert("t".to_owned(), float(&[1], &[0.5]));
    gives(&graph, "pool", &[], &expected);
    gives(&row(), "known", &["num_nodes=3"], &[3.0; 3]);
    gives(&row(), "known", &[], &[3.0; 3]);
}

#[test]
fn texts_and_booleans_choose_the_variant() {
    let same = ["mode=same", "negate=true"];
    gives(&row(), "forward", &same, &[-1.0, -2.0, -3.0]);
    let double = ["mode=double", "negate=false"];
    gives(&row(), "forward", &double, &[2.0, 4.0, 6.0]);
    gives(&row(), "forward__2", &[], &[2.0, 4.0, 6.0]);
}

#[test]
fn wrong_settings() {
    for (graph, method, settings, message) in [
        (
            batch(),
            "pool",
            &["t=0.5"][..],
            "there is no integer `num_graphs`; give it by --set num_graphs=..",
        ),
        (
            batch(),
            "pool",
            &["num_graphs=2", "t=warm"],
            "expected a float, got warm",
        ),
        (
            batch(),
            "pool",
            &["num_graphs=2.5", "t=1"],
            "expected an integer, got 2.5",
        ),
        (
            batch(),
            "pool",
            &["num_graphs=2", "t=1", "x=1"],
            "it is a tensor, which the graph must have",
        ),
        (
            batch(),
            "pool",
            &["num_graphs=2", "t=1", "size=1"],
            "there is no parameter `size` to set",
        ),
        (
            row(),
            "known",
            &["num_nodes=4"],
            "expected input \"num_nodes\" to be $N = 3, got 4",
        ),
        (
            row(),
            "forward",
            &["mode=half"],
            "forward__0 lacks --set mode=same, --set negate=false",
        ),
        (
            row(),
            "forward__2",
            &["mode=same"],
            "expected \"double\" as `mode`, got same",
        ),
    ] {
        folder(&graph).fails(&run(method, settings), 1, &[message]);
    }
    folder(&row()).fails(&run("known", &["num_nodes"]), 2, &["expected NAME=VALUE"]);
}

#[test]
fn signatures_show_them() {
    let outcome = folder(&row()).kiln(&["inspect", "model.kiln"]).ok();
    for line in [
        "pool(x: f32[N, 2], batch: i64[N], num_graphs: int B, t: float) -> f32[B, 2]",
        "inputs: x, batch, t, num_graphs",
        "known(x: f32[N], num_nodes: int N?) -> f32[N]",
        "forward__1(x: f32[N], mode: \"same\", negate: true) -> f32[N]",
        "inputs: x, mode = \"same\", negate = true",
    ] {
        assert!(outcome.stdout.contains(line), "{}", outcome.stdout);
    }
    folder(&row()).kiln(&["check", "model.kiln"]).ok();
}
