//! Fuzzes the parser of the text form.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kiln_ir_properties::text(bytes));
