//! Stored records of every kind.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| raft::fuzzing::record(bytes));
