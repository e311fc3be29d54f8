//! Every forward variant of every layer, recorded and run in each way that there is, against what
//! real PyG computed.
//!
//! Another backend by its name: `KILN_TEST_BACKEND=vulkan cargo test --test conformance --features
//! vulkan`. Real PyTorch: see `torchscript.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod autoencoder;
mod call;
mod case;
mod cheat_sheet;
mod execute;
#[path = "../../nn/tests/fixture.rs"]
mod fixture;
mod foreign;
mod invariance;
#[path = "../../nn/tests/outcome.rs"]
mod outcome;
mod runtime;
mod sizes;
mod torchscript;
