//! Tests of the layers as their users see them.
//!
//! Run on another backend by its name: `KILN_TEST_BACKEND=vulkan cargo test -p kiln-nn --features
//! vulkan`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod archive;
mod beside_cpu;
mod build;
mod custom_layer;
mod fixture;
mod nonfinite;
mod outcome;
mod parity;
mod state_dict;
mod training;

use burn::tensor::Device;

/// The device that the tests run on.
fn device() -> Device {
    kiln_core::backend::device(&backend()).unwrap()
}

/// Its name.
fn backend() -> String {
    std::env::var("KILN_TEST_BACKEND").unwrap_or_else(|_| "flex".to_owned())
}
