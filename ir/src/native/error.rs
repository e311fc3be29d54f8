//! What can be wrong with a `.kiln` file.

use std::io;

use safetensors::SafeTensorError;

use crate::{
    op::{NamedError, attribute::Kind},
    validate::Invalid,
    weights::WeightsError,
};

/// Why a `.kiln` file was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// The operating system refused.
    #[error("cannot {action} the file")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Container(#[from] SafeTensorError),
    /// A name stands twice in the header.
    #[error("\"{name}\" stands twice in the header")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A safetensors file of another kind.
    #[error(
        "a safetensors file, but not of Kiln: expected metadata \"format\" of \"kiln\", got {got:?}"
    )]
    NotKiln {
        /// The value found.
        got: Option<String>,
    },
    /// A value of the metadata is absent or malformed.
    #[error("expected {expected} as metadata \"{key}\", got {got:?}")]
    Metadata {
        /// The key.
        key: String,
        /// What it can be.
        expected: &'static str,
        /// The value found.
        got: Option<String>,
    },
    /// The file has a format of the future.
    #[error(
        "the file has version {got}, and only versions up to {known} are known; a newer Kiln reads it"
    )]
    Newer {
        /// Version of the file.
        got: u32,
        /// Newest version that this library reads.
        known: u32,
    },
    /// The program is absent.
    #[error("there is no tensor \"kiln.program\"")]
    NoProgram,
    /// The program is not a vector of bytes.
    #[error("expected \"kiln.program\" as U8 with one axis, got {got}")]
    ProgramType {
        /// Type of the tensor.
        got: String,
    },
    /// The program is too long.
    #[error("the program has {bytes} bytes, and at most {limit} are permitted")]
    ProgramSize {
        /// Its length.
        bytes: usize,
        /// Greatest length.
        limit: usize,
    },
    /// The bytes of a tensor are not those that were written.
    #[error("\"{tensor}\" is damaged: expected CRC-32 {expected}, got {got}")]
    Checksum {
        /// The tensor.
        tensor: String,
        /// Checksum in the metadata.
        expected: String,
        /// Checksum of the bytes.
        got: String,
    },
    /// The program cannot be decoded.
    #[error("the program cannot be decoded: {0}")]
    Decode(#[from] bincode::error::DecodeError),
    /// The program cannot be encoded.
    #[error("the program cannot be encoded: {0}")]
    Encode(#[from] bincode::error::EncodeError),
    /// A part of the program cannot be what it says.
    #[error("{place} of the program: {problem}")]
    Malformed {
        /// The part, such as `function 2, node 17`.
        place: String,
        /// What is wrong with it.
        #[source]
        problem: Malformed,
    },
    /// The program has operations or attributes of the future.
    #[error("the program needs {}, which this version lacks; a newer Kiln reads it", .names.join(", "))]
    Requirements {
        /// Their names: `operation` or `operation.attribute`.
        names: Vec<String>,
    },
    /// Bytes follow the program.
    #[error("{bytes} bytes follow the program")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The program is not valid.
    #[error("the program is not valid")]
    Invalid(#[from] Invalid),
    /// A tensor has a type that no weight has.
    #[error("\"{tensor}\" has type {got}, which no weight has")]
    WeightType {
        /// The tensor.
        tensor: String,
        /// Its type.
        got: String,
    },
    /// The weights do not fit the program.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// What is wrong with a part of a program in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A table does not have what is referred to.
    #[error("there is no {what} {number}; there are {count}")]
    Reference {
        /// What is referred to.
        what: &'static str,
        /// Its number.
        number: u32,
        /// Length of the table.
        count: usize,
    },
    /// A word is none of those that can stand there.
    #[error("expected {expected} as {what}, got {got:?}")]
    Word {
        /// What it says.
        what: &'static str,
        /// The words that can.
        expected: Kind,
        /// The word.
        got: String,
    },
    /// A type or a size nests too deep.
    #[error("{what} nests more than {limit} deep")]
    Nesting {
        /// Which of them.
        what: &'static str,
        /// Greatest depth.
        limit: usize,
    },
    /// The list of the parts of a type is not that of a type.
    #[error("a type {0}")]
    Type(&'static str),
    /// Names and sizes are used so often that the program would not fit memory.
    #[error("names and sizes have {parts} parts in all, and at most {limit} are permitted")]
    Parts {
        /// Their parts, each as often as it is used.
        parts: usize,
        /// Greatest number.
        limit: usize,
    },
    /// There is no such operation.
    #[error(transparent)]
    Operation(#[from] NamedError),
}
