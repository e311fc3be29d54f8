//! `conformance`: a table of layers, their forward variants, and the ways in which each runs, with
//! the largest difference from PyG.
//!
//! The numbers are measured by the test `conformance`, and by real PyTorch where Python is given. A
//! cell in which no case ran is an error unless the runtime says why.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, File},
    io::{BufReader, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Deserialize;

/// `cargo xtask conformance`
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask conformance
  cargo xtask conformance --layer GCNConv,GATConv
  cargo xtask conformance --python python3 --python ~/torch-1.13/bin/python
  cargo xtask conformance --backend cuda --features kiln/cuda")]
pub(crate) struct Arguments {
    /// Only these layers, by PyG's names
    #[arg(long, value_delimiter = ',')]
    layer: Vec<String>,
    /// Also real PyTorch: an interpreter that can import torch
    #[arg(long)]
    python: Vec<String>,
    /// Device on which layers and programs run
    #[arg(long, default_value = "flex")]
    backend: String,
    /// Features to build with, for the backend
    #[arg(long)]
    features: Option<String>,
}

/// What the test writes for a layer.
#[derive(Deserialize)]
struct Report {
    layer: String,
    variants: Vec<String>,
    runtimes: Vec<String>,
    cells: Vec<(String, String, Cell)>,
}

/// What PyTorch writes: layer, variant and error of each archive.
#[derive(Deserialize)]
struct Torch {
    runtime: String,
    errors: Vec<(String, String, f64)>,
}

/// The cases of one variant in one runtime.
#[derive(Clone, Default, Deserialize)]
struct Cell {
    cases: usize,
    worst: f64,
    /// Why other cases did not run.
    missing: Option<String>,
}

/// Rows by layer and variant, columns by runtime.
#[derive(Default)]
struct Table {
    rows: BTreeSet<(String, String)>,
    columns: Vec<String>,
    cells: BTreeMap<(String, String, String), Cell>,
}

/// Measures and prints; returns whether everything is right.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<bool> {
    let folder = match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => root.join("target"),
    }
    .join("conformance");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;

    let mut passed = test(root, arguments, &folder, "runtime::")?;
    if !arguments.python.is_empty() {
        passed &= test(root, arguments, &folder, "pytorch_runs_every_archive")?;
    }
    let table = Table::read(&folder)?;
    let mut out = std::io::stdout().lock();
    table.print(&arguments.backend, &mut out)?;
    let empty = table.empty();
    for (layer, variant, runtime) in &empty {
        writeln!(
            out,
            "error: no case of {layer}, {variant}, ran {runtime}, and no reason is given"
        )?;
    }
    if !passed {
        writeln!(out, "error: some cases failed; see above")?;
    }
    Ok(passed && empty.is_empty())
}

/// Runs a part of the test `conformance`, which writes into the folder.
fn test(root: &Path, arguments: &Arguments, folder: &Path, filter: &str) -> Result<bool> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(root)
        .args([
            "test",
            "--quiet",
            "--package",
            "kiln",
            "--test",
            "conformance",
        ])
        .args(
            arguments
                .features
                .iter()
                .flat_map(|features| ["--features", features]),
        )
        .args(["--", filter])
        .env("KILN_TEST_BACKEND", &arguments.backend)
        .env("KILN_CONFORMANCE_OUT", folder)
        .env("KILN_TORCH_REPORT", folder)
        .env("KILN_TORCH_PYTHONS", arguments.python.join(":"));
    if !arguments.layer.is_empty() {
        command.env("KILN_LAYERS", arguments.layer.join(","));
    }
    let status = command.status().context("cargo test")?;
    Ok(status.success())
}

impl Table {
    fn read(folder: &Path) -> Result<Self> {
        let mut table = Self::default();
        let mut torch = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let file = BufReader::new(File::open(&path)?);
            let place = || path.display().to_string();
            if name.starts_with("torch-") {
                torch.push(serde_json::from_reader(file).with_context(place)?);
            } else if Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                table.add(serde_json::from_reader(file).with_context(place)?);
            }
        }
        ensure!(!table.rows.is_empty(), "no layer was measured; see above");
        for report in torch {
            table.add_torch(report);
        }
        Ok(table)
    }

    fn add(&mut self, report: Report) {
        for runtime in report.runtimes {
            if !self.columns.contains(&runtime) {
                self.columns.push(runtime);
            }
        }
        let rows = report.variants.into_iter();
        self.rows
            .extend(rows.map(|variant| (report.layer.clone(), variant)));
        for (variant, runtime, cell) in report.cells {
            self.cells
                .insert((report.layer.clone(), variant, runtime), cell);
        }
    }

    fn add_torch(&mut self, report: Torch) {
        self.columns.push(report.runtime.clone());
        for (layer, variant, error) in report.errors {
            let cell = self
                .cells
                .entry((layer, variant, report.runtime.clone()))
                .or_default();
            cell.cases += 1;
            cell.worst = cell.worst.max(error);
        }
    }

    fn cell(&self, row: &(String, String), column: &str) -> Cell {
        let key = (row.0.clone(), row.1.clone(), column.to_owned());
        self.cells.get(&key).cloned().unwrap_or_default()
    }

    /// Where nothing ran, and nothing says why.
    fn empty(&self) -> Vec<(&str, &str, &str)> {
        let cells = self
            .rows
            .iter()
            .flat_map(|row| self.columns.iter().map(move |c| (row, c)));
        let is_empty = |row, column: &str| {
            let cell = self.cell(row, column);
            cell.cases == 0 && cell.missing.is_none()
        };
        cells
            .filter(|(row, column)| is_empty(row, column))
            .map(|((layer, variant), column)| (layer.as_str(), variant.as_str(), column.as_str()))
            .collect()
    }

    /// The table, and below it why some cases do not run.
    fn print(&self, backend: &str, out: &mut impl Write) -> Result<()> {
        let mut table = comfy_table::Table::new();
        let header = ["layer", "variant"].into_iter();
        table
            .load_preset(ASCII_MARKDOWN)
            .set_header(header.chain(self.columns.iter().map(String::as_str)));
        let mut reasons: Vec<String> = Vec::new();
        for row in &self.rows {
            let mut line = vec![row.0.clone(), row.1.clone()];
            for column in &self.columns {
                let cell = self.cell(row, column);
                let error = (cell.cases > 0).then(|| format!("{:.1e}", cell.worst));
                let note = cell.missing.map(|reason| {
                    let reason = format!("some cases do not run `{column}`: {reason}");
                    let known = reasons.iter().position(|other| *other == reason);
                    let number = known.unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    format!("({})", number + 1)
                });
                line.push(
                    [error, note]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join(" "),
                );
            }
            table.add_row(line);
        }
        writeln!(out, "{table}\n")?;
        for (number, reason) in (1..).zip(reasons) {
            writeln!(out, "({number}) {reason}")?;
        }
        let layers: BTreeSet<&String> = self.rows.iter().map(|(layer, _)| layer).collect();
        let cases: usize = self.cells.values().map(|cell| cell.cases).sum();
        let cells = self.cells.iter();
        let worst = cells.max_by(|(_, a), (_, b)| a.worst.total_cmp(&b.worst));
        let worst = worst.map(|((layer, ..), cell)| format!("{:.1e} ({layer})", cell.worst));
        writeln!(
            out,
            "{} layers, {} variants, {} runtimes on {backend}, {cases} runs; largest error {}",
            layers.len(),
            self.rows.len(),
            self.columns.len(),
            worst.unwrap_or_default()
        )?;
        Ok(())
    }
}
