//! `kiln check`: is a file whole and does its program mean something?

use std::{fs, path::PathBuf};

use anyhow::{Context as _, anyhow};
use kiln::ir::{self, Invalid, Model, NativeError};

use crate::{
    failure::WithHint as _,
    output::{Spinner, print},
    words,
};

/// Verify all checksums of a .kiln file and validate its program
///
/// Says `ok`, or what is wrong and ends with exit code 1. A .kir file, the text form of a program,
/// is parsed and validated.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kiln check gcn.kiln
  kiln check gcn.kir")]
pub(crate) struct Args {
    /// A .kiln or .kir file
    file: PathBuf,
}

impl Args {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let name = self.file.display();
        let spinner = Spinner::start(format!("checking {name}"));
        let summary = if self
            .file
            .extension()
            .is_some_and(|extension| extension == "kir")
        {
            let text =
                fs::read_to_string(&self.file).with_context(|| format!("cannot read {name}"))?;
            let program = ir::parse(&text).with_context(|| format!("{name} is no program"))?;
            let program = ir::validate(program)
                .map_err(|invalid| listed(&invalid))
                .with_context(|| format!("{name} is not valid"))?;
            words::count(program.functions.len(), "function")
        } else {
            // Says in the words of the operating system whether the file can be read at all.
            fs::File::open(&self.file).with_context(|| format!("cannot read {name}"))?;
            Model::check(&self.file)
                .map_err(explained)
                .with_context(|| format!("{name} is not a good .kiln file"))
                .hint(
                    "a damaged file cannot be repaired: copy it again, \
                     or make it again with `kiln export`",
                )?;
            let model = Model::load(&self.file)?;
            let functions = words::count(model.program.functions.len(), "function");
            let weights = words::count(model.weights.len(), "weight");
            format!("{functions}, {weights}, checksums match")
        };
        drop(spinner);
        print(&format!("{name}: ok ({summary})\n"))
    }
}

/// An error that lists every broken invariant on a line of its own.
fn explained(error: NativeError) -> anyhow::Error {
    match error {
        NativeError::Invalid(invalid) => listed(&invalid).context("the program is not valid"),
        other => other.into(),
    }
}

fn listed(Invalid(diagnostics): &Invalid) -> anyhow::Error {
    let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    anyhow!("{}", lines.join("\n"))
}
