//! Configuration files.
//!
//! The node is a program without a library: what reads configurations is compiled in here,
//! under the names that it has there.

#![no_main]
#![allow(dead_code, unused_imports, reason = "most of it serves the node")]

#[path = "../../../node/src"]
mod node {
    pub(crate) mod config;
    pub(crate) mod cli {
        pub(crate) mod yaml;
    }
}

use node::{cli, config};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| config::fuzzing::document(bytes));
