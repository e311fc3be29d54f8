//! Fuzzes the executor with valid programs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { kiln_ir_properties::executor(bytes); });
