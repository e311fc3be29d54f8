//! Writes Kiln programs in the formats of other tools.
//!
//! [`torchscript`] turns a recorded [`Model`](kiln_ir::Model) into an archive that PyTorch loads
//! from Python and from C++, without Kiln. Kiln's own format is in `kiln-ir`.

#![forbid(unsafe_code)]

pub mod torchscript;

use std::path::Path;

use kiln_ir::Model;

/// Saves a model for PyTorch: adds `model.save_torchscript("net.pt")` to [`Model`].
pub trait SaveTorchScript {
    /// Writes a TorchScript archive; the same as [`torchscript::write`].
    ///
    /// # Errors
    /// If TorchScript cannot express the program, or the file cannot be written. Then nothing is
    /// left at `path`.
    fn save_torchscript(&self, path: impl AsRef<Path>) -> Result<(), torchscript::Error>;
}

impl SaveTorchScript for Model {
    fn save_torchscript(&self, path: impl AsRef<Path>) -> Result<(), torchscript::Error> {
        torchscript::write(self, path)
    }
}
