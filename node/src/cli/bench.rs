//! `bellwether bench`: what this disk and this machine make of durable writes.
//!
//! Everything happens in a directory of its own, which goes when the command ends, by Ctrl-C, too.

mod disk;
mod scratch;
mod told;
mod writes;

use std::path::PathBuf;

use clap::Args;

use super::{
    error::{CliError, Verdict},
    output::{Output, note},
};
use scratch::Scratch;

/// `bellwether bench`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    bellwether bench                              the disk of this directory\n  \
    bellwether bench --dir /var/lib -o json       another one, for programs\n\n\
    Takes about 15 seconds. Writes to a directory of its own and removes it.")]
pub(crate) struct BenchArgs {
    /// Where to write: a directory on the disk that a node's data would be on
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    dir: PathBuf,
    /// Over how many shards to write
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    shards: u32,
}

/// Measures, and says what it means.
pub(super) fn run(args: &BenchArgs, output: &Output) -> Result<Verdict, CliError> {
    let failed = |e: std::io::Error| CliError::Failed(format!("cannot start: {e}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let scratch = Scratch::new(&args.dir)?;
    let measured = runtime.map_err(failed)?.block_on(Box::pin(async {
        tokio::select! {
            measured = measure(&scratch, args.shards) => measured,
            _ = tokio::signal::ctrl_c() => Err(CliError::Failed("interrupted".to_owned())),
        }
    }))?;
    output.show(
        &told::json(args, &measured),
        |_| Vec::new(),
        |o| told::text(o, args, &measured),
    )?;
    Ok(Verdict::Good)
}

/// What was measured.
struct Measured {
    disk: disk::Latency,
    writes: Vec<writes::Load>,
}

async fn measure(scratch: &Scratch, shards: u32) -> Result<Measured, CliError> {
    note("measuring fdatasync");
    let disk = disk::measure(scratch.path()).await?;
    let node = writes::Node::open(scratch.path(), shards).await?;
    let mut writes = Vec::new();
    for clients in [1, 64, 1_000] {
        note(&format!("measuring durable writes of {clients} clients over {shards} shards"));
        writes.push(node.measure(clients).await?);
    }
    node.close().await;
    Ok(Measured { disk, writes })
}
