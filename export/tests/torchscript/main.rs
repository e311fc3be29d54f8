//! Tests of the TorchScript writer that need no PyTorch, and the archives for those that do.
//!
//! `cargo test -p kiln-export` writes every model of this folder, with inputs and expected results
//! computed here, to a temporary folder, or to `KILN_TORCH_OUT` if that is set. `torch/run.sh`
//! checks such a folder with real PyTorch.

#![expect(
    clippy::unwrap_used,
    reason = "a test that fails here should panic here"
)]

mod archive;
mod binding;
mod builder;
mod cases;
mod expectation;
mod models;
mod operations;
mod recorded;
mod recurrent;
mod snapshots;
