//! What is wrong with a file, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use safetensors::SafeTensorError;
use thiserror::Error;

use crate::GraphError;

/// A file that cannot be read as a graph.
///
/// Its message has the file, the place in it and the [kind](ReadErrorKind):
/// `MUTAG_A.txt, line 3: expected two node numbers, got "2, x"`.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    place: Place,
    kind: ReadErrorKind,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of a text file, counted from 1.
    Line(usize),
    /// A tensor of a safetensors file.
    Tensor(String),
}

/// What is wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// The operating system does not give the file.
    #[error("cannot read it")]
    Io(#[source] std::io::Error),
    /// The file has no content.
    #[error("the file is empty")]
    Empty,
    /// It is no safetensors file, or a damaged one.
    #[error("not a valid safetensors file")]
    Safetensors(#[source] SafeTensorError),
    /// A tensor that every graph has is not there.
    #[error("no such tensor; the file has {}", if .found.is_empty() { "none" } else { .found })]
    MissingTensor {
        /// Names of those that are there.
        found: String,
    },
    /// Something else than its place asks for.
    #[error("expected {expected}, got {got}")]
    Mismatch {
        /// What belongs there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// The parts are readable but do not make a graph.
    #[error(transparent)]
    Graph(GraphError),
}

impl ReadError {
    pub(crate) fn new(path: &Path, place: Place, kind: ReadErrorKind) -> Self {
        Self {
            path: path.to_owned(),
            place,
            kind,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The place in the file.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong there.
    pub fn kind(&self) -> &ReadErrorKind {
        &self.kind
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match &self.place {
            Place::File => {}
            Place::Line(line) => write!(f, ", line {line}")?,
            Place::Tensor(name) => write!(f, ", tensor `{name}`")?,
        }
        write!(f, ": {}", self.kind)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

/// A graph that could not be written to a file.
#[derive(Debug, Error)]
#[error("{}: cannot write the graph", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: SafeTensorError,
}

/// Shortens text from a file for a message, so that a hostile file cannot flood a terminal.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST_CHARS: usize = 40;
    if text.chars().count() <= LONGEST_CHARS {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST_CHARS).collect();
    format!("{start:?}..")
}

/// The same for a list of names.
pub(crate) fn quote_all(names: &[&str]) -> String {
    const MOST: usize = 20;
    let mut list: Vec<String> = names.iter().take(MOST).map(|name| quote(name)).collect();
    if names.len() > MOST {
        list.push(format!("and {} more", names.len().saturating_sub(MOST)));
    }
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_shortened() {
        assert_eq!(quote("a\u{1b}b"), "\"a\\u{1b}b\"");
        assert!(quote(&"x".repeat(1000)).len() < 60);
    }
}
