#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| roadstead_registry::fuzzing::tls(bytes));
