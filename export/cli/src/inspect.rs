//! `kiln inspect`: what is in a file.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use kiln::ir::{
    self, Model, ModuleId,
    program::{Method, Program, Weight, WeightRole},
};
use serde_json::json;

use crate::{failure::WithHint as _, output::print, words};

/// Show the signatures, layers, parameters and sizes of a .kiln file
///
/// In signatures, capital letters are sizes that differ from graph to graph, such as the number of
/// nodes N and of edges E; `?` marks what may be absent. The names of the inputs are those of the
/// tensors that `kiln run` looks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kiln inspect gcn.kiln
  kiln inspect gcn.kiln --text
  kiln inspect gcn.kiln --json | jq '.weights[].name'")]
pub(crate) struct Args {
    /// A .kiln file
    file: PathBuf,

    /// Print the whole program in its text form instead
    #[arg(long, conflicts_with = "json")]
    text: bool,

    /// Print the summary as JSON instead
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let model = load(&self.file)?;
        if self.text {
            return print(&ir::print(&model.program));
        }
        let size = fs::metadata(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?
            .len();
        if self.json {
            let summary = serde_json::to_string_pretty(&json_summary(&model, size))?;
            return print(&format!("{summary}\n"));
        }
        print(&summary(&self.file, &model, size))
    }
}

/// Loads a native file.
pub(crate) fn load(path: &Path) -> anyhow::Result<Model> {
    let name = path.display();
    // Says in the words of the operating system whether the file can be read at all.
    fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    Model::load(path)
        .with_context(|| format!("cannot load {name}"))
        .hint("it must be a .kiln file, as `kiln export` makes it; `kiln check` says more")
}

fn summary(path: &Path, model: &Model, size: u64) -> String {
    let program: &Program = &model.program;
    let mut text = format!(
        "{}: {}, {}\n",
        path.display(),
        kind(program),
        words::bytes(size)
    );
    // Writing to a string does not fail.
    text.push_str("\nMethods\n");
    for method in methods(program) {
        let _ = writeln!(text, "  {}", words::signature(program, method));
        let _ = writeln!(text, "    inputs: {}", words::inputs(method));
    }
    text.push_str("\nLayers\n");
    layers(program, ModuleId(0), 0, &mut text);

    if program.weights.is_empty() {
        text.push_str("\nNo weights\n");
        return text;
    }
    let header = ["name", "shape", "type", "role", "size"]
        .map(str::to_owned)
        .to_vec();
    let mut rows = vec![header];
    for weight in &program.weights {
        rows.push(vec![
            weight.name.clone(),
            words::shape(&weight.shape),
            weight.elem.to_string(),
            role(weight.role).to_owned(),
            words::bytes(weight_bytes(weight)),
        ]);
    }
    let _ = write!(text, "\nWeights\n{}", words::table(&rows));
    let total = Total::of(program);
    let _ = writeln!(
        text,
        "\nTotal: {}, {} values ({} trainable), {}",
        words::count(program.weights.len(), "weight"),
        total.values,
        total.trainable,
        words::bytes(total.bytes)
    );
    text
}

/// Lists a module and those below it, with as much indentation as they are deep.
fn layers(program: &Program, id: ModuleId, depth: usize, text: &mut String) {
    let Some(module) = program.modules.get(id.index()) else {
        return;
    };
    let name = if depth == 0 { "(model)" } else { &module.path };
    let indent = "  ".repeat(depth + 1);
    let _ = writeln!(text, "{indent}{name}: {}", module.kind);
    for &child in &module.children {
        layers(program, child, depth + 1, text);
    }
}

fn json_summary(model: &Model, size: u64) -> serde_json::Value {
    let program: &Program = &model.program;
    let leaves = |leaves: Vec<ir::Leaf<'_>>| -> Vec<serde_json::Value> {
        leaves
            .into_iter()
            .map(|leaf| {
                json!({
                    "name": leaf.name,
                    "type": words::tensor(program, leaf.ty),
                    "optional": leaf.optional,
                })
            })
            .collect()
    };
    let total = Total::of(program);
    json!({
        "kind": kind(program),
        "bytes": size,
        "methods": methods(program).iter().map(|method| json!({
            "name": method.name,
            "signature": words::signature(program, method),
            "inputs": leaves(method.leaves()),
            "outputs": leaves(method.result_leaves()),
        })).collect::<Vec<_>>(),
        "layers": program.modules.iter().map(|module| json!({
            "path": module.path,
            "kind": module.kind,
        })).collect::<Vec<_>>(),
        "weights": program.weights.iter().map(|weight| json!({
            "name": weight.name,
            "shape": weight.shape,
            "type": weight.elem.name(),
            "role": role(weight.role),
            "bytes": weight_bytes(weight),
        })).collect::<Vec<_>>(),
        "total": { "values": total.values, "trainable": total.trainable, "bytes": total.bytes },
    })
}

/// Sums over all weights; tied ones count once.
struct Total {
    values: u64,
    trainable: u64,
    bytes: u64,
}

impl Total {
    fn of(program: &Program) -> Self {
        let mut total = Self {
            values: 0,
            trainable: 0,
            bytes: 0,
        };
        for weight in program
            .weights
            .iter()
            .filter(|weight| weight.tied.is_none())
        {
            let values: u64 = weight.shape.iter().product();
            total.values += values;
            total.bytes += weight_bytes(weight);
            if weight.role == WeightRole::Parameter {
                total.trainable += values;
            }
        }
        total
    }
}

fn weight_bytes(weight: &Weight) -> u64 {
    weight.shape.iter().product::<u64>() * weight.elem.size_bytes()
}

fn kind(program: &Program) -> &str {
    program.root().map_or("no model", |root| &root.kind)
}

fn methods(program: &Program) -> &[Method] {
    program.root().map_or(&[], |root| &root.methods)
}

fn role(role: WeightRole) -> &'static str {
    match role {
        WeightRole::Parameter => "parameter",
        WeightRole::Buffer => "buffer",
        WeightRole::Constant => "constant",
    }
}
