//! A program with its weights: what is saved, loaded, executed and exported.

use std::path::Path;

use crate::{
    native::{self, NativeError},
    validate::Valid,
    weights::{Weights, WeightsError},
};

/// A valid program and the values of the weights that it declares.
///
/// ```no_run
/// use kiln_ir::Model;
///
/// let model = Model::load("net.kiln")?;
/// println!("{}", kiln_ir::print(&model.program));
/// # Ok::<(), kiln_ir::NativeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Model {
    /// The program.
    pub program: Valid,
    /// Its weights, and no others.
    pub weights: Weights,
}

impl Model {
    /// Joins a program and its weights.
    ///
    /// # Errors
    /// If a weight is missing, of another type, or unknown to the program.
    pub fn new(program: Valid, weights: Weights) -> Result<Self, WeightsError> {
        weights.fit(&program)?;
        Ok(Self { program, weights })
    }

    /// Reads a `.kiln` file. The file is mapped: weights are read when they are first used, so the
    /// file must not change while the model lives. [`save`](Self::save) replaces files and does not
    /// change them.
    ///
    /// # Errors
    /// If the file cannot be read, is not of this format or version, or its program is damaged or
    /// invalid, or does not fit the weights. Values of weights are not looked at; see
    /// [`check`](Self::check).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, NativeError> {
        native::read(path.as_ref())
    }

    /// Writes a `.kiln` file. Equal models give equal bytes. The file appears as a whole: it is
    /// written beside its place and then moved there.
    ///
    /// # Errors
    /// If the file cannot be written, or the program is larger than the format permits.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), NativeError> {
        native::write(self, path.as_ref())
    }

    /// Reads a `.kiln` file with all weights and verifies every checksum.
    ///
    /// # Errors
    /// As [`load`](Self::load), and if the values of a weight are damaged.
    pub fn check(path: impl AsRef<Path>) -> Result<(), NativeError> {
        native::check(path.as_ref())
    }

    /// The bytes of a `.kiln` file.
    ///
    /// # Errors
    /// If the program is larger than the format permits.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NativeError> {
        native::to_bytes(self)
    }

    /// The model in the bytes of a `.kiln` file; all checksums are verified.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NativeError> {
        native::from_bytes(bytes)
    }
}
