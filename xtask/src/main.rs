//! Checks of the Kiln workspace: `cargo xtask <command>`.
//!
//! | command | what it does |
//! |---|---|
//! | `tidy` | house rules that no compiler knows: headers, file lengths, who may name whom |
//! | `bench` | benchmarks: operations, Kiln beside its peers, a picture of the results |
//! | `conformance` | layers × variants × runtimes: the largest difference from PyG in each |
//! | `check` | everything a change must pass but the tests: formatting, tidy, clippy, documentation |

mod bench;
mod check;
mod conformance;
mod tidy;

use std::{io::Write as _, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks of the Kiln workspace")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Benchmarks
    Bench(bench::Arguments),
    /// Every layer in every runtime: the largest difference from PyG
    Conformance(conformance::Arguments),
    /// Formatting, house rules, clippy and documentation, the quickest first
    Check,
    /// House rules that no compiler knows
    Tidy,
}

fn main() -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask is in the workspace")?;
    match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(root, &arguments)?,
        Command::Check => check::run(root)?,
        Command::Conformance(arguments) => {
            if !conformance::run(root, &arguments)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Tidy => {
            let findings = tidy::run(root)?;
            let mut out = std::io::stdout().lock();
            for finding in &findings {
                writeln!(out, "{finding}")?;
            }
            if !findings.is_empty() {
                writeln!(out, "{} findings", findings.len())?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
