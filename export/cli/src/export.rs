//! `kiln export`: a model and its checkpoint become a recorded program.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use kiln::{
    core::backend,
    export::SaveTorchScript as _,
    ir::{Model, Recorder},
    nn::{
        Overloads as _, build,
        store::{self, StateDictError},
    },
};
use serde::Deserialize;

use crate::{
    failure::WithHint as _,
    output::{Spinner, Staged, message},
    words,
};

/// Make a .kiln file, a TorchScript archive or both from a checkpoint of PyTorch Geometric
///
/// The architecture is a TOML file: the name of a layer or model as in PyTorch Geometric, such as
/// GATConv or GraphSAGE, and the arguments of its constructor under their names there; a wrong name
/// is answered with all that there are. The weights are a state_dict, as torch.save or
/// safetensors.torch.save_file write it; its tensors must be exactly those of the model.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kiln export --arch gcn.toml --weights gcn.pt -o gcn.kiln
  kiln export --arch gat.toml --weights gat.safetensors -o gat.kiln --torchscript gat.pt

gcn.toml:
  model = \"GCN\"

  [args]
  in_channels = 1433
  hidden_channels = 16
  num_layers = 2
  out_channels = 7

a network of one's own:
  model = \"Sequential\"

  [args]
  input_args = \"x, edge_index, batch\"
  modules = [
    [{ class = \"SAGEConv\", in_channels = 7, out_channels = 32 }, \"x, edge_index -> x\"],
    \"ReLU\",
    [\"global_mean_pool\", \"x, batch -> x\"],
    { class = \"Linear\", in_features = 32, out_features = 2 },
  ]

\"None\" is an absent value. In GINConv, `nn` is a list of widths: linear layers with ReLU between them.")]
pub(crate) struct Args {
    /// Architecture: a TOML file with `model` and a table `[args]`
    #[arg(long, value_name = "TOML")]
    arch: PathBuf,

    /// Weights: a state_dict as .pt, .pth or .safetensors
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    /// Where to write the native file
    #[arg(
        short,
        long,
        value_name = "KILN",
        required_unless_present = "torchscript"
    )]
    output: Option<PathBuf>,

    /// Where to write a TorchScript archive
    #[arg(long, value_name = "PT")]
    torchscript: Option<PathBuf>,
}

/// What the TOML file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arch {
    model: String,
    #[serde(default)]
    args: toml::Table,
}

impl Args {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if self.output.is_some() && self.output == self.torchscript {
            return Err(anyhow!("both files would be written to one place"))
                .hint("give --output and --torchscript different names");
        }
        // A path that cannot be written is found before the work is done.
        let native = self.output.as_deref().map(Staged::new).transpose()?;
        let archive = self.torchscript.as_deref().map(Staged::new).transpose()?;

        let model = record(&self.arch, &self.weights)?;
        let spinner = Spinner::start("writing");
        if let Some(native) = &native {
            model
                .save(native.temporary())
                .context("cannot write the native file")?;
        }
        if let Some(archive) = &archive {
            model
                .save_torchscript(archive.temporary())
                .context("cannot write the TorchScript archive")?;
        }
        drop(spinner);
        for (file, path) in [(native, self.output), (archive, self.torchscript)] {
            if let (Some(file), Some(path)) = (file, path) {
                let size = file.commit()?;
                message(&format!(
                    "wrote {} ({})",
                    path.display(),
                    words::bytes(size)
                ));
            }
        }
        Ok(())
    }
}

/// Builds the model, fills in its weights and records it.
fn record(arch: &Path, weights: &Path) -> anyhow::Result<Model> {
    let name = arch.display();
    let text = fs::read_to_string(arch).with_context(|| format!("cannot read {name}"))?;
    let arch: Arch = toml::from_str(&text)
        .with_context(|| format!("{name} is not an architecture"))
        .hint("it has `model = \"GCN\"` and a table `[args]`; see `kiln export --help`")?;
    let backend = backend::available()
        .first()
        .ok_or_else(|| anyhow!("this build of kiln has no backend"))
        .hint("build it with one, such as `--features flex`")?;
    let device = backend::device(backend)?;
    let model = build::from_args(&arch.model, &arch.args, &device)
        .with_context(|| format!("{name} describes no model that kiln knows"))
        .hint("names and arguments are those of torch_geometric.nn")?;

    let file = weights.display();
    // Says in the words of the operating system what readers say in theirs.
    fs::File::open(weights).with_context(|| format!("cannot read {file}"))?;
    let spinner = Spinner::start(format!("reading {file}"));
    let model = store::load_state_dict(model, weights)
        .or_else(|error| {
            let hint = hint(&error);
            let failed = Err(error.into());
            match hint {
                Some(hint) => failed.hint(hint),
                None => failed,
            }
        })
        .with_context(|| format!("cannot load {file} into {}", arch.model))?;
    drop(spinner);

    let _spinner = Spinner::start(format!("recording {}", model.kind()));
    Recorder::new(&model)
        .overloads()
        .finish()
        .with_context(|| format!("cannot record {}", arch.model))
}

fn hint(error: &StateDictError) -> Option<&'static str> {
    match error {
        StateDictError::Mismatch { .. } => {
            Some("the arguments in the TOML file must be those of the model that was saved")
        }
        StateDictError::Read { .. } => Some(
            "save the state_dict alone: torch.save(model.state_dict(), path), \
             or safetensors.torch.save_file(model.state_dict(), path)",
        ),
        _ => None,
    }
}
