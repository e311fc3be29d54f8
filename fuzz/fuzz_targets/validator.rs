//! Fuzzes the validator, and that passes keep programs valid.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kiln_ir_properties::validator(bytes));
