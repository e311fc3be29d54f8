//! `cargo xtask check`: what a change must pass, the quickest first, stopping at the first failure.

use std::{fmt::Write as _, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::tidy;

/// Runs every check on the workspace at `root`.
pub(crate) fn run(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"], &[])?;
    let findings = tidy::run(root)?;
    if !findings.is_empty() {
        let mut list = String::new();
        for finding in &findings {
            writeln!(list, "{finding}")?;
        }
        bail!("tidy has {} findings:\n{list}", findings.len());
    }
    cargo(
        root,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        &[],
    )?;
    cargo(
        root,
        &["doc", "--workspace", "--no-deps"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )
}

fn cargo(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let line = arguments.join(" ");
    let status = Command::new(cargo)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root)
        .status()
        .with_context(|| format!("cannot start `cargo {line}`"))?;
    if !status.success() {
        bail!("`cargo {line}` failed");
    }
    Ok(())
}
