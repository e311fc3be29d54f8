//! Fuzzes that passes change no results of valid programs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { kiln_ir_properties::passes(bytes); });
