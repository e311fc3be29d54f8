//! Fuzzes that loops of valid programs compute what their steps do one by one.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { kiln_ir_properties::loops(bytes); });
