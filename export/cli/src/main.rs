//! The `kiln` command.
//!
//! One file a subcommand; each has its arguments and a `run`. The rest serves them all:
//!
//! | file | what is in it |
//! |---|---|
//! | `output.rs` | results to standard output, files written whole or not at all, progress |
//! | `failure.rs` | errors with their causes and a hint |
//! | `words.rs` | signatures, sizes and tables as text |
//! | `tensors.rs` | tensors of safetensors files, in and out |
//! | `indices.rs` | which inputs are indices, and what they must stay below |
//!
//! Results go to standard output, messages and progress to standard error. The exit code is 0 when
//! all went well, 1 when something failed and 2 when the command line is wrong.

mod check;
mod convert;
mod export;
mod failure;
mod indices;
mod inspect;
mod output;
mod run;
mod tensors;
mod words;

use std::{process::ExitCode, sync::LazyLock};

use clap::{Parser, Subcommand};

/// Graph neural networks as files: make them from PyTorch Geometric checkpoints, look into them,
/// run them on any backend, and hand them to PyTorch.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, long_version = long_version(), arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Examples:
  kiln export --arch gcn.toml --weights gcn.pt -o gcn.kiln
  kiln inspect gcn.kiln
  kiln run gcn.kiln --graph cora.safetensors -o out.safetensors
  kiln convert gcn.kiln gcn.pt

`kiln help COMMAND` says more about each.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Export(export::Args),
    Inspect(inspect::Args),
    Check(check::Args),
    Convert(convert::Args),
    Run(run::Args),
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Export(args) => args.run(),
            Self::Inspect(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Convert(args) => args.run(),
            Self::Run(args) => args.run(),
        }
    }
}

/// The version, and what it can run on.
fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let backends = words::or_none(kiln::core::backend::available());
        format!("{}\nbackends: {backends}", env!("CARGO_PKG_VERSION"))
    });
    &TEXT
}

fn main() -> ExitCode {
    kiln::ops::keep_freed_memory();
    failure::quiet_panics();
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => {
            // Whoever closed the pipe has seen enough.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    match failure::catch(|| command.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            failure::report(&error);
            ExitCode::FAILURE
        }
    }
}
