//! Every operation against plain loops, its gradient against finite differences, its recording
//! against its eager result.
//!
//! The same tests run on any compiled-in backend: `KILN_TEST_BACKEND=vulkan` and so on; `flex` if
//! unset. On GPUs floats are `f32`, so tolerances are wider there.

#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

mod absence;
mod attention;
mod batch_norm;
mod empty;
mod forward;
mod gradient;
mod graph;
mod indices;
mod linear;
mod lists;
mod property;
mod recording;
mod reference;
mod scan;
mod sorted;
mod support;
