//! Cursors, as clients give them back.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| model::fuzzing::cursor(bytes));
