//! Tests of the crate through its public interface: programs in `tests/files`, and files on disk.

mod exec;
mod files;
mod native;
mod pass;
mod round_trip;
