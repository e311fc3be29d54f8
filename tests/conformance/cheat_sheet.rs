//! `docs/layers.md`, written from what the layers say of themselves: their documentation and their
//! signatures.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use kiln_core::signature::Type;
use kiln_nn::{Layer, Overloads as _, aggr, conv, dense, models, norm, pool};

use crate::fixture::Fixture;

/// What the sheet says of a layer.
struct Entry {
    rust: &'static str,
    pyg: &'static str,
    /// First paragraph, formula and source of the documentation.
    summary: String,
    formula: Option<String>,
    source: Option<String>,
    /// Names of the arguments.
    args: BTreeSet<String>,
    is_bipartite: bool,
    is_csr: bool,
    variants: usize,
}

/// The name of the type that a line defines, itself or by a macro of types.
fn defined(line: &str) -> Option<&str> {
    let starts = ["pub struct ", "pub type "];
    let rest = starts.iter().find_map(|start| line.strip_prefix(start));
    let by_macro = || {
        let (name, _) = line.strip_prefix("    ")?.split_once(": ")?;
        name.starts_with(char::is_uppercase).then_some(name)
    };
    let is_part = |next: char| !next.is_ascii_alphanumeric();
    rest.or_else(by_macro)?.split(is_part).next()
}

/// The lines of the documentation above each public type of the layers' sources.
fn documentation() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("nn/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mut lines = Vec::new();
                for line in fs::read_to_string(path).unwrap().lines() {
                    let trimmed = line.trim_start();
                    let of_attribute = ["#[", "clippy::", "reason", ")]"];
                    if let Some(text) = trimmed.strip_prefix("///") {
                        lines.push(text.strip_prefix(' ').unwrap_or(text).to_owned());
                    } else if let Some(name) = defined(line) {
                        found.insert(name.to_owned(), core::mem::take(&mut lines));
                    } else if !of_attribute.iter().any(|start| trimmed.starts_with(start)) {
                        lines.clear();
                    }
                }
            }
        }
    }
    found
}

/// The lines from one on, up to an empty one, without links into the code.
fn paragraph<'a>(lines: impl Iterator<Item = &'a String>) -> String {
    let lines = lines.take_while(|line| !line.is_empty());
    let text = lines.map(String::as_str).collect::<Vec<_>>().join(" ");
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else {
            break;
        };
        write!(plain, "{before}`{name}`").unwrap();
        rest = match after
            .strip_prefix('(')
            .and_then(|target| target.split_once(')'))
        {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain + rest
}

/// A text up to what PyG calls it.
fn before_match(text: &str) -> String {
    let end = text.find(" Matches").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_owned()
}

impl Entry {
    fn new<L: Layer>(rust: &'static str, lines: &[String]) -> Self {
        let formula = lines.iter().position(|line| line == "```text");
        let formula = formula.map(|at| {
            let rest = lines[at + 1..].iter();
            let lines = rest.take_while(|line| !line.starts_with("```"));
            lines.map(String::as_str).collect::<Vec<_>>().join("\n")
        });
        let source = lines.iter().position(|line| line.starts_with("Source: "));
        let source = source.map(|at| paragraph(lines[at..].iter()));
        let (mut args, mut is_bipartite, mut is_csr) = (BTreeSet::new(), false, false);
        let mut names = BTreeSet::new();
        for fixture in Fixture::all(L::NAME) {
            for overload in fixture.module(&Device::flex()).overloads() {
                for param in &overload.signature.params {
                    args.insert(param.name.clone());
                    is_bipartite |= param.name == "x" && matches!(param.ty, Type::Tuple(_));
                    is_csr |= matches!(param.ty, Type::Adjacency { .. });
                }
                names.insert(overload.name);
            }
        }
        Self {
            rust,
            pyg: L::NAME,
            summary: before_match(&paragraph(lines.iter())),
            formula,
            source: source.map(|source| before_match(source.trim_start_matches("Source: "))),
            args,
            is_bipartite,
            is_csr,
            variants: names.len(),
        }
    }
}

const PLACES: [(&str, &str); 6] = [
    ("conv", "Convolutions"),
    ("aggr", "Aggregations"),
    ("norm", "Norms"),
    ("pool", "Pooling"),
    ("dense", "Dense layers"),
    ("models", "Models"),
];

const HEAD: &str = "<!-- Written by `BLESS=1 cargo test --test conformance cheat_sheet`. -->
# Layers

What each layer takes, from its signature and documentation; `cargo doc` has the rest. All of them are recorded and
exported. *Weight*, *features* and *types* are `edge_weight`, `edge_attr` and `edge_type`; *pair* means that sources and
targets may be two node sets, *CSR* that edges may be an adjacency in place of an edge index; *variants* are the typed
methods of a recording. Node features are matrices: PyG's static graphs, `[B, N, F]`, are not taken.
";

fn sheet() -> String {
    let documentation = documentation();
    let mut entries: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    macro_rules! add {
        ($($place:ident :: $layer:ident),+ $(,)?) => {$(
            let rust = stringify!($layer);
            let lines = documentation.get(rust).unwrap_or_else(|| panic!("{rust} has no documentation"));
            let entry = Entry::new::<$place::$layer>(rust, lines);
            entries.entry(stringify!($place)).or_default().push(entry);
        )+};
    }
    kiln_nn::for_each_layer!(add);

    let mut text = HEAD.to_owned();
    for (place, title) in PLACES {
        let entries = &entries[place];
        writeln!(text, "\n## {title}\n").unwrap();
        let has_edges = entries.iter().any(|one| one.args.contains("edge_index"));
        if has_edges {
            text += "| layer | PyG | weight | features | types | pair | CSR | other arguments | variants |\n";
            text += "|---|---|---|---|---|---|---|---|---|\n";
        } else {
            text += "| layer | PyG | arguments | variants |\n|---|---|---|---|\n";
        }
        for entry in entries {
            let has = |name: &str| entry.args.contains(name);
            let tick = |yes: bool| if yes { "yes" } else { "" };
            let known = ["edge_weight", "edge_attr", "edge_type", "edge_index", "x"];
            let others = entry
                .args
                .iter()
                .filter(|name| !has_edges || !known.contains(&name.as_str()));
            let others: Vec<_> = others.map(|name| format!("`{name}`")).collect();
            write!(text, "| `{}` | `{}` |", entry.rust, entry.pyg).unwrap();
            if has_edges {
                let columns = ["edge_weight", "edge_attr", "edge_type"].map(has);
                for yes in columns
                    .into_iter()
                    .chain([entry.is_bipartite, entry.is_csr])
                {
                    write!(text, " {} |", tick(yes)).unwrap();
                }
            }
            writeln!(text, " {} | {} |", others.join(", "), entry.variants).unwrap();
        }
    }
    text += "\n# Formulas\n";
    for (place, _) in PLACES {
        for entry in &entries[place] {
            write!(text, "\n## {}\n\n{}\n", entry.rust, entry.summary).unwrap();
            if let Some(formula) = &entry.formula {
                write!(text, "\n```text\n{formula}\n```\n").unwrap();
            }
            if let Some(source) = &entry.source {
                write!(text, "\n{source}\n").unwrap();
            }
        }
    }
    text
}

/// `BLESS=1` writes the sheet.
#[test]
fn the_cheat_sheet_is_what_layers_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/layers.md");
    if env::var_os("BLESS").is_some() {
        fs::write(path, sheet()).unwrap();
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == sheet(),
        "docs/layers.md is not fresh: `BLESS=1 cargo test --test conformance cheat_sheet` writes it"
    );
}
