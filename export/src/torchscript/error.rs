//! What can go wrong when a program is written as a TorchScript archive.

use std::{io, path::PathBuf};

use kiln_ir::{ElemType, pass::PassError};

/// A model that could not be written as a TorchScript archive. Nothing is left at the target path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be created, written or moved into place.
    #[error("cannot write {path}")]
    Io {
        /// Path of the archive.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The zip container could not be written.
    #[error("cannot write archive entry {entry}")]
    Archive {
        /// Name of the entry, below the root folder.
        entry: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The values of a weight are missing.
    #[error("weight {name} has no values")]
    MissingWeight {
        /// Its `state_dict` key.
        name: String,
    },
    /// The values of a weight do not have the length that its type demands.
    #[error("weight {name} of type {elem} and shape {shape:?} has {got} bytes of values")]
    WeightLength {
        /// Its `state_dict` key.
        name: String,
        /// Element type.
        elem: ElemType,
        /// Sizes of the axes.
        shape: Vec<u64>,
        /// Bytes found.
        got: usize,
    },
    /// A function uses a weight or calls a function of a module that is not below its own.
    #[error("{place}: {what} is not inside the module {module:?}")]
    OutsideModule {
        /// Module and function.
        place: String,
        /// The weight or function.
        what: String,
        /// Path of the function's module; empty for the root.
        module: String,
    },
    /// Nothing shows the value of a symbolic size.
    #[error("{place}: no input shows the value of ${symbol}")]
    UnknownSymbol {
        /// Module and method.
        place: String,
        /// Name of the symbol.
        symbol: String,
    },
    /// A member of a module has a name that an archive cannot give it.
    #[error("module {module:?}: {what} cannot be called {name:?}, a name that {by} has")]
    Name {
        /// Path of the module; empty for the root.
        module: String,
        /// What the member is: a weight, a child or a method.
        what: &'static str,
        /// Its name.
        name: String,
        /// What has the name: PyTorch, or another member.
        by: &'static str,
    },
    /// An operation has operands for which TorchScript has no form.
    #[error("{place}: TorchScript has no form of {what}")]
    Unsupported {
        /// Module and function.
        place: String,
        /// Operation and operands.
        what: String,
    },
    /// Operations could not be put in parts: a mistake in the pass that does so.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The program is not well formed; a validated program never is.
    #[error("{place}: malformed program: {what}")]
    Malformed {
        /// Module and function or method.
        place: String,
        /// What is wrong.
        what: String,
    },
}
