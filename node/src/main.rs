//! The node and the command line, in one binary.

mod cli;
mod config;
mod run;
mod telemetry;

#[cfg(feature = "chaos")]
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Two providers can be compiled in; only a process can say which one is meant. An error
    // means that one is installed, which is what is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    #[cfg(feature = "chaos")]
    if let Err(problem) = raft::chaos::arm(&std::env::var("FAILPOINTS").unwrap_or_default()) {
        let _ = writeln!(std::io::stderr(), "FAILPOINTS: {problem}");
        return ExitCode::from(2);
    }
    cli::execute(cli::args::Cli::parse())
}
