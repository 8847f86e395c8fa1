//! Answers of name servers to DNS checks.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actors::probe::fuzzing::dns_answer(bytes));
