//! `cargo xtask bench`: benchmarks, alone, beside what could be used instead, and as a picture.
//!
//! | command | what it does |
//! |---|---|
//! | `bench [-- ARGUMENTS]` | the operations, one family at a time, by Criterion |
//! | `bench --peers [-- ARGUMENTS]` | Kiln and its peers in turns; the arguments are those of the bench |
//! | `bench --plot RESULTS -o FILE` | draws what the latter wrote with `--json` |

mod plot;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

/// Runs benchmarks, or draws their results.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Measures Kiln beside PyTorch Geometric, PyTorch, DGL and SciPy.
    #[arg(long)]
    peers: bool,
    /// Draws a file that `--peers -- --json FILE` wrote.
    #[arg(long, conflicts_with = "peers", requires = "output")]
    plot: Option<PathBuf>,
    /// Where the picture goes, an SVG file.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// A Python with torch and `torch_geometric`; otherwise the first of `KILN_TORCH_PYTHONS`, or
    /// python3.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Cargo features of Kiln to build with, such as vulkan or cuda.
    #[arg(long)]
    features: Option<String>,
    /// What the benchmark takes; `--help` lists it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Runs what the arguments ask for on the workspace at `root`.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    if let (Some(results), Some(output)) = (&arguments.plot, &arguments.output) {
        let text = fs::read_to_string(results)
            .with_context(|| format!("cannot read {}", results.display()))?;
        let picture = plot::draw(&text)
            .with_context(|| format!("{} has no results to draw", results.display()))?;
        return fs::write(output, picture)
            .with_context(|| format!("cannot write {}", output.display()));
    }
    let mut features = arguments.features.clone().unwrap_or_default();
    let mut rest = arguments.rest.clone();
    if arguments.peers {
        let is_given = |flag: &str| {
            rest.iter()
                .any(|it| it == flag || it.to_string_lossy().starts_with(&format!("{flag}=")))
        };
        if !["--python", "--no-peers", "--list", "--help", "-h"]
            .into_iter()
            .any(is_given)
        {
            rest.extend(["--python".into(), python(arguments)?.into()]);
        }
    } else {
        features = format!("criterion,{features}");
    }
    let bench = if arguments.peers { "peers" } else { "ops" };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["bench", "--package", "kiln", "--bench", bench, "--features"])
        .arg(features)
        .arg("--")
        .args(rest)
        .current_dir(root)
        .status()
        .context("cannot start `cargo bench`")?;
    if !status.success() {
        bail!("`cargo bench --bench {bench}` failed");
    }
    Ok(())
}

/// A Python interpreter that has torch.
fn python(arguments: &Arguments) -> Result<PathBuf> {
    let listed = env::var("KILN_TORCH_PYTHONS").ok();
    let listed = listed.as_deref().and_then(|list| list.split(':').next());
    let listed = listed.filter(|first| !first.is_empty()).map(PathBuf::from);
    let python = arguments.python.clone().or(listed);
    let python = python.unwrap_or_else(|| "python3".into());
    let found = Command::new(&python)
        .args(["-W", "ignore", "-c", "import torch, torch_geometric"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        bail!(
            "{} cannot import torch and torch_geometric. Name a Python that can with --python or \
             in KILN_TORCH_PYTHONS, make one with `python3 -m venv peers && peers/bin/pip install \
             torch torch_geometric scipy`, or measure Kiln alone: `cargo xtask bench --peers -- \
             --no-peers`",
            python.display()
        );
    }
    Ok(python)
}
