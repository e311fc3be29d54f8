//! Tests of the crate through its public interface: programs in `tests/files`, and files on disk.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod exec;
mod files;
mod integers;
mod limits;
mod lower;
mod native;
mod operands;
mod operations;
mod parameters;
mod pass;
mod precision;
mod prepared;
mod properties;
mod record;
mod round_trip;
mod scan;
mod support;
mod version_1;
mod version_2;
mod version_3;
