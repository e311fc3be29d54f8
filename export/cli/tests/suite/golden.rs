//! From PyG's checkpoint to PyG's result.

use std::{
    io::Read as _,
    process::{Command, Stdio},
};

use super::support::{Case, FIXTURES, Folder, assert_close};

/// Exports a fixture, checks the file and runs it.
fn follow(name: &str) {
    let folder = Folder::new();
    let case = Case::read(name);
    folder.write_case(&case);
    let outcome = folder.export().ok();
    assert_eq!(outcome.stdout, "");
    assert!(
        outcome.stderr.starts_with("wrote model.kiln ("),
        "{outcome:#?}"
    );

    let outcome = folder.kiln(&["check", "model.kiln"]).ok();
    assert!(
        outcome.stdout.starts_with("model.kiln: ok ("),
        "{outcome:#?}"
    );

    let args = "run model.kiln --graph graph.safetensors --backend flex -o out.safetensors";
    let outcome = folder.kiln(&args.split(' ').collect::<Vec<_>>()).ok();
    assert_eq!(outcome.stdout, "");
    assert!(
        outcome.stderr.starts_with("wrote out.safetensors ("),
        "{outcome:#?}"
    );
    let out = folder.read_tensors("out.safetensors");
    assert_eq!(out.keys().collect::<Vec<_>>(), ["output"]);
    assert_close(&out["output"], &case.expected[0]);
}

#[test]
fn gcn_with_edge_weights() {
    follow("GCN-edge_index-loops-edge_weight");
}

#[test]
fn gcn_with_norm_and_jumping_knowledge() {
    follow("GCN-edge_index-loops-norm-jk_cat");
}

#[test]
fn modules_of_ones_own_with_read_out() {
    follow("Sequential-edge_index-loops-mean");
}

#[test]
fn graph_sage() {
    follow("GraphSAGE-edge_index-plain-default");
}

#[test]
fn gat_with_edge_features() {
    follow("GAT-edge_index-loops-edge_dim");
}

#[test]
fn gin() {
    follow("GIN-edge_index-loops-default");
}

#[test]
fn gin_conv_by_widths() {
    follow("GINConv-edge_index-plain-default");
}

#[test]
fn overloads_are_chosen_by_the_tensors_that_are_there() {
    follow("SAGEConv-edge_index-loops-default");
    follow("SAGEConv-adj-loops-default");
    follow("SAGEConv-pair_edge_index-bipartite-default");
    follow("SAGEConv-pair_edge_index-bipartite-no_dst");
}

#[test]
fn a_graph_without_edges() {
    follow("GCNConv-edge_index-empty-default");
}

#[test]
fn pt_and_safetensors_give_the_same_files() {
    let folder = Folder::new();
    folder.write_case(&Case::read("SAGEConv-edge_index-plain-default"));
    for extension in ["pt", "safetensors"] {
        let weights = format!("{FIXTURES}/sage_state_dict.{extension}");
        let native = format!("from_{extension}.kiln");
        let archive = format!("from_{extension}.pt");
        let args = ["export", "--arch", "arch.toml", "--weights", &weights];
        let outcome =
            folder.kiln(&[&args[..], &["-o", &native, "--torchscript", &archive]].concat());
        assert_eq!(outcome.ok().stderr.lines().count(), 2);
    }
    assert_eq!(
        folder.bytes("from_pt.kiln"),
        folder.bytes("from_safetensors.kiln")
    );
    assert_eq!(
        folder.bytes("from_pt.pt"),
        folder.bytes("from_safetensors.pt")
    );

    // Converting gives what exporting gave.
    folder
        .kiln(&["convert", "from_pt.kiln", "converted.pt"])
        .ok();
    assert_eq!(folder.bytes("converted.pt"), folder.bytes("from_pt.pt"));
    folder.kiln(&["convert", "from_pt.kiln", "again.kiln"]).ok();
    assert_eq!(folder.bytes("again.kiln"), folder.bytes("from_pt.kiln"));
    folder
        .kiln(&["convert", "from_pt.kiln", "program.kir"])
        .ok();
    let text = folder
        .kiln(&["inspect", "from_pt.kiln", "--text"])
        .ok()
        .stdout;
    assert_eq!(text.as_bytes(), folder.bytes("program.kir"));
    let outcome = folder.kiln(&["check", "program.kir"]).ok();
    assert!(
        outcome.stdout.starts_with("program.kir: ok ("),
        "{outcome:#?}"
    );
}

#[test]
fn inspect_shows_signatures_layers_and_weights() {
    let folder = Folder::new();
    folder.write_case(&Case::read("GCN-edge_index-plain-default"));
    folder.export().ok();
    let text = folder.kiln(&["inspect", "model.kiln"]).ok().stdout;
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(
        first.starts_with("model.kiln: GCN, ") && first.ends_with("KiB"),
        "{first}"
    );
    insta::assert_snapshot!("inspect", rest);

    let json = folder
        .kiln(&["inspect", "model.kiln", "--json"])
        .ok()
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["kind"], "GCN");
    assert_eq!(json["methods"][0]["name"], "forward__0");
    assert_eq!(json["methods"][0]["inputs"][2]["name"], "edge_weight");
    assert_eq!(json["methods"][0]["inputs"][2]["optional"], true);
    assert_eq!(json["weights"].as_array().unwrap().len(), 4);
    assert_eq!(json["total"]["values"], 8 * 8 + 8 + 8 * 6 + 6);
}

#[test]
fn without_output_run_prints_a_summary() {
    let folder = Folder::new();
    folder.write_case(&Case::read("GCN-edge_index-plain-default"));
    folder.export().ok();
    let outcome = folder
        .kiln(&["run", "model.kiln", "--graph", "graph.safetensors"])
        .ok();
    let line = outcome.stdout;
    assert!(line.starts_with("  output  f32[12, 6]  "), "{line}");
    assert!(line.ends_with(", ..\n"), "{line}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_variant_with_a_flag_is_chosen_by_its_name() {
    let folder = Folder::new();
    let case = Case::read("GATConv-edge_index_attention-loops-default");
    folder.write_case(&case);
    folder.export().ok();
    let inspect = folder.kiln(&["inspect", "model.kiln"]).ok().stdout;
    let (method, _) = inspect
        .lines()
        .filter_map(|line| line.trim().split_once("(x: f32["))
        .find(|(_, rest)| rest.contains("edge_index: i64[2, E]") && rest.contains("flag"))
        .unwrap();
    let run = ["run", "model.kiln", "--graph", "graph.safetensors"];

    let args = [&run[..], &["--method", method, "-o", "out.safetensors"]].concat();
    folder.kiln(&args).ok();
    let out = folder.read_tensors("out.safetensors");
    assert_eq!(
        out.keys().collect::<Vec<_>>(),
        ["output.0", "output.1.0", "output.1.1"]
    );
    let [x, edges, attention] = case.expected.as_slice() else {
        panic!("three results")
    };
    assert_close(&out["output.0"], x);
    assert_eq!(&out["output.1.0"], edges);
    assert_close(&out["output.1.1"], attention);

    // The plain name stands for a variant without the flag.
    let text = folder.kiln(&run).ok().stdout;
    assert!(text.starts_with("  output  f32[12, 6]  "), "{text}");
}

#[test]
fn an_output_that_exists_is_replaced() {
    let folder = Folder::new();
    folder.write_case(&Case::read("GCN-edge_index-plain-default"));
    folder.write("model.kiln", "old");
    folder.export().ok();
    folder.kiln(&["check", "model.kiln"]).ok();
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let folder = Folder::new();
    folder.write_case(&Case::read("GAT-edge_index-loops-norm-jk_cat"));
    folder.export().ok();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kiln"))
        .args(["inspect", "--text"])
        .arg(folder.path("model.kiln"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(
        (child.wait().unwrap().code(), stderr.as_str()),
        (Some(0), "")
    );
}
