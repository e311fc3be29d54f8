//! Dataset readers.
//!
//! | function | reads |
//! |---|---|
//! | [`karate_club`] | Zachary's karate club, which is built in |
//! | [`read_safetensors`] | one graph from one safetensors file; [`write_safetensors`] writes it |
//! | [`read_tu`] | many graphs from a folder of the TU collection (MUTAG, PROTEINS, ..) |
//!
//! Files may be hostile. A reader checks every number it reads against what it stands for before it
//! uses it, allocates no more than the file's length justifies, and says what is wrong in a
//! [`ReadError`]: the file, the line or the tensor, what was expected and what is there.

mod error;
mod karate;
mod safetensors;
mod tu;

pub use self::error::{Place, ReadError, ReadErrorKind, WriteError};
pub use self::karate::karate_club;
pub use self::safetensors::{read_safetensors, write_safetensors};
pub use self::tu::{TuDataset, read_tu};
