//! Answers of the targets of HTTP checks.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actors::probe::fuzzing::http_answer(bytes));
