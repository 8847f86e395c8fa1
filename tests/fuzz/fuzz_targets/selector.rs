//! Label selectors, as clients and configurations give them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| model::fuzzing::selector(bytes));
