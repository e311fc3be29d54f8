//! Tests of the crate through its public interface: programs in `tests/files`, and files on disk.

mod files;
mod native;
mod pass;
mod round_trip;
