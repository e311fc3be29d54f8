//! What is wrong with a text, and where.

/// Why a text is not a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct ParseError {
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// What.
    pub kind: ParseErrorKind,
}

/// The ways in which a text can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Something else than what can stand here.
    #[error("expected {expected}, got {got}")]
    Expected {
        /// What can stand here.
        expected: String,
        /// What stands here.
        got: String,
    },
    /// A character that starts nothing.
    #[error("unexpected character {0:?}")]
    Character(char),
    /// A string without an end, or with an unknown escape.
    #[error("expected a string that ends on its line and escapes only \\\" \\\\ \\u{{..}}")]
    Text,
    /// A number that does not fit.
    #[error("{0} does not fit into 64 bits")]
    Number(String),
    /// The text form has another version.
    #[error(
        "the text has version {got}, and only version {known} is known; a newer Kiln may read it"
    )]
    Version {
        /// Version of the text.
        got: u64,
        /// Version that this library reads.
        known: u64,
    },
    /// A name that nothing has.
    #[error("there is no {what} named \"{name}\"")]
    Unknown {
        /// Kind of the thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Definitions of values are not numbered in order.
    #[error("expected the definition of %{expected}, got %{got}")]
    ValueNumber {
        /// Next number.
        expected: usize,
        /// Number found.
        got: u32,
    },
    /// Types nest too deep.
    #[error("types nest deeper than {limit} levels")]
    Depth {
        /// Largest permitted depth.
        limit: usize,
    },
    /// A size with too many terms, or coefficients beyond 64 bits.
    #[error("the size is too large or too complex")]
    Size,
}
