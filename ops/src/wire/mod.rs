//! The operations as data: how they are written down while a forward pass is recorded, and read
//! back by whoever executes or exports the recording.
//!
//! Burn records an extension's operation as a
//! [`CustomOpIr`](burn::backend::ir::CustomOpIr): a name, input and output tensors
//! (identity, shape, type) and scalars. Here are those records in typed form, in two tables, each
//! with a row per operation:
//!
//! | table | what is in it |
//! |---|---|
//! | [`GraphOp`] | operations that recordings hold, on plain lists of edges |
//! | `EagerOp` | operations that only run: along sorted edges, and linear maps |
//!
//! One definition serves four users: recording and lazy fusion describe an operation, replay
//! executes it, and readers of a recorded graph [`decode`](GraphOp::decode) it.
//!
//! Sizes are unsigned scalars, a reduction is its [`Reduce::code`](crate::Reduce::code),
//! probabilities, slopes and weights are floats, and truth is 1 or 0. An attribute that may be
//! absent is two scalars: whether there is one, and its value. The types of outputs are those in
//! the record's output tensors.

pub(crate) mod eager;
mod execute;
pub(crate) mod record;
mod recorded;
#[cfg(all(test, feature = "flex"))]
mod replay;
pub(crate) mod run;
pub(crate) mod table;

pub use recorded::GraphOp;
pub use table::OpDecodeError;
