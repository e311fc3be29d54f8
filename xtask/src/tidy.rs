//! `cargo xtask tidy`: house rules that no compiler knows.
//!
//! 1. A Rust file opens with a `//!` header, or includes a document as one, and has at most 800
//!    lines.
//! 2. Dependencies point one way, in sources and in manifests:
//!    `core <- ops <- nn`, `ops <- ir <- export`; `nn` and `ir` do not know each other.
//! 3. Burn's recording types (`burn_ir`, `burn_router`, `burn::backend::ir`) stay in `ops` and in
//!    `ir/src/record`: everything behind them speaks Kiln's own IR.
//! 4. Layers (`nn/src`, but for its checkpoints and `WlConv`) read no tensor values and have no
//!    `unsafe`, so that every layer can be recorded. Their tests may.
//! 5. Layers and the executor (`nn`, `ir/src/exec`) multiply matrices by `kiln_ops`, with the
//!    precision of the device. Burn's own products lose bits where that is faster.
//! 6. Every layer (a file of `nn/src/conv` with `impl Layer for`) is in the list of
//!    `nn/src/catalog.rs` and has cases for PyG.
//! 7. Comment lines of Rust and Python have at most 100 columns, but for tables, code blocks and
//!    addresses.
//!
//! Rules 2 to 5 look at code, not at comments; what follows `#[cfg(test)]` is a test. Manifests are
//! held to rule 2 except for `dev-dependencies`.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// How a file may open: with a header, or with a document that is one.
const HEADERS: [&str; 2] = ["//!", "#![doc = include_str!("];

/// Lines of the longest file that is still read as one.
const MAX_LINES: usize = 800;

/// Columns of the longest comment line; rustfmt wraps code only.
const MAX_COLUMNS: usize = 100;

/// Folders that hold no sources of ours.
const SKIPPED: [&str; 3] = ["target", "node_modules", "fixtures"];

/// For the sources of each crate, the crates that it must not name.
const FORBIDDEN: [(&str, &[&str]); 5] = [
    ("core", &["kiln_ops", "kiln_nn", "kiln_ir", "kiln_export"]),
    ("ops", &["kiln_nn", "kiln_ir", "kiln_export"]),
    ("nn", &["kiln_ir", "kiln_export"]),
    ("ir", &["kiln_nn", "kiln_export"]),
    ("export", &["kiln_nn"]),
];

/// Burn's recording types, and where they may be named.
const RECORDING: [&str; 3] = ["burn_ir", "burn_router", "backend::ir"];
const MAY_RECORD: [&str; 2] = ["ops", "ir/src/record"];

/// The test that has Burn run what Burn recorded.
const REPLAY: &str = "tests/conformance/runtime/replay.rs";

/// Layers, where reading values is allowed, and what layers must not do.
const LAYERS: &str = "nn/src";
const MAY_READ: [&str; 2] = ["nn/src/store", "nn/src/conv/wl_conv.rs"];
const NOT_IN_LAYERS: [&str; 6] = [
    "into_data",
    "to_data",
    "into_scalar",
    "try_read_sync",
    "is_recording",
    "unsafe",
];

/// Convolutions, the list of layers, and the cases of each.
const CONVOLUTIONS: &str = "nn/src/conv";
const CATALOG: &str = "nn/src/catalog.rs";
const CASES: &str = "nn/tests/pyg/cases";

/// What does not multiply by Burn's own products, and how those are called.
const MULTIPLIES: [&str; 2] = ["nn/src", "ir/src/exec"];
const PRODUCTS: [&str; 2] = [".matmul(", "::float_matmul("];

/// A broken rule, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File, relative to the workspace.
    path: PathBuf,
    /// Line, counted from 1.
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// Checks every file of the workspace at `root`; findings come in the order of paths.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>> {
    let mut files = Vec::new();
    collect(root, Path::new(""), &mut files)?;
    files.sort();
    let mut findings = Vec::new();
    let catalog = fs::read_to_string(root.join(CATALOG)).unwrap_or_default();
    for path in files {
        let full = root.join(&path);
        let text = fs::read_to_string(&full).with_context(|| full.display().to_string())?;
        let mut checker = Checker {
            path: &path,
            findings: &mut findings,
        };
        if path.file_name().is_some_and(|name| name == "Cargo.toml") {
            checker.manifest(&text);
        } else if path.extension().is_some_and(|it| it == "py") {
            checker.comments(&text, "#");
        } else {
            checker.source(&text);
            checker.comments(&text, "//");
            checker.listed(&text, &catalog, root);
        }
    }
    Ok(findings)
}

/// Adds the sources and manifests below `folder`, relative to `root`.
fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let full = root.join(folder);
    for entry in fs::read_dir(&full).with_context(|| full.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = folder.join(name);
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name) {
                collect(root, &path, files)?;
            }
        } else if kind.is_file()
            && (path.extension().is_some_and(|it| it == "rs" || it == "py") || name == "Cargo.toml")
        {
            files.push(path);
        }
    }
    Ok(())
}

struct Checker<'a> {
    path: &'a Path,
    findings: &'a mut Vec<Finding>,
}

impl Checker<'_> {
    fn report(&mut self, line: usize, message: String) {
        self.findings.push(Finding {
            path: self.path.to_owned(),
            line,
            message,
        });
    }

    fn source(&mut self, text: &str) {
        if !HEADERS.iter().any(|header| text.starts_with(header)) {
            self.report(1, "expected a `//!` header in the first line".to_owned());
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            self.report(
                lines,
                format!("expected at most {MAX_LINES} lines, got {lines}"),
            );
        }

        let mut banned: Vec<(&str, String)> = Vec::new();
        for (folder, names) in FORBIDDEN {
            if self.path.starts_with(Path::new(folder).join("src")) {
                let why = |name| (name, format!("`{folder}` must not name `{name}`"));
                banned.extend(names.iter().copied().map(why));
            }
        }
        if !MAY_RECORD
            .iter()
            .any(|folder| self.path.starts_with(folder))
            && self.path != Path::new(REPLAY)
        {
            let places = MAY_RECORD.join("` and `");
            let why = |name| (name, format!("`{name}` belongs in `{places}`"));
            // The name of a rule is not its breach.
            if !self.path.starts_with("xtask") {
                banned.extend(RECORDING.map(why));
            }
        }
        if self.path.starts_with(LAYERS) && !MAY_READ.iter().any(|path| self.path.starts_with(path))
        {
            let why = |name| (name, format!("a layer must not use `{name}`"));
            banned.extend(NOT_IN_LAYERS.map(why));
        }

        for (number, line) in (1..).zip(text.lines()) {
            if line.trim() == "#[cfg(test)]" {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            for (name, message) in &banned {
                if contains_word(code, name) {
                    self.report(number, message.clone());
                }
            }
            let multiplies = MULTIPLIES.iter().any(|it| self.path.starts_with(it));
            for name in PRODUCTS
                .iter()
                .filter(|it| multiplies && code.contains(*it))
            {
                self.report(
                    number,
                    format!("`{name}..)` is Burn's, expected `kiln_ops`"),
                );
            }
        }
    }

    /// Comments begin with `marker`. What cannot be wrapped, such as a row of a table, may be long.
    fn comments(&mut self, text: &str, marker: &str) {
        let mut in_code_block = false;
        for (number, line) in (1..).zip(text.lines()) {
            let Some(comment) = line.trim_start().strip_prefix(marker) else {
                in_code_block = false;
                continue;
            };
            let comment = comment.trim_start_matches(['/', '!', '#']).trim_start();
            if comment.starts_with("```") {
                in_code_block = !in_code_block;
            }
            let may_be_long = in_code_block || comment.starts_with('|') || comment.contains("://");
            let columns = line.chars().count();
            if columns > MAX_COLUMNS && !may_be_long {
                self.report(
                    number,
                    format!("expected at most {MAX_COLUMNS} columns of a comment, got {columns}"),
                );
            }
        }
    }

    /// A convolution must be in the catalog, and have cases.
    fn listed(&mut self, text: &str, catalog: &str, root: &Path) {
        if !self.path.starts_with(CONVOLUTIONS) {
            return;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let Some((start, name)) = line.split_once(" Layer for ") else {
                continue;
            };
            if !start.starts_with("impl") {
                continue;
            }
            let name = name.split(['<', ' ']).next().unwrap_or_default();
            if !contains_word(catalog, name) {
                self.report(
                    number,
                    format!("expected `{name}` in the list of {CATALOG}"),
                );
            }
            let cases = Path::new(CASES).join(self.path.file_name().unwrap_or_default());
            let cases = cases.with_extension("py");
            if !root.join(&cases).is_file() {
                self.report(
                    number,
                    format!("expected cases of `{name}` in {}", cases.display()),
                );
            }
        }
    }

    fn manifest(&mut self, text: &str) {
        let parent = self.path.parent();
        let rule = FORBIDDEN
            .iter()
            .find(|(folder, _)| parent == Some(Path::new(folder)));
        let Some((folder, names)) = rule else { return };
        let mut section = "";
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split('#').next().unwrap_or_default().trim();
            if code.starts_with('[') {
                section = code;
            }
            if section.contains("dev-dependencies") {
                continue;
            }
            for name in *names {
                let package = name.replace('_', "-");
                if contains_word(code, &package) {
                    self.report(number, format!("`{folder}` must not depend on `{package}`"));
                }
            }
        }
    }
}

/// Whether `word` stands in `text` with no letter, digit or underscore beside it.
fn contains_word(text: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word).any(|(start, found)| {
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text
            .get(start + found.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let root = TempDir::new().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        run(root.path())
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_tidy_tree_has_no_findings() {
        let files = [
            ("core/src/lib.rs", "//! Core.\n"),
            ("nn/src/conv/gcn_conv.rs", "//! GCN.\nuse kiln_ops::spmm;\n"),
            (
                "ir/src/record/lift.rs",
                "//! Lift.\nuse burn_ir::OperationIr;\n",
            ),
            ("export/src/lib.rs", "//! Export.\nuse kiln_ir::Program;\n"),
            ("target/debug/build.rs", "fn main() {}\n"),
            (".hidden/file.rs", "fn main() {}\n"),
            ("notes.txt", "not Rust\n"),
        ];
        assert_eq!(findings(&files), Vec::<String>::new());
    }

    #[test]
    fn headers_are_needed() {
        let expected = "src/lib.rs:1: expected a `//!` header in the first line";
        assert_eq!(findings(&[("src/lib.rs", "use a::b;\n")]), [expected]);
        assert_eq!(findings(&[("src/lib.rs", "")]), [expected]);
        assert!(findings(&[("src/lib.rs", "#![doc = include_str!(\"spec.md\")]\n")]).is_empty());
    }

    #[test]
    fn long_files_are_found() {
        let lines = |count: usize| format!("//! Long.\n{}", "\n".repeat(count - 1));
        assert!(findings(&[("src/lib.rs", &lines(800))]).is_empty());
        let expected = "src/lib.rs:801: expected at most 800 lines, got 801";
        assert_eq!(findings(&[("src/lib.rs", &lines(801))]), [expected]);
    }

    #[test]
    fn long_comments_are_found() {
        let long = |marker: &str| format!("//! A.\n    {marker}{}x\n", "word ".repeat(20));
        for marker in ["// ", "/// ", "//! "] {
            let columns = 105 + marker.len();
            let expected =
                format!("src/a.rs:2: expected at most 100 columns of a comment, got {columns}");
            assert_eq!(findings(&[("src/a.rs", &long(marker))]), [expected]);
        }
        let expected = "tests/a.py:2: expected at most 100 columns of a comment, got 107";
        assert_eq!(findings(&[("tests/a.py", &long("# "))]), [expected]);
        assert!(findings(&[("src/a.rs", &format!("//! {}\n", "ä".repeat(96)))]).is_empty());
        for marker in [
            "/// | ",
            "// https://",
            "/// ```text\n/// ",
            "let x = 1; // ",
        ] {
            assert!(findings(&[("src/a.rs", &long(marker))]).is_empty());
        }
    }

    #[test]
    fn sources_point_one_way() {
        let upward = |folder: &str, name: &str| {
            findings(&[(
                &format!("{folder}/src/lib.rs"),
                &format!("//! A.\nuse {name}::B;\n"),
            )])
        };
        for (folder, names) in FORBIDDEN {
            for name in names {
                let expected = format!("{folder}/src/lib.rs:2: `{folder}` must not name `{name}`");
                assert_eq!(upward(folder, name), [expected]);
            }
        }
        assert!(upward("export", "kiln_ir").is_empty());
        assert!(upward("export/cli", "kiln_nn").is_empty());
        assert!(upward("nn", "kiln_irrelevant").is_empty());
    }

    #[test]
    fn manifests_point_one_way() {
        let manifest = "[dependencies]\nkiln-nn = { workspace = true }\n";
        let expected = "ir/Cargo.toml:2: `ir` must not depend on `kiln-nn`";
        assert_eq!(findings(&[("ir/Cargo.toml", manifest)]), [expected]);
        assert!(findings(&[("export/cli/Cargo.toml", manifest)]).is_empty());
        let manifest = "[dependencies]\n[dev-dependencies]\nkiln-nn = { workspace = true }\n";
        assert!(findings(&[("ir/Cargo.toml", manifest)]).is_empty());
    }

    #[test]
    fn recording_types_stay_where_they_are_lifted() {
        let text = "//! A.\nuse burn::backend::ir::TensorIr;\n";
        let expected = "ir/src/pass/fold.rs:2: `backend::ir` belongs in `ops` and `ir/src/record`";
        assert_eq!(findings(&[("ir/src/pass/fold.rs", text)]), [expected]);
        assert!(findings(&[("ops/src/wire.rs", text)]).is_empty());
    }

    #[test]
    fn layers_are_listed_and_have_cases() {
        let layer = "//! A.\nimpl<M: A> Layer for FooConv<M> {}\n";
        let list = "//! All.\nconv::FooConv,\n";
        let (path, cases) = ("nn/src/conv/foo_conv.rs", "nn/tests/pyg/cases/foo_conv.py");
        assert_eq!(
            findings(&[(path, layer)]),
            [
                "nn/src/conv/foo_conv.rs:2: expected `FooConv` in the list of nn/src/catalog.rs",
                "nn/src/conv/foo_conv.rs:2: expected cases of `FooConv` in \
                 nn/tests/pyg/cases/foo_conv.py",
            ]
        );
        assert!(findings(&[(path, layer), (CATALOG, list), (cases, "")]).is_empty());
    }

    #[test]
    fn layers_read_no_values() {
        let code = |line: &str| findings(&[("nn/src/conv/a.rs", &format!("//! A.\n{line}\n"))]);
        for name in NOT_IN_LAYERS {
            let expected = format!("nn/src/conv/a.rs:2: a layer must not use `{name}`");
            assert_eq!(code(&format!("x.{name}();")), [expected]);
        }
        assert!(code("// unsafe is not needed").is_empty());
        assert!(code("let unsafely = 1;").is_empty());
        assert!(code("#[cfg(test)]\nmod tests { fn a() { x.into_data(); } }").is_empty());
        assert!(findings(&[("nn/src/store/a.rs", "//! A.\nx.into_data();\n")]).is_empty());
    }

    #[test]
    fn products_have_the_precision_of_the_device() {
        let code = |path: &str, line: &str| findings(&[(path, &format!("//! A.\n{line}\n"))]);
        let expected = "nn/src/a.rs:2: `.matmul(..)` is Burn's, expected `kiln_ops`";
        assert_eq!(code("nn/src/a.rs", "let y = x.matmul(w);"), [expected]);
        let expected = "ir/src/exec/a.rs:2: `::float_matmul(..)` is Burn's, expected `kiln_ops`";
        assert_eq!(
            code("ir/src/exec/a.rs", "Dispatch::float_matmul(x, w)"),
            [expected]
        );
        assert!(code("nn/src/a.rs", "let y = kiln_ops::matmul(x, w);").is_empty());
        assert!(code("ops/src/a.rs", "let y = x.matmul(w);").is_empty());
    }

    #[test]
    fn this_workspace_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let findings: Vec<String> = run(root).unwrap().iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
