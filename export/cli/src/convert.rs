//! `kiln convert`: a native file becomes another format.

use std::path::PathBuf;

use anyhow::Context as _;
use kiln::{export::SaveTorchScript as _, ir};

use crate::{
    failure::WithHint as _,
    inspect::load,
    output::{Spinner, Staged, message},
    words,
};

/// Convert a .kiln file to a TorchScript archive (.pt) or to text (.kir)
///
/// The extension of the output says what it becomes: .pt or .pth is a TorchScript archive for
/// torch.jit.load and torch::jit::load, .kir the program as text without its weights, .kiln the
/// native format again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kiln convert gcn.kiln gcn.pt
  kiln convert gcn.kiln gcn.kir

In Python: torch.jit.load(\"gcn.pt\")(x, edge_index)")]
pub(crate) struct Args {
    /// A .kiln file
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// What to write: .pt, .pth, .kir or .kiln
    #[arg(value_name = "OUT", value_parser = output)]
    output: (PathBuf, Format),
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Native,
    TorchScript,
    Text,
}

fn output(path: &str) -> Result<(PathBuf, Format), String> {
    let path = PathBuf::from(path);
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("pt" | "pth") => Format::TorchScript,
        Some("kir") => Format::Text,
        Some("kiln") => Format::Native,
        _ => return Err("expected a name that ends in .pt, .pth, .kir or .kiln".to_owned()),
    };
    Ok((path, format))
}

impl Args {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (path, format) = self.output;
        let file = Staged::new(&path)?;
        let model = load(&self.input)?;
        let spinner = Spinner::start(format!("writing {}", path.display()));
        match format {
            Format::Native => model
                .save(file.temporary())
                .context("cannot write the file")?,
            Format::TorchScript => model
                .save_torchscript(file.temporary())
                .context("cannot write the TorchScript archive")
                .hint("`kiln check` says whether the input is whole")?,
            Format::Text => std::fs::write(file.temporary(), ir::print(&model.program))
                .context("cannot write the text")?,
        }
        drop(spinner);
        let size = file.commit()?;
        message(&format!(
            "wrote {} ({})",
            path.display(),
            words::bytes(size)
        ));
        Ok(())
    }
}
