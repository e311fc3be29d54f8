//! What the training examples share: a progress bar, and the last step of all of them.
//!
//! That step *fires* the trained model. It is written in both formats, the native file is loaded
//! again as a stranger would load it, and what the stranger computes is compared with what the
//! trained model computes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use kiln::prelude::*;

/// The largest difference between a recorded model and the trained one that is only rounding,
/// relative to the largest output.
const TOLERANCE: f32 = 1e-4;

/// A progress bar on stderr with room for a message; silent where stderr is no terminal.
pub(crate) fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed:>4} [{bar:32}] {pos:>4}/{len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps as u64).with_style(style.progress_chars("=> "))
}

/// Where the files of a model went, and how far its native file is from the model.
#[derive(Debug)]
pub(crate) struct Fired {
    /// The native file.
    pub(crate) native: PathBuf,
    /// The TorchScript archive.
    pub(crate) torchscript: PathBuf,
    /// Largest difference of an output, relative to the largest output.
    pub(crate) difference: f32,
}

/// Writes `model` as `name.kiln` and `name.pt` below `folder`, loads the native file into a session
/// on `device`, runs its `forward` on `inputs`, and compares the result with `expected`.
///
/// # Errors
/// If a file cannot be written or read, or the result is not the expected one.
pub(crate) fn fire<const D: usize>(
    model: &Model,
    folder: &Path,
    name: &str,
    inputs: BTreeMap<String, AnyTensor>,
    expected: Tensor<D>,
    device: &Device,
) -> Result<Fired> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let native = folder.join(name).with_extension("kiln");
    let torchscript = folder.join(name).with_extension("pt");
    model.save(&native)?;
    model.save_torchscript(&torchscript)?;

    let session = Session::new(&Model::load(&native)?, device)?;
    let mut results = session.run("forward", inputs)?;
    let (_, output) = results.pop().context("`forward` has no result")?;
    let largest = expected.clone().abs().max().into_scalar::<f32>();
    let difference = (output.float::<D>() - expected)
        .abs()
        .max()
        .into_scalar::<f32>()
        / largest;
    ensure!(
        difference <= TOLERANCE,
        "the loaded model is off by {difference:.1e}, expected at most {TOLERANCE:.0e}"
    );
    Ok(Fired {
        native,
        torchscript,
        difference,
    })
}
