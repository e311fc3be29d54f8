//! Fuzzes the reader of `.kiln` files.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kiln_ir_properties::native(bytes));
