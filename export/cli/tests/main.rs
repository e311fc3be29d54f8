//! The `kiln` command as a user meets it: the real binary, on files in a folder of its own.
//!
//! `golden.rs` follows checkpoints of PyTorch Geometric from `export` to `run` and compares the
//! results with PyG's. `help.rs` holds what `--help` says. `bad_input.rs` gives wrong files and
//! arguments; each must end with the right exit code and message and leave no file behind.
//! `parameters.rs` sets parameters that are no tensors.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

#[path = "suite/bad_input.rs"]
mod bad_input;
#[path = "suite/golden.rs"]
mod golden;
#[path = "suite/help.rs"]
mod help;
#[path = "suite/parameters.rs"]
mod parameters;
#[path = "suite/support.rs"]
mod support;
