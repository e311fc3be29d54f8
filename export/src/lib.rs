//! Writes Kiln programs in the formats of other tools.
//!
//! [`torchscript`] turns a recorded [`Model`] into an archive that PyTorch loads from Python and
//! from C++, without Kiln. Kiln's own format is in `kiln-ir`.

#![forbid(unsafe_code)]

pub mod torchscript;

use std::path::Path;

use kiln_ir::Model;

/// Writing a model as a TorchScript archive, as a method of the model.
///
/// ```no_run
/// use kiln_export::SaveTorchScript as _;
///
/// let model = kiln_ir::Model::load("net.kiln")?;
/// model.save_torchscript("net.pt")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait SaveTorchScript {
    /// Writes the model to a file that `torch.jit.load` and `torch::jit::load` open.
    ///
    /// # Errors
    /// As [`torchscript::write`].
    fn save_torchscript(&self, path: impl AsRef<Path>) -> Result<(), torchscript::Error>;
}

impl SaveTorchScript for Model {
    fn save_torchscript(&self, path: impl AsRef<Path>) -> Result<(), torchscript::Error> {
        torchscript::write(self, path)
    }
}
