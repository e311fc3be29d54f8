//! Wrong files and arguments: exit code, message, and no file left behind.

use super::support::{Case, Folder, Tensors, floats, ints};

const GCN: &str = "GCN-edge_index-plain-default";

const EXPORT: [&str; 7] = [
    "export",
    "--arch",
    "arch.toml",
    "--weights",
    "weights.safetensors",
    "-o",
    "out.kiln",
];

const RUN: [&str; 6] = [
    "run",
    "model.kiln",
    "--graph",
    "graph.safetensors",
    "-o",
    "out.safetensors",
];

/// A folder with the files of a case.
fn folder(name: &str) -> (Folder, Case) {
    let folder = Folder::new();
    let case = Case::read(name);
    folder.write_case(&case);
    (folder, case)
}

/// The same, exported.
fn exported(name: &str) -> (Folder, Case) {
    let (folder, case) = folder(name);
    folder.export().ok();
    (folder, case)
}

/// Runs a model on a changed graph, which must fail.
fn run_fails(name: &str, change: impl FnOnce(&mut Tensors), messages: &[&str]) {
    let (folder, mut case) = exported(name);
    change(&mut case.graph);
    folder.write_tensors("graph.safetensors", &case.graph);
    folder.fails(&RUN, 1, messages);
}

// Files ------------------------------------------------------------------------------------------

#[test]
fn missing_files() {
    let (folder, _) = exported(GCN);
    let system = "No such file or directory";
    let cases: [(&[&str], &str); 7] = [
        (&["inspect", "no.kiln"], "no.kiln"),
        (&["check", "no.kiln"], "no.kiln"),
        (&["check", "no.kir"], "no.kir"),
        (&["convert", "no.kiln", "out.pt"], "no.kiln"),
        (
            &["run", "no.kiln", "--graph", "graph.safetensors"],
            "no.kiln",
        ),
        (
            &["run", "model.kiln", "--graph", "no.safetensors"],
            "no.safetensors",
        ),
        (
            &[
                "export",
                "--arch",
                "no.toml",
                "--weights",
                "w.pt",
                "-o",
                "out.kiln",
            ],
            "no.toml",
        ),
    ];
    for (args, file) in cases {
        folder.fails(args, 1, &[&format!("error: cannot read {file}"), system]);
    }
    let args = [
        "export",
        "--arch",
        "arch.toml",
        "--weights",
        "no.pt",
        "-o",
        "out.kiln",
    ];
    folder.fails(&args, 1, &["error: cannot read no.pt", system]);
}

#[test]
fn a_truncated_file() {
    let (folder, _) = exported(GCN);
    let bytes = folder.bytes("model.kiln");
    for length in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
        folder.write("cut.kiln", &bytes[..length]);
        folder.fails(
            &["check", "cut.kiln"],
            1,
            &["error: cut.kiln is not a good .kiln file"],
        );
        folder.fails(
            &["inspect", "cut.kiln"],
            1,
            &["error: cannot load cut.kiln", "hint: "],
        );
        folder.fails(
            &["convert", "cut.kiln", "out.pt"],
            1,
            &["error: cannot load cut.kiln"],
        );
        let args = [
            "run",
            "cut.kiln",
            "--graph",
            "graph.safetensors",
            "-o",
            "out.safetensors",
        ];
        folder.fails(&args, 1, &["error: cannot load cut.kiln"]);
    }
}

#[test]
fn a_flipped_bit() {
    let (folder, _) = exported(GCN);
    let bytes = folder.bytes("model.kiln");
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let header = usize::try_from(header).unwrap();

    // The program stands at the end and is verified whenever the file is loaded.
    let mut program = bytes.clone();
    *program.last_mut().unwrap() ^= 1;
    folder.write("flipped.kiln", program);
    let damaged = "\"kiln.program\" is damaged";
    folder.fails(
        &["check", "flipped.kiln"],
        1,
        &[damaged, "hint: a damaged file"],
    );
    folder.fails(
        &["inspect", "flipped.kiln"],
        1,
        &["error: cannot load flipped.kiln", damaged],
    );
    folder.fails(&["convert", "flipped.kiln", "out.pt"], 1, &[damaged]);

    // The weights stand behind the header and are verified by `check`.
    let mut weights = bytes;
    weights[8 + header] ^= 1;
    folder.write("flipped.kiln", weights);
    folder.fails(
        &["check", "flipped.kiln"],
        1,
        &["convs.0.bias\" is damaged"],
    );
}

#[test]
fn a_file_of_another_kind() {
    let (folder, _) = folder(GCN);
    let args = ["inspect", "weights.safetensors"];
    folder.fails(&args, 1, &["a safetensors file, but not of Kiln", "hint: "]);
    folder.write("text.kiln", "once upon a time there was a graph");
    folder.fails(&["inspect", "text.kiln"], 1, &["not a safetensors file"]);
    folder.write("text.kir", "kiln 1\n\nmodule @ = Net {\n  child @conv\n}\n");
    folder.fails(
        &["check", "text.kir"],
        1,
        &["error: text.kir is no program", "line 4"],
    );
    folder.write("text.kir", "kiln 1\n");
    folder.fails(
        &["check", "text.kir"],
        1,
        &["text.kir is not valid", "expected a root module"],
    );
}

#[test]
fn a_graph_that_is_no_safetensors_file() {
    let (folder, _) = exported(GCN);
    folder.write("graph.safetensors", "x = 1");
    let messages = [
        "graph.safetensors is not a safetensors file",
        "hint: in Python",
    ];
    folder.fails(&RUN, 1, &messages);
}

#[test]
fn paths_that_cannot_be_written() {
    let (folder, _) = exported(GCN);
    let no_folder = "error: cannot write no/such/folder";
    for args in [
        &["convert", "model.kiln", "no/such/folder.pt"][..],
        &[
            "run",
            "model.kiln",
            "--graph",
            "graph.safetensors",
            "-o",
            "no/such/folder.out",
        ],
        &[&EXPORT[..6], &["no/such/folder.kiln"]].concat(),
        &[&EXPORT[..], &["--torchscript", "no/such/folder.pt"]].concat(),
    ] {
        folder.fails(args, 1, &[no_folder, "hint: the folder must exist"]);
    }
    std::fs::create_dir(folder.path("folder.pt")).unwrap();
    let messages = ["error: cannot write folder.pt", "it is a folder"];
    folder.fails(&["convert", "model.kiln", "folder.pt"], 1, &messages);
    let both = [&EXPORT[..], &["--torchscript", "out.kiln"]].concat();
    folder.fails(&both, 1, &["both files would be written to one place"]);
}

// Models and weights -----------------------------------------------------------------------------

#[test]
fn an_unknown_model() {
    let (folder, _) = folder(GCN);
    folder.write("arch.toml", "model = \"GNC\"\n");
    folder.fails(
        &EXPORT,
        1,
        &["unknown layer or model `GNC`", "SAGEConv", "GraphSAGE"],
    );
}

#[test]
fn an_unknown_a_missing_and_a_wrong_argument() {
    let (folder, case) = folder(GCN);
    folder.write("arch.toml", format!("{}hiden = 3\n", case.arch));
    let messages = [
        "GCN has no argument `hiden`",
        "hidden_channels",
        "num_layers",
    ];
    folder.fails(&EXPORT, 1, &messages);
    folder.write(
        "arch.toml",
        "model = \"GCN\"\n[args]\nhidden_channels = 8\n",
    );
    folder.fails(&EXPORT, 1, &["GCN needs the argument `in_channels`"]);
    folder.write(
        "arch.toml",
        case.arch
            .replace("in_channels = 8", "in_channels = \"eight\""),
    );
    folder.fails(&EXPORT, 1, &["GCN: argument `in_channels`", "\"eight\""]);
}

#[test]
fn an_architecture_that_is_no_toml() {
    let (folder, _) = folder(GCN);
    for text in [
        "model = ",
        "[args]\nin_channels = 8\n",
        "model = \"GCN\"\narguments = 3\n",
    ] {
        folder.write("arch.toml", text);
        let messages = [
            "arch.toml is not an architecture",
            "hint: it has `model = \"GCN\"`",
        ];
        folder.fails(&EXPORT, 1, &messages);
    }
}

#[test]
fn missing_unexpected_and_misshapen_weights_are_all_listed() {
    let (folder, mut case) = folder(GCN);
    case.weights.remove("convs.0.bias").unwrap();
    case.weights.remove("convs.1.bias").unwrap();
    let weight = case.weights.get_mut("convs.1.lin.weight").unwrap();
    assert_eq!(weight.1, [6, 8]);
    weight.1 = vec![8, 6];
    case.weights
        .insert("convs.2.bias".to_owned(), ints(&[2], &[1, 2]));
    folder.write_tensors("weights.safetensors", &case.weights);
    folder.fails(
        &EXPORT,
        1,
        &[
            "error: cannot load weights.safetensors into GCN",
            "missing: convs.0.bias [8]",
            "missing: convs.1.bias [6]",
            "unexpected: convs.2.bias [2]",
            "shape of convs.1.lin.weight: expected [6, 8], got [8, 6]",
            "hint: the arguments in the TOML file",
        ],
    );
}

#[test]
fn weights_that_cannot_be_read() {
    let (folder, _) = folder(GCN);
    let with = |weights| {
        let mut args = EXPORT;
        args[4] = weights;
        args
    };
    folder.write("weights.pt", "not a pickle");
    folder.fails(
        &with("weights.pt"),
        1,
        &["weights.pt: cannot read", "hint: save the state_dict"],
    );
    folder.write("weights.safetensors", "not a header");
    folder.fails(
        &with("weights.safetensors"),
        1,
        &["weights.safetensors: cannot read"],
    );
    folder.fails(
        &with("arch.toml"),
        1,
        &["expected a file named .pt, .pth or .safetensors"],
    );
}

// Command lines ----------------------------------------------------------------------------------

#[test]
fn wrong_command_lines() {
    let (folder, _) = folder(GCN);
    folder.fails(&["fire"], 2, &["unrecognized subcommand 'fire'"]);
    folder.fails(&["inspect"], 2, &["<FILE>"]);
    folder.fails(
        &["inspect", "a.kiln", "--loud"],
        2,
        &["unexpected argument '--loud'"],
    );
    folder.fails(&EXPORT[..5], 2, &["--output <KILN>"]);
    let message = "expected a name that ends in .pt, .pth, .kir or .kiln";
    folder.fails(&["convert", "a.kiln", "a.onnx"], 2, &[message]);
}

#[test]
fn an_unknown_backend_and_one_that_is_not_compiled_in() {
    let (folder, _) = folder(GCN);
    let with = |backend| [&RUN[..], &["--backend", backend]].concat();
    let known = "expected one of flex, cpu, wgpu, vulkan, metal, cuda";
    folder.fails(&with("quantum"), 2, &["unknown backend `quantum`", known]);
    folder.fails(&with("cuda:first"), 2, &["`first` is not a device number"]);
    if !cfg!(feature = "metal") {
        let messages = ["backend `metal` is not compiled in; this build has flex"];
        folder.fails(&with("metal"), 2, &messages);
    }
}

#[test]
fn a_backend_that_the_environment_names_and_burn_does_not_know() {
    let (folder, _) = exported(GCN);
    let outcome = folder.kiln_with(&RUN, &[("BURN_DEVICE", "quantum")]);
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    let start =
        "error: the default backend cannot be used on this machine\n  cause: Unknown BURN_DEVICE";
    assert!(outcome.stderr.starts_with(start), "{outcome:#?}");
    assert!(!folder.path("out.safetensors").exists());
}

#[test]
fn an_unknown_method() {
    let (folder, _) = exported(GCN);
    let with = |method| [&RUN[..], &["--method", method]].concat();
    let message = "there is no method `backward`, expected one of forward";
    folder.fails(&with("backward"), 1, &[message, "hint: "]);

    let (folder, _) = exported("SAGEConv-edge_index-plain-default");
    let message = "expected one of forward__0, forward__1, forward__2, forward__3";
    folder.fails(&with("forward__4"), 1, &[message]);
}

// Graphs -----------------------------------------------------------------------------------------

#[test]
fn a_missing_tensor() {
    run_fails(
        GCN,
        |graph| drop(graph.remove("edge_index")),
        &[
            "it has x f32[12, 8], y i64[1]",
            "forward__0 lacks edge_index",
        ],
    );
    run_fails(
        "SAGEConv-edge_index-plain-default",
        |graph| drop(graph.remove("edge_index")),
        &[
            "forward__0 lacks edge_index",
            "forward__1 lacks edge_index.rowptr, edge_index.col",
        ],
    );
}

#[test]
fn a_wrong_rank_or_width() {
    run_fails(
        GCN,
        |graph| graph.get_mut("x").unwrap().1 = vec![12 * 8],
        &["tensor `x`: expected f32[N, 8], got f32[96]"],
    );
    run_fails(
        GCN,
        |graph| graph.get_mut("x").unwrap().1 = vec![24, 4],
        &["tensor `x`: expected f32[N, 8], got f32[24, 4]"],
    );
    run_fails(
        GCN,
        |graph| {
            let edges = graph.get_mut("edge_index").unwrap();
            edges.1 = vec![edges.1[1], 2];
        },
        &["tensor `edge_index`: expected i64[2, E], got i64[26, 2]"],
    );
}

#[test]
fn a_wrong_type() {
    run_fails(
        GCN,
        |graph| drop(graph.insert("x".to_owned(), ints(&[12, 8], &[1; 96]))),
        &["tensor `x`: expected f32[N, 8], got i64[12, 8]"],
    );
    run_fails(
        GCN,
        |graph| {
            let x = graph["x"].clone();
            assert_eq!(floats(&x).len(), 96);
            graph.insert("edge_index".to_owned(), (x.0, vec![2, 48], x.2));
        },
        &["tensor `edge_index`: expected i64[2, E], got f32[2, 48]"],
    );
}

#[test]
fn sizes_that_do_not_agree() {
    run_fails(
        "GCN-edge_index-loops-edge_weight",
        |graph| {
            let weight = graph.get_mut("edge_weight").unwrap();
            weight.1[0] -= 1;
            weight.2.truncate(weight.1[0] * 4);
        },
        &["tensor `edge_weight`: expected f32[E] with sizes [18], got [17]"],
    );
}

#[test]
fn an_edge_to_a_node_that_does_not_exist() {
    let with = |value: i64| {
        move |graph: &mut Tensors| {
            let (_, _, bytes) = graph.get_mut("edge_index").unwrap();
            bytes[5 * 8..6 * 8].copy_from_slice(&value.to_le_bytes());
        }
    };
    let messages =
        |got: &str| format!("tensor `edge_index`: expected a value in 0..12, got {got} at [0, 5]");
    for (value, got) in [(12, "12"), (-1, "-1"), (i64::MAX, "9223372036854775807")] {
        run_fails(GCN, with(value), &[&messages(got)]);
    }
    for model in [
        "GAT-edge_index-plain-default",
        "GIN-edge_index-plain-default",
    ] {
        run_fails(model, with(99), &[&messages("99")]);
    }
}

#[test]
fn an_edge_to_a_node_that_the_other_side_has() {
    // 12 sources and 7 targets: 7 is a source and no target.
    run_fails(
        "SAGEConv-pair_edge_index-bipartite-default",
        |graph| {
            let (_, shape, bytes) = graph.get_mut("edge_index").unwrap();
            let last = (2 * shape[1] - 1) * 8;
            bytes[last..].copy_from_slice(&7_i64.to_le_bytes());
        },
        &["tensor `edge_index`: expected a value in 0..7, got 7 at [1, 14]"],
    );
}

#[test]
fn a_row_pointer_that_is_none() {
    run_fails(
        "SAGEConv-adj-plain-default",
        |graph| {
            let (_, _, bytes) = graph.get_mut("edge_index.rowptr").unwrap();
            bytes[..8].copy_from_slice(&1_i64.to_le_bytes());
        },
        &["tensor `edge_index.rowptr`: expected 0 at the start of a row pointer, got 1 at [0]"],
    );
    run_fails(
        "SAGEConv-adj-plain-default",
        |graph| {
            let (_, _, bytes) = graph.get_mut("edge_index.col").unwrap();
            bytes[..8].copy_from_slice(&12_i64.to_le_bytes());
        },
        &["tensor `edge_index.col`: expected a value in 0..12, got 12 at [0]"],
    );
}
